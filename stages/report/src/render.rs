//! The table as Markdown and as LaTeX.

use crate::grid::{Grid, GridCell};
use crate::signs;

/// A GitHub-flavoured Markdown table, with the caption above and the remarks below.
pub(crate) fn markdown(grid: &Grid) -> String {
    let mut out = String::new();
    if !grid.title.is_empty() {
        out += &format!("**{}**\n\n", escape_markdown(&grid.title));
    }
    let headings: Vec<String> = grid.headings.iter().map(|(text, _)| escape_markdown(text)).collect();
    out += &format!("| {} |\n", headings.join(" | "));
    let rules: Vec<&str> =
        grid.headings.iter().map(|(_, right)| if *right { "---:" } else { ":---" }).collect();
    out += &format!("| {} |\n", rules.join(" | "));
    for row in &grid.rows {
        let cells: Vec<String> = row
            .iter()
            .map(|GridCell { text, note, strong }| {
                let mut cell = escape_markdown(text);
                if *strong && !cell.is_empty() {
                    cell = format!("**{cell}**");
                }
                cell + &note.map_or(String::new(), |n| format!(" <sup>{n}</sup>"))
            })
            .collect();
        out += &format!("| {} |\n", cells.join(" | "));
    }
    for remark in &grid.remarks {
        out += &format!("\n{}\n", escape_markdown(remark));
    }
    for (i, source) in grid.footnotes.iter().enumerate() {
        out += &format!("\n<sup>{}</sup> {}\n", i + 1, escape_markdown(source));
    }
    out
}

/// A LaTeX `table` that needs no package: `\input` it.
pub(crate) fn latex(grid: &Grid) -> String {
    let columns: String = grid.headings.iter().map(|(_, right)| if *right { 'r' } else { 'l' }).collect();
    let mut out = String::from("\\begin{table}[htbp]\n\\centering\n");
    if !grid.title.is_empty() {
        out += &format!("\\caption{{{}}}\n", escape_latex(&grid.title));
    }
    out += &format!("\\begin{{tabular}}{{{columns}}}\n\\hline\n");
    let headings: Vec<String> = grid.headings.iter().map(|(text, _)| escape_latex(text)).collect();
    out += &format!("{} \\\\\n\\hline\n", headings.join(" & "));
    for row in &grid.rows {
        let cells: Vec<String> = row
            .iter()
            .map(|GridCell { text, note, strong }| {
                let mut cell = escape_latex(text);
                if *strong {
                    // Bold is for text; a sign set in mathematics comes out as it is.
                    cell = format!("\\textbf{{{cell}}}");
                }
                cell + &note.map_or(String::new(), |n| format!("$^{{{n}}}$"))
            })
            .collect();
        out += &format!("{} \\\\\n", cells.join(" & "));
    }
    out += "\\hline\n\\end{tabular}\n";
    let notes = grid.footnotes.iter().enumerate();
    let notes = notes.map(|(i, source)| format!("$^{{{}}}$ {}", i + 1, escape_latex(source)));
    let below: Vec<String> = grid.remarks.iter().map(|r| escape_latex(r)).chain(notes).collect();
    if !below.is_empty() {
        out +=
            &format!("\n\\smallskip\n\\parbox{{\\linewidth}}{{\\footnotesize {}}}\n", below.join("\\\\\n"));
    }
    out + "\\end{table}\n"
}

/// Text in which Markdown sees nothing special.
pub(crate) fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '$' | '&' => out.extend(['\\', c]),
            '\n' | '\r' | '\t' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}

/// Text in which LaTeX sees nothing special, and in which the signs that pdfLaTeX refuses are
/// commands that need no package and no font.
pub(crate) fn escape_latex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '"' => out.push_str("''"),
            // At the start of a row these would be taken for an argument of the row before.
            '[' | ']' | '*' => out.extend(['{', c, '}']),
            '\n' | '\r' | '\t' => out.push(' '),
            _ => match (signs::text(c), signs::mathematics(c)) {
                (Some(text), _) => out.push_str(text),
                (None, Some(sign)) => out.push_str(&format!("\\ensuremath{{{sign}}}")),
                (None, None) => out.push(c),
            },
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_special() {
        assert_eq!(
            escape_latex("a_b & 5% {x} \\y #1 ~^ $"),
            "a\\_b \\& 5\\% \\{x\\} \\textbackslash{}y \\#1 \\textasciitilde{}\\textasciicircum{} \\$"
        );
        assert_eq!(escape_latex("1 ± 2"), "1 \\ensuremath{\\pm} 2");
        assert_eq!(
            escape_latex("α ≥ −1, 5 µs – x² <é>…"),
            "\\ensuremath{\\alpha} \\ensuremath{\\geq} \\ensuremath{-}1, 5 \\ensuremath{\\mu}s -- \
             x\\ensuremath{^{2}} \\ensuremath{<}é\\ensuremath{>}\\ldots{}"
        );
        assert_eq!(escape_markdown("a|b*c_d\n[e]"), "a\\|b\\*c\\_d \\[e\\]");
    }
}
