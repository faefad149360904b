//! Floats that survive JSON bit for bit.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A float that is written as its bits. A JSON reader may round a decimal text's last digit
/// (`serde_json` does unless built otherwise), and then a resumed training would report other
/// numbers than a straight one; also, not-a-number has no decimal text in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Exact(
    /// The float.
    pub f64,
);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.to_bits().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|bits| Self(f64::from_bits(bits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float_survives() {
        for value in [0.1, -0.0, f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, 1.0 / 3.0] {
            let text = serde_json::to_string(&Exact(value)).unwrap();
            let read: Exact = serde_json::from_str(&text).unwrap();
            assert_eq!(read.0.to_bits(), value.to_bits());
        }
    }
}
