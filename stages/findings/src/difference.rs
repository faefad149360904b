//! One group's metric minus another's, and how sure that is.

use std::collections::BTreeMap;
use std::rc::Rc;

use igpt_contract::StageError;
use igpt_table::observe::{Observation, images};

use crate::finding::{Finding, Unit, Verdict, grouped_count};
use crate::params::{Difference, Group, Sign};
use crate::predictions::{ImageKeys, ImageScores, PredictionIndex};
use crate::select::{Run, number, runs, title};
use crate::statistics::{in_squares, mean, mean_error, share_error};

const NAME: &str = "difference";

/// A group with its sign in the difference.
struct Term<'a> {
    sign: f64,
    group: &'a Group,
    runs: Vec<Run<'a>>,
    /// The metric of each run.
    values: Vec<f64>,
}

/// A run's number, how much of the difference it is, and what it rests on.
pub(crate) struct WeightedRun {
    pub(crate) weight: f64,
    pub(crate) value: f64,
    /// The number of each test image, where there are predictions.
    pub(crate) scores: Option<Rc<ImageScores>>,
    /// The test images, where the metric is a share of them.
    pub(crate) count: Option<f64>,
}

/// The standard error that comes from the choice of test images.
#[derive(Debug, PartialEq)]
pub(crate) struct ImageError {
    pub(crate) error: f64,
    /// The test images; of several sets, the fewest.
    pub(crate) images: usize,
    /// Whether all parts are of the same images, and compared image by image.
    pub(crate) paired: bool,
}

/// Compares the groups.
///
/// # Errors
/// If a group is ambiguous or its predictions cannot be read.
pub(crate) fn compare(
    difference: &Difference,
    expect: Sign,
    all: &[Observation],
    predictions: &PredictionIndex,
) -> Result<Finding, StageError> {
    let unit = Unit::of(difference.percent);
    let less = difference.less.as_ref();
    let groups = [(1.0, &difference.a), (-1.0, &difference.b)].into_iter();
    let groups = groups.chain(less.into_iter().flat_map(|less| [(-1.0, &less.a), (1.0, &less.b)]));
    let mut terms = Vec::new();
    for (sign, group) in groups {
        let runs = runs(group, &difference.metric, difference.runs.as_deref(), all)?;
        let values = runs.iter().filter_map(|run| number(run.artifact, &difference.metric)).collect();
        terms.push(Term { sign, group, runs, values });
    }
    let figures = figures(&terms, unit);
    if terms.iter().any(|term| term.runs.is_empty()) {
        return Ok(Finding::not_run(NAME, unit, figures));
    }
    let value: f64 = terms.iter().map(|term| term.sign * mean(&term.values)).sum();
    let over_runs = run_error(&terms);
    let parts = parts(difference, &terms, predictions)?;
    let over_images = image_error(&parts);
    // Without predictions it is not known how much the images of several runs have in common.
    let predicted = parts.iter().all(|part| part.scores.is_some());
    let over_images = over_images.filter(|_| predicted || over_runs.is_none());
    let errors = over_runs.map(|(error, _)| error).into_iter().chain(over_images.iter().map(|e| e.error));
    let error = (over_runs.is_some() || over_images.is_some()).then(|| in_squares(errors));

    let mut rests_on = vec![figures];
    let mut numbers = BTreeMap::new();
    let most = terms.iter().map(|term| term.runs.len()).max().unwrap_or_default();
    numbers.insert("runs".to_owned(), most as f64);
    if let Some((error, paired)) = over_runs {
        let counts: Vec<usize> = terms.iter().map(|term| term.runs.len()).collect();
        let how = if paired { ", paired" } else { "" };
        rests_on.push(if counts.iter().all(|n| *n == most) {
            format!("{}{how}", grouped_count(most, "run"))
        } else {
            let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
            format!("{} runs", counts.join(" / "))
        });
        numbers.insert("standard_error.runs".to_owned(), error);
    }
    if let Some(ImageError { error, images, paired }) = over_images {
        let how = if paired { ", paired" } else { ", not paired" };
        rests_on.push(format!("{}{how}", grouped_count(images, "test image")));
        numbers.insert("images".to_owned(), images as f64);
        numbers.insert("standard_error.images".to_owned(), error);
    }
    if error.is_none() {
        rests_on.push("one run, no count of images: no standard error".to_owned());
    }
    Ok(Finding {
        comparison: NAME,
        unit,
        verdict: Verdict::of(value, error, expect),
        value: Some(value),
        error,
        parts: numbers,
        figures: rests_on.join("; "),
    })
}

/// `43.82 (probe, layer 6) − 43.49 (probe, layer 8)`.
fn figures(terms: &[Term<'_>], unit: Unit) -> String {
    let shown = |term: &Term<'_>| {
        let number =
            if term.values.is_empty() { "not run".to_owned() } else { unit.show(mean(&term.values)) };
        format!("{number} ({})", title(term.group, &term.runs))
    };
    let pairs = terms.chunks_exact(2).map(|pair| format!("{} − {}", shown(&pair[0]), shown(&pair[1])));
    match pairs.collect::<Vec<_>>().as_slice() {
        [pair, less] => format!("[{pair}] − [{less}]"),
        pairs => pairs.concat(),
    }
}

/// The standard error that comes from the runs, and whether they are paired: that of the mean of the
/// runs' differences where every group has the same runs, else of the groups' means. A group of one
/// run says nothing of its own; where all do, there is none.
fn run_error(terms: &[Term<'_>]) -> Option<(f64, bool)> {
    let same =
        |term: &Term<'_>| term.runs.iter().map(|run| &run.key).eq(terms[0].runs.iter().map(|run| &run.key));
    if terms.iter().all(same) {
        let of_run = |i: usize| terms.iter().map(|term| term.sign * term.values[i]).sum();
        let differences: Vec<f64> = (0..terms[0].values.len()).map(of_run).collect();
        return Some((mean_error(&differences)?, true));
    }
    let errors: Vec<f64> = terms.iter().filter_map(|term| mean_error(&term.values)).collect();
    (!errors.is_empty()).then(|| (in_squares(errors), false))
}

/// Every run of every group, weighed as it enters the difference.
fn parts(
    difference: &Difference,
    terms: &[Term<'_>],
    predictions: &PredictionIndex,
) -> Result<Vec<WeightedRun>, StageError> {
    let mut parts = Vec::new();
    for term in terms {
        for (run, value) in term.runs.iter().zip(&term.values) {
            parts.push(WeightedRun {
                weight: term.sign / term.runs.len() as f64,
                value: *value,
                scores: predictions.scores(run.artifact, &difference.metric, *value)?,
                count: images(run.artifact, &difference.metric, &difference.count),
            });
        }
    }
    Ok(parts)
}

/// The standard error of a weighted sum of means over test images. Parts of the same images are
/// added image by image, so that what all find hard or easy drops out; parts of different images are
/// independent, and so is a share that is known without predictions. None where a part is neither.
pub(crate) fn image_error(parts: &[WeightedRun]) -> Option<ImageError> {
    let mut sums: Vec<(&ImageKeys, Vec<f64>)> = Vec::new();
    let mut errors = Vec::new();
    let mut fewest = f64::INFINITY;
    for part in parts {
        let Some(scores) = &part.scores else {
            let n = part.count?;
            errors.push(part.weight * share_error(part.value, n)?);
            fewest = fewest.min(n);
            continue;
        };
        let at = sums.iter().position(|(images, _)| **images == *scores.images).unwrap_or_else(|| {
            sums.push((scores.images.as_slice(), vec![0.0; scores.values.len()]));
            sums.len() - 1
        });
        for (sum, value) in sums[at].1.iter_mut().zip(&scores.values) {
            *sum += part.weight * value;
        }
    }
    let paired = errors.is_empty() && sums.len() == 1;
    for (images, sum) in &sums {
        errors.push(mean_error(sum)?);
        fewest = fewest.min(images.len() as f64);
    }
    Some(ImageError { error: in_squares(errors), images: fewest as usize, paired })
}
