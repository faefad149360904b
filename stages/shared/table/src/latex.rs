//! The table as LaTeX.

use crate::fit::{Fit, lines};
use crate::{Align, TextTable, symbols};

/// A LaTeX `table` that needs no package: `\input` it. It is set in the largest size in which it is
/// about as wide as the text of an `article`; long headings are broken into lines, and so are the
/// texts of a table that is too wide even so.
pub fn latex(table: &TextTable) -> String {
    let fit = Fit::of(table);
    let columns: String = table.headings.iter().map(|heading| column(heading.align)).collect();
    let mut out = String::from("\\begin{table}[htbp]\n\\centering\n");
    if !table.title.is_empty() {
        out += &format!("\\caption{{{}}}\n\\medskip\n", escape_latex(&table.title));
    }
    out += fit.size();
    out += "\\renewcommand{\\arraystretch}{1.1}\n";
    out += &format!("\\begin{{tabular}}{{{columns}}}\n\\hline\n");
    let headings = table.headings.iter().zip(&fit.widths).map(|(heading, width)| match heading.align {
        Align::Wide(_) => escape_latex(&heading.text),
        side => stacked(side, 'b', &lines(&heading.text, *width)),
    });
    out += &format!("{} \\\\\n\\hline\n", headings.collect::<Vec<_>>().join(" & "));
    for (i, row) in table.rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&table.headings)
            .map(|(cell, heading)| {
                let mut lines = fit.lines(cell, heading.align);
                if let (Some(n), Some(last)) = (cell.footnote, lines.last_mut()) {
                    last.1 = format!("$^{{{n}}}$");
                }
                let set = |(text, note): &(String, String)| {
                    // Bold is for text; a sign set in mathematics comes out as it is.
                    let text = escape_latex(text);
                    if cell.strong { format!("\\textbf{{{text}}}{note}") } else { text + note }
                };
                stacked_as_is(heading.align, 't', &lines.iter().map(set).collect::<Vec<_>>())
            })
            .collect();
        // A strut: what is raised in the first row would touch the line.
        out += if i == 0 { "\\rule{0pt}{2.7ex}" } else { "" };
        out += &format!("{} \\\\\n", cells.join(" & "));
    }
    out += "\\hline\n\\end{tabular}\n";
    let notes = table.footnotes.iter().enumerate();
    let notes = notes.map(|(i, source)| format!("$^{{{}}}$ {}", i + 1, escape_latex(source)));
    let below: Vec<String> = table.notes.iter().map(|r| escape_latex(r)).chain(notes).collect();
    if !below.is_empty() {
        out +=
            &format!("\n\\smallskip\n\\parbox{{\\linewidth}}{{\\footnotesize {}}}\n", below.join("\\\\\n"));
    }
    out + "\\end{table}\n"
}

/// Lines of plain text in one cell.
fn stacked(side: Align, at: char, lines: &[String]) -> String {
    stacked_as_is(side, at, &lines.iter().map(|line| escape_latex(line)).collect::<Vec<_>>())
}

/// Lines in one cell, of which the first (`t`) or the last (`b`) is level with the rest of the row.
fn stacked_as_is(side: Align, at: char, lines: &[String]) -> String {
    let side = if side == Align::Right { 'r' } else { 'l' };
    match lines {
        [] => String::new(),
        [line] => line.clone(),
        lines => {
            format!("\\begin{{tabular}}[{at}]{{@{{}}{side}@{{}}}}{}\\end{{tabular}}", lines.join("\\\\"))
        }
    }
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
            _ => match (symbols::text(c), symbols::mathematics(c)) {
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
