//! Exact weighted k-means (Lloyd's algorithm) on distinct colours.

use rand::Rng;

use crate::histogram::Colours;
use crate::seed::seed;
use crate::tree::ColourTree;

/// The stopping rule.
#[derive(Debug, Clone, Copy)]
pub struct StopRule {
    /// The maximum number of iterations.
    pub max_iterations: u32,
    /// The sum of the centres' squared moves at which the fit has converged, in units of the mean variance
    /// of a channel (scikit-learn's rule). 0: once nothing moves.
    pub tolerance: f64,
}

/// A fitted palette.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeansFit {
    /// The centres, in units of 0 to 255.
    pub centres: Vec<[f64; 3]>,
    /// Iterations of Lloyd's algorithm.
    pub iterations: u32,
    /// Whether it converged within the allowed iterations.
    pub converged: bool,
    /// The number of empty clusters that were moved to the farthest colour.
    pub relocated: u32,
}

/// Fits `k` centres to at least `k` colours in Morton order, as [`crate::Histogram::colours`] returns them.
/// `watch` is called in each iteration and may end the fit with an error.
///
/// # Errors
/// Only those of `watch`.
pub fn fit<E>(
    colours: &Colours,
    k: usize,
    stop: StopRule,
    random: &mut impl Rng,
    mut watch: impl FnMut(u32) -> Result<(), E>,
) -> Result<KMeansFit, E> {
    let tree = ColourTree::new(colours);
    let enough = stop.tolerance * mean_variance(colours);
    let mut centres: Vec<[f64; 3]> =
        seed(&tree, k, random).into_iter().map(|colour| colour.map(f64::from)).collect();
    let (mut iterations, mut relocated, mut converged) = (0, 0, false);
    while iterations < stop.max_iterations && !converged {
        watch(iterations)?;
        iterations += 1;
        let totals = tree.assign(&centres);
        let empty = totals.iter().filter(|total| total.weight == 0).count();
        let mut farthest = if empty > 0 { tree.farthest(&centres, empty) } else { Vec::new() }.into_iter();
        let mut moved = 0.0;
        for (centre, total) in centres.iter_mut().zip(&totals) {
            let to = if total.weight > 0 {
                total.mean()
            } else {
                relocated += 1;
                farthest.next().map_or(*centre, |colour| colour.map(f64::from))
            };
            moved += (0..3).map(|i| (to[i] - centre[i]) * (to[i] - centre[i])).sum::<f64>();
            *centre = to;
        }
        converged = moved <= enough;
    }
    Ok(KMeansFit { centres, iterations, converged, relocated })
}

/// The sum over all pixels of the squared distance to the nearest centre, in units of 0 to 255.
/// `colours` must be in Morton order; an empty histogram has none.
pub fn inertia(colours: &Colours, centres: &[[f64; 3]]) -> f64 {
    if colours.is_empty() { 0.0 } else { ColourTree::new(colours).inertia(centres) }
}

/// The mean over red, green and blue of the variance over pixels.
fn mean_variance(colours: &Colours) -> f64 {
    let n = colours.pixels() as f64;
    let (mut sum, mut sum2) = ([0u64; 3], 0u128);
    for (rgb, &weight) in colours.rgb.iter().zip(&colours.weight) {
        for i in 0..3 {
            let x = u64::from(rgb[i]);
            sum[i] += x * weight;
            sum2 += u128::from(x * x) * u128::from(weight);
        }
    }
    let means2: f64 = sum.iter().map(|&sum| (sum as f64 / n) * (sum as f64 / n)).sum();
    (sum2 as f64 / n - means2) / 3.0
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::path::Path;

    use igpt_contract::stream;

    use super::*;
    use igpt_fixtures::{file, fixtures, npy_data};

    use crate::histogram::Histogram;

    const SKLEARN: StopRule = StopRule { max_iterations: 100, tolerance: 1e-4 };

    fn fit_all(colours: &Colours, k: usize, stop: StopRule, seed: u64) -> KMeansFit {
        fit(colours, k, stop, &mut stream(seed, "test"), |_| Ok::<(), Infallible>(())).unwrap()
    }

    /// The histogram of a fixture's pixels.
    fn fixture_colours(folder: &Path) -> Colours {
        let mut histogram = Histogram::default();
        histogram.add(&npy_data(&file(folder, "pixels_")));
        histogram.colours()
    }

    #[test]
    fn inertia_is_as_low_as_that_of_scikit_learn() {
        for folder in fixtures("kmeans") {
            let colours = fixture_colours(&folder);
            let expected = std::fs::read(folder.join("expected.json")).unwrap();
            let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
            assert_eq!(colours.pixels(), expected["n_pixels"].as_u64().unwrap());
            assert_eq!(colours.len() as u64, expected["unique_colours"].as_u64().unwrap());
            let sorted = |mut values: Vec<f64>| {
                values.sort_by(f64::total_cmp);
                values
            };
            let runs = expected["kmeans"].as_array().unwrap();
            let theirs = sorted(runs.iter().map(|run| run["exact_inertia"].as_f64().unwrap()).collect());
            // Few pixels have minima that differ more: then their worst fit is the bound.
            let bound = theirs[theirs.len() - 1].max(1.002 * theirs[theirs.len() / 2]);
            let k = npy_data(&folder.join("palette_f32.npy")).len() / 12;
            let ours: Vec<f64> =
                (0..5).map(|seed| inertia(&colours, &fit_all(&colours, k, SKLEARN, seed).centres)).collect();
            for n in [3, 5] {
                let median = sorted(ours[..n].to_vec())[n / 2];
                assert!(
                    median <= bound,
                    "median inertia of {n} seeds: {median}, of scikit-learn: {theirs:?}"
                );
            }
        }
    }

    #[test]
    fn the_first_round_assigns_as_brute_force_does() {
        let colours = fixture_colours(&fixtures("kmeans").next().unwrap());
        let colours = colours.sample(3000, &mut stream(0, "sample"));
        let centres: Vec<[f64; 3]> = seed(&ColourTree::new(&colours), 64, &mut stream(0, "seed"))
            .iter()
            .map(|c| c.map(f64::from))
            .collect();
        let of_colour = |rgb: [u8; 3]| {
            let distances =
                centres.iter().map(|c| (0..3).map(|i| (c[i] - f64::from(rgb[i])).powi(2)).sum::<f64>());
            distances.fold(f64::INFINITY, f64::min)
        };
        let expected: f64 = colours
            .rgb
            .iter()
            .zip(&colours.weight)
            .map(|(rgb, weight)| *weight as f64 * of_colour(*rgb))
            .sum();
        assert!((inertia(&colours, &centres) / expected - 1.0).abs() < 1e-12);
        let totals = ColourTree::new(&colours).assign(&centres);
        assert_eq!(totals.iter().map(|total| total.weight).sum::<u64>(), 3000);
    }

    #[test]
    fn as_many_centres_as_colours_leave_no_error() {
        let colours =
            Colours { rgb: vec![[0, 0, 0], [0, 0, 9], [200, 0, 0], [200, 9, 0]], weight: vec![5, 1, 1, 7] };
        let fitted = fit_all(&colours, 4, SKLEARN, 1);
        assert_eq!(inertia(&colours, &fitted.centres), 0.0);
        assert!(fitted.converged);
    }

    #[test]
    fn an_empty_cluster_moves_to_the_farthest_colour() {
        let colours = Colours { rgb: vec![[0, 0, 0], [0, 0, 9], [200, 0, 0]], weight: vec![5, 1, 1] };
        let tree = ColourTree::new(&colours);
        let centres = [[0.0; 3], [250.0; 3], [250.0; 3]];
        assert_eq!(tree.assign(&centres).iter().map(|total| total.weight).collect::<Vec<_>>(), [7, 0, 0]);
        assert_eq!(tree.farthest(&centres, 2), [[200, 0, 0], [0, 0, 9]]);
    }
}
