//! `view`: a page as a file, and the server of pages from outside. No browser is needed here.

mod browser;
mod large;
mod page;
pub(crate) mod server;
