//! Which content a partial file belongs to.

use serde::{Deserialize, Serialize};
use ureq::http::{HeaderMap, header};

/// Which content a partial file belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) url: String,
    /// The strong `ETag`, else the `Last-Modified` date; `None` if the server sends neither, and the
    /// download cannot be resumed.
    pub(crate) tag: Option<String>,
    /// The total length, if the server sends it.
    pub(crate) size: Option<u64>,
}

/// What identifies the content: its strong `ETag` or else its date.
pub(crate) fn tag(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let strong = text(header::ETAG).filter(|tag| !tag.starts_with("W/"));
    strong.or_else(|| text(header::LAST_MODIFIED)).map(str::to_owned)
}

/// The first byte and the total of `bytes 100-199/1000`; the total may be `*`.
pub(crate) fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(content_range("bytes 100-199/1000"), Some((100, Some(1000))));
        assert_eq!(content_range("bytes 100-199/*"), Some((100, None)));
        assert_eq!(content_range("bytes */1000"), None);
        assert_eq!(content_range("lines 1-2/3"), None);
    }
}
