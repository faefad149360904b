//! Draws labelled images: ten kinds of shapes on a plain background, for experiments without a download.
//!
//! Position, size, rotation, background colour, a gradient and noise are random and independent of the
//! class. The shape's colour leans towards one of its class, as a lawn's towards green, so that colour
//! carries some information and shape more.

use igpt_contract::Stream;
use image::RgbImage;
use rand::RngExt as _;

use crate::drawing::{Drawing, Look, N_CLASSES, cos_sin};

/// The source `shapes`.
pub(crate) const SHAPES: Drawing = Drawing { name: "shapes", classes: CLASSES, draw };

/// The classes, by label.
const CLASSES: [&str; N_CLASSES] =
    ["circle", "square", "triangle", "cross", "ring", "frame", "rows", "columns", "checks", "half"];
/// The least distance of the two colours, in levels, over red, green and blue.
const CONTRAST: f32 = 110.0;

/// The colours that the shapes of each class lean towards, in levels.
const TINTS: [[f32; 3]; N_CLASSES] = [
    [230.0, 25.0, 25.0],
    [25.0, 200.0, 25.0],
    [25.0, 25.0, 230.0],
    [230.0, 230.0, 25.0],
    [230.0, 25.0, 230.0],
    [25.0, 230.0, 230.0],
    [245.0, 245.0, 245.0],
    [10.0, 10.0, 10.0],
    [240.0, 130.0, 25.0],
    [128.0, 128.0, 128.0],
];
/// How much of a shape's colour is its class's; the rest is random.
const LEAN: f32 = 0.4;

/// Draws a shape of a class.
fn draw(class: usize, size: u32, random: &mut Stream) -> RgbImage {
    let (ground, ink) = colours(TINTS[class], random);
    // The centre and half the extent of the shape, as shares of the image's side.
    let extent: f32 = random.random_range(0.30..0.44);
    let middle: [f32; 2] = [(); 2].map(|()| random.random_range(extent + 0.04..=0.96 - extent));
    // A rotation of up to 10 degrees: cosine and sine from the tangent of half the angle.
    let half: f32 = random.random_range(-0.087..0.087);
    let (cos, sin) = cos_sin(half);
    let gradient: [f32; 2] = [(); 2].map(|()| random.random_range(-24.0..24.0));
    let noise: f32 = random.random_range(2.0..8.0);
    let inside = |x: f32, y: f32| {
        let (dx, dy) = ((x - middle[0]) / extent, (y - middle[1]) / extent);
        covers(class, cos * dx + sin * dy, cos * dy - sin * dx)
    };
    Look { ground, ink, gradient, noise }.render(size, inside, random)
}

/// The colours of the background and of the shape, which must differ enough.
fn colours(tint: [f32; 3], random: &mut Stream) -> ([f32; 3], [f32; 3]) {
    let mut colour = || [(); 3].map(|()| random.random_range(0.0f32..256.0));
    loop {
        let (ground, free) = (colour(), colour());
        let ink = [0, 1, 2].map(|c| LEAN * tint[c] + (1.0 - LEAN) * free[c]);
        let distance2: f32 = ground.iter().zip(&ink).map(|(a, b)| (a - b) * (a - b)).sum();
        if distance2 >= CONTRAST * CONTRAST {
            return (ground, ink);
        }
    }
}

/// Whether a shape covers a point, in units of half its extent from its centre.
fn covers(class: usize, x: f32, y: f32) -> bool {
    let (ax, ay) = (x.abs(), y.abs());
    let in_square = ax.max(ay) < 0.9;
    let radius2 = x * x + y * y;
    // Stripes and fields of a third of the square: wide enough to be seen at 8 x 8 pixels.
    let odd = |t: f32| ((t + 0.9) / 0.6) as i32 % 2 == 0;
    match class {
        0 => radius2 < 1.0,
        1 => in_square,
        // Upright, its point at the top.
        2 => y < 0.85 && ax < 0.55 * (y + 1.0),
        3 => ax.max(ay) < 1.0 && ax.min(ay) < 0.3,
        4 => (0.3..1.0).contains(&radius2),
        5 => in_square && ax.max(ay) > 0.5,
        6 => in_square && odd(y),
        7 => in_square && odd(x),
        8 => in_square && (x < 0.0) == (y < 0.0),
        // The half above the diagonal.
        _ => in_square && x > y,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_differ_in_shape_alone() {
        let grid = |class| -> Vec<bool> {
            (0..256)
                .map(|i| covers(class, (i % 16) as f32 / 8.0 - 0.97, (i / 16) as f32 / 8.0 - 0.97))
                .collect()
        };
        for (a, one) in CLASSES.iter().enumerate() {
            for (b, other) in CLASSES[..a].iter().enumerate() {
                let differ = grid(a).iter().zip(grid(b)).filter(|(a, b)| **a != *b).count();
                assert!(differ >= 20, "{one} and {other} differ in {differ} of 256 points");
            }
        }
    }
}
