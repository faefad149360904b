//! The cells of a results table, as its `cells.json` tells them: which number stands where, and the inputs
//! that contributed to it.

use std::collections::BTreeSet;
use std::path::Path;

use igpt_contract::Digest;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Node;
use crate::store::{Artifact, Store};

/// The file's name, beside the table.
const FILE: &str = "cells.json";

/// A results table.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct TableCells {
    /// The columns of results, from left to right.
    pub columns: Vec<CellColumn>,
    /// The rows, as they are shown.
    pub rows: Vec<CellRow>,
    /// The cells with a result or a published number.
    pub cells: Vec<Cell>,
}

/// A column.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CellColumn {
    /// The name of its metric, with the condition where it has one.
    pub name: String,
    /// What the table says above it.
    #[serde(default)]
    pub heading: String,
}

/// A row.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CellRow {
    /// Its values, joined.
    pub name: String,
    /// Its values by their names.
    #[serde(default)]
    pub labels: Map<String, Value>,
}

/// A cell.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Cell {
    /// The number of its row, from 0.
    pub row: usize,
    /// The number of its column, from 0.
    pub column: usize,
    /// What the table shows.
    #[serde(default)]
    pub text: String,
    /// The number with full precision; null in a cell that has only a published one.
    #[serde(default)]
    pub value: Value,
    /// What stands after `±`, with full precision.
    #[serde(default)]
    pub error: Value,
    /// How many numbers it is the mean of.
    #[serde(default)]
    pub n: Option<u64>,
    /// The inputs that its value comes from.
    #[serde(default)]
    inputs: Vec<CellInput>,
}

/// An input, by its place in its port.
#[derive(Debug, Clone, Deserialize)]
struct CellInput {
    port: String,
    index: Option<usize>,
    digest: Option<Digest>,
}

impl TableCells {
    /// Reads the cells of the table in a folder of an output. `None` where the store has no such file: of an
    /// output that is no table, or whose bytes are gone.
    ///
    /// # Errors
    /// A file of another form, as the JSON parser says it.
    pub fn read(store: &Store, output: &Artifact, folder: &Path) -> serde_json::Result<Option<Self>> {
        if output.is_file() {
            return Ok(None);
        }
        let text = store.read_entry(output, &folder.join(FILE)).ok().flatten();
        let table: Option<Self> = text.map(|text| serde_json::from_slice(&text)).transpose()?;
        // A cell outside the table belongs to no row.
        Ok(table.map(|mut table| {
            table.cells.retain(|cell| cell.row < table.rows.len() && cell.column < table.columns.len());
            table
        }))
    }
}

impl CellColumn {
    /// What the table calls it.
    pub fn shown(&self) -> &str {
        if self.heading.is_empty() { &self.name } else { &self.heading }
    }
}

impl Cell {
    /// Which inputs of the table's step contributed, as their places among all of them. Two inputs may have the
    /// same bytes: their places in the port tell them apart.
    pub fn inputs(&self, table: &Node) -> BTreeSet<usize> {
        let mut places = BTreeSet::new();
        for one in &self.inputs {
            let of_port = table.inputs.iter().enumerate().filter(|(_, input)| input.port == one.port);
            for (index, (place, input)) in of_port.enumerate() {
                if one.index.is_none_or(|at| at == index)
                    && one.digest.is_none_or(|digest| digest == input.digest)
                {
                    places.insert(place);
                }
            }
        }
        places
    }
}
