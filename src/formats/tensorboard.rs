//! Event files of TensorBoard: records of protobuf messages, written by hand.
//!
//! A record is the length of its data (u64), the masked CRC-32C of the length, the data, and the masked
//! CRC-32C of the data, all little-endian. The data is an `Event`: `wall_time` (field 1, double), `step`
//! (2, varint), and either `file_version` (3, text) or a `summary` (5) of one `value` (1) with `tag` (1,
//! text) and `simple_value` (2, float).

use super::crc32c::masked;

/// How the names of our event files end. TensorBoard reads every file that has `tfevents` in its name.
pub const EVENT_FILE: &str = ".igpt-flow";

/// One number of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scalar<'a> {
    /// The curve's name.
    pub tag: &'a str,
    /// The training step.
    pub step: i64,
    /// The value; TensorBoard has 32 bits for it.
    pub value: f32,
}

/// The bytes of an event file with these numbers, all of one time (in seconds since 1970).
pub fn event_file<'a>(wall_time: f64, scalars: impl IntoIterator<Item = Scalar<'a>>) -> Vec<u8> {
    let mut file = Vec::new();
    record(&mut file, &[&time(wall_time)[..], &text(3, "brain.Event:2")].concat());
    for Scalar { tag, step, value } in scalars {
        let value = [&text(1, tag)[..], &[2 << 3 | 5], &value.to_le_bytes()].concat();
        let summary = field(5, &field(1, &value));
        let step = [&[2 << 3][..], &varint(step as u64)].concat();
        record(&mut file, &[time(wall_time), step, summary].concat());
    }
    file
}

fn record(file: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    for part in [&length[..], &masked(&length).to_le_bytes(), data, &masked(data).to_le_bytes()] {
        file.extend_from_slice(part);
    }
}

fn time(seconds: f64) -> Vec<u8> {
    [&[1 << 3 | 1][..], &seconds.to_le_bytes()].concat()
}

fn text(number: u8, text: &str) -> Vec<u8> {
    field(number, text.as_bytes())
}

/// A field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(bytes.len() as u64), bytes].concat()
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_tensorflow() {
        let bytes = event_file(1.5, [Scalar { tag: "loss", step: 300, value: 0.5 }]);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN);
    }

    /// What `tensorboard.summary.writer.record_writer.RecordWriter` writes of the same two `Event`s.
    const GOLDEN: &str = concat!(
        "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c",
        "1b000000000000001a0d9e1309000000000000f83f10ac022a0d0a0b0a046c6f7373150000003f69f9315b"
    );
}
