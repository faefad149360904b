//! The frame that the parts of a plot are drawn in.

use igpt_plot::plotters::prelude::*;
use igpt_plot::{Area, DrawError, Stroke, line, pt};

use crate::layout::PlotLayout;

/// The frame of a plot on its area.
pub(crate) struct PlotFrame<'a, 'c> {
    pub(crate) area: &'a Area<'c>,
    pub(crate) at: &'a PlotLayout,
    /// From numbers to dots.
    pub(crate) place: &'a dyn Fn(f64, f64) -> (i32, i32),
}

/// A vertical bar with caps.
pub(crate) fn error_bar(
    area: &Area<'_>,
    ((x, top), (_, bottom)): ((i32, i32), (i32, i32)),
    colour: RGBColor,
) -> Result<(), DrawError> {
    let thin = Stroke { width: 0.7, ..Stroke::solid(colour) };
    let cap = pt(1.8).round() as i32;
    line(area, &[(x, top), (x, bottom)], &thin)?;
    line(area, &[(x - cap, top), (x + cap, top)], &thin)?;
    line(area, &[(x - cap, bottom), (x + cap, bottom)], &thin)
}
