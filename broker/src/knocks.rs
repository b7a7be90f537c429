//! Complaints about strangers, told once per address, listener, kind and minute: a router with a wrong setting tries every
//! few seconds, and five connections at a time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use crate::{KNOCK_QUIET, KNOCKS_REMEMBERED_MAX};

/// What was complained about lately.
#[derive(Debug, Default)]
pub(crate) struct Knocks {
    told: BTreeMap<(IpAddr, u16, &'static str), Told>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    held_back: u32,
}

impl Knocks {
    /// Whether to tell this complaint about who came to `listener` now: `Some(n)` if so, with the number of times it was held back since.
    pub(crate) fn tell(&mut self, now: Instant, address: IpAddr, listener: u16, kind: &'static str) -> Option<u32> {
        if let Some(told) = self.told.get_mut(&(address, listener, kind)) {
            if now.duration_since(told.at) < KNOCK_QUIET {
                told.held_back += 1;
                return None;
            }
            told.at = now;
            return Some(std::mem::take(&mut told.held_back));
        }
        if self.told.len() >= KNOCKS_REMEMBERED_MAX {
            self.told.retain(|_, told| now.duration_since(told.at) < KNOCK_QUIET);
            if self.told.len() >= KNOCKS_REMEMBERED_MAX {
                return None; // a flood from everywhere: what is remembered is enough to see it
            }
        }
        self.told.insert((address, listener, kind), Told { at: now, held_back: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_complaint_comes_once_per_address_listener_kind_and_minute() {
        let (mut knocks, start) = (Knocks::default(), Instant::now());
        let (one, other) = (IpAddr::from([192, 0, 2, 7]), IpAddr::from([192, 0, 2, 8]));
        assert_eq!(knocks.tell(start, one, 0, "plain"), Some(0));
        assert_eq!(knocks.tell(start, one, 0, "plain"), None);
        assert_eq!(knocks.tell(start, one, 0, "http"), Some(0));
        assert_eq!(knocks.tell(start, other, 0, "plain"), Some(0));
        assert_eq!(knocks.tell(start, one, 1, "plain"), Some(0), "another port has another thing to say");
        assert_eq!(knocks.tell(start + Duration::from_secs(59), one, 0, "plain"), None);
        assert_eq!(knocks.tell(start + Duration::from_secs(60), one, 0, "plain"), Some(2));
    }

    #[test]
    fn what_is_remembered_of_strangers_is_bounded() {
        let (mut knocks, start) = (Knocks::default(), Instant::now());
        for n in 0..KNOCKS_REMEMBERED_MAX as u32 + 10 {
            knocks.tell(start, IpAddr::from(n.to_be_bytes()), 0, "plain");
        }
        assert_eq!(knocks.told.len(), KNOCKS_REMEMBERED_MAX);
        assert_eq!(knocks.tell(start + KNOCK_QUIET, IpAddr::from([255, 0, 0, 1]), 0, "plain"), Some(0));
        assert_eq!(knocks.told.len(), 1);
    }
}
