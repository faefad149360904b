//! Waits for a server without blocking: requests and reads run on threads of their own, so that a cancelled
//! step ends at once, even if the server does not respond.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel, sync_channel};
use std::time::Duration;

use igpt_contract::{StageContext, StageError};

/// How often a waiting step checks whether it is cancelled.
const POLL: Duration = Duration::from_millis(100);
/// Bytes that are read at once, and how many such chunks may be queued.
const CHUNK: usize = 1 << 17;
const QUEUED: usize = 4;

/// Runs work that may block, and waits for it. If the step is cancelled, the work is abandoned: it ends
/// with the process.
///
/// # Errors
/// [`StageError::Cancelled`], or an error if the work panicked.
pub(crate) fn wait_for<T: Send + 'static>(
    cx: &StageContext,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StageError> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().spawn(move || drop(sender.send(work())))?;
    next(&receiver, cx)?.ok_or_else(|| StageError::new("the download's thread panicked"))
}

/// The chunks of a body as they arrive.
pub(crate) struct BodyChunks<'a> {
    receiver: Receiver<io::Result<Vec<u8>>>,
    cx: &'a StageContext,
}

impl<'a> BodyChunks<'a> {
    /// Starts reading.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(crate) fn new(mut body: impl Read + Send + 'static, cx: &'a StageContext) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUED);
        std::thread::Builder::new().spawn(move || {
            loop {
                let mut chunk = vec![0; CHUNK];
                let read = body.read(&mut chunk).map(|n| {
                    chunk.truncate(n);
                    chunk
                });
                let is_last = !matches!(&read, Ok(chunk) if !chunk.is_empty());
                if sender.send(read).is_err() || is_last {
                    return;
                }
            }
        })?;
        Ok(Self { receiver, cx })
    }

    /// The next chunk; empty at the end.
    ///
    /// # Errors
    /// [`StageError::Cancelled`]; errors of the connection are in the inner result.
    pub(crate) fn next(&self) -> Result<io::Result<Vec<u8>>, StageError> {
        Ok(next(&self.receiver, self.cx)?.unwrap_or_else(|| Ok(Vec::new())))
    }
}

fn next<T>(receiver: &Receiver<T>, cx: &StageContext) -> Result<Option<T>, StageError> {
    loop {
        cx.check()?;
        match receiver.recv_timeout(POLL) {
            Ok(value) => return Ok(Some(value)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_cancelled_step_does_not_wait_for_a_silent_server() {
        let flag = Arc::new(AtomicBool::new(false));
        let cx = StageContext::new(0, 1, "/".into(), |_| {}).cancelled_by(Arc::clone(&flag));
        let (keep, silent) = channel::<()>();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            flag.store(true, Ordering::Relaxed);
        });
        let answer = wait_for(&cx, move || silent.recv());
        assert!(matches!(answer, Err(StageError::Cancelled)));
        drop(keep);
    }

    #[test]
    fn pieces_are_the_whole_body() {
        let cx = StageContext::new(0, 1, "/".into(), |_| {});
        let body: Vec<u8> = (0..3 * CHUNK + 7).map(|n| n as u8).collect();
        let chunks = BodyChunks::new(io::Cursor::new(body.clone()), &cx).unwrap();
        let mut read = Vec::new();
        loop {
            let chunk = chunks.next().unwrap().unwrap();
            if chunk.is_empty() {
                break;
            }
            read.extend(chunk);
        }
        assert_eq!(read, body);
    }
}
