//! How long to wait before the next try: longer each time, and never all at once.

use std::time::Duration;

/// Waiting doubles from `first` to `max` with each failure in a row; of each wait, a random part between
/// half and the whole is taken, so that a thousand gateways do not come back in the same second.
///
/// So the first wait lies within `first/2 ..= first`, and none is longer than `max` or shorter than 10 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait. Default 1 s.
    pub first: Duration,
    /// The longest of all waits. Default 60 s.
    pub max: Duration,
}

/// A server that refuses at once must not keep a core busy, whatever the settings say.
const WAIT_MIN: Duration = Duration::from_millis(10);

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// The wait after `failures` in a row (1 for the first); `random` is any number, evenly drawn.
    pub fn wait(&self, failures: u32, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.max).max(WAIT_MIN);
        let half = whole / 2;
        let spread_us = u64::try_from(whole.saturating_sub(half).as_micros()).unwrap_or(u64::MAX - 1);
        (half + Duration::from_micros(random % (spread_us + 1))).max(WAIT_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_wait_lies_between_half_and_the_whole_of_a_doubling_time() {
        let backoff = Backoff { first: S, max: 60 * S };
        for (failures, whole) in [(0, S), (1, S), (2, 2 * S), (3, 4 * S), (6, 32 * S), (7, 60 * S), (u32::MAX, 60 * S)]
        {
            for random in [0, 1, 999_999, u64::MAX / 2, u64::MAX] {
                let wait = backoff.wait(failures, random);
                assert!(wait >= whole / 2 && wait <= whole, "{failures} failures, random {random}: {wait:?}");
            }
            assert_eq!(backoff.wait(failures, 0), whole / 2);
        }
    }

    #[test]
    fn the_random_number_moves_the_wait() {
        let backoff = Backoff::default();
        assert_ne!(backoff.wait(3, 7), backoff.wait(3, 1_000_007));
    }

    #[test]
    fn no_settings_make_a_busy_loop_or_an_overflow() {
        let none = Backoff { first: Duration::ZERO, max: Duration::ZERO };
        assert_eq!(none.wait(1, u64::MAX), WAIT_MIN);
        let huge = Backoff { first: Duration::MAX, max: Duration::MAX };
        assert!(huge.wait(u32::MAX, u64::MAX) >= Duration::MAX / 2);
    }
}
