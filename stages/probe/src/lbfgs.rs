//! Limited-memory BFGS for smooth convex functions, with a metric of the caller's.
//!
//! The two-loop recursion of Nocedal and Wright, "Numerical Optimization" (2006), algorithms 7.4
//! and 7.5, with a preconditioner in the place of the initial inverse Hessian; the line search
//! meets the strong Wolfe conditions (algorithms 3.5 and 3.6) or, where rounding hides the decrease
//! of the function, the approximate ones of Hager and Zhang (2005).

use std::collections::VecDeque;

use crate::cholesky::dot;

/// A function to be minimised.
pub(crate) trait Problem {
    /// The value at `x`; fills the gradient.
    fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64;

    /// Replaces a gradient by about the inverse Hessian times it, whatever its scale. Must be
    /// linear, symmetric and positive definite.
    fn precondition(&self, gradient: &mut [f64]);
}

/// When to stop, and how much to remember.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The largest entry of the gradient at which the minimum counts as found.
    pub(crate) gradient: f64,
    /// Iterations at most.
    pub(crate) iterations: usize,
    /// Pairs of steps and gradient differences kept.
    pub(crate) history: usize,
}

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Minimum {
    /// The point.
    pub(crate) x: Vec<f64>,
    /// The function there.
    pub(crate) value: f64,
    /// Iterations done.
    pub(crate) iterations: usize,
    /// The largest entry of the gradient there.
    pub(crate) gradient: f64,
    /// Whether the gradient came below its limit. Without, the iterations ran out or rounding
    /// left no direction of descent.
    pub(crate) converged: bool,
}

struct CurvaturePair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// 1 / (step . change)
    rho: f64,
}

/// Minimises from `x`. `watch(iteration, value, largest gradient entry)` is called once an
/// iteration and may stop the search with an error of its own.
pub(crate) fn minimise<E>(
    problem: &impl Problem,
    mut x: Vec<f64>,
    limits: Limits,
    mut watch: impl FnMut(usize, f64, f64) -> Result<(), E>,
) -> Result<Minimum, E> {
    let mut gradient = vec![0.0; x.len()];
    let mut value = problem.evaluate(&x, &mut gradient);
    let mut pairs: VecDeque<CurvaturePair> = VecDeque::with_capacity(limits.history);
    let mut iterations = 0;
    loop {
        let size = gradient.iter().fold(0.0, |largest: f64, g| largest.max(g.abs()));
        watch(iterations, value, size)?;
        let converged = size <= limits.gradient;
        if converged || iterations >= limits.iterations || !value.is_finite() {
            return Ok(Minimum { x, value, iterations, gradient: size, converged });
        }
        let mut direction = newton_like(problem, &pairs, &gradient);
        let mut slope = dot(&direction, &gradient);
        if slope.is_nan() || slope >= 0.0 {
            pairs.clear();
            direction = newton_like(problem, &pairs, &gradient);
            slope = dot(&direction, &gradient);
        }
        let start = LineStart { x: &x, value, slope, direction: &direction };
        let Some(found) = line_search(problem, &start) else {
            if pairs.is_empty() {
                return Ok(Minimum { x, value, iterations, gradient: size, converged: false });
            }
            pairs.clear();
            continue;
        };
        let step: Vec<f64> = direction.iter().map(|d| d * found.at).collect();
        let change: Vec<f64> = found.gradient.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        let curvature = dot(&step, &change);
        // Of any scale: at C = 1e30 the gradients are 1e30 times the steps.
        if curvature > f64::EPSILON * (dot(&step, &step).sqrt() * dot(&change, &change).sqrt()) {
            if pairs.len() == limits.history {
                pairs.pop_front();
            }
            pairs.push_back(CurvaturePair { step, change, rho: 1.0 / curvature });
        }
        (x, value, gradient) = (found.x, found.value, found.gradient);
        iterations += 1;
    }
}

/// The direction of descent: minus the approximate inverse Hessian times the gradient.
fn newton_like(problem: &impl Problem, pairs: &VecDeque<CurvaturePair>, gradient: &[f64]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = vec![0.0; pairs.len()];
    for (pair, alpha) in pairs.iter().zip(&mut alphas).rev() {
        *alpha = pair.rho * dot(&pair.step, &q);
        add(&mut q, -*alpha, &pair.change);
    }
    problem.precondition(&mut q);
    if let Some(last) = pairs.back() {
        // The scale at which the metric agrees with the latest curvature.
        let mut change = last.change.clone();
        problem.precondition(&mut change);
        let scale = 1.0 / (last.rho * dot(&last.change, &change));
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for (pair, alpha) in pairs.iter().zip(alphas) {
        let beta = pair.rho * dot(&pair.change, &q);
        add(&mut q, alpha - beta, &pair.step);
    }
    q
}

fn add(target: &mut [f64], factor: f64, other: &[f64]) {
    for (t, o) in target.iter_mut().zip(other) {
        *t += factor * o;
    }
}

/// Where a line search begins and where it looks.
struct LineStart<'a> {
    x: &'a [f64],
    value: f64,
    slope: f64,
    direction: &'a [f64],
}

/// A point on the line.
struct LinePoint {
    at: f64,
    x: Vec<f64>,
    value: f64,
    slope: f64,
    gradient: Vec<f64>,
}

/// Sufficient decrease and curvature, as usual for quasi-Newton directions.
const DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;
/// Rounding in a sum of many terms, as a share of the value.
const ROUNDING: f64 = 1e-13;

/// A step along the direction that meets the Wolfe conditions; `None` if there is none within
/// working precision.
fn line_search(problem: &impl Problem, start: &LineStart<'_>) -> Option<LinePoint> {
    let probe = |at: f64| {
        let x: Vec<f64> = start.x.iter().zip(start.direction).map(|(x, d)| x + at * d).collect();
        let mut gradient = vec![0.0; x.len()];
        let value = problem.evaluate(&x, &mut gradient);
        LinePoint { at, slope: dot(&gradient, start.direction), x, value, gradient }
    };
    let noise = ROUNDING * start.value.abs();
    let decreases = |p: &LinePoint| {
        p.value <= start.value + DECREASE * p.at * start.slope
            || (p.value <= start.value + noise && p.slope <= (2.0 * DECREASE - 1.0) * start.slope)
    };
    let flat = |p: &LinePoint| p.slope.abs() <= -CURVATURE * start.slope;

    // The bracket: `low` decreases enough and still falls; `high` overshoots.
    let mut low: (f64, f64, f64) = (0.0, start.value, start.slope);
    let mut high: Option<(f64, f64, f64)> = None;
    let mut at = 1.0;
    for _ in 0..40 {
        let point = probe(at);
        if decreases(&point) && flat(&point) {
            return Some(point);
        }
        let here = (point.at, point.value, point.slope);
        if !decreases(&point) || point.value.is_nan() || point.slope >= 0.0 {
            high = Some(here);
        } else {
            low = here;
        }
        at = match high {
            None => 2.5 * at,
            Some(high) => between(low, high),
        };
        if let Some(high) = high
            && (high.0 - low.0) <= 1e-12 * high.0
        {
            return None;
        }
    }
    None
}

/// The minimum of the cubic through two points of the line with their slopes, kept away from the
/// ends of the bracket (Nocedal and Wright, equation 3.59).
fn between(low: (f64, f64, f64), high: (f64, f64, f64)) -> f64 {
    let width = high.0 - low.0;
    let d1 = low.2 + high.2 - 3.0 * (low.1 - high.1) / (low.0 - high.0);
    let d2 = (d1 * d1 - low.2 * high.2).sqrt();
    let cubic = high.0 - width * (high.2 + d2 - d1) / (high.2 - low.2 + 2.0 * d2);
    if cubic.is_finite() {
        cubic.clamp(low.0 + 0.1 * width, high.0 - 0.1 * width)
    } else {
        low.0 + 0.5 * width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sum of log-cosh and a badly scaled quadratic: smooth, convex, minimum at 0.
    struct Valley {
        metric: bool,
    }

    const SCALES: [f64; 6] = [1e-3, 1e-2, 1.0, 10.0, 1e3, 1e5];

    impl Problem for Valley {
        fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
            let mut value = 0.0;
            for ((x, g), scale) in x.iter().zip(gradient).zip(SCALES) {
                value += x.cosh().ln() + 0.5 * scale * x * x;
                *g = x.tanh() + scale * x;
            }
            value
        }

        fn precondition(&self, gradient: &mut [f64]) {
            if self.metric {
                gradient.iter_mut().zip(SCALES).for_each(|(g, scale)| *g /= 1.0 + scale);
            }
        }
    }

    fn run(metric: bool) -> Minimum {
        let limits = Limits { gradient: 1e-10, iterations: 500, history: 10 };
        minimise::<()>(&Valley { metric }, vec![3.0; 6], limits, |_, _, _| Ok(())).unwrap()
    }

    #[test]
    fn the_minimum_is_found_and_a_metric_shortens_the_way() {
        let (plain, metric) = (run(false), run(true));
        assert!(plain.converged && metric.converged);
        assert!(plain.x.iter().chain(&metric.x).all(|x| x.abs() < 1e-6));
        assert!(metric.iterations < plain.iterations, "{} < {}", metric.iterations, plain.iterations);
    }

    #[test]
    fn a_watcher_can_stop_the_search() {
        let limits = Limits { gradient: 0.0, iterations: 500, history: 10 };
        let stop = |iteration, _, _| if iteration == 3 { Err("stop") } else { Ok(()) };
        assert_eq!(minimise(&Valley { metric: false }, vec![3.0; 6], limits, stop).unwrap_err(), "stop");
    }
}
