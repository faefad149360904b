//! Numbers of a pipeline in a LaTeX paper: names for them, and whether the paper still says them.

mod check;
mod files;
mod literal;
mod tex;
mod values;

pub use check::{Exported, Finding, Kind, Now, check};
pub use files::{Document, Files, read};
pub use values::{MadeOf, ValuesFile, key, numbers, write};
