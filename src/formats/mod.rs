//! Results for other programs: numbers as tables, event files of TensorBoard, JUnit XML.
//!
//! What is written is decided by its input alone: equal results give equal bytes.

mod crc32c;
mod junit;
mod table;
mod tensorboard;

pub use junit::{Case, Outcome, Suite, junit};
pub use table::{csv, json};
pub use tensorboard::{EVENT_FILE, Scalar, event_file};
