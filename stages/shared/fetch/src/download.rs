//! A download in several attempts, each of which resumes where the last one stopped.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use igpt_contract::{StageContext, StageError};
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use crate::address::without_credentials;
use crate::content::{Content, content_range, tag};
use crate::request::FileRequest;
use crate::wait::{BodyChunks, wait_for};

/// Attempts in a row without a new byte after which the download fails.
const ATTEMPTS: u32 = 5;
/// The pause after the first such attempt; it doubles with each one.
const PAUSE: Duration = Duration::from_millis(250);
/// The timeout for each response and read.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How an attempt ended.
enum Attempt {
    /// The file is complete.
    Done,
    /// The connection broke or the server is busy: another attempt may help.
    Interrupted(String),
    /// Another attempt cannot help.
    Refused(StageError),
    /// The server has no such file, which `find` does not treat as an error.
    Absent(StageError),
}

impl From<std::io::Error> for Attempt {
    fn from(error: std::io::Error) -> Self {
        Self::Refused(StageError::caused("cannot write the downloaded file", error))
    }
}

/// The outcome of a download.
pub(crate) enum Outcome {
    /// The file is complete.
    Found(PathBuf),
    /// The server has no such file: the error for a caller that needs it.
    Absent(StageError),
}

/// Downloads a file in as many attempts as it takes.
///
/// # Errors
/// If the server refuses, the connection keeps breaking, or the run is cancelled.
pub(crate) fn download(wanted: &FileRequest, cx: &StageContext) -> Result<Outcome, StageError> {
    let FileRequest { folder, name, .. } = *wanted;
    let url = without_credentials(wanted.url);
    let path = folder.join(name);
    if path.is_file() {
        return Ok(Outcome::Found(path));
    }
    std::fs::create_dir_all(folder)?;
    let agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(TIMEOUT))
        .timeout_recv_response(Some(TIMEOUT))
        .timeout_per_read(Some(TIMEOUT))
        .user_agent(concat!("igpt-flow/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent();
    let part = PartialFile { part: folder.join(format!("{name}.part")), wanted, agent, cx };
    let mut fruitless = 0;
    let mut pause = PAUSE;
    loop {
        cx.check()?;
        let before = part.length();
        match part.attempt() {
            Attempt::Done => break,
            Attempt::Refused(error) => return Err(error),
            Attempt::Absent(error) => return Ok(Outcome::Absent(error)),
            Attempt::Interrupted(why) => {
                if part.length() > before {
                    (fruitless, pause) = (0, PAUSE);
                }
                fruitless += 1;
                if fruitless >= ATTEMPTS {
                    let what = format!("cannot download `{url}`: {why}, {ATTEMPTS} times in a row");
                    let hint = format!("run again to resume the download, or {}", wanted.elsewhere);
                    return Err(StageError::new(what).hint(hint));
                }
                cx.note(format!("`{url}`: {why}; retrying in {} ms", pause.as_millis()));
                sleep(pause, cx)?;
                pause *= 2;
            }
        }
    }
    std::fs::rename(&part.part, &path)?;
    match std::fs::remove_file(part.content_path()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(Outcome::Found(path)),
    }
}

/// Sleeps, unless the run is cancelled.
fn sleep(pause: Duration, cx: &StageContext) -> Result<(), StageError> {
    const SLICE: Duration = Duration::from_millis(50);
    let mut left = pause;
    while !left.is_zero() {
        cx.check()?;
        std::thread::sleep(left.min(SLICE));
        left = left.saturating_sub(SLICE);
    }
    Ok(())
}

/// A file that is being downloaded.
struct PartialFile<'a> {
    part: PathBuf,
    wanted: &'a FileRequest<'a>,
    agent: Agent,
    cx: &'a StageContext,
}

impl PartialFile<'_> {
    /// The URL without credentials.
    fn address(&self) -> String {
        without_credentials(self.wanted.url)
    }

    fn content_path(&self) -> PathBuf {
        self.part.with_extension("part.json")
    }

    /// The bytes received so far.
    fn length(&self) -> u64 {
        std::fs::metadata(&self.part).map_or(0, |metadata| metadata.len())
    }

    /// The content of the partial file, if the download can be resumed.
    fn known(&self) -> Option<Content> {
        let content: Content = serde_json::from_slice(&std::fs::read(self.content_path()).ok()?).ok()?;
        (content.url == without_credentials(self.wanted.url) && content.tag.is_some() && self.length() > 0)
            .then_some(content)
    }

    /// Requests the file or the rest of it, and writes what it receives.
    fn attempt(&self) -> Attempt {
        let known = self.known();
        let have = self.length();
        if known.as_ref().is_some_and(|known| known.size == Some(have)) {
            return Attempt::Done;
        }
        let mut request = self.agent.get(self.wanted.url);
        if let Some(tag) = known.as_ref().and_then(|known| known.tag.as_ref()) {
            request = request.header(header::RANGE, format!("bytes={have}-")).header(header::IF_RANGE, tag);
        }
        let response = match wait_for(self.cx, move || request.call()) {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return self.failed(error),
            Err(cancelled) => return Attempt::Refused(cancelled),
        };
        match (response.status(), known) {
            (StatusCode::OK, _) => self.start_over(response).unwrap_or_else(Attempt::from),
            (StatusCode::PARTIAL_CONTENT, Some(known)) => {
                self.resume(response, known, have).unwrap_or_else(Attempt::from)
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => match std::fs::remove_file(&self.part) {
                Ok(()) => Attempt::Interrupted("the file on the server has become shorter".to_owned()),
                Err(error) => error.into(),
            },
            (status, _) => self.refused(status),
        }
    }

    /// Receives the whole file.
    fn start_over(&self, response: Response<Body>) -> std::io::Result<Attempt> {
        let size = response.body().content_length();
        let content =
            Content { url: without_credentials(self.wanted.url), tag: tag(response.headers()), size };
        let file = File::create(&self.part)?;
        std::fs::write(self.content_path(), serde_json::to_vec(&content)?)?;
        self.take(response, file, 0, size)
    }

    /// Receives the rest of the file.
    fn resume(&self, response: Response<Body>, known: Content, have: u64) -> std::io::Result<Attempt> {
        let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let (start, total) = range.and_then(content_range).unwrap_or((u64::MAX, None));
        if start != have || (known.size.is_some() && total.is_some() && total != known.size) {
            std::fs::remove_file(&self.part)?;
            let found = range.unwrap_or("no `Content-Range`");
            return Ok(Attempt::Interrupted(format!(
                "requested the bytes from {have} on, the server sent `{found}`"
            )));
        }
        let file = OpenOptions::new().append(true).open(&self.part)?;
        self.take(response, file, have, known.size.or(total))
    }

    /// Appends the body to the file.
    fn take(
        &self,
        response: Response<Body>,
        mut file: File,
        have: u64,
        size: Option<u64>,
    ) -> std::io::Result<Attempt> {
        if size.is_some_and(|size| size > self.wanted.limit) {
            return Ok(self.too_large());
        }
        let chunks = BodyChunks::new(response.into_body().into_with_config().reader(), self.cx)?;
        let mut done = have;
        loop {
            let chunk = match chunks.next() {
                Err(cancelled) => return Ok(Attempt::Refused(cancelled)),
                Ok(Ok(chunk)) => chunk,
                Ok(Err(error)) => {
                    return Ok(Attempt::Interrupted(match size {
                        Some(size) => {
                            format!("expected {size} bytes, the connection ended after {done} ({error})")
                        }
                        None => format!("the connection ended after {done} bytes ({error})"),
                    }));
                }
            };
            if chunk.is_empty() {
                break;
            }
            file.write_all(&chunk)?;
            done += chunk.len() as u64;
            if done > self.wanted.limit {
                return Ok(self.too_large());
            }
            self.cx.progress(done, size.unwrap_or(0), "bytes");
        }
        match size {
            Some(size) if done < size => {
                Ok(Attempt::Interrupted(format!("expected {size} bytes, the connection ended after {done}")))
            }
            Some(size) if done > size => {
                // It is not the file that was announced.
                std::fs::remove_file(&self.part)?;
                Ok(Attempt::Interrupted(format!("expected {size} bytes, found {done}")))
            }
            _ => {
                file.sync_all()?;
                Ok(Attempt::Done)
            }
        }
    }

    fn too_large(&self) -> Attempt {
        let what =
            format!("expected at most {1} bytes at `{0}`, found more", self.address(), self.wanted.limit);
        Attempt::Refused(StageError::new(what))
    }

    /// An error status: permanent or temporary.
    fn refused(&self, status: StatusCode) -> Attempt {
        let answer = format!("the server responded with {status}");
        let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        if busy || status.is_server_error() {
            return Attempt::Interrupted(answer);
        }
        let error = StageError::new(format!("cannot download `{}`: {answer}", self.address()))
            .hint(self.wanted.elsewhere);
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Attempt::Absent(error),
            _ => Attempt::Refused(error),
        }
    }

    /// No response: a permanent or temporary failure.
    fn failed(&self, error: ureq::Error) -> Attempt {
        match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::TooManyRedirects => {
                let what = format!("cannot download `{}`", self.address());
                Attempt::Refused(StageError::caused(what, error))
            }
            error => Attempt::Interrupted(error.to_string()),
        }
    }
}
