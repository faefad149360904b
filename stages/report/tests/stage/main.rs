//! The stage from end to end: from metrics artifacts to a table and a figure.

mod cells;
mod expect;
mod figures;
mod latex;
mod support;
mod tables;
