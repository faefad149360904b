//! When the machine has no process, thread, descriptor or memory left: how that is recognised, and what
//! the user can do about it.

use std::io;

/// What the user can do where the system has nothing left.
pub(super) const RAISE: &str = "raise `ulimit -u` and `ulimit -n`, or run fewer steps at once (`--jobs`)";

/// Whether the system had no process, descriptor or memory left to give.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code.is_some_and(|code| [libc::EAGAIN, libc::ENOMEM, libc::EMFILE, libc::ENFILE].contains(&code))
}

/// Whether what is behind an error is that the system had no descriptor, process or memory left.
pub(super) fn caused_by_exhaustion(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|error| error.downcast_ref::<io::Error>()).any(is_exhausted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn want_of_descriptors_is_found_behind_an_error() {
        let error = |code| StoreError::Io {
            doing: "open",
            path: "x".into(),
            source: io::Error::from_raw_os_error(code),
        };
        assert!(caused_by_exhaustion(&error(libc::EMFILE)));
        assert!(!caused_by_exhaustion(&error(libc::ENOENT)));
    }
}
