//! The table as LaTeX.

use crate::{Align, Cell, Grid, signs};

/// A LaTeX `table` that needs no package: `\input` it.
pub fn latex(grid: &Grid) -> String {
    let columns: String = grid.headings.iter().map(|heading| column(heading.align)).collect();
    let mut out = String::from("\\begin{table}[htbp]\n\\centering\n");
    if !grid.title.is_empty() {
        out += &format!("\\caption{{{}}}\n", escape_latex(&grid.title));
    }
    out += &format!("\\begin{{tabular}}{{{columns}}}\n\\hline\n");
    let headings: Vec<String> = grid.headings.iter().map(|h| escape_latex(&h.text)).collect();
    out += &format!("{} \\\\\n\\hline\n", headings.join(" & "));
    for row in &grid.rows {
        let cells: Vec<String> = row
            .iter()
            .map(|Cell { text, note, strong }| {
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

/// The letter of a column in the argument of `tabular`.
fn column(align: Align) -> String {
    match align {
        Align::Left => "l".to_owned(),
        Align::Right => "r".to_owned(),
        Align::Wide(share) => format!("p{{{:.3}\\linewidth}}", share.clamp(0.02, 1.0)),
    }
}

/// Text in which LaTeX sees nothing special, and in which the signs that pdfLaTeX refuses are
/// commands that need no package and no font.
pub fn escape_latex(text: &str) -> String {
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
    }
}
