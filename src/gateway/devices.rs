//! The devices on the air: of each what it said last, how often and how loud. It is told what was heard and when; it
//! reads no clock, and decides nothing of how it looks.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use gateway_core::{Advertisement, DeviceAddress, Timestamp, ad};

/// Devices that are remembered; when another comes, the one that was silent for longest is forgotten. With 2 times
/// [`gateway_core::fragments::ADVERTISEMENT_BYTES_MAX`] of data and a name each it makes 7 MB at worst, 0.4 MB as
/// advertisements are.
pub(crate) const DEVICES_MAX: usize = 2000;

/// Seconds after which a silent device is forgotten: long enough for one that advertises every ten seconds and is heard
/// every third time, short enough that phones do not stay with each of their addresses.
pub(crate) const SILENT_S_MAX: u64 = 60;

/// Seconds over which the rate is a mean.
pub(crate) const RATE_S: u64 = 10;

const MICROS: u64 = 1_000_000;

/// A device, by its address: one that changes its address is another.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub address: DeviceAddress,
    /// The latest that it told, in an advertisement or a scan response.
    pub name: Option<String>,
    /// Of its latest packet.
    pub rssi_dbm: Option<i8>,
    /// When that was.
    pub heard_at: Timestamp,
    /// AD structures of its latest advertisement.
    pub advertisement: Vec<u8>,
    /// Of its latest scan response; empty if none was heard.
    pub scan_response: Vec<u8>,
    rate: Rate,
    loudness: Loudness,
    /// It was the so-manieth that was seen.
    number: u64,
}

impl Device {
    fn new(advertisement: &Advertisement, number: u64) -> Self {
        let at = advertisement.received_at;
        Self {
            address: advertisement.address,
            name: None,
            rssi_dbm: None,
            heard_at: at,
            advertisement: Vec::new(),
            scan_response: Vec::new(),
            rate: Rate::new(second(at)),
            loudness: Loudness::default(),
            number,
        }
    }

    fn hear(&mut self, advertisement: &Advertisement) {
        let at = advertisement.received_at;
        self.heard_at = at;
        self.rate.count(second(at));
        self.rssi_dbm = advertisement.rssi_dbm;
        if let Some(rssi) = advertisement.rssi_dbm {
            self.loudness.take(rssi);
        }
        if let Some(name) = ad::local_name(&advertisement.data) {
            self.name = Some(name.into_owned());
        }
        if advertisement.is_scan_response() {
            self.scan_response.clone_from(&advertisement.data);
        } else {
            self.advertisement.clone_from(&advertisement.data);
        }
    }

    /// Packets per second over the latest [`RATE_S`] seconds, or over the time since it was first heard if that is
    /// shorter (a second at least).
    pub(crate) fn rate(&self, now: Timestamp) -> f64 {
        self.rate.mean(second(now))
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    devices: BTreeMap<DeviceAddress, Device>,
    seen: u64,
    forgotten: u64,
    packets: u64,
    rate: Option<Rate>,
}

impl Devices {
    /// Takes what was heard.
    pub(crate) fn hear(&mut self, advertisement: &Advertisement) {
        let now = second(advertisement.received_at);
        self.packets += 1;
        self.rate.get_or_insert_with(|| Rate::new(now)).count(now);
        if !self.devices.contains_key(&advertisement.address) {
            self.make_room();
            self.seen += 1;
        }
        let device = self.devices.entry(advertisement.address);
        device.or_insert_with(|| Device::new(advertisement, self.seen)).hear(advertisement);
    }

    fn make_room(&mut self) {
        if self.devices.len() < DEVICES_MAX {
            return;
        }
        let silent = self.devices.values().min_by_key(|device| (device.heard_at, device.number));
        if let Some(address) = silent.map(|device| device.address) {
            self.devices.remove(&address);
            self.forgotten += 1;
        }
    }

    /// Forgets who was silent for [`SILENT_S_MAX`] seconds.
    pub(crate) fn forget_silent(&mut self, now: Timestamp) {
        let before = self.devices.len();
        self.devices.retain(|_, device| now.since(device.heard_at).as_secs() <= SILENT_S_MAX);
        self.forgotten += (before - self.devices.len()) as u64;
    }

    /// The loudest first, in steps of some decibels so that two that are alike do not change places all the time; within
    /// a step as they came.
    pub(crate) fn sorted(&self) -> Vec<&Device> {
        let mut devices: Vec<&Device> = self.devices.values().collect();
        devices.sort_by_key(|device| (Reverse(device.loudness.step), device.number));
        devices
    }

    /// Devices that are remembered.
    pub(crate) fn count(&self) -> usize {
        self.devices.len()
    }

    /// Devices that were forgotten so far, silent ones and those that had to make room.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Packets so far.
    pub(crate) fn packets(&self) -> u64 {
        self.packets
    }

    /// Packets per second of all devices; as [`Device::rate`].
    pub(crate) fn rate(&self, now: Timestamp) -> f64 {
        self.rate.as_ref().map_or(0.0, |rate| rate.mean(second(now)))
    }
}

fn second(at: Timestamp) -> u64 {
    at.as_micros() / MICROS
}

/// Packets of each of the latest seconds.
#[derive(Clone, Debug)]
struct Rate {
    first: u64,
    latest: u64,
    counts: [u32; RATE_S as usize],
}

impl Rate {
    fn new(first: u64) -> Self {
        Self { first, latest: first, counts: [0; RATE_S as usize] }
    }

    /// A clock that was set back counts into the second that was latest.
    fn count(&mut self, second: u64) {
        let passed = second.saturating_sub(self.latest).min(RATE_S);
        for step in 1..=passed {
            self.counts[((self.latest + step) % RATE_S) as usize] = 0;
        }
        if passed == RATE_S {
            self.counts = [0; RATE_S as usize];
        }
        self.latest = self.latest.max(second);
        let count = &mut self.counts[(self.latest % RATE_S) as usize];
        *count = count.saturating_add(1);
    }

    fn mean(&self, now: u64) -> f64 {
        let now = now.max(self.latest);
        let oldest = now.saturating_sub(RATE_S - 1);
        let of = |second: u64| f64::from(self.counts[(second % RATE_S) as usize]);
        let sum: f64 = (oldest.max(self.latest.saturating_sub(RATE_S - 1))..=self.latest).map(of).sum();
        sum / (now + 1).saturating_sub(self.first).clamp(1, RATE_S) as f64
    }
}

/// A running mean of the signal strength, and its step in the order of the table.
#[derive(Clone, Debug)]
struct Loudness {
    /// In sixteenths of a decibel; `None`: not measured so far.
    mean: Option<i32>,
    /// Steps of [`STEP_DB`], the greater the louder.
    step: i32,
}

impl Default for Loudness {
    fn default() -> Self {
        Self { mean: None, step: i32::MIN }
    }
}

const STEP_DB: i32 = 10;
/// How far the mean must be outside its step before it has another.
const HOLD_DB: i32 = 3;
const SIXTEENTHS: i32 = 16;

impl Loudness {
    fn take(&mut self, rssi_dbm: i8) {
        let rssi = i32::from(rssi_dbm) * SIXTEENTHS;
        let Some(mean) = self.mean else {
            (self.mean, self.step) = (Some(rssi), rssi.div_euclid(STEP_DB * SIXTEENTHS));
            return;
        };
        let mean = mean + (rssi - mean) / 8;
        self.mean = Some(mean);
        let (low, high) = (self.step * STEP_DB * SIXTEENTHS, (self.step + 1) * STEP_DB * SIXTEENTHS);
        if mean < low - HOLD_DB * SIXTEENTHS || mean >= high + HOLD_DB * SIXTEENTHS {
            self.step = mean.div_euclid(STEP_DB * SIXTEENTHS);
        }
    }
}

#[cfg(test)]
#[path = "devices_tests.rs"]
mod tests;
