//! A pipeline as it was planned, as far as the pages show it. Who knows the language makes it.

/// A plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlannedRun {
    /// What the pipeline says of itself.
    pub(crate) description: String,
    /// Every step, each after all that it reads.
    pub(crate) steps: Vec<PlannedStep>,
}

/// A step of it.
#[derive(Debug, Clone)]
pub(crate) struct PlannedStep {
    /// The step's name with its labels.
    pub(crate) name: String,
    /// Its name in the YAML.
    pub(crate) base: String,
    /// Its kind.
    pub(crate) kind: String,
    /// Every parameter.
    pub(crate) params: Vec<Param>,
    /// The steps that it reads, by their places in the plan, each with its own input port and the
    /// output port (and part) of the other.
    pub(crate) reads: Vec<(usize, String, String)>,
    /// What it reads from the disk, by its input port.
    pub(crate) outside: Vec<(String, String)>,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Param {
    /// Its dotted path.
    pub(crate) name: String,
    /// Its value on one line.
    pub(crate) value: String,
    /// Where the value came from: `default`, `pipeline`, `vars.x`, `profile smoke`, `--set`, `matrix`.
    pub(crate) from: String,
}
