//! Small files that carry a checksum of their own: JSON objects whose last member is the BLAKE3
//! digest of all bytes before it. They stay readable for people and for other programs.

use igpt_contract::Digest;
use serde::Serialize;

const BEFORE: &str = ",\"checksum\":\"";
/// How a sealed text ends.
pub(super) const AFTER: &str = "\"}\n";
const HEX: usize = 64;

/// The text of a value (one that becomes a JSON object with members), sealed.
///
/// # Errors
/// Where the value has no JSON.
pub(super) fn seal(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(value)?;
    text.pop();
    let checksum = Digest::of(&text).to_string();
    for part in [BEFORE, &checksum, AFTER] {
        text.extend_from_slice(part.as_bytes());
    }
    Ok(text)
}

/// The same of a JSON object with members, on lines of their own for people.
pub(super) fn seal_lines(value: &serde_json::Value) -> Vec<u8> {
    let text = format!("{value:#}");
    let text = text.strip_suffix("\n}").unwrap_or(&text);
    let checksum = Digest::of(text.as_bytes()).to_string();
    [text, BEFORE, &checksum, AFTER].concat().into_bytes()
}

/// Whether a text is as it was sealed.
pub(super) fn is_valid(text: &[u8]) -> bool {
    let body = || {
        let (body, tail) =
            text.split_at_checked(text.len().checked_sub(BEFORE.len() + HEX + AFTER.len())?)?;
        let checksum = tail.strip_prefix(BEFORE.as_bytes())?.strip_suffix(AFTER.as_bytes())?;
        (Digest::of(body).to_string().as_bytes() == checksum).then_some(())
    };
    body().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed_and_the_text_is_json() {
        let text = seal(&serde_json::json!({"key": "ab", "outputs": {"out": 1}})).unwrap();
        assert!(is_valid(&text));
        let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(read["outputs"]["out"], 1);
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_valid(&flipped), "bit {bit}");
        }
        for length in 0..text.len() {
            assert!(!is_valid(&text[..length]));
        }
    }
}
