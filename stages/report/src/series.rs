//! The series of a figure.

use std::collections::BTreeMap;

use igpt_table::observe::Value;

use crate::statistics::Measured;

/// A series: its value, and the number of its `y`, 0 for the figure's own and from 1 on for `also`.
pub(crate) type SeriesKey<'a> = (Option<&'a Value>, usize);

/// The numbers of a series: by their place on the horizontal axis, and those without one.
#[derive(Default)]
pub(crate) struct SeriesData<'a> {
    pub(crate) placed: BTreeMap<&'a Value, Vec<Measured>>,
    pub(crate) apart: Vec<Measured>,
}
