//! Keeps the best of the artifacts that differ only in some labels.

use std::collections::BTreeMap;

use igpt_contract::StageError;
use igpt_table::Pick;
use igpt_table::observe::{Observation, Value, require};

use crate::names;

/// The observations that stay, in the order that they had.
///
/// # Errors
/// If the metric or a label is known to no artifact.
pub(crate) fn pick(pick: &Pick, observations: Vec<Observation>) -> Result<Vec<Observation>, StageError> {
    for (_, name) in names::of_pick(pick) {
        require(&observations, name)?;
    }
    let mut rivals: BTreeMap<Vec<(&str, &Value)>, Vec<usize>> = BTreeMap::new();
    for (i, observation) in observations.iter().enumerate() {
        if pick.over.iter().any(|name| observation.is_label(name)) {
            rivals.entry(observation.labels_but(&pick.over)).or_default().push(i);
        }
    }
    let number = |i: usize| {
        observations[i].get(&pick.metric).and_then(Value::number).filter(|number| !number.is_nan())
    };
    let place = |i: usize| -> Vec<Option<&Value>> {
        pick.over.iter().map(|name| observations[i].get(name)).collect()
    };
    let mut kept = vec![true; observations.len()];
    for group in rivals.values() {
        let of_rival = |&i: &usize| number(i).map(|number| (i, if pick.lowest { -number } else { number }));
        let rated: Vec<(usize, f64)> = group.iter().filter_map(of_rival).collect();
        // Of equal ones the first in natural order, whatever order the artifacts came in.
        let best = rated.iter().min_by(|a, b| b.1.total_cmp(&a.1).then_with(|| place(a.0).cmp(&place(b.0))));
        if let Some((best, _)) = best {
            group.iter().filter(|i| *i != best).for_each(|&i| kept[i] = false);
        }
    }
    Ok(observations
        .into_iter()
        .zip(kept)
        .filter_map(|(observation, kept)| kept.then_some(observation))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_contract::{Labels, MetricValues};

    fn probe(labels: serde_json::Value, valid: Option<f64>) -> Observation {
        let labels: Labels = serde_json::from_value(labels).unwrap();
        let metrics = MetricValues::default().with("loss", 1.0);
        let metrics = valid.map_or(metrics.clone(), |valid| metrics.with("valid", valid));
        Observation::new(&labels, &metrics)
    }

    fn kept(pick_by: &Pick, observations: Vec<Observation>) -> Vec<String> {
        let shown = |o: &Observation| {
            ["step", "seed", "layer"].map(|name| o.get(name).map(Value::text).unwrap_or_default()).join(" ")
        };
        pick(pick_by, observations).unwrap().iter().map(shown).collect()
    }

    #[test]
    fn the_best_layer_of_each_seed_is_kept_and_what_has_no_layer() {
        let json = |seed, layer| serde_json::json!({"step": "probe", "seed": seed, "layer": layer});
        let observations = || {
            vec![
                probe(json(1, 0), Some(0.3)),
                probe(json(1, 1), Some(0.4)),
                probe(json(1, 2), Some(f64::NAN)),
                probe(json(2, 2), Some(0.5)),
                probe(json(2, 1), Some(0.5)),
                probe(json(3, 1), None),
                probe(serde_json::json!({"step": "fine-tuned"}), Some(0.1)),
                probe(serde_json::json!({"step": "fine-tuned"}), Some(0.2)),
            ]
        };
        let by = |lowest| Pick { metric: "valid".into(), over: vec!["layer".into()], lowest };
        let rest = ["probe 3 1", "fine-tuned  ", "fine-tuned  "];
        assert_eq!(kept(&by(false), observations()), [&["probe 1 1", "probe 2 1"], &rest[..]].concat());
        assert_eq!(kept(&by(true), observations()), [&["probe 1 0", "probe 2 1"], &rest[..]].concat());
        let typo = Pick { metric: "valod".into(), ..by(false) };
        assert!(pick(&typo, observations()).unwrap_err().to_string().contains("did you mean `valid`?"));
    }
}
