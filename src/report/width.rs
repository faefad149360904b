//! How many columns of a terminal a text takes, and texts cut to fit. They hold no escape sequences.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The columns that a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// The text, cut to this many columns; what was cut ends in `…`.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let (mut kept, mut taken) = (String::new(), 0);
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken + 1 > columns {
            break;
        }
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// The text in this many columns: cut, or filled up with spaces.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let mut text = cut(text, columns);
    text.push_str(&" ".repeat(columns - text.width()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(columns("画像"), 4);
        assert_eq!(cut("画像", 4), "画像");
        assert_eq!(cut("画像", 3), "画…");
        assert_eq!(cut("画像", 2), "…");
        assert_eq!(fit("画像と", 4), "画… ");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(fit("ab", 4), "ab  ");
    }
}
