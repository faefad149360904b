//! Curves of many points drawn with few: the smallest and the largest of each stretch stay, so that no peak
//! and no drop is lost.

/// A point; not-a-number stays where it is, as a gap.
type Point = (f64, f64);

/// At most `most` of the points, in their order: the first, the last, and of each stretch between them the
/// lowest, the highest and one that is no number.
pub(crate) fn thin(points: &[Point], most: usize) -> Vec<Point> {
    if points.len() <= most || most < 5 {
        return points.to_vec();
    }
    let inner = &points[1..points.len() - 1];
    let stretches = (most - 2) / 3;
    let mut kept = vec![points[0]];
    for n in 0..stretches {
        let [start, end] = [n, n + 1].map(|n| n * inner.len() / stretches);
        let stretch = &inner[start..end];
        let finite = || stretch.iter().enumerate().filter(|(_, (_, y))| y.is_finite());
        let low = finite().min_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(place, _)| place);
        let high = finite().max_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(place, _)| place);
        let gap = stretch.iter().position(|(_, y)| !y.is_finite());
        let mut places: Vec<usize> = [low, high, gap].into_iter().flatten().collect();
        places.sort_unstable();
        places.dedup();
        kept.extend(places.into_iter().map(|place| stretch[place]));
    }
    kept.push(points[points.len() - 1]);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_drops_gaps_and_ends_stay() {
        let mut points: Vec<Point> =
            (0..100_000).map(|n| (f64::from(n), (f64::from(n) * 0.01).sin())).collect();
        points[31_234].1 = 99.0;
        points[71_111].1 = -99.0;
        points[50_000].1 = f64::NAN;
        let thinned = thin(&points, 1000);
        assert!(thinned.len() <= 1000 && thinned.len() > 600, "{}", thinned.len());
        for place in [0, 31_234, 71_111, 99_999] {
            assert!(thinned.contains(&points[place]), "{place}");
        }
        assert!(thinned.iter().any(|(_, y)| y.is_nan()));
        assert!(thinned.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn few_points_stay_as_they_are() {
        let points = [(0.0, 1.0), (1.0, f64::INFINITY)];
        assert_eq!(thin(&points, 1000), points);
        assert!(thin(&[], 1000).is_empty());
    }
}
