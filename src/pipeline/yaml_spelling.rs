//! How the scalars of a YAML text are spelled: a second reading along the tree of the first.
//!
//! A parser that is asked for a string returns the scalar's own characters, whatever it would take
//! them for otherwise. So comments, quotes, flow style and aliases need no rules of ours. Most files
//! spell their numbers as they are printed, and a look at the words of the text saves the reading.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::node::{Data, Node};
use super::spelling::Spelling;

/// Whether a string has a word that is a number or a truth value and is not how that is printed. It
/// may also be one in a comment or a quoted text: then a reading is wasted.
pub(super) fn may_matter(text: &str) -> bool {
    let is_of_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_');
    let words = text.as_bytes().split(|b| !is_of_word(b));
    words.filter_map(|word| str::from_utf8(word).ok()).any(is_odd)
}

fn is_odd(word: &str) -> bool {
    match word.as_bytes() {
        [b'T' | b'F', ..] => ["True", "TRUE", "False", "FALSE"].contains(&word),
        [b'+' | b'-' | b'.' | b'0'..=b'9', ..] => {
            // Digits behind a zero are a string for YAML, and so need no spelling.
            let digits = word.strip_prefix('-').unwrap_or(word);
            let is_plain = digits.bytes().all(|b| b.is_ascii_digit()) && word != "-0";
            !is_plain && !is_printed_so(word)
        }
        _ => false,
    }
}

/// Whether a word is a float as it is printed, or no number at all.
fn is_printed_so(word: &str) -> bool {
    if let Some(digits) = word.trim_start_matches(['+', '-']).strip_prefix('0')
        && digits.starts_with(['x', 'o', 'b'])
    {
        return false;
    }
    match word.parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
        Some(number) => number.to_string() == word,
        None => true,
    }
}

/// Goes through a document along its tree, and gives the scalars their spellings.
pub(super) struct Speller<'n>(pub(super) &'n mut Node);

impl<'de> DeserializeSeed<'de> for Speller<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match &self.0.data {
            Data::Null | Data::Text(_) => deserializer.deserialize_ignored_any(IgnoredAny).map(drop),
            Data::Bool(..) | Data::Number(..) => deserializer.deserialize_str(self),
            Data::List(_) => deserializer.deserialize_seq(self),
            Data::Map(_) => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Speller<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("what was there before")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let unless = |printed: String| -> Spelling { (printed != text).then(|| text.into()) };
        match &mut self.0.data {
            Data::Bool(value, written) => *written = unless(value.to_string()),
            Data::Number(value, written) => *written = unless(value.to_string()),
            _ => {}
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        if let Data::List(items) = &mut self.0.data {
            for item in items {
                access.next_element_seed(Speller(item))?;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        if let Data::Map(members) = &mut self.0.data {
            for (_, member) in members {
                access.next_key::<IgnoredAny>()?;
                access.next_value_seed(Speller(member))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::diagnostic::Faults;
    use super::super::yaml::parse;
    use super::super::yaml_tree::Marks;
    use super::*;

    #[test]
    fn files_that_spell_as_we_print_are_read_once() {
        for usual in [
            "a: 1",
            "lr: 0.003",
            "n: -5",
            "x: true",
            "t: \"text\"",
            "d: 2026-01-02",
            "z: 0",
            "c: a-b.c",
            "f: 007",
        ] {
            assert!(!may_matter(usual), "{usual}");
        }
        for odd in ["a: 3.10", "[1e3]", "{x: 0x1F}", "b: True", "c: +1", "d: .5", "e: 12345e67", "-0"] {
            assert!(may_matter(odd), "{odd}");
        }
    }

    #[test]
    fn every_scalar_gets_its_own_spelling() {
        let text = "a: &v 3.10 # 4.20\nb: [1e3, *v, 'x: 5.50', {c: True}]\nd: |\n  6.60\ne: 0x1F\n\
                    f: 12345e67\ng: ~\nh: 1_000\ni: 7.70\n";
        for marks in [Marks::OfSteps, Marks::OfAll] {
            let mut faults = Faults::default();
            let root = parse(text, marks, &mut faults).unwrap();
            let at = |path: &[&str]| {
                root.descend(path.iter().copied()).0.scalar_text().map(|text| text.into_owned())
            };
            for (path, written) in [
                (&["a"][..], "3.10"),
                (&["b", "0"], "1e3"),
                (&["b", "1"], "3.10"),
                (&["b", "2"], "x: 5.50"),
                (&["b", "3", "c"], "True"),
                (&["d"], "6.60\n"),
                (&["e"], "0x1F"),
                (&["f"], "12345e67"),
                (&["h"], "1_000"),
                (&["i"], "7.70"),
            ] {
                assert_eq!(at(path).as_deref(), Some(written), "{path:?}");
            }
            assert_eq!(at(&["g"]), None);
            assert_eq!(root.get("e").unwrap().to_json(), 31);
        }
    }
}
