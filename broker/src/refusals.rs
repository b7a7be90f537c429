//! What the rules refused lately: told once for a client, a topic and a minute, for who is refused mostly tries again.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Instant;

use crate::{REFUSAL_QUIET, REFUSALS_PER_CLIENT_MAX, REFUSALS_REMEMBERED_MAX};

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
    /// Of each client, as a number too: how many were told, since when. Each stands for one at least in `told`.
    of_client: BTreeMap<u64, (Instant, usize)>,
    /// Before this there is no room for another. A client may be refused a million topics by one SUBSCRIBE: what is not told
    /// must cost next to nothing.
    full_until: Option<Instant>,
    key: RandomState,
}

impl Refusals {
    /// Whether this one is to be told now.
    pub(crate) fn is_due(&mut self, now: Instant, wish: Wish, client_id: &str, topic: &str) -> bool {
        let is_recent = |at: Instant| now.duration_since(at) < REFUSAL_QUIET;
        if self.full_until.is_some_and(|until| now < until) {
            return false; // a flood: what is told already is enough to see it
        }
        let client = self.key.hash_one(client_id);
        let of_client = self.of_client.get(&client).copied().filter(|(since, _)| is_recent(*since));
        if of_client.is_some_and(|(_, count)| count >= REFUSALS_PER_CLIENT_MAX) {
            return false; // the others are to be heard of, too
        }
        let place = self.key.hash_one((wish, client_id, topic));
        if self.told.get(&place).is_some_and(|at| is_recent(*at)) || !self.has_room(now) {
            return false;
        }
        self.told.insert(place, now);
        let (since, count) = of_client.unwrap_or((now, 0));
        self.of_client.insert(client, (since, count + 1));
        true
    }

    /// Makes room by forgetting what is old; where nothing is, it is not looked at again before something will be.
    fn has_room(&mut self, now: Instant) -> bool {
        self.full_until = None;
        if self.told.len() < REFUSALS_REMEMBERED_MAX {
            return true;
        }
        let is_recent = |at: Instant| now.duration_since(at) < REFUSAL_QUIET;
        self.told.retain(|_, at| is_recent(*at));
        self.of_client.retain(|_, (since, _)| is_recent(*since));
        if self.told.len() < REFUSALS_REMEMBERED_MAX {
            return true;
        }
        self.full_until = self.told.values().min().map(|oldest| *oldest + REFUSAL_QUIET);
        false
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
    fn one_client_does_not_keep_the_others_from_being_told_of() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let mut due =
            |after, client_id, n: usize| refusals.is_due(now + after, Wish::Read, client_id, &format!("{after:?}/{n}"));
        let told = (0..REFUSALS_PER_CLIENT_MAX + 100).filter(|n| due(Duration::ZERO, "a", *n)).count();
        assert_eq!(told, REFUSALS_PER_CLIENT_MAX);
        assert!(due(Duration::ZERO, "b", 0));
        let told = (0..REFUSALS_PER_CLIENT_MAX + 100).filter(|n| due(REFUSAL_QUIET, "a", *n)).count();
        assert_eq!(told, REFUSALS_PER_CLIENT_MAX, "in each minute");
    }

    #[test]
    fn a_flood_of_clients_is_remembered_up_to_the_limit_until_the_oldest_is_old() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let half = REFUSALS_REMEMBERED_MAX / 2;
        for (after, first, wanted) in [
            (0, 0, half),
            (30, half, half),
            (59, 2 * half, 0),
            (60, 3 * half, half),
            (89, 4 * half, 0),
            (90, 5 * half, half),
        ] {
            let mut due =
                |n: &usize| refusals.is_due(now + Duration::from_secs(after), Wish::Read, &n.to_string(), "t");
            assert_eq!((first..first + half).filter(|n| due(n)).count(), wanted, "after {after} s");
            assert!(refusals.told.len() <= REFUSALS_REMEMBERED_MAX && refusals.of_client.len() <= refusals.told.len());
        }
    }
}
