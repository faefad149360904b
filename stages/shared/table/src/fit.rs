//! How a table is made to fit a line of text, measured in letters.

use crate::{Align, Cell, Grid};

/// The letters of a line of an `article`, and what the gap after a column takes of them.
const LINE: f64 = 69.0;
const GAP: f64 = 2.4;
/// From which fullness on texts are broken, as smaller letters would be hard to read.
const BROKEN: f64 = 1.45;
/// How long the lines of a broken name are.
const NAME: usize = 18;

/// What must be done for a table to fit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fit {
    /// The letters that each column is wide.
    pub(crate) widths: Vec<usize>,
    /// The letters of a row by those that a line holds.
    full: f64,
    broken: bool,
}

impl Fit {
    /// Of a grid.
    pub(crate) fn of(grid: &Grid) -> Self {
        let whole = Self::with(grid, false);
        if whole.full > BROKEN { Self::with(grid, true) } else { whole }
    }

    fn with(grid: &Grid, broken: bool) -> Self {
        let mut fit = Self { widths: Vec::new(), full: 0.0, broken };
        let (mut share, mut letters) = (1.0, 0.0);
        for (c, heading) in grid.headings.iter().enumerate() {
            let words = heading.text.split_whitespace().map(count);
            let cells = grid.rows.iter().filter_map(|row| row.get(c));
            let cells = cells.map(|cell| {
                let lines = fit.lines(cell, heading.align);
                let widest = lines.iter().map(|(line, _)| count(line)).max().unwrap_or(0);
                widest + usize::from(cell.note.is_some())
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
        fit.full = letters / (LINE * share - GAP * grid.headings.len() as f64).max(1.0);
        fit
    }

    /// The commands for the size of the letters.
    pub(crate) fn size(&self) -> &'static str {
        match self.full {
            _ if self.broken => "\\scriptsize\n\\setlength{\\tabcolsep}{3pt}\n",
            full if full <= 1.0 => "",
            full if full <= 1.1 => "\\small\n",
            full if full <= 1.25 => "\\footnotesize\n",
            _ => "\\scriptsize\n\\setlength{\\tabcolsep}{3pt}\n",
        }
    }

    /// The lines of a cell, each with what is set after it: names broken between words, numbers
    /// before their `(n=5)`.
    pub(crate) fn lines(&self, cell: &Cell, align: Align) -> Vec<(String, String)> {
        let broken = match (align, cell.text.split_once(" (")) {
            (Align::Right, Some((number, rest))) if self.broken => {
                vec![number.to_owned(), format!("({rest}")]
            }
            (Align::Left, _) if self.broken => lines(&cell.text, NAME),
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

    fn grid(columns: usize) -> Grid {
        let headings = |_| Heading::new("4,000 labels, published", Align::Right);
        let mut grid = Grid { headings: (0..columns).map(headings).collect(), ..Grid::default() };
        grid.rows.push(vec![Cell::new("69.3 ± 0.2 (n=5)"); columns]);
        grid.headings.insert(0, Heading::new("method", Align::Left));
        grid.rows[0].insert(0, Cell::new("iGPT (this run), head at the best layer"));
        grid
    }

    #[test]
    fn letters_shrink_before_texts_are_broken() {
        let sizes: Vec<&str> = (0..6).map(|columns| Fit::of(&grid(columns)).size()).collect();
        assert_eq!(sizes[..2], ["", ""]);
        assert!(sizes[2].contains("small") || sizes[2].contains("footnotesize"), "{sizes:?}");
        assert!(sizes[5].contains("scriptsize"), "{sizes:?}");
        let wide = grid(6);
        let fit = Fit::of(&wide);
        let shown = |c: usize| {
            let lines = fit.lines(&wide.rows[0][c], wide.headings[c].align);
            lines.into_iter().map(|(line, _)| line).collect::<Vec<_>>()
        };
        assert_eq!(shown(0), ["iGPT (this run),", "head at the best", "layer"]);
        assert_eq!(shown(1), ["69.3 ± 0.2", "(n=5)"]);
    }
}
