//! As much of HTTP/1.1 as a page needs: one GET or HEAD on a connection, read and answered within bounds.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::paths::percent_decoded;

/// The most bytes and headers of a request.
const MOST_BYTES: usize = 16 << 10;
const MOST_HEADERS: usize = 64;

/// How long a request may take to arrive, and how long an answer may wait for its reader.
const ARRIVES: Duration = Duration::from_secs(5);
const LEAVES: Duration = Duration::from_secs(10);

/// A request. Its body, which it should not have, is never read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path, decoded.
    pub(crate) path: String,
    /// The query, decoded, in its order.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) host: Option<String>,
    pub(crate) cookies: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// A page.
    pub(crate) fn page(body: String) -> Self {
        Self { status: "200 OK", headers: Vec::new(), body }
    }

    /// Why there is none.
    pub(crate) fn refusal(status: &'static str, why: &str) -> Self {
        let headers = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
        Self { status, headers, body: format!("{why}\n") }
    }
}

/// Reads a request; what was wrong with it is an answer.
pub(crate) fn read(stream: &mut TcpStream) -> Result<Request, Answer> {
    let bad = |why: &str| Answer::refusal("400 Bad Request", why);
    let late = || Answer::refusal("408 Request Timeout", "the request did not arrive in time");
    let until = Instant::now() + ARRIVES;
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&bytes) {
            Ok(httparse::Status::Complete(_)) => {
                return parsed(&request).ok_or_else(|| bad("not a request that is understood here"));
            }
            Ok(httparse::Status::Partial) if bytes.len() < MOST_BYTES => {}
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(Answer::refusal(
                    "431 Request Header Fields Too Large",
                    "the request is too large",
                ));
            }
            Err(error) => return Err(bad(&format!("not HTTP: {error}"))),
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Err(late());
        }
        let mut some = [0; 4096];
        match stream.read(&mut some) {
            Ok(0) => return Err(bad("the request ended early")),
            Ok(n) => bytes.extend_from_slice(&some[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(late()),
        }
    }
}

fn parsed(request: &httparse::Request<'_, '_>) -> Option<Request> {
    let header = |name: &str| {
        let mut values = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        // Two of them could be read in two ways.
        let value = values.next().map(|header| String::from_utf8_lossy(header.value).into_owned());
        values.next().is_none().then_some(value)
    };
    let target = request.path?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if !path.starts_with('/') {
        return None;
    }
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(&name.replace('+', " "))?, decoded(&value.replace('+', " "))?))
    });
    Some(Request {
        method: request.method?.to_owned(),
        path: decoded(path)?,
        query: query.collect::<Option<Vec<_>>>()?,
        host: header("host")?,
        cookies: header("cookie")?.unwrap_or_default(),
    })
}

/// A text without its `%XX`; none where that is no UTF-8.
fn decoded(text: &str) -> Option<String> {
    String::from_utf8(percent_decoded(text)?).ok()
}

/// Writes an answer, without its body where only its head was asked for, and ends the connection.
///
/// # Errors
/// Where the reader has gone or does not read.
pub(crate) fn write(
    stream: &mut TcpStream,
    answer: &Answer,
    policy: &str,
    head_only: bool,
) -> io::Result<()> {
    stream.set_write_timeout(Some(LEAVES))?;
    let mut text = head(answer.status, policy);
    if !answer.headers.iter().any(|(name, _)| *name == "Content-Type") {
        text += "Content-Type: text/html; charset=utf-8\r\n";
    }
    for (name, value) in &answer.headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n", answer.body.len());
    stream.write_all(text.as_bytes())?;
    if !head_only {
        stream.write_all(answer.body.as_bytes())?;
    }
    stream.flush()
}

/// Begins a stream of server-sent events.
///
/// # Errors
/// As [`write`].
pub(crate) fn begin_events(stream: &mut TcpStream, policy: &str) -> io::Result<()> {
    stream.set_write_timeout(Some(LEAVES))?;
    let head = head("200 OK", policy) + "Content-Type: text/event-stream\r\n\r\nretry: 2000\n\n";
    stream.write_all(head.as_bytes())?;
    stream.flush()
}

/// The headers of every answer. There are none that would let another site read it.
fn head(status: &str, policy: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Security-Policy: {policy}\r\n\
         X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nReferrer-Policy: no-referrer\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\nCross-Origin-Opener-Policy: same-origin\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Option<Request> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        request.parse(text.as_bytes()).unwrap();
        parsed(&request)
    }

    #[test]
    fn a_request_is_decoded_once() {
        let found =
            request("GET /run/a%2F%252e?x=1+2&y=%26&z HTTP/1.1\r\nHOST: h\r\nCookie: a=b\r\n\r\n").unwrap();
        assert_eq!(found.path, "/run/a/%2e");
        let pairs: Vec<(&str, &str)> = found.query.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(pairs, [("x", "1 2"), ("y", "&"), ("z", "")]);
        assert_eq!((found.host.as_deref(), &*found.cookies), (Some("h"), "a=b"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        assert_eq!(request("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), None);
        assert_eq!(request("GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n"), None);
        assert_eq!(request("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n"), None);
        assert_eq!(request("GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n"), None);
    }
}
