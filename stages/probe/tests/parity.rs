//! The fits against scikit-learn's, over the fixtures `lbfgs_probe`.

use std::path::Path;

use igpt_fixtures::fixtures;
use igpt_probe::{Examples, FittedProbe, LinearProbe};
use serde_json::Value;

/// The numbers of a little-endian `.npy` file of items of `N` bytes, and its columns.
fn npy<T, const N: usize>(path: &Path, read: fn([u8; N]) -> T) -> (Vec<T>, usize) {
    let bytes = std::fs::read(path).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..start]).into_owned();
    let shape = header.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
    let columns = shape.split(',').nth(1).and_then(|n| n.trim().parse().ok()).unwrap_or(1);
    (bytes[start..].as_chunks::<N>().0.iter().map(|item| read(*item)).collect(), columns)
}

struct Data {
    features: Vec<f32>,
    classes: Vec<u32>,
    width: usize,
}

impl Data {
    fn read(folder: &Path, name: &str) -> Self {
        let (features, width) = npy(&folder.join(format!("{name}_features.npy")), f32::from_le_bytes);
        let (labels, _) = npy(&folder.join(format!("{name}_labels.npy")), i64::from_le_bytes);
        Self { features, classes: labels.into_iter().map(|l| u32::try_from(l).unwrap()).collect(), width }
    }

    fn examples(&self) -> Examples<'_> {
        let rows = (0..self.classes.len() as u32).collect();
        Examples::new(&self.features, self.width, rows, self.classes.clone())
    }

    fn n_class(&self) -> usize {
        1 + *self.classes.iter().max().unwrap() as usize
    }
}

fn fit(c: f64, data: &Data) -> FittedProbe {
    let probe = LinearProbe { c, standardise: false, tolerance: 1e-6, max_iterations: 1000 };
    probe.fit::<()>(&data.examples(), data.n_class(), |_, _, _| Ok(())).unwrap()
}

fn number(run: &Value, name: &str) -> f64 {
    run[name].as_f64().unwrap_or_else(|| panic!("expected.json lacks `{name}`"))
}

#[test]
fn every_c_reaches_the_best_objective_and_its_accuracies() {
    fixtures("lbfgs_probe").for_each(|folder| check_every_c(&folder));
}

fn check_every_c(folder: &Path) {
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let (train, test) = (Data::read(folder, "train"), Data::read(folder, "test"));
    for run in expected["runs"].as_array().unwrap() {
        let c = number(run, "C");
        let probe = fit(c, &train);
        let gap = probe.objective / number(run, "objective_best") - 1.0;
        assert!(probe.converged && gap < 1e-6, "C = {c}: {gap:.2e} above the best objective");
        for (data, name) in [(&train, "train_acc_polished"), (&test, "test_acc_polished")] {
            let score = probe.model.score(&data.examples()).unwrap();
            let off = (score.accuracy - number(run, name)).abs() * data.classes.len() as f64;
            assert!(off < 1.5, "C = {c}: {name} is off by {off} samples");
        }
        let loss = probe.model.score(&test.examples()).unwrap().loss;
        assert!((loss - number(run, "mean_test_ce")).abs() < 1e-4 * loss, "C = {c}: test loss {loss}");
    }
}

/// Two classes, as scikit-learn 1.9.1 fits them with one weight vector. The numbers are those of
///
/// ```python
/// x = [[((i * 37 + j * 61) % 23) / 4 - 2.5 for j in range(3)] for i in range(24)]
/// y = [(i * i // 3 + i // 5) % 2 for i in range(24)]
/// z = StandardScaler().fit_transform(x) if standardise else np.array(x)
/// m = LogisticRegression(C=C, tol=1e-12, max_iter=100000).fit(z, y)
/// m.predict_log_proba(z)[:4, 1]
/// s = np.where(np.array(y) == 1, 1, -1) * (z @ m.coef_[0] + m.intercept_[0])
/// C * np.logaddexp(0, -s).sum() + 0.5 * (m.coef_**2).sum()
/// ```
#[test]
fn two_classes_have_the_probabilities_and_the_objective_of_scikit_learn() {
    let features: Vec<f32> =
        (0..24).flat_map(|i| (0..3).map(move |j| ((i * 37 + j * 61) % 23) as f32 / 4.0 - 2.5)).collect();
    let classes: Vec<u32> = (0..24).map(|i| (i * i / 3 + i / 5) % 2).collect();
    let examples = Examples::new(&features, 3, (0..24).collect(), classes);
    for (standardise, c, log_probs, objective) in [
        (false, 0.01, [-0.5562653, -0.4858855, -0.5459744, -0.5827508], 0.1615600),
        (false, 1.0, [-0.6942074, -0.2521071, -0.525762, -0.829755], 15.412857),
        (false, 100.0, [-0.7180238, -0.2347903, -0.5159092, -0.8483743], 1535.4451337),
        (true, 0.01, [-0.5464885, -0.516331, -0.5423475, -0.5567224], 0.1624043),
        (true, 1.0, [-0.6678599, -0.2756307, -0.5358894, -0.8033954], 15.4927343),
        (true, 100.0, [-0.7175356, -0.2351139, -0.5161136, -0.8480378], 1535.5534348),
    ] {
        let probe = LinearProbe { c, standardise, tolerance: 1e-9, max_iterations: 1000 };
        let fitted = probe.fit::<()>(&examples, 2, |_, _, _| Ok(())).unwrap();
        let ours = fitted.model.log_probabilities(&examples);
        for (row, theirs) in log_probs.iter().enumerate() {
            let off = (ours[2 * row + 1] - theirs).abs();
            assert!(off < 1e-6, "C {c}, standardise {standardise}: row {row} is off by {off:e}");
        }
        assert!((fitted.objective / objective - 1.0).abs() < 1e-6, "{} {objective}", fitted.objective);
    }
}

#[test]
fn the_coefficients_are_those_of_the_polished_optimum() {
    for folder in fixtures("lbfgs_probe") {
        let train = Data::read(&folder, "train");
        let (polished, columns) = npy(&folder.join("coef_C1.npy"), f64::from_le_bytes);
        let probe = fit(1.0, &train);
        let ours = probe.model.weights.chunks(train.width).zip(polished.chunks(columns));
        let largest = polished.iter().fold(0.0, |m: f64, w| m.max(w.abs()));
        for (ours, theirs) in ours {
            assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-3 * largest));
        }
    }
}

#[test]
fn threads_change_no_bit() {
    for folder in fixtures("lbfgs_probe") {
        let train = Data::read(&folder, "train");
        let with = |threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| fit(0.1, &train))
        };
        assert_eq!(with(1), with(3));
    }
}
