//! How often the radio looks for packets: on a busy air not for each, but for some twenty milliseconds of them at once.
//!
//! A wake-up costs more than a packet: it is paid by the radio and again by who reads its stream. So when packets are
//! frequent the radio naps after each turn, and what came meanwhile is read, written and taken at once. The kernel keeps the
//! packets, and the time at which each came. On a quiet air nobody naps, and nothing is later than before.
//!
//! Time passes as the caller says, and never runs backwards.

use std::time::Duration;

/// The nap: 20 ms, a fifth of the time that a report waits in its message by default. At 1,000 packets a second it
/// makes one wake-up of twenty, and longer naps would spare little more. In it the kernel keeps 20 packets
/// for us where it has room for some 300 at the least.
///
/// So a packet may be read as late as this, and who waits for a time of the stream to pass waits so much longer.
pub const NAP: Duration = Duration::from_millis(20);

/// Packets are counted in times of this length.
const SPAN: Duration = Duration::from_millis(100);
/// Packets in such a time that are frequent: 200 a second. Fewer are one or two in a nap, which would spare nothing.
const FREQUENT: u32 = 20;

/// How frequent packets are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    span_began: Duration,
    in_span: u32,
    in_span_before: u32,
}

impl Pace {
    /// Takes how many packets there were in a turn that ends `now`; gives how long to sleep before the next.
    pub fn after_turn(&mut self, now: Duration, packets: u32) -> Duration {
        let past = now.saturating_sub(self.span_began);
        if past >= SPAN {
            self.in_span_before = if past < 2 * SPAN { self.in_span } else { 0 };
            (self.span_began, self.in_span) = (now, 0);
        }
        self.in_span = self.in_span.saturating_add(packets);
        let frequent = packets > 0 && self.in_span.max(self.in_span_before) >= FREQUENT;
        if frequent { NAP } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second of an air with a packet every so many microseconds: how many turns there were, how many packets in
    /// them, and how late a packet was read at worst.
    fn second(every_us: u64) -> (u32, u32, Duration) {
        let every = Duration::from_micros(every_us);
        let (mut pace, mut now, mut next) = (Pace::default(), Duration::ZERO, every);
        let (mut turns, mut read, mut late) = (0, 0, Duration::ZERO);
        while next < Duration::from_secs(1) {
            now = now.max(next);
            late = late.max(now.saturating_sub(next));
            let mut packets = 0;
            while next <= now {
                (packets, next) = (packets + 1, next + every);
            }
            (turns, read) = (turns + 1, read + packets);
            now += pace.after_turn(now, packets);
        }
        (turns, read, late)
    }

    #[test]
    fn a_busy_air_is_read_by_twenties_and_no_packet_is_later_than_a_nap() {
        let (turns, read, late) = second(1000);
        assert!((50..=80).contains(&turns), "{turns} turns");
        assert!((999..=1020).contains(&read), "{read}");
        assert!(late <= NAP, "{late:?}");
    }

    #[test]
    fn on_a_quiet_air_there_is_no_nap() {
        for every_us in [10_000, 100_000, 333_000] {
            let (turns, read, late) = second(every_us);
            assert_eq!((turns, late), (read, Duration::ZERO), "a packet every {every_us} us");
        }
    }

    #[test]
    fn an_advertisement_and_its_scan_response_are_no_crowd() {
        let mut pace = Pace::default();
        for at in 0..100u64 {
            let now = Duration::from_millis(at * 100);
            assert_eq!(pace.after_turn(now, 1), Duration::ZERO);
            assert_eq!(pace.after_turn(now + Duration::from_micros(400), 1), Duration::ZERO);
        }
    }

    #[test]
    fn when_the_air_falls_quiet_naps_end() {
        let mut pace = Pace::default();
        assert_eq!(pace.after_turn(Duration::from_millis(10), 50), NAP);
        assert_eq!(pace.after_turn(Duration::from_millis(30), 0), Duration::ZERO, "nothing came");
        assert_eq!(pace.after_turn(Duration::from_millis(120), 1), NAP, "it was busy just now");
        assert_eq!(pace.after_turn(Duration::from_millis(400), 1), Duration::ZERO);
    }
}
