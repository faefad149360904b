//! The names of files on a remote: those of a store, so that a copied store is a remote.

use igpt_contract::Digest;

use crate::remote_address::PublicKey;

/// The folder of objects.
pub(super) const OBJECTS: &str = "objects-v1";
/// The folder of records.
pub(super) const RECORDS: &str = "records-v2";
/// The folder of records with their signatures.
pub(super) const SIGNED: &str = "signed-v1";
/// What shows that writing is allowed, and what time it is there.
pub(super) const PROBE: &str = "probe-v1/write";
/// The text of that file.
pub(super) const PROBE_TEXT: &[u8] = b"igpt-flow writes this file to see whether it may\n";

pub(super) fn object(digest: &Digest) -> String {
    let hex = digest.to_string();
    format!("{OBJECTS}/{}/{}", &hex[..2], &hex[2..])
}

pub(super) fn record(key: &Digest) -> String {
    let hex = key.to_string();
    format!("{RECORDS}/{}/{hex}.json", &hex[..2])
}

/// A record as one signer vouches for it: another may do so, too, whoever wrote the record first.
pub(super) fn signed(key: &Digest, signer: &PublicKey) -> String {
    let hex = key.to_string();
    format!("{SIGNED}/{}/{hex}-{}", &hex[..2], hex_of(&signer.0[..8]))
}

pub(super) fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of the object of that name.
pub(super) fn object_of(name: &str) -> Option<Digest> {
    let (first, rest) = name.strip_prefix(OBJECTS)?.strip_prefix('/')?.split_once('/')?;
    let digest: Digest = format!("{first}{rest}").parse().ok()?;
    (object(&digest) == name).then_some(digest)
}

/// The key of the record, signed or not, of that name.
pub(super) fn key_of(name: &str) -> Option<Digest> {
    let file = name.rsplit('/').next()?;
    file.split(['.', '-']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        let digest = Digest::of(b"x");
        assert_eq!(object_of(&object(&digest)), Some(digest));
        assert_eq!(key_of(&record(&digest)), Some(digest));
        assert_eq!(key_of(&signed(&digest, &PublicKey([7; 32]))), Some(digest));
        assert_eq!(object_of("objects-v1/ab/cd"), None);
        assert_eq!(object_of(&record(&digest)), None);
    }
}
