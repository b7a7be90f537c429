//! How the air is to be listened to: asked actively or not, how much of the time, on which PHYs.
//!
//! What is in these types can be asked of any controller; whether it can do it, it says itself.

use std::time::Duration;

use crate::MacAddress;

/// Which adapters listen, how, and what may be done to keep them at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadioPlan {
    /// The adapters' own addresses, each once; one that is not there is waited for. Empty: all that are there, and those
    /// that come later. (An adapter's index is no name for it: it changes when it is plugged in again.)
    pub adapters: Vec<MacAddress>,
    /// Whether scan requests are sent.
    pub mode: ScanMode,
    /// How much of the time the receiver is on. `None`: as the kernel has it, where it can be left to the kernel.
    pub timing: Option<ScanTiming>,
    /// The PHYs that are listened to. `None`: as the kernel has it.
    pub phys: Option<Phys>,
    /// How long an adapter may hear nothing on an air that was busy before something is done about it: 1 s to 1 h.
    pub silence: Duration,
    /// Whether an adapter that stays deaf may be reset. Power-cycling it is always allowed.
    pub may_reset: bool,
}

impl Default for RadioPlan {
    /// All adapters, passive, as the kernel has it; 10 s of silence; resets allowed.
    fn default() -> Self {
        Self {
            adapters: Vec::new(),
            mode: ScanMode::Passive,
            timing: None,
            phys: None,
            silence: Duration::from_secs(10),
            may_reset: true,
        }
    }
}

/// Whether advertisers are asked for their scan responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanMode {
    /// Only listen. Nothing is sent, and no scan response is heard.
    #[default]
    Passive,
    /// Send a scan request to every scannable advertiser, and hear what it answers.
    Active,
}

/// How much of the time the receiver is on: in each `interval` it listens for `window`.
///
/// Both are multiples of 0.625 ms from 2.5 ms to 10.24 s, and the window is no longer than the interval.
///
/// Source: Bluetooth Core 5.4, Vol 4, Part E, §7.8.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanTiming {
    interval_units: u16,
    window_units: u16,
}

/// The unit of both times, in microseconds.
const UNIT_MICROS: u32 = 625;
const UNITS_MIN: u16 = 0x0004;
const UNITS_MAX: u16 = 0x4000;

impl ScanTiming {
    /// `interval` and `window`, rounded down to multiples of 0.625 ms.
    ///
    /// # Errors
    ///
    /// One of them is out of range, or the window is longer than the interval.
    pub fn new(interval: Duration, window: Duration) -> Result<Self, TimingFault> {
        let units = |what, time: Duration| {
            let units = time.as_micros() / u128::from(UNIT_MICROS);
            let units = u16::try_from(units).ok().filter(|units| (UNITS_MIN..=UNITS_MAX).contains(units));
            units.ok_or(TimingFault::OutOfRange { what, time })
        };
        let (interval_units, window_units) = (units("interval", interval)?, units("window", window)?);
        if window_units > interval_units {
            return Err(TimingFault::WindowOverInterval { interval, window });
        }
        Ok(Self { interval_units, window_units })
    }

    /// From the beginning of one window to that of the next.
    pub fn interval(self) -> Duration {
        Duration::from_micros((u32::from(self.interval_units) * UNIT_MICROS).into())
    }

    /// How long the receiver is on in each interval.
    pub fn window(self) -> Duration {
        Duration::from_micros((u32::from(self.window_units) * UNIT_MICROS).into())
    }

    /// LE_Scan_Interval and LE_Scan_Window, in units of 0.625 ms.
    pub fn units(self) -> (u16, u16) {
        (self.interval_units, self.window_units)
    }
}

/// Times that no controller takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingFault {
    /// Under 2.5 ms or over 10.24 s.
    #[error("a scan {what} of {time:?}, but it takes 2.5 ms to 10.24 s")]
    OutOfRange {
        /// "interval" or "window".
        what: &'static str,
        /// As given.
        time: Duration,
    },
    /// The receiver cannot be on for longer than there is time.
    #[error(
        "a scan window of {window:?} in an interval of {interval:?}; the window is the shorter one, or both are equal"
    )]
    WindowOverInterval {
        /// As given.
        interval: Duration,
        /// As given.
        window: Duration,
    },
}

/// The primary advertising PHYs that are listened to; at least one. (2M is only ever a secondary one, and is
/// followed whenever the primary packet points to it.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phys {
    /// LE 1M, where all legacy advertising is.
    Le1M,
    /// LE Coded alone.
    Coded,
    /// Both, in turn.
    Both,
}

impl Phys {
    /// From the names `1M` and `CODED`, in either case and any order.
    ///
    /// # Errors
    ///
    /// A name that is neither, or none at all.
    pub fn from_names<S: AsRef<str>>(names: &[S]) -> Result<Self, PhysFault> {
        let (mut le_1m, mut coded) = (false, false);
        for name in names {
            match name.as_ref() {
                name if name.eq_ignore_ascii_case("1M") => le_1m = true,
                name if name.eq_ignore_ascii_case("CODED") => coded = true,
                other => return Err(PhysFault::Unknown(other.to_owned())),
            }
        }
        match (le_1m, coded) {
            (true, true) => Ok(Self::Both),
            (true, false) => Ok(Self::Le1M),
            (false, true) => Ok(Self::Coded),
            (false, false) => Err(PhysFault::None),
        }
    }
}

/// Names that are not those of primary advertising PHYs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhysFault {
    /// Neither of the two.
    #[error("{0:?} is not a PHY that can be scanned: write \"1M\", \"CODED\" or both (2M is followed from 1M)")]
    Unknown(String),
    /// An empty list.
    #[error("no PHY to scan: write \"1M\", \"CODED\" or both, or leave the list out")]
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn times_are_held_in_units_of_the_controller() {
        let timing = ScanTiming::new(micros(60_000), micros(30_100)).unwrap();
        assert_eq!((timing.units(), timing.interval(), timing.window()), ((96, 48), micros(60_000), micros(30_000)));
    }

    #[test]
    fn times_that_no_controller_takes_are_refused() {
        for (interval, window, wanted) in [
            (2_500, 2_500, None),
            (10_240_000, 2_500, None),
            (2_499, 2_499, Some("a scan interval of 2.499ms, but it takes 2.5 ms to 10.24 s")),
            (10_240_625, 2_500, Some("a scan interval of 10.240625s, but it takes 2.5 ms to 10.24 s")),
            (10_000, 0, Some("a scan window of 0ns, but it takes 2.5 ms to 10.24 s")),
            (
                10_000,
                20_000,
                Some("a scan window of 20ms in an interval of 10ms; the window is the shorter one, or both are equal"),
            ),
        ] {
            let fault = ScanTiming::new(micros(interval), micros(window)).err().map(|fault| fault.to_string());
            assert_eq!(fault.as_deref(), wanted, "{interval} {window}");
        }
    }

    #[test]
    fn phys_are_told_by_name() {
        assert_eq!(Phys::from_names(&["coded", "1M"]), Ok(Phys::Both));
        assert_eq!(Phys::from_names(&["CODED"]), Ok(Phys::Coded));
        assert_eq!(Phys::from_names(&["1m", "1M"]), Ok(Phys::Le1M));
        assert_eq!(Phys::from_names(&["2M"]), Err(PhysFault::Unknown("2M".to_owned())));
        assert_eq!(Phys::from_names::<&str>(&[]), Err(PhysFault::None));
    }
}
