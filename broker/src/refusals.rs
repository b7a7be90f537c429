//! What the rules refused lately: told once for a client, a topic and a minute, for who is refused mostly tries again.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Instant;

use crate::{REFUSAL_QUIET, REFUSALS_REMEMBERED_MAX};

/// What a client was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wish {
    /// To publish to a topic.
    Publish,
    /// To be sent its messages.
    Read,
}

/// Client and topic as one number, made with a key that no stranger knows: two that fall together hold each other's
/// tongue for a minute, and no more. So a topic of 65,535 bytes takes as much memory as a short one.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    told: BTreeMap<u64, Instant>,
    key: RandomState,
}

impl Refusals {
    /// Whether this one is to be told now.
    pub(crate) fn is_due(&mut self, now: Instant, wish: Wish, client_id: &str, topic: &str) -> bool {
        let place = self.key.hash_one((wish, client_id, topic));
        if self.told.get(&place).is_some_and(|at| now.duration_since(*at) < REFUSAL_QUIET) {
            return false;
        }
        if self.told.len() >= REFUSALS_REMEMBERED_MAX {
            self.told.retain(|_, at| now.duration_since(*at) < REFUSAL_QUIET);
            if self.told.len() >= REFUSALS_REMEMBERED_MAX {
                return false; // a flood: what is told already is enough to see it
            }
        }
        self.told.insert(place, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_refusal_is_told_once_for_a_client_a_topic_and_a_minute() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let mut due = |after, wish, client_id, topic| refusals.is_due(now + after, wish, client_id, topic);
        assert!(due(Duration::ZERO, Wish::Publish, "a", "t") && !due(Duration::ZERO, Wish::Publish, "a", "t"));
        assert!(due(Duration::ZERO, Wish::Publish, "b", "t") && due(Duration::ZERO, Wish::Publish, "a", "u"));
        assert!(due(Duration::ZERO, Wish::Read, "a", "t"), "to read is something else");
        let almost = REFUSAL_QUIET.saturating_sub(Duration::from_millis(1));
        assert!(!due(almost, Wish::Publish, "a", "t") && due(REFUSAL_QUIET, Wish::Publish, "a", "t"));
    }

    #[test]
    fn a_flood_of_topics_is_remembered_up_to_the_limit() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let mut due = |n: &usize| refusals.is_due(now, Wish::Read, "a", &n.to_string());
        let told = (0..REFUSALS_REMEMBERED_MAX + 100).filter(|n| due(n)).count();
        assert_eq!((told, refusals.told.len()), (REFUSALS_REMEMBERED_MAX, REFUSALS_REMEMBERED_MAX));
        assert!(refusals.is_due(now + REFUSAL_QUIET, Wish::Read, "a", "new"), "and forgotten again");
    }
}
