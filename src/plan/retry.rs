//! When a failed attempt is repeated.

use std::time::Duration;

/// Whether, and after which times, a failed attempt is repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// How many times.
    pub times: u32,
    /// The time before the first repetition.
    pub delay: Duration,
    /// By how much that time grows from one repetition to the next.
    pub backoff: f64,
}

impl Retry {
    /// No repetition.
    pub const NONE: Self = Self { times: 0, delay: Duration::ZERO, backoff: 1.0 };
    /// The longest time between two attempts.
    pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

    /// The time to wait after this attempt (from 1) before the next.
    pub fn pause(&self, attempt: u32) -> Duration {
        let grown = self.delay.as_secs_f64() * self.backoff.powi(attempt.saturating_sub(1).cast_signed());
        Duration::try_from_secs_f64(grown).unwrap_or(Self::LONGEST).min(Self::LONGEST)
    }
}
