//! Errors of the C++ side.

use std::ffi::{CStr, c_char};

/// The text of an error that the C++ side returned; none where it returned none.
pub(crate) fn error_text(error: *mut c_char) -> Option<String> {
    if error.is_null() {
        return None;
    }
    // SAFETY: the text is a C string that strdup allocated for us.
    unsafe {
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        libc::free(error.cast());
        Some(text)
    }
}
