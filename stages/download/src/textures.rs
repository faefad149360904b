//! Draws labelled images: ten kinds of repeating patterns, for experiments that show what pre-training
//! learns without a download.
//!
//! Phase, scale, rotation, which of the two colours is the background, a gradient and noise are random and
//! independent of the class, so that no pixel is typical of a class and a linear classifier on raw pixels
//! finds little. The two colours lean towards a pair of opposite colours of the class: their mean carries no
//! information, the colours themselves some, and how pixels repeat the most.

use igpt_contract::Stream;
use image::RgbImage;
use rand::RngExt as _;

use crate::drawing::{Drawing, Look, N_CLASSES, cos_sin};

/// The source `textures`.
pub(crate) const TEXTURES: Drawing = Drawing { name: "textures", classes: CLASSES, draw };

/// The classes, by label.
const CLASSES: [&str; N_CLASSES] =
    ["rows", "columns", "rising", "falling", "checks", "diamonds", "dots", "grid", "bricks", "zigzag"];

/// The axis through grey that each class's pair of opposite colours lies on, over red, green and blue.
const AXES: [[f32; 3]; N_CLASSES] = [
    [1.0, -1.0, 0.0],
    [1.0, 0.0, -1.0],
    [0.0, 1.0, -1.0],
    [1.0, 1.0, 0.0],
    [1.0, 0.0, 1.0],
    [0.0, 1.0, 1.0],
    [1.0, 1.0, -1.0],
    [1.0, -1.0, 1.0],
    [-1.0, 1.0, 1.0],
    [1.0, 1.0, 1.0],
];
/// How much of the colours is the class's; the rest is random.
const LEAN: f32 = 0.45;
/// The least distance of the two colours, in levels, over red, green and blue.
const CONTRAST: f32 = 170.0;
/// The width of a diagonal stripe's period across, where a straight one's is 1: the square root of 2.
const DIAGONAL: f32 = std::f32::consts::SQRT_2;

/// Draws a texture of a class.
fn draw(class: usize, size: u32, random: &mut Stream) -> RgbImage {
    let (ground, ink) = colours(AXES[class], random);
    // The period as a share of the image's side: each pattern repeats two to three times.
    let period: f32 = random.random_range(0.33..0.53);
    let phase: [f32; 2] = [(); 2].map(|()| random.random_range(0.0..2.0));
    // A rotation of up to 6 degrees.
    let (cos, sin) = cos_sin(random.random_range(-0.05..0.05));
    let gradient: [f32; 2] = [(); 2].map(|()| random.random_range(-20.0..20.0));
    let noise: f32 = random.random_range(4.0..16.0);
    let inside = |x: f32, y: f32| {
        let (u, v) = ((cos * x + sin * y) / period, (cos * y - sin * x) / period);
        covers(class, u + phase[0], v + phase[1])
    };
    Look { ground, ink, gradient, noise }.render(size, inside, random)
}

/// The two colours, on either side of grey, which differ enough.
fn colours(axis: [f32; 3], random: &mut Stream) -> ([f32; 3], [f32; 3]) {
    let swap = if random.random_bool(0.5) { 1.0 } else { -1.0 };
    loop {
        let mut colour = |sign: f32| {
            axis.map(|x| {
                LEAN * (128.0 + sign * 127.0 * x) + (1.0 - LEAN) * random.random_range(0.0f32..256.0)
            })
        };
        let (ground, ink) = (colour(swap), colour(-swap));
        let distance2: f32 = ground.iter().zip(&ink).map(|(a, b)| (a - b) * (a - b)).sum();
        if distance2 >= CONTRAST * CONTRAST {
            return (ground, ink);
        }
    }
}

/// Whether the ink of a class covers a point; u runs to the right and v down, both in periods.
fn covers(class: usize, u: f32, v: f32) -> bool {
    let part = |t: f32| t - t.floor();
    let half = |t: f32| part(t) < 0.5;
    let (fu, fv) = (part(u), part(v));
    let (up, down) = ((u + v) / DIAGONAL, (u - v) / DIAGONAL);
    match class {
        0 => half(v),
        1 => half(u),
        2 => half(up),
        3 => half(down),
        4 => half(u) == half(v),
        5 => half(up) == half(down),
        6 => (fu - 0.5) * (fu - 0.5) + (fv - 0.5) * (fv - 0.5) < 0.12,
        7 => fu < 0.3 || fv < 0.3,
        // Two courses a period, every other one shifted by half a brick.
        8 => part(2.0 * v) < 0.35 || part(u + if half(v) { 0.0 } else { 0.5 }) < 0.25,
        _ => half(v + (fu - 0.5).abs()),
    }
}

#[cfg(test)]
mod tests {
    use igpt_contract::stream;

    use super::*;

    /// Which of 40 x 40 points over two periods a class covers.
    fn grid(class: usize) -> Vec<bool> {
        (0..1600)
            .map(|i| covers(class, (i % 40) as f32 / 20.0 + 0.01, (i / 40) as f32 / 20.0 + 0.01))
            .collect()
    }

    #[test]
    fn classes_differ_and_none_is_plain() {
        for (a, one) in CLASSES.iter().enumerate() {
            let covered = grid(a).iter().filter(|covered| **covered).count();
            assert!((400..=1200).contains(&covered), "{one} covers {covered} of 1600 points");
            for (b, other) in CLASSES[..a].iter().enumerate() {
                let differ = grid(a).iter().zip(grid(b)).filter(|(a, b)| **a != *b).count();
                assert!(differ >= 160, "{one} and {other} differ in {differ} of 1600 points");
            }
        }
    }

    #[test]
    fn straight_patterns_repeat_after_a_period() {
        for class in [0, 1, 4, 6, 7, 8, 9] {
            for i in 0..400 {
                let (u, v) = ((i % 20) as f32 / 16.0 + 0.01, (i / 20) as f32 / 16.0 + 0.01);
                let there = covers(class, u, v);
                assert_eq!(there, covers(class, u + 1.0, v), "{} at {u}, {v}", CLASSES[class]);
                assert_eq!(there, covers(class, u, v + 1.0), "{} at {u}, {v}", CLASSES[class]);
            }
        }
    }

    #[test]
    fn the_mean_of_the_two_colours_is_grey_for_every_class() {
        let mut random = stream(0, "colours");
        for axis in AXES {
            let mut mean = [0.0; 3];
            for _ in 0..2000 {
                let (ground, ink) = colours(axis, &mut random);
                for c in 0..3 {
                    mean[c] += (ground[c] + ink[c]) / 4000.0;
                }
            }
            assert!(mean.iter().all(|level| (level - 128.0).abs() < 4.0), "{axis:?}: {mean:?}");
        }
    }
}
