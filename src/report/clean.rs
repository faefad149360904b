//! Text for people without what a terminal would obey, and without what cannot be seen.
//!
//! Everything that is printed passes through here: names, values, paths, errors and logs may hold
//! anything. Escape sequences go as wholes; other control characters go; characters that turn or
//! hide text (bidirectional controls, zero-width characters) are written out, `\u{202e}`, so that
//! two names that differ look different.

use std::borrow::Cow;
use std::io::{self, Write};
use std::iter::Peekable;
use std::str::Chars;

/// A text of several lines, each of them cleaned; tabs and line ends stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\u{9b}' => skip_to_final(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut chars),
            c if is_plain(c) => cleaned.push(c),
            c if c.is_control() => {}
            c => cleaned.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(cleaned)
}

/// A text as long as is shown of it, in characters.
pub(crate) fn at_most(mut text: String, longest: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(longest) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A name or a value: on one line, whatever it holds.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\r']) {
        let one = text.replace('\r', "\\r").replace('\n', "\\n");
        return Cow::Owned(lines(&one).into_owned());
    }
    lines(text)
}

/// A line of a log as a terminal would leave it: what stands after its last carriage return.
pub fn last_state(line: &str) -> String {
    let line = line.trim_end_matches(['\r', '\n']);
    let states = line.rsplit('\r').map(lines);
    states.into_iter().find(|state| !state.trim().is_empty()).unwrap_or_default().into_owned()
}

/// Whether a character is shown as it is.
fn is_plain(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' => true,
        // Soft hyphens, joiners and marks of direction, invisible operators, tags.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => false,
        c => !c.is_control(),
    }
}

/// Skips what follows an ESC and belongs to it.
fn skip_sequence(chars: &mut Peekable<Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_to_final(chars);
        }
        // Strings: titles, links, what a terminal reports.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        Some(' '..='/') => {
            while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            chars.next_if(|c| matches!(c, '0'..='~'));
        }
        Some('0'..='~') => {
            chars.next();
        }
        _ => {}
    }
}

/// Skips parameters up to the final character of a control sequence; a line end ends it too.
fn skip_to_final(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    chars.next_if(|c| matches!(c, '@'..='~'));
}

/// Skips a string up to its terminator (BEL, ST, or ESC and a backslash). One that does not end
/// on its line is none: an error below it must not be swallowed.
fn skip_string(chars: &mut Peekable<Chars<'_>>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// A writer that cleans what passes through it, line by line.
#[derive(Debug)]
pub struct Clean<W: Write> {
    to: W,
    /// The line that has not ended yet.
    line: Vec<u8>,
}

impl<W: Write> Clean<W> {
    /// Cleans what goes `to` there.
    pub fn new(to: W) -> Self {
        Self { to, line: Vec::new() }
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let text = String::from_utf8_lossy(&self.line);
        let written = self.to.write_all(lines(&text).as_bytes());
        self.line.clear();
        written
    }
}

impl<W: Write> Write for Clean<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend(bytes);
        if bytes.contains(&b'\n') {
            let end = self.line.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let rest = self.line.split_off(end);
            self.pass_on()?;
            self.line = rest;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.pass_on()?;
        }
        self.to.flush()
    }
}

impl<W: Write> Drop for Clean<W> {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_go_as_wholes() {
        for (text, cleaned) in [
            ("\x1b[2J\x1b[H\x1b]0;title\x07 wipes", " wipes"),
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1bP1;2|what\x1b\\seen", "seen"),
            ("\x1b(Bplain\x1b7\x1bM", "plain"),
            ("\u{9b}31mc1", "c1"),
            ("cut \x1b[3", "cut "),
            ("bell\x07 back\x08 null\0", "bell back null"),
            ("\x1b]0;never ends\nError", "\nError"),
            ("a\tb", "a\tb"),
            ("Größe 画像 é", "Größe 画像 é"),
        ] {
            assert_eq!(lines(text), cleaned, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(lines("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
        assert_eq!(one_line("x\nFAILED y"), "x\\nFAILED y");
    }

    #[test]
    fn the_last_state_of_a_line_counts() {
        for (line, state) in [
            ("\r 1%\r 2%", " 2%"),
            (" 99%\r100%\r", "100%"),
            ("\r\x1b[K\r50%\x1b[K\r   ", "50%"),
            ("windows\r", "windows"),
            ("\r\r", ""),
        ] {
            assert_eq!(last_state(line), state, "{line:?}");
        }
    }

    #[test]
    fn a_writer_cleans_what_is_written_in_pieces() {
        let mut bytes = Vec::new();
        let mut clean = Clean::new(&mut bytes);
        for piece in ["a\x1b", "[31", "mb\nc\x1b[0", "m"] {
            clean.write_all(piece.as_bytes()).unwrap();
        }
        clean.flush().unwrap();
        drop(clean);
        assert_eq!(bytes, b"ab\nc");
    }
}
