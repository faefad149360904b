_igpt_flow() {
    # The words up to the cursor. Bash splits them at `:` and `=` as well: what no space separates is joined.
    local line=${COMP_LINE:0:COMP_POINT} words=() word next i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        next=${line#"${line%%[![:space:]]*}"}
        if [[ $next != "$word"* ]]; then word=$next; fi
        if [[ ${#words[@]} -gt 0 && -n $word && $next == "$line" ]]; then
            words[${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        line=${next#"$word"}
    done
    local current=${words[${#words[@]}-1]} reply
    COMPREPLY=()
    while IFS= read -r reply; do
        COMPREPLY+=("$reply")
    done < <(VARIABLE=bash COMPLETER -- "${words[@]}" 2>/dev/null)
    # Bash replaces what stands after the last of its own separators only.
    local separators=
    if [[ $COMP_WORDBREAKS == *:* ]]; then separators+=:; fi
    if [[ $COMP_WORDBREAKS == *=* ]]; then separators+==; fi
    if [[ -n $separators && $current == *["$separators"]* ]]; then
        local kept=${current%"${current##*["$separators"]}"}
        COMPREPLY=("${COMPREPLY[@]#"$kept"}")
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:] ]]; then compopt -o nospace 2>/dev/null; fi
}
if [[ ${BASH_VERSINFO[0]} -gt 4 || ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 ]]; then
    complete -o bashdefault -o nosort -F _igpt_flow COMMAND
else
    complete -o bashdefault -F _igpt_flow COMMAND
fi
