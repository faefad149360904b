//! The line below an error: as much of it as fits, and the blank text that brings the caret under
//! its column.

/// The most columns of a line that are shown; a pipeline written by a program may be one long line.
const MAX_WIDTH: usize = 120;
/// How many columns of a cut line stand before the caret.
const BEFORE: usize = 60;

/// A line cut to what fits around a column, and the caret's column in it; columns count characters
/// from 1. What is cut off is an ellipsis.
pub(super) fn cut(line: &str, column: usize) -> (String, usize) {
    let at = column.saturating_sub(1);
    // Enough to see whether the line fits: it may be megabytes long, and so may be many others.
    let mut beginning = String::new();
    let mut width = 0;
    for c in line.chars() {
        width += char_width(c);
        if width > MAX_WIDTH {
            break;
        }
        beginning.push(c);
    }
    if width <= MAX_WIDTH {
        return (beginning, column);
    }
    let offset = line.char_indices().nth(at).map_or(line.len(), |(offset, _)| offset);
    let mut start = offset;
    let (mut before, mut kept) = (0, 0);
    for (i, c) in line[..offset].char_indices().rev() {
        if before + char_width(c) > BEFORE {
            break;
        }
        before += char_width(c);
        kept += 1;
        start = i;
    }
    let mut text = String::new();
    if start > 0 {
        text.push('…');
    }
    let (mut width, mut rest) = (0, line[start..].chars());
    for c in rest.by_ref() {
        width += char_width(c);
        if width > MAX_WIDTH {
            text.push('…');
            break;
        }
        text.push(c);
    }
    (text, kept + 1 + usize::from(start > 0))
}

/// As many blanks as the characters before a column take on a terminal.
pub(super) fn padding(line: &str, column: usize) -> String {
    let before = column.saturating_sub(1);
    let width: usize = line.chars().take(before).map(char_width).sum();
    // A place behind the end of the line: an unclosed bracket, say.
    let beyond = before.saturating_sub(line.chars().count()).min(MAX_WIDTH);
    " ".repeat(width + beyond)
}

/// The columns that a character takes on a terminal: two for the wide ones of East Asia and for
/// pictures, none for marks that join the character before them.
fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036F | 0x200B..=0x200D | 0x20D0..=0x20FF | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F
        | 0x2E80..=0x303E
        | 0x3041..=0xA4CF
        | 0xA960..=0xA97F
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1F64F
        | 0x1F680..=0x1F6FF
        | 0x1F900..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_line_is_shown_whole() {
        assert_eq!(cut("a: b", 4), ("a: b".to_owned(), 4));
        assert_eq!(padding("a: b", 4), "   ");
        assert_eq!(padding("a: b", 7), "      ", "a place behind the end keeps its distance");
        assert_eq!(padding("", 0), "");
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let line = format!("{}X{}", "a".repeat(100_000), "b".repeat(100_000));
        let (text, column) = cut(&line, 100_001);
        assert_eq!(text.chars().nth(column - 1), Some('X'));
        assert!(text.starts_with('…') && text.ends_with('…'));
        assert_eq!(text.chars().count(), MAX_WIDTH + 2);
        let (text, column) = cut(&line, 1);
        assert_eq!((text.chars().next(), column), (Some('a'), 1));
        let (text, column) = cut(&line, 300_000);
        assert!(text.starts_with('…') && text.ends_with('b') && column == BEFORE + 2, "{text} {column}");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(padding("画像: x", 5).len(), 6);
        assert_eq!(padding("e\u{301}: x", 4).len(), 2, "a joined mark takes none");
    }
}
