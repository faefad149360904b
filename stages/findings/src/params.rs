//! The parameters of `findings`, and their checks.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::ParamError;
use igpt_table::expect::Expectation;
use igpt_table::{LatexStyle, Pick, scalar};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Parameters of `findings`.
///
/// A *name* below is looked up in each metrics artifact: first among its labels (the matrix axes of
/// the step that made it and, where its input has a name, `step`: `probe` in
/// `metrics: [{probe: probe.*}]`), then among its numbers (`accuracy.test`), then among its facts
/// (`objective`).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The table's caption. Default: none.
    #[serde(default)]
    pub title: String,
    /// How to typeset the table in LaTeX.
    #[serde(default)]
    pub latex: LatexStyle,
    /// The claims, in the order of the table.
    #[schemars(extend("examples" = [[{
        "name": "middle_layers", "claim": "Layer 2 is better than layer 0", "source": "Chen et al. 2020, section 4.1",
        "difference": {"metric": "accuracy.test", "a": {"where": {"layer": 2}}, "b": {"where": {"layer": 0}}}
    }]]))]
    pub claims: Vec<Claim>,
}

/// A claim, its source, and the one comparison that tests it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// A short name for the metrics and the CSV file: `middle_layers`.
    pub name: String,
    /// The claim as a sentence, shown in the table.
    pub claim: String,
    /// The source: `Chen et al. 2020, section 4.1`.
    pub source: String,
    /// The source's own result, as text: `2.4 points`. Default: a dash.
    #[serde(default)]
    pub paper: String,
    /// The sign that the claim predicts: of a - b, of rho, or of the change in spread from the smallest
    /// to the largest value of `by`. Or the number itself, in the units of the table, with a tolerance
    /// and its source: `{value: 2.4, tolerance: 0.5, source: ...}`; the claim is then its sign, and
    /// `run --check` exits with code 100 if the number is missed. Default: `positive`.
    #[serde(default)]
    pub expect: Expected,
    /// Compares the metric of two groups.
    #[serde(default)]
    pub difference: Option<Difference>,
    /// Correlates two metrics.
    #[serde(default)]
    pub correlation: Option<Correlation>,
    /// Compares the spread of a metric between runs by the value of a label.
    #[serde(default)]
    pub spread: Option<Spread>,
}

/// What a claim predicts.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Expected {
    /// A sign.
    Sign(Sign),
    /// A number.
    Number(Expectation),
}

impl Default for Expected {
    fn default() -> Self {
        Self::Sign(Sign::Positive)
    }
}

impl Expected {
    /// The sign.
    pub(crate) fn sign(&self) -> Sign {
        match self {
            Self::Sign(sign) => *sign,
            Self::Number(expectation) if expectation.value < 0.0 => Sign::Negative,
            Self::Number(_) => Sign::Positive,
        }
    }

    /// The number.
    pub(crate) fn number(&self) -> Option<&Expectation> {
        match self {
            Self::Sign(_) => None,
            Self::Number(expectation) => Some(expectation),
        }
    }
}

/// Told apart by hand: of an untagged choice serde would say only that nothing matched.
impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let found = match &value {
            serde_json::Value::Object(_) => serde_json::from_value(value).map(Self::Number),
            _ => serde_json::from_value(value).map(Self::Sign),
        };
        found.map_err(D::Error::custom)
    }
}

/// The sign of a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// Above zero.
    #[default]
    Positive,
    /// Below zero.
    Negative,
}

/// The metric of `a` minus that of `b`; with `less`, that difference minus another one.
///
/// If both groups have predictions of the same test images, the standard error is that of the mean
/// difference over the images; without predictions it is that of two independent proportions over n
/// images. If a group has several runs, it is the sample deviation of the runs (of their differences,
/// if both groups have the same runs) divided by the square root of their number; with predictions the
/// two errors are added in quadrature, as images and runs are sampled independently.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The name of the number: `accuracy.test`.
    pub metric: String,
    /// Shows a share in percent, and its differences in points.
    #[serde(default)]
    pub percent: bool,
    /// The group claimed to be higher (with `expect: negative`: lower).
    pub a: Group,
    /// The group to compare it with.
    pub b: Group,
    /// Subtracts a second difference: `(a - b) - (less.a - less.b)`.
    #[serde(default)]
    pub less: Option<GroupPair>,
    /// The labels that distinguish the runs of a group (`[seed]`). Default: all labels except `step`,
    /// those in its `where` and those it picks over.
    #[serde(default)]
    pub runs: Option<Vec<String>>,
    /// The name of the metric that counts the test images, for the standard error of an accuracy
    /// without predictions. Default: for `accuracy.test`, `rows.test` or else `images.test`.
    #[serde(default)]
    pub count: String,
}

/// Two groups.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupPair {
    /// The first.
    pub a: Group,
    /// The second.
    pub b: Group,
}

/// A selection of metrics artifacts; without conditions all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name in the table. Default: the values of `where`, and of what was picked.
    #[serde(default)]
    pub name: String,
    /// Only artifacts with these values: `{step: probe, layer: 2}`, compared as text.
    #[serde(default, rename = "where", deserialize_with = "scalar::map")]
    #[schemars(schema_with = "scalar::map_schema")]
    pub only: BTreeMap<String, String>,
    /// Keeps only the best among artifacts that differ only in some labels: the best layer.
    #[serde(default)]
    pub pick: Option<Pick>,
    /// Keeps only the artifact with the largest value of this label, among those that differ only in
    /// it: the last layer, whatever its number.
    #[serde(default)]
    pub last: Option<String>,
}

/// Spearman's rank correlation of two numbers over points. Its standard error is that of independent
/// numbers, 1 / sqrt(n - 1).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Correlation {
    /// The first number.
    pub x: Operand,
    /// The second number.
    pub y: Operand,
    /// The names whose values identify a point: `[model, checkpoint]`. The numbers of a point are means
    /// over everything else (seeds), and may come from different artifacts.
    pub by: Vec<String>,
}

/// A number and the artifacts it comes from.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operand {
    /// The name of the number.
    pub metric: String,
    /// The artifacts. Default: all that have the number.
    #[serde(default)]
    pub of: Group,
}

/// The sample standard deviation of a metric for each value of a label, and its change from the
/// smallest value to the largest. The standard error of a deviation s of n runs is
/// s / sqrt(2 (n - 1)).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The name of the number: `accuracy.test`.
    pub metric: String,
    /// Shows a share in percent, and its deviation in points.
    #[serde(default)]
    pub percent: bool,
    /// The name whose values are compared: `labels`.
    pub by: String,
    /// The artifacts. Default: all that have the number.
    #[serde(default)]
    pub of: Group,
}

impl Claim {
    /// Every group of the claim, with its path among the parameters.
    pub(crate) fn groups(&self) -> Vec<(&'static str, &Group)> {
        let mut groups = Vec::new();
        if let Some(difference) = &self.difference {
            groups.extend([("difference.a", &difference.a), ("difference.b", &difference.b)]);
            if let Some(less) = &difference.less {
                groups.extend([("difference.less.a", &less.a), ("difference.less.b", &less.b)]);
            }
        }
        if let Some(correlation) = &self.correlation {
            groups.extend([("correlation.x.of", &correlation.x.of), ("correlation.y.of", &correlation.y.of)]);
        }
        groups.extend(self.spread.iter().map(|spread| ("spread.of", &spread.of)));
        groups
    }
}

impl Claim {
    /// Every group of the claim, with the metric that is taken of it.
    pub(crate) fn sides(&self) -> Vec<(&Group, &str)> {
        let mut sides: Vec<(&Group, &str)> = Vec::new();
        if let Some(difference) = &self.difference {
            let less = difference.less.iter().flat_map(|less| [&less.a, &less.b]);
            let groups = [&difference.a, &difference.b].into_iter().chain(less);
            sides.extend(groups.map(|group| (group, difference.metric.as_str())));
        }
        for side in self.correlation.iter().flat_map(|correlation| [&correlation.x, &correlation.y]) {
            sides.push((&side.of, &side.metric));
        }
        sides.extend(self.spread.iter().map(|spread| (&spread.of, spread.metric.as_str())));
        sides
    }
}

/// Checks the values, each and together.
pub(crate) fn check(params: &Params) -> Result<(), ParamError> {
    if params.claims.is_empty() {
        return Err(ParamError::at("claims", "expected at least one claim; found none"));
    }
    let mut names = BTreeSet::new();
    for claim in &params.claims {
        let wrong = |what: String| Err(ParamError::at("claims", format!("`{}`: {what}", claim.name)));
        if claim.name.is_empty() || !claim.name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        {
            let what = "expected a `name` of letters, digits, `_` and `-`, such as `middle_layers`";
            return wrong(what.to_owned());
        }
        if !names.insert(&claim.name) {
            return wrong("the name is given twice".to_owned());
        }
        for (field, text) in [("claim", &claim.claim), ("source", &claim.source)] {
            if text.trim().is_empty() {
                return wrong(format!("`{field}` is empty"));
            }
        }
        if let Some(expectation) = claim.expect.number() {
            if !expectation.row.is_empty() {
                return wrong("`expect.row`: a claim is a row of its own; leave it out".to_owned());
            }
            if let Some(fault) = expectation.fault() {
                return wrong(format!("`expect`: {fault}"));
            }
        }
        let comparisons = [claim.difference.is_some(), claim.correlation.is_some(), claim.spread.is_some()];
        let found = comparisons.iter().filter(|is| **is).count();
        if found != 1 {
            return wrong(format!("expected one of `difference`, `correlation` and `spread`, found {found}"));
        }
        if claim.correlation.as_ref().is_some_and(|c| c.by.is_empty()) {
            return wrong("`correlation.by` names nothing that makes a point, such as `[model]`".to_owned());
        }
        for (place, group) in claim.groups() {
            if group.pick.is_some() && group.last.is_some() {
                return wrong(format!("`{place}` has both `pick` and `last`; keep one of them"));
            }
            if group.pick.as_ref().is_some_and(|pick| pick.over.is_empty()) {
                return wrong(format!("`{place}.pick.over` is empty; name a label, such as `[layer]`"));
            }
        }
    }
    Ok(())
}
