//! The sizes of text in figures.

/// Sizes of text on paper, in points; less than 7 is hard to read.
pub(crate) const TITLE: f64 = 8.5;
pub(crate) const LABEL: f64 = 8.0;
pub(crate) const TICK: f64 = 7.5;
pub(crate) const NOTE: f64 = 7.0;
/// The distance of two lines of text, as a multiple of its size.
pub(crate) const LINE: f64 = 1.3;
