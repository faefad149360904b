//! Numbers of things in notes and errors.

use std::fmt::Display;

/// A number and its noun, in the plural unless it is one: `1 image`, `12 images`, `0 classes`.
pub fn counted(n: impl Display, noun: &str) -> String {
    let n = n.to_string();
    match n.as_str() {
        "1" => format!("1 {noun}"),
        _ if noun.ends_with('s') || noun.ends_with("ch") => format!("{n} {noun}es"),
        _ => format!("{n} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_all_else_plural() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "image")), ["0 images", "1 image", "2 images"]);
        assert_eq!([1, 3].map(|n| counted(n, "class")), ["1 class", "3 classes"]);
        assert_eq!(counted(2, "search"), "2 searches");
    }
}
