//! Names of steps, with the labels of an instance, as they are shown and as they are typed: `probe`,
//! `probe[layer=3]`, and `probe:layer=3`, which needs no quotes in any shell.

use std::convert::Infallible;

/// Reads a step's name. `probe:seed=0,layer=3` is `probe[layer=3,seed=0]`: names have their axes in the
/// order of the alphabet.
pub(crate) fn parse(text: &str) -> Result<String, Infallible> {
    let Some((base, axes)) = text.split_once(':').filter(|(base, _)| !base.contains('[')) else {
        return Ok(text.to_owned());
    };
    let mut parts: Vec<String> = Vec::new();
    for part in axes.split(',') {
        match parts.last_mut() {
            // A value that holds a comma.
            Some(last) if !part.contains('=') => *last = format!("{last},{part}"),
            _ => parts.push(part.to_owned()),
        }
    }
    parts.sort_by(|a, b| axis(a).cmp(axis(b)));
    Ok(format!("{base}[{}]", parts.join(",")))
}

/// `probe[layer=3]` without its labels.
pub(crate) fn base(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// The axes in a name and their values: `layer` and `3` of `probe[layer=3]`; none where what is in
/// brackets does not begin with one.
pub(crate) fn axes(name: &str) -> Vec<(String, String)> {
    let inner = name.strip_suffix(']').and_then(|name| name.strip_prefix(base(name))?.strip_prefix('['));
    let mut axes: Vec<(String, String)> = Vec::new();
    for part in inner.into_iter().flat_map(|inner| inner.split(',')) {
        match (part.split_once('='), axes.last_mut()) {
            (Some((axis, value)), _) => axes.push((axis.to_owned(), value.to_owned())),
            // A value that holds a comma.
            (None, Some((_, value))) => *value = format!("{value},{part}"),
            (None, None) => return axes,
        }
    }
    axes
}

/// The steps that a given name means, of those of these names: the step of that name, or all instances of the
/// step of the YAML; else, by some of its axes, all instances that have them: `probe[layer=3]` means
/// `probe[layer=3,seed=0]` and all others of layer 3.
pub(crate) fn meant<'a>(given: &str, names: impl Iterator<Item = &'a str> + Clone) -> Vec<&'a str> {
    let exactly = |name: &&str| *name == given || base(name) == given;
    let found: Vec<&str> = names.clone().filter(exactly).collect();
    if found.is_empty() { names.filter(|name| has_axes(name, given)).collect() } else { found }
}

/// Whether a step is of the same step of the YAML as a given name, and has all axes of that.
pub(crate) fn has_axes(name: &str, given: &str) -> bool {
    if base(name) != base(given) {
        return false;
    }
    let (wanted, has) = (axes(given), axes(name));
    !wanted.is_empty() && wanted.iter().all(|axis| has.contains(axis))
}

fn axis(part: &str) -> &str {
    part.split('=').next().unwrap_or(part)
}

/// The name as it can be typed without quotes: `probe:layer=3`.
pub(crate) fn typed(name: &str) -> String {
    let axes = name.strip_suffix(']').and_then(|name| name.strip_prefix(base(name))?.strip_prefix('['));
    axes.map_or_else(|| name.to_owned(), |axes| format!("{}:{axes}", base(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_without_brackets_is_the_same_step() {
        for (text, name) in [
            ("probe", "probe"),
            ("probe[layer=3]", "probe[layer=3]"),
            ("probe[word=a:b]", "probe[word=a:b]"),
            ("probe:layer=3", "probe[layer=3]"),
            ("probe:seed=0,layer=3", "probe[layer=3,seed=0]"),
            ("probe:word=a,b,seed=0", "probe[seed=0,word=a,b]"),
            ("probe:word=a:b", "probe[word=a:b]"),
        ] {
            assert_eq!(parse(text), Ok(name.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_name_has_its_axes() {
        let pair = |axis: &str, value: &str| (axis.to_owned(), value.to_owned());
        assert_eq!(axes("probe[layer=3,word=a,b]"), [pair("layer", "3"), pair("word", "a,b")]);
        assert_eq!(axes("probe"), []);
    }

    #[test]
    fn some_axes_mean_all_instances_that_have_them() {
        let names = [
            "data",
            "probe[data=x,layer=3,seed=0]",
            "probe[data=x,layer=3,seed=1]",
            "probe[data=y,layer=30,seed=0]",
        ];
        let meant = |given| meant(given, names.into_iter());
        assert_eq!(meant("data"), ["data"]);
        assert_eq!(meant("probe").len(), 3);
        assert_eq!(meant("probe[layer=3]"), names[1..3]);
        assert_eq!(meant("probe[data=x,seed=1]"), [names[2]]);
        for given in [
            "prob",
            "probe[]",
            "probe[layer=4]",
            "probe[layer=3,fold=1]",
            "probe[junk,layer=3]",
            "data[layer=3]",
            "probe[layer=3",
        ] {
            assert!(meant(given).is_empty(), "{given}");
        }
    }

    #[test]
    fn a_whole_name_means_that_step_alone() {
        // A value may look like another axis.
        let names = ["probe[word=a]", "probe[word=a,layer=2]", "probe[layer=2,word=a]"];
        assert_eq!(meant("probe[word=a]", names.into_iter()), [names[0]]);
    }

    #[test]
    fn names_are_typed_without_brackets() {
        assert_eq!(typed("probe[layer=3,seed=0]"), "probe:layer=3,seed=0");
        assert_eq!(typed("probe"), "probe");
        assert_eq!(parse(&typed("probe[layer=3,seed=0]")), Ok("probe[layer=3,seed=0]".to_owned()));
    }
}
