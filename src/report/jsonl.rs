//! One JSON object a line: `events.jsonl` of every run, and `--json`.

use std::io::Write;

use crate::event::{Consumer, Numbered};

/// The JSON consumer. Lines are buffered; the buffer is flushed whenever the stream pauses.
pub struct JsonLines<W> {
    out: W,
}

impl<W: Write + Send> JsonLines<W> {
    /// Lines into `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Consumer for JsonLines<W> {
    fn take(&mut self, event: &Numbered) {
        // A full disk or a closed pipe costs the log, not the run.
        let _ = serde_json::to_writer(&mut self.out, event);
        let _ = self.out.write_all(b"\n");
    }

    fn pause(&mut self) {
        let _ = self.out.flush();
    }
}
