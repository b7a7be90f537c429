//! Advertisement and scan response, judged together: `filter_pairs`.
//!
//! A device may have its name in the one and its services in the other. An advertisement that can be answered is held
//! until its answer comes, for [`PAIR_WINDOW`] at most; then both are handed on, the advertisement first. They are of
//! one pair when the same radio heard both of the same address, the answer right after or within that time.
//!
//! On the air an answer begins 150 µs after its request, and a controller tells of it at once; the window leaves room
//! for controllers and buses that do not hurry. What is held is bounded by [`HELD_MAX`].

use std::collections::VecDeque;
use std::time::Duration;

use crate::{Advertisement, Timestamp};

/// How long after an advertisement its scan response is waited for.
pub const PAIR_WINDOW: Duration = Duration::from_millis(20);

/// Advertisements that may be held at a time; past this the oldest is handed on alone. In [`PAIR_WINDOW`] one radio
/// hears some 50 of them; with the longest data there is it makes 1.7 MB.
pub const HELD_MAX: usize = 1024;

/// What is handed on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// Without another half: it has none, or none came.
    Alone(Advertisement),
    /// An advertisement, and its scan response.
    Pair(Advertisement, Advertisement),
}

/// Holds advertisements until their scan responses come.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// In the order of hearing.
    held: VecDeque<Advertisement>,
    pressed: u64,
}

impl Pairs {
    /// Takes what was heard, at its `received_at`; appends what is ready.
    pub(crate) fn take(&mut self, heard: &Advertisement, out: &mut Vec<Released>) {
        self.handle_timeout(heard.received_at, out);
        let begun = self.held.iter().rposition(|held| held.address == heard.address && held.chip == heard.chip);
        let begun = begun.filter(|_| heard.is_scan_response() || heard.is_scannable());
        let begun = begun.and_then(|at| self.held.remove(at));
        match begun {
            Some(advertisement) if heard.is_scan_response() => {
                return out.push(Released::Pair(advertisement, heard.clone()));
            }
            // It sends again, so what it said before was not answered.
            Some(advertisement) => out.push(Released::Alone(advertisement)),
            None => {}
        }
        if !heard.is_scannable() {
            return out.push(Released::Alone(heard.clone()));
        }
        if self.held.len() >= HELD_MAX
            && let Some(oldest) = self.held.pop_front()
        {
            self.pressed += 1;
            out.push(Released::Alone(oldest));
        }
        self.held.push_back(heard.clone());
    }

    /// When [`Pairs::handle_timeout`] is to be called; `None`: nothing is held.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.held.front().map(|held| held.received_at + PAIR_WINDOW)
    }

    /// Hands on what was not answered by `now`.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<Released>) {
        // A clock that was set back must not keep anything for all that time.
        let is_over = |held: &Advertisement| now < held.received_at || now.since(held.received_at) >= PAIR_WINDOW;
        while self.held.front().is_some_and(is_over) {
            out.extend(self.held.pop_front().map(Released::Alone));
        }
    }

    /// Hands on all that is held.
    pub(crate) fn flush(&mut self, out: &mut Vec<Released>) {
        out.extend(self.held.drain(..).map(Released::Alone));
    }

    /// Advertisements handed on before their time, because [`HELD_MAX`] was reached.
    pub(crate) fn pressed(&self) -> u64 {
        self.pressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AddressKind, DeviceAddress, EventType, MacAddress};

    fn heard(millis: u64, device: u16, event_type: EventType) -> Advertisement {
        let [high, low] = device.to_be_bytes();
        Advertisement {
            received_at: Timestamp::from_micros(1_000_000_000 + millis * 1000),
            address: DeviceAddress { mac: MacAddress([0, 0, 0, 0, high, low]), kind: AddressKind::Public },
            event_type,
            rssi_dbm: Some(-60),
            data: Vec::new(),
            extended: None,
            chip: 0,
        }
    }

    /// `1+4` is a pair of device 1, its answer heard 4 ms after; `1` device 1 alone.
    fn words(released: &[Released]) -> Vec<String> {
        let device = |advertisement: &Advertisement| advertisement.address.mac.0[5];
        let word = |released: &Released| match released {
            Released::Alone(one) => device(one).to_string(),
            Released::Pair(one, other) => {
                assert_eq!(device(one), device(other));
                format!("{}+{}", device(one), other.received_at.since(one.received_at).as_millis())
            }
        };
        released.iter().map(word).collect()
    }

    #[test]
    fn a_scan_response_finds_its_advertisement_and_nothing_is_lost() {
        use EventType::{AdvInd, AdvNonconnInd, AdvScanInd, ScanRsp};
        type Row = (&'static str, &'static [(u64, u16, EventType)], &'static [&'static str]);
        let rows: &[Row] = &[
            ("answered", &[(0, 1, AdvInd), (4, 1, ScanRsp)], &["1+4"]),
            (
                "others between",
                &[(0, 1, AdvScanInd), (1, 2, AdvInd), (2, 1, ScanRsp), (3, 2, ScanRsp)],
                &["1+2", "2+2"],
            ),
            ("cannot be answered", &[(0, 1, AdvInd), (1, 2, AdvNonconnInd)], &["2", "1"]),
            ("too late", &[(0, 1, AdvInd), (20, 1, ScanRsp)], &["1", "1"]),
            ("in time", &[(0, 1, AdvInd), (19, 1, ScanRsp)], &["1+19"]),
            ("sent again", &[(0, 1, AdvInd), (9, 1, AdvInd), (10, 1, ScanRsp)], &["1", "1+1"]),
            ("an answer alone", &[(0, 1, ScanRsp)], &["1"]),
            ("the clock was set back", &[(5000, 1, AdvInd), (0, 2, AdvInd)], &["1", "2"]),
        ];
        for (what, heards, wanted) in rows {
            let (mut pairs, mut out) = (Pairs::default(), Vec::new());
            for &(millis, device, event_type) in *heards {
                pairs.take(&heard(millis, device, event_type), &mut out);
            }
            pairs.flush(&mut out);
            assert_eq!(words(&out), *wanted, "{what}");
        }
    }

    #[test]
    fn an_answer_to_another_radio_is_not_of_the_pair() {
        let (mut pairs, mut out) = (Pairs::default(), Vec::new());
        pairs.take(&heard(0, 1, EventType::AdvInd), &mut out);
        pairs.take(&Advertisement { chip: 1, ..heard(1, 1, EventType::ScanRsp) }, &mut out);
        assert_eq!(words(&out), ["1"]);
    }

    #[test]
    fn what_is_not_answered_is_handed_on_when_its_time_is_over() {
        let (mut pairs, mut out) = (Pairs::default(), Vec::new());
        assert_eq!(pairs.next_deadline(), None);
        pairs.take(&heard(0, 1, EventType::AdvInd), &mut out);
        let deadline = pairs.next_deadline().unwrap();
        assert_eq!(deadline, heard(20, 1, EventType::AdvInd).received_at);
        pairs.handle_timeout(heard(19, 1, EventType::AdvInd).received_at, &mut out);
        assert!(out.is_empty());
        pairs.handle_timeout(deadline, &mut out);
        assert_eq!((words(&out), pairs.next_deadline()), (vec!["1".to_owned()], None));
    }

    #[test]
    fn at_the_limit_the_oldest_is_handed_on_alone_and_counted() {
        let (mut pairs, mut out) = (Pairs::default(), Vec::new());
        for device in 0..=HELD_MAX as u16 {
            pairs.take(&heard(0, device, EventType::AdvInd), &mut out);
        }
        assert_eq!((words(&out), pairs.pressed(), pairs.held.len()), (vec!["0".to_owned()], 1, HELD_MAX));
    }
}
