//! The steps that a user named, and what helps where there is none of that name.

use std::collections::{BTreeMap, BTreeSet};

use super::error::CliError;
use crate::pipeline::nearest;
use crate::step_name::{axes, base, meant, typed};

/// How many values of an axis are named.
const VALUES: usize = 6;

/// The steps that these names mean, of those of `whose` (the pipeline, a run) with their names.
///
/// # Errors
/// If one means none.
pub(super) fn named<'a, 'b>(
    given: impl IntoIterator<Item = &'b String>,
    whose: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<BTreeSet<&'a str>, CliError> {
    let mut all = BTreeSet::new();
    for given in given {
        let found = meant(given, names.clone());
        if found.is_empty() {
            let hint = step_hint(given, "its steps", &names.collect::<Vec<_>>());
            return Err(CliError::Usage { what: format!("{whose} has no step `{given}`"), hint: Some(hint) });
        }
        all.extend(found);
    }
    Ok(all)
}

/// The axes of the step of the YAML that was named, or which steps there are: those of `what`, by their names.
pub(super) fn step_hint(given: &str, what: &str, names: &[&str]) -> String {
    let own = base(given);
    let instances: Vec<&str> = names.iter().copied().filter(|name| base(name) == own).collect();
    let Some(first) = instances.first() else {
        let mut seen = BTreeSet::new();
        let known: Vec<&str> =
            names.iter().map(|name| base(name)).filter(|name| seen.insert(*name)).collect();
        let near = nearest(own, &known).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        return format!("{near}{what} are {}", known.join(", "));
    };
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (axis, value) in instances.iter().flat_map(|name| axes(name)) {
        let known = values.entry(axis).or_default();
        if !known.contains(&value) {
            known.push(value);
        }
    }
    if values.is_empty() {
        return format!("`{own}` has no axes: give only its name");
    }
    let axes: Vec<String> = values.iter().map(|(axis, values)| format!("{axis} ({})", few(values))).collect();
    format!("the axes of `{own}` are {}, as in {}", axes.join(" and "), typed(first))
}

fn few(values: &[String]) -> String {
    let more = values.len().saturating_sub(VALUES);
    let shown = values[..values.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axes_are_named_with_their_values() {
        let names: Vec<String> = (0..9).map(|layer| format!("probe[layer={layer},seed=0]")).collect();
        let names: Vec<&str> =
            names.iter().map(String::as_str).chain(["data", "probe[layer=8,seed=0]"]).collect();
        let hint = |given| step_hint(given, "its steps", &names);
        assert_eq!(
            hint("probe[layers=3]"),
            "the axes of `probe` are layer (0, 1, 2, 3, 4, 5 and 3 more) and seed (0), as in probe:layer=0,seed=0"
        );
        assert_eq!(hint("data[layer=3]"), "`data` has no axes: give only its name");
        assert_eq!(hint("prbe[layer=3]"), "did you mean `probe`? its steps are probe, data");
        assert_eq!(hint("x"), "its steps are probe, data");
    }
}
