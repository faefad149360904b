//! Data for the scripts of a page, which cannot end the element that holds it.

use maud::{Markup, PreEscaped, html};
use serde::Serialize;

/// A script element of data. What could end it or begin a comment is written as `\u003c`.
pub(crate) fn data(value: &impl Serialize) -> Markup {
    html! { script type="application/json" { (PreEscaped(json(value))) } }
}

/// JSON without `<`, `>`, `&` and what older scripts take for line ends. All of these stand in strings
/// alone, where an escape means the same.
pub(crate) fn json(value: &impl Serialize) -> String {
    // Numbers, texts and lists can always be written.
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_the_script() {
        let hostile = "</script><!--<script>&\u{2028}";
        let text = data(&[hostile]).into_string();
        assert_eq!(text.matches('<').count(), 2, "{text}");
        let inside =
            text.trim_start_matches("<script type=\"application/json\">").trim_end_matches("</script>");
        assert_eq!(serde_json::from_str::<Vec<String>>(inside).unwrap(), [hostile]);
    }
}
