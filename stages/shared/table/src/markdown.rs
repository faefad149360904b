//! The table as Markdown.

use crate::{Align, Cell, TextTable};

/// A GitHub-flavoured Markdown table, with the caption above and the notes below.
pub fn markdown(table: &TextTable) -> String {
    let mut out = String::new();
    if !table.title.is_empty() {
        out += &format!("**{}**\n\n", escape_markdown(&table.title));
    }
    let headings: Vec<String> = table.headings.iter().map(|h| escape_markdown(&h.text)).collect();
    out += &format!("| {} |\n", headings.join(" | "));
    let rule = |align| if align == Align::Right { "---:" } else { ":---" };
    let rules: Vec<&str> = table.headings.iter().map(|h| rule(h.align)).collect();
    out += &format!("| {} |\n", rules.join(" | "));
    for row in &table.rows {
        let cells: Vec<String> = row
            .iter()
            .map(|cell: &Cell| {
                let (number, after) = cell.parts();
                let mut text = escape_markdown(number);
                if cell.strong && !text.is_empty() {
                    text = format!("**{text}**");
                }
                text + &escape_markdown(after)
                    + &cell.footnote.map_or(String::new(), |n| format!(" <sup>{n}</sup>"))
            })
            .collect();
        out += &format!("| {} |\n", cells.join(" | "));
    }
    for note in &table.notes {
        out += &format!("\n{}\n", escape_markdown(note));
    }
    let footnotes = table.footnotes.iter().enumerate();
    let footnotes: Vec<String> =
        footnotes.map(|(i, source)| format!("<sup>{}</sup> {}", i + 1, escape_markdown(source))).collect();
    if !footnotes.is_empty() {
        out += &format!("\n{}\n", footnotes.join("; "));
    }
    out
}

/// Text in which Markdown sees nothing special.
pub fn escape_markdown(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_special() {
        assert_eq!(escape_markdown("a|b*c_d\n[e]"), "a\\|b\\*c\\_d \\[e\\]");
    }
}
