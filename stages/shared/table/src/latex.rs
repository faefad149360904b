//! The table as LaTeX.

use crate::{Align, Cell, Grid, Heading, signs};

/// A LaTeX `table` that needs no package: `\input` it. It is set in the largest size in which it is
/// about as wide as the text of an `article`; long headings are broken into lines.
pub fn latex(grid: &Grid) -> String {
    let widths = widths(grid);
    let columns: String = grid.headings.iter().map(|heading| column(heading.align)).collect();
    let mut out = String::from("\\begin{table}[htbp]\n\\centering\n");
    if !grid.title.is_empty() {
        out += &format!("\\caption{{{}}}\n\\medskip\n", escape_latex(&grid.title));
    }
    out += size(grid, &widths);
    out += &format!("\\begin{{tabular}}{{{columns}}}\n\\hline\n");
    let headings: Vec<String> = grid.headings.iter().zip(&widths).map(|(h, w)| heading(h, *w)).collect();
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

/// The letters that the widest cell of each column has, and as many as its heading cannot do without.
fn widths(grid: &Grid) -> Vec<usize> {
    let letters = |text: &str| text.chars().count();
    let of_column = |(c, heading): (usize, &Heading)| {
        let words = heading.text.split_whitespace().map(letters);
        let cells = grid.rows.iter().filter_map(|row| row.get(c));
        let cells = cells.map(|cell| letters(&cell.text) + usize::from(cell.note.is_some()));
        words.chain(cells).max().unwrap_or(0).max(8.min(letters(&heading.text)))
    };
    grid.headings.iter().enumerate().map(of_column).collect()
}

/// A heading, in lines of at most so many letters.
fn heading(heading: &Heading, width: usize) -> String {
    if matches!(heading.align, Align::Wide(_)) {
        return escape_latex(&heading.text);
    }
    let mut lines: Vec<String> = Vec::new();
    for word in heading.text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let lines: Vec<String> = lines.iter().map(|line| escape_latex(line)).collect();
    let side = if heading.align == Align::Right { 'r' } else { 'l' };
    match lines.as_slice() {
        [] => String::new(),
        [line] => line.clone(),
        lines => format!("\\shortstack[{side}]{{{}}}", lines.join("\\\\")),
    }
}

/// The command for the size of the letters. A line of an `article` holds about 69 of them, less two
/// for each column's gap.
fn size(grid: &Grid, widths: &[usize]) -> &'static str {
    let (mut share, mut letters) = (1.0, 0.0);
    for (heading, width) in grid.headings.iter().zip(widths) {
        match heading.align {
            Align::Wide(wide) => share -= wide,
            Align::Left | Align::Right => letters += *width as f64,
        }
    }
    let room = 69.0 * share - 2.4 * grid.headings.len() as f64;
    match letters / room.max(1.0) {
        full if full <= 1.0 => "",
        full if full <= 1.1 => "\\small\n",
        full if full <= 1.25 => "\\footnotesize\n",
        _ => "\\scriptsize\n\\setlength{\\tabcolsep}{3pt}\n",
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
