//! How a table is made to fit a line of text, measured in letters.

use crate::{Align, Cell, Numbers, TextTable};

/// The letters of a line of an `article`, which is narrower than a page in two columns.
pub(crate) const PAGE: f64 = 66.0;
/// The letters of a line in one of the two columns of an `article`.
pub(crate) const COLUMN: f64 = 38.0;
/// What the gap after a column takes of them.
const GAP: f64 = 2.4;
/// From which fullness on texts are broken, as smaller letters would be hard to read; each time with
/// how long the lines of a broken name are, and the commands for the size.
const BROKEN: [(f64, usize, &str); 3] = [
    (1.38, 18, "\\scriptsize\n\\setlength{\\tabcolsep}{3pt}\n"),
    (1.48, 12, "\\scriptsize\n\\setlength{\\tabcolsep}{2.2pt}\n"),
    (1.55, 12, "\\tiny\n\\setlength{\\tabcolsep}{2pt}\n"),
];

/// What must be done for a table to fit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fit {
    /// The letters that each column is wide.
    pub(crate) widths: Vec<usize>,
    /// The letters of a row by those that a line holds.
    full: f64,
    /// Which of [`BROKEN`] it needs.
    broken: Option<usize>,
}

impl Fit {
    /// Of a table.
    pub(crate) fn of(table: &TextTable, line: f64) -> Self {
        let mut fit = Self::with(table, line, None);
        for (i, (from, ..)) in BROKEN.iter().enumerate() {
            if fit.full > *from {
                fit = Self::with(table, line, Some(i));
            }
        }
        fit
    }

    /// Whether the letters need not be smaller than those of a footnote.
    pub(crate) fn is_easy(&self) -> bool {
        self.broken.is_none() && self.full <= 1.25
    }

    fn with(table: &TextTable, line: f64, broken: Option<usize>) -> Self {
        let mut fit = Self { widths: Vec::new(), full: 0.0, broken };
        let (mut share, mut letters) = (1.0, 0.0);
        for (c, heading) in table.headings.iter().enumerate() {
            let words = heading.text.split_whitespace().map(count);
            let column = || table.rows.iter().filter_map(|row| row.get(c));
            let note = |cell: &Cell| usize::from(cell.footnote.is_some());
            let cells = column().map(|cell| {
                let lines = fit.lines(cell, heading.align);
                lines.iter().map(|line| count(line)).max().unwrap_or(0) + note(cell)
            });
            let mut widest = words.chain(cells).max().unwrap_or(0);
            if fit.parts_at_point(table, c) {
                let numbers = || column().filter_map(|cell| Some((cell.at_point()?, note(cell))));
                let before = numbers().map(|((before, ..), _)| count(before)).max().unwrap_or(0);
                let after = numbers().map(|((_, digits, after), note)| count(digits) + count(after) + note);
                widest = widest.max(before + after.max().unwrap_or(0));
            }
            // A short heading stays in one line.
            let width = widest.max(8.min(count(&heading.text)));
            match heading.align {
                Align::Wide(wide) => share -= wide,
                Align::Left | Align::Right => letters += width as f64,
            }
            fit.widths.push(width);
        }
        fit.full = letters / (line * share - GAP * table.headings.len() as f64).max(1.0);
        fit
    }

    /// The commands for the size of the letters.
    pub(crate) fn size(&self) -> &'static str {
        if let Some(i) = self.broken {
            return BROKEN[i].2;
        }
        match self.full {
            full if full <= 1.0 => "",
            full if full <= 1.1 => "\\small\n",
            full if full <= 1.25 => "\\footnotesize\n",
            _ => BROKEN[0].2,
        }
    }

    /// The lines of a cell: names broken between words, numbers before their `(n=5)`.
    pub(crate) fn lines(&self, cell: &Cell, align: Align) -> Vec<String> {
        match (self.broken, align, cell.text.split_once(" (")) {
            (Some(_), Align::Right, Some((number, rest))) => vec![number.to_owned(), format!("({rest}")],
            (Some(i), Align::Left, _) => lines(&cell.text, BROKEN[i].1),
            _ => vec![cell.text.clone()],
        }
    }

    /// Whether the numbers of a column are aligned at their points: none of them is broken.
    pub(crate) fn parts_at_point(&self, table: &TextTable, c: usize) -> bool {
        let cells = || table.rows.iter().filter_map(|row| row.get(c));
        table.latex.numbers == Numbers::Point
            && table.headings[c].align == Align::Right
            && cells().any(|cell| cell.number.is_some())
            && cells().all(|cell| self.lines(cell, Align::Right).len() == 1)
    }
}

/// A text in lines of at most so many letters, broken between words alone.
pub(crate) fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if count(line) + 1 + count(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn count(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Heading;

    fn table(columns: usize) -> TextTable {
        let headings = |_| Heading::new("4,000 labels, published", Align::Right);
        let mut table = TextTable { headings: (0..columns).map(headings).collect(), ..TextTable::default() };
        table.rows.push(vec![Cell::new("69.3 ± 0.2 (n=5)"); columns]);
        table.headings.insert(0, Heading::new("method", Align::Left));
        table.rows[0].insert(0, Cell::new("iGPT (this run), head at the best layer"));
        table
    }

    #[test]
    fn letters_shrink_before_texts_are_broken() {
        let sizes: Vec<&str> = (0..6).map(|columns| Fit::of(&table(columns), PAGE).size()).collect();
        assert_eq!(sizes[..2], ["", ""]);
        assert!(sizes[2].contains("small") || sizes[2].contains("footnotesize"), "{sizes:?}");
        assert!(sizes[5].contains("scriptsize"), "{sizes:?}");
        let wide = table(5);
        let fit = Fit::of(&wide, PAGE);
        let shown = |c: usize| fit.lines(&wide.rows[0][c], wide.headings[c].align);
        assert_eq!(shown(0), ["iGPT (this run),", "head at the best", "layer"]);
        assert_eq!(shown(1), ["69.3 ± 0.2", "(n=5)"]);
    }
}
