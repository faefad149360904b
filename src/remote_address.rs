//! Where results are shared, as people write it: `s3://bucket/prefix`, `file:///shared/results`. No credentials
//! are part of it: they would be in every run's record.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::paths::percent_decoded;

/// The address of a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteAddress {
    /// A folder, such as a shared disk's.
    Folder(PathBuf),
    /// A bucket and a prefix in it.
    Bucket {
        /// Whose.
        vendor: Vendor,
        /// The bucket or container.
        bucket: String,
        /// The prefix, without slashes around it; may be empty.
        prefix: String,
    },
}

/// Who speaks the language of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// Amazon S3, and every server that does the same.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

/// What is wrong with an address. Never holds the address: there may be a secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressFault {
    /// What was expected and what was found.
    pub what: String,
    /// What the user can do about it.
    pub hint: String,
}

/// How addresses are written, for hints.
pub const EXAMPLES: &str = "for example `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `file:///shared/results`";

impl RemoteAddress {
    /// Whether it is reached over the network. (A shared disk is the system's business.)
    pub fn is_network(&self) -> bool {
        matches!(self, Self::Bucket { .. })
    }
}

impl FromStr for RemoteAddress {
    type Err = AddressFault;

    fn from_str(text: &str) -> Result<Self, AddressFault> {
        let fault = |what: &str, hint: &str| AddressFault { what: what.to_owned(), hint: hint.to_owned() };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(fault(
                "a remote's address must begin with `s3://`, `gs://`, `az://` or `file://`",
                EXAMPLES,
            ));
        };
        if rest.contains('@') {
            let hint = "give them in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
                        and change those that stood here: they may have been seen";
            return Err(fault("a remote's address must not hold credentials", hint));
        }
        if rest.contains(['?', '#']) || rest.chars().any(|c| c.is_control() || c.is_whitespace()) {
            let hint =
                "an endpoint, a region and credentials belong into the environment, such as AWS_ENDPOINT_URL";
            return Err(fault("a remote's address must have no options, fragments or blanks", hint));
        }
        let vendor = match scheme {
            "s3" => Vendor::S3,
            "gs" => Vendor::Gcs,
            "az" => Vendor::Azure,
            "file" => {
                let path = percent_decoded(rest).filter(|path| path.starts_with(b"/"));
                let path = path.and_then(|path| String::from_utf8(path).ok());
                let Some(path) = path.filter(|path| !path.contains('\0')) else {
                    let hint = "write three slashes: `file:///shared/results`";
                    return Err(fault("a `file://` remote must be an absolute path", hint));
                };
                return Ok(Self::Folder(PathBuf::from(path)));
            }
            _ => {
                let scheme: String = scheme.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
                return Err(fault(&format!("a remote cannot be at `{scheme}://`"), EXAMPLES));
            }
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let of_bucket = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if bucket.is_empty() || !bucket.chars().all(of_bucket) {
            return Err(fault("a remote's bucket must be of letters, digits, `.`, `_` and `-`", EXAMPLES));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !prefix.is_empty() && !prefix.split('/').all(is_plain) {
            let hint = "write it as `s3://bucket/some/prefix`";
            return Err(fault("a remote's prefix must not have empty parts, `.` or `..`", hint));
        }
        Ok(Self::Bucket { vendor, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::Bucket { vendor, bucket, prefix } => {
                let scheme = match vendor {
                    Vendor::S3 => "s3",
                    Vendor::Gcs => "gs",
                    Vendor::Azure => "az",
                };
                write!(f, "{scheme}://{bucket}")?;
                if prefix.is_empty() { Ok(()) } else { write!(f, "/{prefix}") }
            }
        }
    }
}

/// The public key of somebody who signs records: `ed25519:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

/// The bytes that hexadecimal digits stand for.
pub(crate) fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

const ED25519: &str = "ed25519:";

impl FromStr for PublicKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = text.strip_prefix(ED25519).and_then(|digits| unhex(digits.as_bytes())).ok_or(())?;
        let key = bytes.try_into().map_err(|_| ())?;
        Ok(Self(key))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ED25519)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for text in [
            "s3://b",
            "s3://my.bucket-1/a/b c".split(' ').next().unwrap(),
            "gs://b/x",
            "az://c/x/y",
            "file:///a/b",
        ] {
            assert_eq!(text.parse::<RemoteAddress>().unwrap().to_string(), text);
        }
        assert_eq!("s3://b/x/".parse::<RemoteAddress>().unwrap().to_string(), "s3://b/x");
        assert_eq!("file:///a%20b".parse(), Ok(RemoteAddress::Folder("/a b".into())));
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_repeated() {
        let all = [
            "bucket",
            "http://b/hunter2",
            "s3://key:hunter2@b/x",
            "s3://key:hun/ter2@b",
            "s3://b?token=hunter2",
            "s3://b/../x",
            "s3:///x",
            "s3://b//x",
            "file://x",
            "file:///a\nb",
            "s3://b/hunter2/./x",
        ];
        for text in all {
            let fault = text.parse::<RemoteAddress>().unwrap_err();
            assert!(!format!("{fault:?}").contains("ter2"), "{fault:?}");
        }
    }

    #[test]
    fn public_keys_are_read_and_written() {
        let text = format!("ed25519:{}", "0a".repeat(32));
        assert_eq!(text.parse::<PublicKey>().unwrap().to_string(), text);
        for text in [
            "",
            "ed25519:",
            "0a",
            &format!("ed25519:{}", "+a".repeat(32)),
            &format!("ed25519:{}", "é".repeat(32)),
        ] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
    }
}
