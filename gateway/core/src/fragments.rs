//! Whole advertisements out of reports: extended data over 229 bytes comes in fragments.
//!
//! A controller gives the fragments of one advertisement in order, but between them those of others
//! may come. They belong together by the radio that heard them, address, SID, secondary PHY and whether they are a scan
//! response. What never ends is thrown away: after a time, past a size, past a number.
//!
//! Source: Bluetooth Core 5.4, Vol 4, Part E, §7.7.65.13 (Data_Status).

use std::time::Duration;

use crate::hci::{DataStatus, Report};
use crate::{Advertisement, DeviceAddress, Phy, Timestamp};

/// Advertisements that may be incomplete at a time; past this the oldest is thrown away. Controllers
/// join few at a time themselves. With [`ADVERTISEMENT_BYTES_MAX`] it makes 106 KB.
pub const PARTIAL_MAX: usize = 64;

/// The longest advertising data there is [Core 5.4, Vol 4, Part E, §7.8.57].
pub const ADVERTISEMENT_BYTES_MAX: usize = 1650;

/// How long after its latest fragment the next one is waited for. On the air they are at most some
/// 100 ms apart; a controller may hold reports back for a while.
pub const PARTIAL_AGE_MAX: Duration = Duration::from_secs(2);

/// What became of one report.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// It was whole, or completed one.
    Whole(Advertisement),
    /// More is to come, or it belongs to one that was too long.
    Waiting,
    /// It tells no address, so nobody could say whose it is.
    Anonymous,
}

/// Puts fragments together. Its size is bounded by [`PARTIAL_MAX`] and [`ADVERTISEMENT_BYTES_MAX`].
#[derive(Debug, Default)]
pub struct Fragments {
    /// In order of their latest fragment. Few, so that looking through them is cheap.
    partial: Vec<Partial>,
    lost: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    chip: u16,
    address: DeviceAddress,
    sid: Option<u8>,
    secondary_phy: Option<Phy>,
    scan_response: bool,
}

#[derive(Debug)]
struct Partial {
    key: Key,
    latest_at: Timestamp,
    /// `None`: it grew past [`ADVERTISEMENT_BYTES_MAX`], and its remaining fragments are to be ignored.
    data: Option<Vec<u8>>,
}

impl Fragments {
    /// Takes one report, which the radio of this number heard at `now`.
    pub fn take(&mut self, now: Timestamp, chip: u16, report: &Report<'_>) -> Joined {
        let Some(address) = report.address else { return Joined::Anonymous };
        let Some(extended) = report.extended else {
            return Joined::Whole(whole(now, chip, address, report, report.data.to_vec()));
        };
        let scan_response = report.event_type == crate::EventType::ScanRsp;
        let key = Key { chip, address, sid: extended.sid, secondary_phy: extended.secondary_phy, scan_response };
        self.forget_old(now);
        let begun = self.partial.iter().position(|p| p.key == key).map(|at| self.partial.remove(at));
        let data = match begun {
            None => Some(report.data.to_vec()),
            Some(Partial { data, .. }) => self.longer(data, report.data),
        };
        match (report.status, data) {
            (DataStatus::MoreToCome, data) => {
                self.wait_for_more(Partial { key, latest_at: now, data });
                Joined::Waiting
            }
            (DataStatus::Complete | DataStatus::Truncated, Some(data)) => {
                Joined::Whole(whole(now, chip, address, report, data))
            }
            (DataStatus::Complete | DataStatus::Truncated, None) => Joined::Waiting,
        }
    }

    /// Advertisements thrown away since the beginning: never completed, or too long.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn longer(&mut self, data: Option<Vec<u8>>, more: &[u8]) -> Option<Vec<u8>> {
        let mut data = data?;
        if data.len() + more.len() > ADVERTISEMENT_BYTES_MAX {
            self.lost += 1;
            return None;
        }
        data.extend_from_slice(more);
        Some(data)
    }

    fn wait_for_more(&mut self, partial: Partial) {
        if self.partial.len() == PARTIAL_MAX {
            let oldest = self.partial.remove(0);
            self.lost += u64::from(oldest.data.is_some());
        }
        self.partial.push(partial);
    }

    fn forget_old(&mut self, now: Timestamp) {
        let lost = &mut self.lost;
        self.partial.retain(|partial| {
            // A clock that was set back must not keep it for ever.
            let old = now < partial.latest_at || now.since(partial.latest_at) > PARTIAL_AGE_MAX;
            *lost += u64::from(old && partial.data.is_some());
            !old
        });
    }
}

fn whole(now: Timestamp, chip: u16, address: DeviceAddress, report: &Report<'_>, data: Vec<u8>) -> Advertisement {
    Advertisement {
        received_at: now,
        address,
        event_type: report.event_type,
        rssi_dbm: report.rssi_dbm,
        data,
        extended: report.extended,
        chip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AddressKind, EventType, Extended, MacAddress};

    fn report(device: u8, sid: u8, status: DataStatus, data: &[u8]) -> Report<'_> {
        let address = DeviceAddress { mac: MacAddress([device; 6]), kind: AddressKind::Random };
        let extended = Extended {
            properties: 0,
            primary_phy: Phy::Le1M,
            secondary_phy: Some(Phy::Le1M),
            sid: Some(sid),
            tx_power_dbm: None,
            periodic_interval: 0,
            truncated: status == DataStatus::Truncated,
        };
        let event_type = EventType::AdvNonconnInd;
        Report { address: Some(address), event_type, rssi_dbm: Some(-60), data, status, extended: Some(extended) }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + millis * 1000)
    }

    fn data(joined: Joined) -> Option<Vec<u8>> {
        match joined {
            Joined::Whole(advertisement) => Some(advertisement.data),
            Joined::Waiting | Joined::Anonymous => None,
        }
    }

    use DataStatus::{Complete, MoreToCome, Truncated};

    #[test]
    fn fragments_of_one_advertisement_are_joined_whatever_comes_between() {
        let mut fragments = Fragments::default();
        assert_eq!(data(fragments.take(at(0), 0, &report(1, 1, MoreToCome, &[1; 229]))), None);
        assert_eq!(data(fragments.take(at(1), 0, &report(2, 1, MoreToCome, &[7; 229]))), None);
        assert_eq!(data(fragments.take(at(2), 0, &report(1, 2, Complete, &[9]))), Some(vec![9]));
        assert_eq!(data(fragments.take(at(2), 1, &report(1, 1, Complete, &[8]))), Some(vec![8]));
        assert_eq!(data(fragments.take(at(3), 0, &report(1, 1, MoreToCome, &[2; 229]))), None);
        let whole = data(fragments.take(at(4), 0, &report(1, 1, Complete, &[3]))).unwrap();
        assert_eq!(whole, [&[1; 229][..], &[2; 229], &[3]].concat());
        let other = fragments.take(at(5), 0, &report(2, 1, Truncated, &[8]));
        let Joined::Whole(other) = other else { panic!("truncated data is still told") };
        assert_eq!((other.data.len(), other.extended.unwrap().truncated), (230, true));
        assert_eq!(fragments.lost(), 0);
    }

    #[test]
    fn an_advertisement_may_be_1650_bytes_long_and_no_longer() {
        let mut fragments = Fragments::default();
        let send = |fragments: &mut Fragments, last: usize| {
            for _ in 0..7 {
                fragments.take(at(0), 0, &report(1, 1, MoreToCome, &[1; 229]));
            }
            data(fragments.take(at(0), 0, &report(1, 1, Complete, &[2; 229][..last]))).map(|d| d.len())
        };
        assert_eq!(send(&mut fragments, 47), Some(ADVERTISEMENT_BYTES_MAX));
        assert_eq!(send(&mut fragments, 48), None);
        assert_eq!(fragments.lost(), 1);
        // Its tail is ignored to its end, and then the device is heard again.
        for _ in 0..20 {
            fragments.take(at(1), 0, &report(1, 1, MoreToCome, &[1; 229]));
        }
        assert_eq!(data(fragments.take(at(1), 0, &report(1, 1, Complete, &[1]))), None);
        assert_eq!(fragments.lost(), 2);
        assert_eq!(data(fragments.take(at(2), 0, &report(1, 1, Complete, &[5]))), Some(vec![5]));
    }

    #[test]
    fn what_is_never_completed_is_forgotten() {
        let mut fragments = Fragments::default();
        fragments.take(at(0), 0, &report(1, 1, MoreToCome, &[1]));
        assert_eq!(data(fragments.take(at(2001), 0, &report(1, 1, Complete, &[2]))), Some(vec![2]));
        fragments.take(at(9000), 0, &report(1, 1, MoreToCome, &[1]));
        // The clock was set back.
        assert_eq!(data(fragments.take(at(10), 0, &report(1, 1, Complete, &[2]))), Some(vec![2]));
        assert_eq!(fragments.lost(), 2);
    }

    #[test]
    fn past_the_limit_the_oldest_is_forgotten() {
        let mut fragments = Fragments::default();
        for device in 0..=PARTIAL_MAX as u8 {
            fragments.take(at(0), 0, &report(device, 1, MoreToCome, &[1]));
        }
        assert_eq!(fragments.lost(), 1);
        assert_eq!(data(fragments.take(at(1), 0, &report(1, 1, Complete, &[2]))), Some(vec![1, 2]));
        assert_eq!(data(fragments.take(at(1), 0, &report(0, 1, Complete, &[2]))), Some(vec![2]));
    }

    #[test]
    fn a_report_without_address_is_nobodys() {
        let anonymous = Report { address: None, ..report(1, 1, Complete, &[1]) };
        assert_eq!(Fragments::default().take(at(0), 0, &anonymous), Joined::Anonymous);
    }
}
