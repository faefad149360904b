//! What is known of artifacts before anything runs, so that a missing part or a misspelt metric is
//! reported at once and not after the training.
//!
//! What is not known is `None`, and nothing is refused because of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::io::Labels;

/// What is known of an artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The names of its parts, in order.
    pub parts: Option<Vec<String>>,
    /// The names in a metrics artifact.
    pub metrics: Option<MetricNames>,
    /// The number of blocks L of the network, or of the networks that are its parts; a network's layers
    /// are 0 to L.
    pub n_layer: Option<usize>,
    /// How much it holds.
    pub shape: Shape,
}

/// How much an artifact holds, as far as that is known: what the time of the steps that read it depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// Training images, all views counted.
    pub train: Option<u64>,
    /// Test images.
    pub test: Option<u64>,
    /// Pixels of an image, or tokens; for a network, those that it reads.
    pub positions: Option<u64>,
    /// Numbers of a feature; for a network, the width of its residual stream.
    pub width: Option<u64>,
}

/// Every name that a metrics artifact may hold; it need not hold all of them. A `*` matches anything:
/// `middle_layers.runs.*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricNames {
    /// Names of numbers: `accuracy.test`.
    pub numbers: Vec<String>,
    /// Names of facts: `dataset`.
    pub facts: Vec<String>,
}

/// What is known of a step's outputs, by port. Nothing is known of a port that is missing.
pub type KnownOutputs = BTreeMap<&'static str, Known>;

/// What is known of one artifact of an input port.
#[derive(Debug, Clone)]
pub struct KnownInput<'a> {
    /// Its labels, as the running step will see them.
    pub labels: &'a Labels,
    /// The artifact.
    pub known: Cow<'a, Known>,
}

/// What is known of a step's inputs, by port. A port that is missing is not connected.
#[derive(Debug, Clone, Default)]
pub struct KnownInputs<'a>(BTreeMap<&'a str, Vec<KnownInput<'a>>>);

/// A parameter that does not fit what is known of the inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The dotted path of the parameter (`columns.0.metric`), empty if no single one is at fault.
    pub path: String,
    /// The input port that it does not fit.
    pub port: &'static str,
    /// What was expected and what was found.
    pub what: String,
    /// The name that does not exist and those that do, for a suggestion.
    pub name: Option<(String, Vec<String>)>,
}

/// What a name may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// A number of a metrics artifact.
    Number,
    /// A number, a fact or a label.
    Any,
}

impl Known {
    /// A network of L blocks.
    pub fn network(n_layer: Option<usize>) -> Self {
        Self { n_layer, ..Self::default() }
    }

    /// An artifact with these parts.
    pub fn with_parts(parts: impl IntoIterator<Item = String>) -> Self {
        Self { parts: Some(parts.into_iter().collect()), ..Self::default() }
    }

    /// A metrics artifact with at most these numbers and facts.
    pub fn metrics<N: Into<String>, F: Into<String>>(
        numbers: impl IntoIterator<Item = N>,
        facts: impl IntoIterator<Item = F>,
    ) -> Self {
        let numbers = numbers.into_iter().map(Into::into).collect();
        let facts = facts.into_iter().map(Into::into).collect();
        Self { metrics: Some(MetricNames { numbers, facts }), ..Self::default() }
    }

    /// The same, with what is known of how much it holds.
    #[must_use]
    pub fn shaped(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// What is known of each of its parts.
    pub fn part(&self) -> Self {
        Self::network(self.n_layer).shaped(self.shape)
    }

    /// What is known where it may be this artifact or the other one.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        let parts = self.parts.zip(other.parts.as_ref()).map(|(a, b)| union(a, b));
        let metrics = self.metrics.zip(other.metrics.as_ref()).map(|(a, b)| MetricNames {
            numbers: union(a.numbers, &b.numbers),
            facts: union(a.facts, &b.facts),
        });
        let n_layer = same(self.n_layer, other.n_layer);
        Self { parts, metrics, n_layer, shape: self.shape.or(other.shape) }
    }
}

impl Shape {
    /// All images.
    pub fn images(self) -> Option<u64> {
        Some(self.train? + self.test?)
    }

    /// Bytes of that many numbers of each pixel or token, such as 2 of a token; 0 where that is not known.
    pub fn bytes(self, of_each: f64) -> f64 {
        of_each * self.pixels().unwrap_or(0.0)
    }

    /// Numbers for each of which an image is read: pixels or tokens of all images.
    pub fn pixels(self) -> Option<f64> {
        Some(self.images()? as f64 * self.positions? as f64)
    }

    /// What is known where it may be of this artifact or of the other one.
    fn or(self, other: Self) -> Self {
        Self {
            train: same(self.train, other.train),
            test: same(self.test, other.test),
            positions: same(self.positions, other.positions),
            width: same(self.width, other.width),
        }
    }
}

/// What both say.
fn same<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<T> {
    a.filter(|a| b.as_ref() == Some(a))
}

impl MetricNames {
    /// Whether the artifact may hold that name.
    pub fn may_have(&self, name: &str, sought: Sought) -> bool {
        let facts = if sought == Sought::Any { self.facts.as_slice() } else { &[] };
        self.numbers.iter().chain(facts).any(|pattern| stands_for(pattern, name))
    }
}

impl<'a> KnownInputs<'a> {
    /// Adds an artifact to a port.
    pub fn push(&mut self, port: &'a str, input: KnownInput<'a>) {
        self.0.entry(port).or_default().push(input);
    }

    /// The artifacts of a port; none if it is not connected.
    pub fn all(&self, port: &str) -> &[KnownInput<'a>] {
        self.0.get(port).map_or(&[], Vec::as_slice)
    }

    /// How much the artifacts of a port hold together, in the shape of the first.
    pub fn shape(&self, port: &str) -> Shape {
        let mut shapes = self.all(port).iter().map(|input| input.known.shape);
        let Some(first) = shapes.next() else { return Shape::default() };
        let add = |a: Option<u64>, b: Option<u64>| Some(a? + b?);
        shapes.fold(first, |sum, next| Shape {
            train: add(sum.train, next.train),
            test: add(sum.test, next.test),
            ..sum
        })
    }

    /// The one artifact of a port, if it is connected.
    pub fn one(&self, port: &str) -> Option<&Known> {
        Some(&self.all(port).first()?.known)
    }

    /// The wanted names (each with the path of its parameter) that no artifact of the ports can have;
    /// empty if the names of any of the artifacts are not known.
    pub fn lacking<'n>(
        &self,
        ports: &[&'static str],
        sought: Sought,
        wanted: impl IntoIterator<Item = (String, &'n str)>,
    ) -> Vec<Misfit> {
        let connected: Vec<&'static str> =
            ports.iter().copied().filter(|port| self.0.contains_key(port)).collect();
        let Some(port) = connected.first().copied() else { return Vec::new() };
        let mut labels: BTreeSet<&str> = BTreeSet::new();
        let mut metrics: Vec<&MetricNames> = Vec::new();
        for input in connected.iter().flat_map(|port| self.all(port)) {
            let Some(names) = &input.known.metrics else { return Vec::new() };
            // The instances of a matrix mostly have the same names.
            if metrics.last().is_none_or(|last| *last != names) {
                metrics.push(names);
            }
            if sought == Sought::Any {
                labels.extend(input.labels.keys().map(String::as_str));
            }
        }
        let is_there =
            |name: &str| labels.contains(name) || metrics.iter().any(|names| names.may_have(name, sought));
        let what = match sought {
            Sought::Number => "metric",
            Sought::Any => "metric, fact or label",
        };
        let shown: Vec<String> = connected.iter().map(|port| format!("`{port}`")).collect();
        let shown = shown.join(" or ");
        let misfit = |(path, name): (String, &str)| {
            let mut there = labels.clone();
            for names in &metrics {
                there.extend(names.numbers.iter().map(String::as_str));
                if sought == Sought::Any {
                    there.extend(names.facts.iter().map(String::as_str));
                }
            }
            let there = there.into_iter().map(str::to_owned).collect();
            let what = format!("no artifact connected to {shown} has a {what} `{name}`");
            Misfit { path, port, what, name: Some((name.to_owned(), there)) }
        };
        wanted.into_iter().filter(|(_, name)| !is_there(name)).map(misfit).collect()
    }
}

/// Both lists, each name once.
fn union(mut a: Vec<String>, b: &[String]) -> Vec<String> {
    for name in b {
        if !a.contains(name) {
            a.push(name.clone());
        }
    }
    a
}

/// Whether a name matches a pattern, in which each `*` matches anything.
fn stands_for(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut open) = name.strip_prefix(first) else { return false };
    let mut rest: Vec<&str> = rest.split('*').collect();
    let last = rest.pop().unwrap_or_default();
    for text in rest {
        let Some(at) = open.find(text) else { return false };
        open = &open[at + text.len()..];
    }
    open.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name) in [("a.b", "a.b"), ("a.*", "a.b.c"), ("*.c", "a.b.c"), ("a.*.c.*", "a.b.c.d")] {
            assert!(stands_for(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a.b", "a.c"), ("a.*", "b.a.c"), ("a*ab", "ab"), ("a.*.c.*", "a.b.d.c")] {
            assert!(!stands_for(pattern, name), "{pattern} {name}");
        }
    }

    fn lacking(known: &[(&Labels, Known)], sought: Sought, name: &str) -> Vec<Misfit> {
        let mut inputs = KnownInputs::default();
        for (labels, known) in known {
            inputs.push("metrics", KnownInput { labels, known: Cow::Borrowed(known) });
        }
        inputs.lacking(&["metrics", "choices"], sought, [("metric".to_owned(), name)])
    }

    #[test]
    fn a_name_that_nothing_can_have_is_told_with_those_that_there_are() {
        let labels: Labels = [("layer".to_owned(), 3.into())].into();
        let probe = || Known::metrics(["accuracy.test"], ["solver"]);
        let known = [(&labels, probe()), (&labels, Known::metrics(["loss.*"], [""; 0]))];
        for name in ["accuracy.test", "loss.valid", "solver", "layer"] {
            assert!(lacking(&known, Sought::Any, name).is_empty(), "{name}");
        }
        let misfit = lacking(&known, Sought::Any, "acuracy.test").remove(0);
        assert_eq!(
            misfit.what,
            "no artifact connected to `metrics` has a metric, fact or label `acuracy.test`"
        );
        assert_eq!(misfit.name.unwrap().1, ["accuracy.test", "layer", "loss.*", "solver"]);
        assert_eq!(lacking(&known, Sought::Number, "layer").len(), 1);
        assert_eq!(lacking(&known, Sought::Number, "solver").len(), 1);
        // Nothing is refused on a guess.
        let known = [(&labels, probe()), (&labels, Known::default())];
        assert!(lacking(&known, Sought::Any, "acuracy.test").is_empty());
        assert!(lacking(&[], Sought::Any, "acuracy.test").is_empty());
    }

    #[test]
    fn of_two_artifacts_what_either_may_have_is_known() {
        let a = Known { n_layer: Some(3), ..Known::with_parts(["0".to_owned(), "1".to_owned()]) };
        let b = Known { n_layer: Some(3), ..Known::with_parts(["1".to_owned(), "2".to_owned()]) };
        let both = a.clone().or(&b);
        assert_eq!(both.parts.unwrap(), ["0", "1", "2"]);
        assert_eq!(both.n_layer, Some(3));
        assert_eq!(a.or(&Known::network(Some(4))), Known::default());
    }
}
