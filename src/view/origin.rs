//! Where numbers come from: for every step the way back to the data.

use maud::{Markup, html};

use super::run::Run;
use super::tables::ResultTable;
use crate::store::Store;

/// The origins of a run's steps.
pub(crate) struct Origins;

/// The origins of a table's cells.
pub(crate) struct Cells;

impl Origins {
    pub(crate) fn of(_store: &Store, _run: &Run) -> Self {
        Self
    }

    pub(crate) fn render(&self, _run: &Run, _step: usize, _href: &dyn Fn(usize) -> String) -> Markup {
        html! {}
    }

    pub(crate) fn cells(&self, _store: &Store, _run: &Run, _step: usize, _port: &str) -> Cells {
        Cells
    }
}

impl Cells {
    pub(crate) fn href(&self, _row: usize, _column: usize, step: usize) -> String {
        format!("#s{step}")
    }

    pub(crate) fn render(&self, _run: &Run, _table: &ResultTable, _href: &dyn Fn(usize) -> String) -> Markup {
        html! {}
    }
}
