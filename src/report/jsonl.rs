//! One JSON object a line: `events.jsonl` of every run, and `--json`.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Consumer, Numbered};

/// Why a stream could not be written to its end; nothing while all is well.
pub type Fault = Arc<Mutex<Option<io::Error>>>;

/// The JSON consumer. Lines are buffered; the buffer is flushed whenever the stream pauses.
pub struct JsonLines<W> {
    out: W,
    fault: Fault,
}

impl<W: Write + Send> JsonLines<W> {
    /// Lines into `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self { out, fault: Fault::default() }
    }

    /// Where it is told that `out` could not be written.
    pub fn fault(&self) -> Fault {
        Arc::clone(&self.fault)
    }

    /// Does something to `out`, unless that has failed before: a stream that lacks a line in its
    /// middle would look whole.
    fn try_to(&mut self, what: impl FnOnce(&mut W) -> io::Result<()>) {
        // A full disk or a closed pipe costs the stream, not the run.
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if fault.is_none() {
            *fault = what(&mut self.out).err();
        }
    }
}

impl<W: Write + Send> Consumer for JsonLines<W> {
    fn take(&mut self, event: &Numbered) {
        self.try_to(|out| {
            let mut line = serde_json::to_vec(event)?;
            line.push(b'\n');
            out.write_all(&line)
        });
    }

    fn pause(&mut self) {
        self.try_to(Write::flush);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_told() {
        let mut lines = JsonLines::new(Full);
        let fault = lines.fault();
        let event = Event::StepNoted { step: "s".into(), text: "t".into() };
        lines.take(&Numbered { n: 0, time: "t".into(), event });
        lines.pause();
        assert_eq!(fault.lock().unwrap().as_ref().unwrap().kind(), io::ErrorKind::StorageFull);
    }
}
