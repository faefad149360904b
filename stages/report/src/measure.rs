//! How wide a text is. A picture cannot ask the font of whoever looks at it, so the widths are those
//! of DejaVu Sans, rounded up: Helvetica and Arial are narrower.

/// The size of most texts in a picture, in pixels.
pub(crate) const TEXT: f64 = 14.0;
/// The distance of two lines of text.
pub(crate) const LINE: f64 = 18.0;

/// The width of a text in pixels, of letters of some size.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(share).sum::<f64>() * size
}

/// The width of a letter as a share of its height.
fn share(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | 'J' | '\'' | '.' | ',' | ' ' => 0.33,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '|' | ':' | ';' | '!' | '/' | '-' => 0.42,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 1.0,
        '+' | '=' | '<' | '>' | '~' | '#' | '±' | '×' | '−' => 0.84,
        'A'..='Z' | '&' => 0.78,
        ' '..='~' => 0.64,
        // Signs of Chinese, Japanese and Korean, and those that are pictures, are squares.
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'.. => 1.05,
        _ => 0.8,
    }
}

/// The lines that a text takes where a line holds `limit` pixels.
pub(crate) fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(&longer, size) <= limit {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        // A word that no line holds is cut where it must be.
        for c in word.chars() {
            if !line.is_empty() && width(&line, size) + share(c) * size > limit {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A text of at most `limit` pixels: its beginning, where it is longer.
pub(crate) fn shorten(text: &str, size: f64, limit: f64) -> String {
    if width(text, size) <= limit {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if width(&out, size) + (share(c) + share('…')) * size > limit {
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_what_they_can_and_lose_nothing() {
        let text = "Linear probes on the features of an iGPT, pre-trained_and_fine-tuned_without_a_space";
        let lines = wrap(text, TEXT, 160.0);
        assert!(lines.len() > 2 && lines.iter().all(|line| width(line, TEXT) <= 160.0), "{lines:?}");
        let letters = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(letters(&lines.concat()), letters(text));
        assert_eq!(wrap("short", TEXT, 160.0), ["short"]);
        assert!(wrap(" ", TEXT, 160.0).is_empty());
        let short = shorten(text, TEXT, 160.0);
        assert!(short.ends_with('…') && width(&short, TEXT) <= 160.0, "{short}");
    }
}
