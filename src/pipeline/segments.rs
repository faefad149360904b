//! The grammar of interpolation: where names stand in a string.

/// One part of a string.
#[derive(Debug, PartialEq)]
pub(super) enum Segment<'a> {
    /// What stands for itself.
    Text(&'a str),
    /// What stands between `${` and `}`.
    Name(&'a str),
}

/// The first name that a string interpolates, if it does.
pub(crate) fn first_name(text: &str) -> Option<&str> {
    if !text.contains("${") {
        return None;
    }
    split(text).ok()?.into_iter().find_map(|segment| match segment {
        Segment::Name(name) => Some(name),
        Segment::Text(_) => None,
    })
}

/// The text before the first name that begins with `matrix.`, where there is one.
pub(crate) fn before_axis(text: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(at) = text[from..].find("${").map(|at| from + at) {
        let is_escaped = text[..at].ends_with('$');
        if !is_escaped && text[at + 2..].trim_start().starts_with("matrix.") {
            return Some(&text[..at]);
        }
        from = at + 2;
    }
    None
}

/// Takes a string apart; an error says what is wrong with it.
pub(super) fn split(text: &str) -> Result<Vec<Segment<'_>>, String> {
    let mut segments = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            segments.push(Segment::Text(&rest[..at - 1]));
            segments.push(Segment::Text("${"));
            rest = &rest[at + 2..];
            continue;
        }
        if at > 0 {
            segments.push(Segment::Text(&rest[..at]));
        }
        let inside = &rest[at + 2..];
        let end = inside.find('}').ok_or_else(|| format!("`{}` has no closing `}}`", &rest[at..]))?;
        let name = inside[..end].trim();
        if !is_well_formed(name) {
            return Err(format!("`${{{}}}` is not an interpolation", &inside[..end]));
        }
        segments.push(Segment::Name(name));
        rest = &inside[end + 1..];
    }
    if !rest.is_empty() {
        segments.push(Segment::Text(rest));
    }
    Ok(segments)
}

/// Whether a string is words with dots between them, each of which may have an axis in brackets.
fn is_well_formed(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let mut plain = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("[matrix.") {
        let Some((axis, behind)) = after.split_once(']') else { return false };
        if !is_word(axis) || !(behind.is_empty() || behind.starts_with('.')) {
            return false;
        }
        plain.push_str(before);
        rest = behind;
    }
    plain.push_str(rest);
    plain.split('.').all(is_word)
}
