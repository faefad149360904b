//! The screen on a small terminal of the test's own: what is drawn, and what is left behind.

use std::sync::{Arc, Mutex};

use super::*;

/// A terminal that knows what we use: it wraps, moves up, and erases.
#[derive(Default)]
struct Terminal {
    width: usize,
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Terminal {
    fn take(&mut self, text: &str) {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            self.rows.resize_with(self.rows.len().max(self.row + 1), Vec::new);
            match c {
                '\r' => self.column = 0,
                '\n' => self.row += 1,
                '\x1b' => {
                    assert_eq!(chars.next(), Some('['));
                    let (mut numbers, mut end) = (String::new(), ' ');
                    for c in chars.by_ref() {
                        if c.is_ascii_alphabetic() {
                            end = c;
                            break;
                        }
                        numbers.push(c);
                    }
                    match end {
                        'A' => self.row -= numbers.parse::<usize>().unwrap(),
                        'J' => {
                            self.rows[self.row].truncate(self.column);
                            self.rows.truncate(self.row + 1);
                        }
                        'K' => self.rows[self.row].clear(),
                        'h' | 'l' => assert_eq!(numbers, "?2026"),
                        other => panic!("unknown sequence {numbers}{other}"),
                    }
                }
                c => {
                    if self.column == self.width {
                        (self.row, self.column) = (self.row + 1, 0);
                        self.rows.resize_with(self.rows.len().max(self.row + 1), Vec::new);
                    }
                    let row = &mut self.rows[self.row];
                    row.resize(row.len().max(self.column + 1), ' ');
                    row[self.column] = c;
                    self.column += 1;
                }
            }
        }
    }

    fn shown(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
    }
}

struct Out(Arc<Mutex<Terminal>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().take(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn line(text: &str) -> Line {
    Line { text: text.to_owned(), columns: text.chars().count() }
}

#[test]
fn lines_stay_above_and_the_region_leaves_nothing() {
    let terminal = Arc::new(Mutex::new(Terminal { width: 20, ..Terminal::default() }));
    let size = || Size { columns: 20, rows: 10 };
    let mut screen = Screen::new(Box::new(Out(Arc::clone(&terminal))), Box::new(size), Style::default());
    let shown = || terminal.lock().unwrap().shown();
    screen.show(&[line("step one"), line("run")]);
    assert_eq!(shown(), ["step one", "run"]);
    screen.show(&[line("s"), line("run")]);
    assert_eq!(shown(), ["s", "run"]);
    screen.print("done   step one, a line that is longer than the terminal\nand another");
    screen.show(&[line("step two"), line("step three"), line("run")]);
    let kept = ["done   step one, a l", "ine that is longer t", "han the terminal", "and another"];
    assert_eq!(shown(), [&kept[..], &["step two", "step three", "run"]].concat());
    screen.print("end");
    screen.show(&[]);
    assert_eq!(shown(), [&kept[..], &["end", ""]].concat());
    let terminal = terminal.lock().unwrap();
    assert_eq!((terminal.row, terminal.column), (5, 0));
}

#[test]
fn a_terminal_that_became_narrower_is_cleared_as_it_wrapped() {
    let terminal = Arc::new(Mutex::new(Terminal { width: 20, ..Terminal::default() }));
    let columns = Arc::new(std::sync::atomic::AtomicUsize::new(20));
    let now = Arc::clone(&columns);
    let size = move || Size { columns: now.load(Ordering::Relaxed), rows: 10 };
    let mut screen = Screen::new(Box::new(Out(Arc::clone(&terminal))), Box::new(size), Style::default());
    screen.show(&[line("fifteen columns"), line("run")]);
    // What a terminal does on the way to ten columns.
    columns.store(10, Ordering::Relaxed);
    *terminal.lock().unwrap() = Terminal { width: 10, row: 2, ..Terminal::default() };
    terminal.lock().unwrap().rows = ["fifteen co", "lumns", "run"].map(|row| row.chars().collect()).into();
    screen.show(&[line("fifteen…"), line("run")]);
    assert_eq!(terminal.lock().unwrap().shown(), ["fifteen…", "run"]);
}
