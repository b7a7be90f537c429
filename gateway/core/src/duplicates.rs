//! Packets that say nothing new: Cassia's `filter_duplicates`.
//!
//! | value | meaning |
//! |---|---|
//! | 0 | off: every packet is reported |
//! | 1 | one report per device, ever |
//! | 1000 and more | milliseconds: a packet that was reported is not reported again in that time; one that differs is reported at once |
//!
//! Two packets are the same when address, address kind, event type, SID and data are; the signal
//! strength does not count. A device that shows several packets in turn has each of them once per window.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::{Advertisement, DeviceAddress, EventType, Timestamp};

/// What is remembered, in entries (devices or packets). At the limit the oldest is forgotten, so that
/// it may be reported once more than asked; nothing is ever withheld because of the limit.
pub const REMEMBERED_MAX: usize = 65_536;

/// What is remembered, in bytes of data; the same happens at this limit.
pub const REMEMBERED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Cassia's `filter_duplicates`, as it was written and found valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuplicateRule {
    /// 0.
    #[default]
    Off,
    /// 1.
    OncePerDevice,
    /// The window, at least a second.
    Window(Duration),
}

/// 2..=999 means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a duplicate filter: it takes 0 (off), 1 (one report per device) or a window of 1000 ms and more")]
pub struct NotADuplicateRule(pub u32);

impl TryFrom<u32> for DuplicateRule {
    type Error = NotADuplicateRule;

    fn try_from(setting: u32) -> Result<Self, NotADuplicateRule> {
        match setting {
            0 => Ok(Self::Off),
            1 => Ok(Self::OncePerDevice),
            2..=999 => Err(NotADuplicateRule(setting)),
            window => Ok(Self::Window(Duration::from_millis(window.into()))),
        }
    }
}

/// Remembers what was reported, within [`REMEMBERED_MAX`] and [`REMEMBERED_BYTES_MAX`].
#[derive(Debug)]
pub struct Duplicates {
    rule: DuplicateRule,
    entries_max: usize,
    reported: BTreeSet<Arc<Key>>,
    /// In order of reporting, which is also the order in which windows end: all are equally long.
    order: VecDeque<(Timestamp, Arc<Key>)>,
    bytes: usize,
    forgotten: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    address: DeviceAddress,
    /// `None` where only the device counts.
    packet: Option<(EventType, Option<u8>, Box<[u8]>)>,
}

impl Key {
    fn bytes(&self) -> usize {
        self.packet.as_ref().map_or(0, |(_, _, data)| data.len())
    }
}

impl Duplicates {
    /// Follows `rule`, with nothing reported yet.
    pub fn new(rule: DuplicateRule) -> Self {
        Self::with_limit(rule, REMEMBERED_MAX)
    }

    fn with_limit(rule: DuplicateRule, entries_max: usize) -> Self {
        Self { rule, entries_max, reported: BTreeSet::new(), order: VecDeque::new(), bytes: 0, forgotten: 0 }
    }

    /// Whether `advertisement` is to be reported; if so, it is remembered as reported when it was received.
    pub fn is_news(&mut self, advertisement: &Advertisement) -> bool {
        let now = advertisement.received_at;
        let Advertisement { address, event_type, data, extended, .. } = advertisement;
        let packet = match self.rule {
            DuplicateRule::Off => return true,
            DuplicateRule::OncePerDevice => None,
            DuplicateRule::Window(window) => {
                self.end_windows(now, window);
                Some((*event_type, extended.and_then(|e| e.sid), data.as_slice().into()))
            }
        };
        let key = Key { address: *address, packet };
        if self.reported.contains(&key) {
            return false;
        }
        self.remember(now, key);
        true
    }

    /// Entries forgotten because of the limits, since the beginning.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn remember(&mut self, now: Timestamp, key: Key) {
        while self.reported.len() >= self.entries_max || self.bytes + key.bytes() > REMEMBERED_BYTES_MAX {
            if !self.forget_oldest() {
                break;
            }
            self.forgotten += 1;
        }
        self.bytes += key.bytes();
        let key = Arc::new(key);
        self.reported.insert(Arc::clone(&key));
        self.order.push_back((now, key));
    }

    fn end_windows(&mut self, now: Timestamp, window: Duration) {
        // Set back by more than a window, the clock would withhold packets for all that time.
        if self.order.back().is_some_and(|(at, _)| *at > now + window) {
            self.reported.clear();
            self.order.clear();
            self.bytes = 0;
        }
        while self.order.front().is_some_and(|(at, _)| now.since(*at) >= window) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, oldest)) = self.order.pop_front() else { return false };
        self.bytes -= oldest.bytes();
        self.reported.remove(&oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AddressKind, MacAddress};

    fn heard(millis: u64, device: u8, event_type: EventType, data: &[u8]) -> Advertisement {
        Advertisement {
            received_at: Timestamp::from_micros(1_000_000_000 + millis * 1000),
            address: DeviceAddress { mac: MacAddress([device; 6]), kind: AddressKind::Public },
            event_type,
            rssi_dbm: Some(-(i8::try_from(millis % 100).unwrap())),
            data: data.to_vec(),
            extended: None,
            chip: 0,
        }
    }

    fn adv(millis: u64, device: u8, data: &[u8]) -> Advertisement {
        heard(millis, device, EventType::AdvInd, data)
    }

    #[test]
    fn the_setting_means_what_cassia_says() {
        let window = |ms| Ok(DuplicateRule::Window(Duration::from_millis(ms)));
        let rows = [
            (0, Ok(DuplicateRule::Off)),
            (1, Ok(DuplicateRule::OncePerDevice)),
            (2, Err(NotADuplicateRule(2))),
            (999, Err(NotADuplicateRule(999))),
            (1000, window(1000)),
            (u32::MAX, window(4_294_967_295)),
        ];
        for (setting, wanted) in rows {
            assert_eq!(DuplicateRule::try_from(setting), wanted);
        }
    }

    #[test]
    fn off_reports_everything() {
        let mut duplicates = Duplicates::new(DuplicateRule::Off);
        assert!(duplicates.is_news(&adv(0, 1, &[1])) && duplicates.is_news(&adv(0, 1, &[1])));
    }

    #[test]
    fn one_is_one_report_per_device_ever() {
        let mut duplicates = Duplicates::new(DuplicateRule::OncePerDevice);
        assert!(duplicates.is_news(&adv(0, 1, &[1])));
        assert!(!duplicates.is_news(&adv(1, 1, &[2])));
        assert!(!duplicates.is_news(&heard(2, 1, EventType::ScanRsp, &[])));
        assert!(!duplicates.is_news(&adv(900_000_000, 1, &[1])));
        assert!(duplicates.is_news(&adv(3, 2, &[1])));
        // The same six octets of the other kind are another device.
        let mut random = adv(4, 1, &[1]);
        random.address.kind = AddressKind::Random;
        assert!(duplicates.is_news(&random));
    }

    #[test]
    fn within_the_window_only_a_changed_packet_is_news() {
        let mut duplicates = Duplicates::new(DuplicateRule::Window(Duration::from_secs(1)));
        let rows = [
            (0, EventType::AdvInd, 1, true),
            (10, EventType::AdvInd, 1, false),
            (20, EventType::AdvInd, 2, true),
            (30, EventType::AdvInd, 1, false),
            (40, EventType::ScanRsp, 1, true),
            (999, EventType::AdvInd, 1, false),
            // The window began with the report, not with the last repeat.
            (1000, EventType::AdvInd, 1, true),
            (1010, EventType::AdvInd, 1, false),
            (1019, EventType::AdvInd, 2, false),
            (1020, EventType::AdvInd, 2, true),
        ];
        for (millis, event_type, data, news) in rows {
            assert_eq!(duplicates.is_news(&heard(millis, 1, event_type, &[data])), news, "at {millis} ms");
        }
    }

    #[test]
    fn a_clock_set_back_does_not_silence_anyone() {
        let mut duplicates = Duplicates::new(DuplicateRule::Window(Duration::from_secs(1)));
        assert!(duplicates.is_news(&adv(500_000, 1, &[1])));
        assert!(duplicates.is_news(&adv(0, 1, &[1])));
        assert!(!duplicates.is_news(&adv(1, 1, &[1])));
    }

    #[test]
    fn at_the_limit_the_oldest_is_forgotten_and_counted() {
        let mut duplicates = Duplicates::with_limit(DuplicateRule::OncePerDevice, 3);
        for device in 1..=4 {
            assert!(duplicates.is_news(&adv(0, device, &[])));
        }
        assert_eq!(duplicates.forgotten(), 1);
        assert!(!duplicates.is_news(&adv(1, 2, &[])));
        assert!(duplicates.is_news(&adv(1, 1, &[])));
    }

    #[test]
    fn the_bytes_remembered_are_bounded() {
        let mut duplicates = Duplicates::new(DuplicateRule::Window(Duration::from_secs(3600)));
        for n in 0..4000_u16 {
            let mut data = vec![0; 1650];
            data[..2].copy_from_slice(&n.to_le_bytes());
            assert!(duplicates.is_news(&adv(0, 1, &data)));
        }
        assert!(duplicates.bytes <= REMEMBERED_BYTES_MAX && duplicates.forgotten() > 0);
        assert_eq!(duplicates.order.iter().map(|(_, key)| key.bytes()).sum::<usize>(), duplicates.bytes);
        assert_eq!(duplicates.reported.len(), duplicates.order.len());
    }
}
