//! The table as LaTeX.

use crate::fit::{COLUMN, Fit, PAGE, lines};
use crate::{Align, Cell, Rules, TextTable, Width, symbols};

/// Begins a text of several lines: justified, a narrow column is full of gaps. The end of a row stays what it is.
const RAGGED: &str = "\\raggedright\\let\\\\\\tabularnewline ";

/// A LaTeX `table`: `\input` it. Its first line says which package it needs. It is set in the largest
/// size in which it is about as wide as the text of an `article`, or one of its columns; long headings
/// are broken into lines, and so are the texts of a table that is too wide even so.
pub fn latex(table: &TextTable) -> String {
    let column = Fit::of(table, COLUMN);
    // What is a share of the line's width is text, for which a column is narrow.
    let texts = table.headings.iter().any(|heading| matches!(heading.align, Align::Wide(_)));
    let (environment, fit) = match table.latex.width {
        Width::Auto if column.is_easy() && !texts => ("table", column),
        Width::Column => ("table", column),
        Width::Auto | Width::Page => ("table*", Fit::of(table, PAGE)),
    };
    let booktabs = table.latex.rules == Rules::Booktabs;
    let [top, middle, bottom] =
        if booktabs { ["\\toprule", "\\midrule", "\\bottomrule"] } else { ["\\hline"; 3] };
    let parted: Vec<bool> = (0..table.headings.len()).map(|c| fit.parts_at_point(table, c)).collect();
    let columns = table.headings.iter().zip(&parted).map(|(heading, parted)| match parted {
        true => "r@{}l".to_owned(),
        false => column_letter(heading.align),
    });
    let mut columns: String = columns.collect();
    if booktabs {
        columns = format!("@{{}}{columns}@{{}}");
    }
    let mut out = String::from(if booktabs {
        "% Needs \\usepackage{booktabs} in the preamble; `latex: {rules: plain}` needs no package.\n"
    } else {
        "% Needs no package.\n"
    });
    out += &format!("\\begin{{{environment}}}[htbp]\n\\centering\n");
    if !table.title.is_empty() {
        out += &format!("\\caption{{{}}}\n\\medskip\n", escape_latex(&table.title));
    }
    out += fit.size();
    out += if booktabs { "" } else { "\\renewcommand{\\arraystretch}{1.1}\n" };
    out += &format!("\\begin{{tabular}}{{{columns}}}\n{top}\n");
    let headings =
        table.headings.iter().zip(&fit.widths).zip(&parted).map(|((heading, width), parted)| {
            match (heading.align, parted) {
                (_, true) => spanned('c', &stacked('c', 'b', &escaped(&lines(&heading.text, *width)))),
                (Align::Wide(_), _) => escape_latex(&heading.text),
                (side, _) => stacked(letter(side), 'b', &escaped(&lines(&heading.text, *width))),
            }
        });
    out += &format!("{} \\\\\n{middle}\n", headings.collect::<Vec<_>>().join(" & "));
    for (i, row) in table.rows.iter().enumerate() {
        let cells = row.iter().zip(&table.headings).zip(&parted).map(|((cell, heading), parted)| {
            if *parted { at_point(cell) } else { plain(cell, heading.align, &fit) }
        });
        // A strut: what is raised in the first row would touch the line.
        out += if i == 0 && !booktabs { "\\rule{0pt}{2.7ex}" } else { "" };
        out += &format!("{} \\\\\n", cells.collect::<Vec<_>>().join(" & "));
    }
    out += &format!("{bottom}\n\\end{{tabular}}\n");
    let notes = table.footnotes.iter().enumerate();
    let notes: Vec<String> =
        notes.map(|(i, source)| format!("$^{{{}}}$ {}", i + 1, escape_latex(source))).collect();
    let mut below: Vec<String> = table.notes.iter().map(|note| escape_latex(note)).collect();
    below.extend((!notes.is_empty()).then(|| notes.join("; ")));
    if !below.is_empty() {
        out += &format!(
            "\n\\smallskip\n\\parbox{{\\linewidth}}{{\\footnotesize\\raggedright {}}}\n",
            below.join("\\par\n")
        );
    }
    out + &format!("\\end{{{environment}}}\n")
}

/// A cell in a column of its own.
fn plain(cell: &Cell, align: Align, fit: &Fit) -> String {
    let lines = fit.lines(cell, align);
    // Bold is for text; a sign set in mathematics comes out as it is.
    let (number, _) = cell.parts();
    let set = |(i, line): (usize, &String)| match line.strip_prefix(number) {
        Some(after) if cell.number.is_some() && i == 0 => bold(number, cell.strong) + &escape_latex(after),
        _ => bold(line, cell.strong && cell.number.is_none()),
    };
    let mut lines: Vec<String> = lines.iter().enumerate().map(set).collect();
    if let Some(last) = lines.last_mut() {
        *last += &mark(cell);
    }
    let text = stacked(letter(align), 't', &lines);
    if matches!(align, Align::Wide(_)) { format!("{RAGGED}{text}") } else { text }
}

/// A cell in a column that is parted at the point. Words go over both parts.
fn at_point(cell: &Cell) -> String {
    let Some((before, digits, after)) = cell.at_point() else {
        return spanned('c', &(bold(&cell.text, cell.strong) + &mark(cell)));
    };
    // A hyphen is no minus.
    let before = before.replace('-', "\u{2212}");
    let digits = if digits.is_empty() { String::new() } else { bold(digits, cell.strong) };
    format!("{}&{digits}{}{}", bold(&before, cell.strong), escape_latex(after), mark(cell))
}

/// The mark of a cell's footnote.
fn mark(cell: &Cell) -> String {
    cell.footnote.map_or(String::new(), |n| format!("$^{{{n}}}$"))
}

fn bold(text: &str, strong: bool) -> String {
    let text = escape_latex(text);
    if strong { format!("\\textbf{{{text}}}") } else { text }
}

fn spanned(side: char, text: &str) -> String {
    format!("\\multicolumn{{2}}{{{side}}}{{{text}}}")
}

fn escaped(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| escape_latex(line)).collect()
}

/// Lines in one cell, of which the first (`t`) or the last (`b`) is level with the rest of the row.
fn stacked(side: char, at: char, lines: &[String]) -> String {
    match lines {
        [] => String::new(),
        [line] => line.clone(),
        lines => {
            format!("\\begin{{tabular}}[{at}]{{@{{}}{side}@{{}}}}{}\\end{{tabular}}", lines.join("\\\\"))
        }
    }
}

fn letter(align: Align) -> char {
    if align == Align::Right { 'r' } else { 'l' }
}

/// The letter of a column in the argument of `tabular`.
fn column_letter(align: Align) -> String {
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
