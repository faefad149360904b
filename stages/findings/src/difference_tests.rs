//! Standard errors over test images, against values worked out by hand.

use std::rc::Rc;

use crate::difference::{ImageError, WeightedRun, image_error};
use crate::predictions::ImageScores;

fn part(weight: f64, value: f64, images: &[u64], values: &[f64]) -> WeightedRun {
    let scores = ImageScores { images: images.iter().map(|id| (*id, 0)).collect(), values: values.to_vec() };
    WeightedRun { weight, value, scores: Some(Rc::new(scores)), count: None }
}

#[track_caller]
fn near(found: Option<ImageError>, error: f64, images: usize, paired: bool) {
    let found = found.unwrap();
    assert!((found.error - error).abs() < 1e-12, "{found:?}, expected {error}");
    assert_eq!((found.images, found.paired), (images, paired));
}

#[test]
fn the_same_images_are_compared_one_by_one() {
    // Differences 1, 0, 0, -1, 1: mean 0.2, squares 2.8, s^2 = 0.7, error sqrt(0.7 / 5).
    let ids = [1, 2, 3, 4, 5];
    let a = part(1.0, 0.8, &ids, &[1.0, 1.0, 1.0, 0.0, 1.0]);
    let b = part(-1.0, 0.6, &ids, &[0.0, 1.0, 1.0, 1.0, 0.0]);
    near(image_error(&[a, b]), 0.14_f64.sqrt(), 5, true);
}

#[test]
fn an_artifact_differs_from_itself_by_nothing() {
    let ids = [1, 2, 3];
    let part = |weight| part(weight, 1.0 / 3.0, &ids, &[1.0, 0.0, 0.0]);
    near(image_error(&[part(1.0), part(-1.0)]), 0.0, 3, true);
}

#[test]
fn different_images_are_independent() {
    // 1, 1, 0, 0: s^2 = 1/3, of the mean 1/12; twice that.
    let a = part(1.0, 0.5, &[1, 2, 3, 4], &[1.0, 1.0, 0.0, 0.0]);
    let b = part(-1.0, 0.5, &[5, 6, 7, 8], &[1.0, 0.0, 1.0, 0.0]);
    near(image_error(&[a, b]), (1.0_f64 / 6.0).sqrt(), 4, false);
}

#[test]
fn shares_without_predictions_are_binomial() {
    // 0.8 of 100 and 0.5 of 50: sqrt(0.16 / 100 + 0.25 / 50).
    let share = |weight, value, count| WeightedRun { weight, value, scores: None, count };
    let parts = [share(1.0, 0.8, Some(100.0)), share(-1.0, 0.5, Some(50.0))];
    near(image_error(&parts), 0.0066_f64.sqrt(), 50, false);
    assert_eq!(image_error(&[share(1.0, 0.8, None)]), None);
    // A loss is no share.
    assert_eq!(image_error(&[share(1.0, 3.6, Some(100.0))]), None);
}

#[test]
fn runs_of_a_group_are_averaged_image_by_image() {
    // Means over two runs: 1, 0.5, 0, 0.5; of b: 0, 0.5, 0, 0.5: differences 1, 0, 0, 0: s^2 = 1/4.
    let ids = [1, 2, 3, 4];
    let parts = [
        part(0.5, 0.5, &ids, &[1.0, 1.0, 0.0, 0.0]),
        part(0.5, 0.5, &ids, &[1.0, 0.0, 0.0, 1.0]),
        part(-0.5, 0.5, &ids, &[0.0, 1.0, 0.0, 1.0]),
        part(-0.5, 0.0, &ids, &[0.0; 4]),
    ];
    near(image_error(&parts), 0.25, 4, true);
}
