//! How much of the time the kernel's own scans listen, and how they are told to listen all of it.
//!
//! The kernel scans for advertisement monitors 30 ms of every 60, so that half of the packets are missed. These times are
//! values of each adapter that a program may read and set (MGMT Read and Set Default System Configuration, Linux 5.9 on);
//! they hold until they are set again, or the adapter is unplugged. Intervals are left as they
//! are: only the windows are made as long.
//!
//! Source: BlueZ `doc/mgmt-api.txt`.

/// Values to set, or such as were before. `None`: left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duty {
    /// Of the passive scan for monitors, in units of 0.625 ms: how long it listens in each interval.
    pub monitor_window: Option<u16>,
    /// Of the active scan of a discovery, in the same units.
    pub discovery_window: Option<u16>,
    /// Whether the scan for monitors takes turns with one that hears known devices only, when bluetoothd waits for such.
    pub takes_turns: Option<bool>,
}

/// What is to be set for scans without a pause, and what was there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Widening {
    /// To be set. Nothing: they listen all the time already.
    pub set: Duty,
    /// The present values of what is in `set`.
    pub before: Duty,
}

const DISCOVERY_INTERVAL: u16 = 0x0011;
const DISCOVERY_WINDOW: u16 = 0x0012;
const MONITOR_INTERVAL: u16 = 0x0013;
const MONITOR_WINDOW: u16 = 0x0014;
const TAKES_TURNS: u16 = 0x001F;

impl Duty {
    /// What is said here, and of `other` where nothing is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            monitor_window: self.monitor_window.or(other.monitor_window),
            discovery_window: self.discovery_window.or(other.discovery_window),
            takes_turns: self.takes_turns.or(other.takes_turns),
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// As parameters of Set Default System Configuration.
    pub(crate) fn encode(self) -> Vec<u8> {
        let windows = [(DISCOVERY_WINDOW, self.discovery_window), (MONITOR_WINDOW, self.monitor_window)];
        let windows = windows.into_iter().filter_map(|(kind, window)| Some((kind, window?.to_le_bytes())));
        let mut out: Vec<u8> = windows.flat_map(|(kind, window)| entry(kind, &window)).collect();
        out.extend(self.takes_turns.iter().flat_map(|on| entry(TAKES_TURNS, &[(*on).into()])));
        out
    }
}

impl Widening {
    /// From the reply to Read Default System Configuration. `None`: it is broken, or does not tell of the scan for monitors.
    pub fn parse(parameters: &[u8]) -> Option<Self> {
        let (mut monitor, mut discovery, mut turns) = ([None; 2], [None; 2], None);
        let mut left = parameters;
        while let [k0, k1, length, rest @ ..] = left {
            let (value, rest) = rest.split_at_checked(usize::from(*length))?;
            let number = <[u8; 2]>::try_from(value).ok().map(u16::from_le_bytes);
            match u16::from_le_bytes([*k0, *k1]) {
                MONITOR_INTERVAL => monitor[0] = number,
                MONITOR_WINDOW => monitor[1] = number,
                DISCOVERY_INTERVAL => discovery[0] = number,
                DISCOVERY_WINDOW => discovery[1] = number,
                TAKES_TURNS => turns = value.first().map(|on| *on != 0),
                _ => {}
            }
            left = rest;
        }
        let [Some(_), Some(_)] = monitor else { return None };
        let narrow = |[interval, window]: [Option<u16>; 2]| interval.zip(window).filter(|(long, short)| short < long);
        let (monitor, discovery, turns) = (narrow(monitor), narrow(discovery), turns.filter(|on| *on));
        let duty =
            |(monitor_window, discovery_window), takes_turns| Duty { monitor_window, discovery_window, takes_turns };
        let window = |scan: Option<(u16, u16)>| scan.map(|(_, window)| window);
        let interval = |scan: Option<(u16, u16)>| scan.map(|(interval, _)| interval);
        Some(Self {
            set: duty((interval(monitor), interval(discovery)), turns.map(|_| false)),
            before: duty((window(monitor), window(discovery)), turns),
        })
    }
}

/// A type, a length, a value.
fn entry(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &[value.len() as u8], value].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a kernel tells of itself: windows and intervals of discovery and monitors, and others before and after.
    fn reply(discovery: (u16, u16), monitor: (u16, u16), turns: u8) -> Vec<u8> {
        let numbers = [(0x000D, 0x60), (0x0011, discovery.0), (0x0012, discovery.1), (0x0013, monitor.0)];
        let numbers = numbers.into_iter().chain([(0x0014, monitor.1), (0x0015, 0x60)]);
        let mut all: Vec<u8> = numbers.flat_map(|(kind, number)| entry(kind, &number.to_le_bytes())).collect();
        all.extend(entry(0x001F, &[turns]));
        all
    }

    #[test]
    fn windows_become_as_long_as_their_intervals_and_the_rest_is_left_alone() {
        let duty =
            |monitor_window, discovery_window, takes_turns| Duty { monitor_window, discovery_window, takes_turns };
        let rows = [
            // Linux 6.1
            ((0x12, 0x12), (0x60, 0x30), 1, duty(Some(0x60), None, Some(false)), duty(Some(0x30), None, Some(true))),
            ((0x60, 0x30), (0x60, 0x60), 0, duty(None, Some(0x60), None), duty(None, Some(0x30), None)),
            ((0x12, 0x12), (0x60, 0x60), 0, Duty::default(), Duty::default()),
        ];
        for (discovery, monitor, turns, set, before) in rows {
            let reply = reply(discovery, monitor, turns);
            assert_eq!(Widening::parse(&reply), Some(Widening { set, before }), "{discovery:?} {monitor:?}");
        }
    }

    #[test]
    fn a_kernel_that_does_not_tell_of_its_scan_is_not_guessed_at() {
        assert_eq!(Widening::parse(&[]), None);
        assert_eq!(Widening::parse(&entry(0x0014, &[0x30, 0])), None);
        let whole = reply((0x12, 0x12), (0x60, 0x30), 1);
        assert_eq!(Widening::parse(&whole[..whole.len() - 1]), None, "cut within a value");
    }

    #[test]
    fn values_are_as_the_kernel_reads_them() {
        let duty = Duty { monitor_window: Some(0x60), discovery_window: Some(0x0112), takes_turns: Some(false) };
        assert_eq!(duty.encode(), [0x12, 0, 2, 0x12, 1, 0x14, 0, 2, 0x60, 0, 0x1F, 0, 1, 0]);
        assert_eq!(Duty::default().encode(), [0; 0]);
    }
}
