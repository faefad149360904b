//! How a table is made to fit a line of text, measured in letters.

use crate::{Align, Cell, TextTable};

/// The letters of a line of an `article`, and what the gap after a column takes of them.
const LINE: f64 = 69.0;
const GAP: f64 = 2.4;
/// From which fullness on texts are broken, as smaller letters would be hard to read; each time with
/// how long the lines of a broken name are, and the commands for the size.
const BROKEN: [(f64, usize, &str); 2] = [
    (1.45, 18, "\\scriptsize\n\\setlength{\\tabcolsep}{3pt}\n"),
    (1.65, 12, "\\scriptsize\n\\setlength{\\tabcolsep}{2.2pt}\n"),
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
    pub(crate) fn of(table: &TextTable) -> Self {
        let mut fit = Self::with(table, None);
        for (i, (from, ..)) in BROKEN.iter().enumerate() {
            if fit.full > *from {
                fit = Self::with(table, Some(i));
            }
        }
        fit
    }

    fn with(table: &TextTable, broken: Option<usize>) -> Self {
        let mut fit = Self { widths: Vec::new(), full: 0.0, broken };
        let (mut share, mut letters) = (1.0, 0.0);
        for (c, heading) in table.headings.iter().enumerate() {
            let words = heading.text.split_whitespace().map(count);
            let cells = table.rows.iter().filter_map(|row| row.get(c));
            let cells = cells.map(|cell| {
                let lines = fit.lines(cell, heading.align);
                let widest = lines.iter().map(|(line, _)| count(line)).max().unwrap_or(0);
                widest + usize::from(cell.footnote.is_some())
            });
            let widest = words.chain(cells).max().unwrap_or(0);
            // A short heading stays in one line.
            let width = widest.max(8.min(count(&heading.text)));
            match heading.align {
                Align::Wide(wide) => share -= wide,
                Align::Left | Align::Right => letters += width as f64,
            }
            fit.widths.push(width);
        }
        fit.full = letters / (LINE * share - GAP * table.headings.len() as f64).max(1.0);
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

    /// The lines of a cell, each with what is set after it: names broken between words, numbers
    /// before their `(n=5)`.
    pub(crate) fn lines(&self, cell: &Cell, align: Align) -> Vec<(String, String)> {
        let broken = match (self.broken, align, cell.text.split_once(" (")) {
            (Some(_), Align::Right, Some((number, rest))) => vec![number.to_owned(), format!("({rest}")],
            (Some(i), Align::Left, _) => lines(&cell.text, BROKEN[i].1),
            _ => vec![cell.text.clone()],
        };
        broken.into_iter().map(|line| (line, String::new())).collect()
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
        let sizes: Vec<&str> = (0..6).map(|columns| Fit::of(&table(columns)).size()).collect();
        assert_eq!(sizes[..2], ["", ""]);
        assert!(sizes[2].contains("small") || sizes[2].contains("footnotesize"), "{sizes:?}");
        assert!(sizes[5].contains("scriptsize"), "{sizes:?}");
        let wide = table(5);
        let fit = Fit::of(&wide);
        let shown = |c: usize| {
            let lines = fit.lines(&wide.rows[0][c], wide.headings[c].align);
            lines.into_iter().map(|(line, _)| line).collect::<Vec<_>>()
        };
        assert_eq!(shown(0), ["iGPT (this run),", "head at the best", "layer"]);
        assert_eq!(shown(1), ["69.3 ± 0.2", "(n=5)"]);
    }
}
