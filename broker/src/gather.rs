//! When it pays to let a moment's events gather before the loop looks at its sockets again.
//!
//! Being woken costs as much as handling several messages, and so does each write. A loop that is woken for every single
//! message of a busy hour spends most of its time on that. So it takes a nap of a few hundred microseconds between two
//! turns, as network cards moderate their interrupts; but only while that costs nobody anything but the nap: enough
//! comes in meanwhile, and no less in a second than without naps. That is not reckoned but tried, over and over: clients
//! that wait for an answer before they go on show it by saying less. No clock and no thread here.

use std::time::{Duration, Instant};

use crate::GATHER_PACKETS_MIN;

/// How long the packets are counted before anything is decided.
const SPAN: Duration = Duration::from_millis(10);
/// Naps are taken so many spans long before one without shows whether they still cost nobody anything.
const SPANS_BEFORE_COMPARED: u32 = 16;
/// So many spans without naps follow when they did cost something, and twice as many each further time.
const REST_SPANS: u32 = 8;
/// See [`REST_SPANS`].
const REST_SPANS_MAX: u32 = 128;
/// Where a turn brings so many packets by itself, and so many of one connection, naps gain nothing. Many connections with a packet
/// each are no full turn: each costs a read, and mostly a write.
const PACKETS_OF_A_FULL_TURN: u64 = 32;
/// See [`PACKETS_OF_A_FULL_TURN`].
const PACKETS_OF_A_FULL_READ: u64 = 4;

/// Whether to nap between two turns of the loop.
#[derive(Debug)]
pub(crate) struct Gather {
    nap: Duration,
    phase: Phase,
    /// Spans of rest when naps next turn out to cost something.
    rest: u32,
    span_began: Instant,
    /// Packets when the span began, and at the last turn.
    packets: (u64, u64),
    /// Reads when the span began.
    reads: u64,
    turns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// No naps, for so many more spans at least.
    Awake { rest: u32 },
    /// Naps for one span. `without`: packets a second of the span before.
    Trying { without: f64 },
    /// Naps, for so many more spans.
    Napping { spans: u32 },
    /// No naps for one span. `with`: packets a second of the span before.
    Comparing { with: f64 },
}

impl Gather {
    /// `nap`: how long one is; 0 for none at all.
    pub(crate) const fn new(nap: Duration, now: Instant) -> Self {
        let phase = Phase::Awake { rest: 0 };
        Self { nap, phase, rest: REST_SPANS, span_began: now, packets: (0, 0), reads: 0, turns: 0 }
    }

    /// A turn is over. `packets`: so many have been handled since the start, from so many `reads`. The nap to be taken, if
    /// there is one.
    pub(crate) fn turn(&mut self, now: Instant, packets: u64, reads: u64) -> Option<Duration> {
        if self.nap.is_zero() {
            return None;
        }
        self.turns += 1;
        let is_busy = packets > self.packets.1;
        self.packets.1 = packets;
        let span = now.saturating_duration_since(self.span_began);
        if span >= SPAN {
            let rate = (packets - self.packets.0) as f64 / span.as_secs_f64();
            let count = packets - self.packets.0;
            let turns_are_full =
                count >= self.turns * PACKETS_OF_A_FULL_TURN && count >= (reads - self.reads) * PACKETS_OF_A_FULL_READ;
            self.phase = self.next_phase(rate, turns_are_full);
            (self.span_began, self.packets.0, self.reads, self.turns) = (now, packets, reads, 0);
        }
        (is_busy && matches!(self.phase, Phase::Trying { .. } | Phase::Napping { .. })).then_some(self.nap)
    }

    fn next_phase(&mut self, rate: f64, turns_are_full: bool) -> Phase {
        if rate * self.nap.as_secs_f64() < f64::from(GATHER_PACKETS_MIN) {
            // For so few nobody shall wait.
            return match self.phase {
                Phase::Trying { .. } => self.rest(),
                Phase::Awake { rest } => Phase::Awake { rest: rest.saturating_sub(1) },
                Phase::Napping { .. } | Phase::Comparing { .. } => Phase::Awake { rest: 0 },
            };
        }
        match self.phase {
            Phase::Awake { rest: 0 } if !turns_are_full => Phase::Trying { without: rate },
            Phase::Awake { rest } => Phase::Awake { rest: rest.saturating_sub(1) },
            Phase::Trying { without } if is_less(rate, without) => self.rest(),
            Phase::Trying { .. } => Phase::Napping { spans: SPANS_BEFORE_COMPARED },
            Phase::Napping { spans: 0 } => Phase::Comparing { with: rate },
            Phase::Napping { spans } => Phase::Napping { spans: spans - 1 },
            // Once may be the machine's doing: the host has taken the core away, another program was busy.
            Phase::Comparing { with } if is_less(with, rate) => Phase::Trying { without: rate },
            Phase::Comparing { .. } => {
                self.rest = REST_SPANS;
                Phase::Napping { spans: SPANS_BEFORE_COMPARED }
            }
        }
    }

    fn rest(&mut self) -> Phase {
        let rest = self.rest;
        self.rest = (rest * 2).min(REST_SPANS_MAX);
        Phase::Awake { rest }
    }
}

/// Less by more than two spans of the same load differ.
fn is_less(rate: f64, other: f64) -> bool {
    rate < other * 0.875
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAP: Duration = Duration::from_micros(200);
    /// What waking up costs, and what a packet does, in these invented worlds.
    const WAKE_UP: Duration = Duration::from_micros(10);
    const PACKET: Duration = Duration::from_micros(2);

    /// `came`: how many packets have come by now, if so many were handled until then. Packets a second, and how
    /// much of the time was napped, in the second half of `time`.
    fn run(mut came: impl FnMut(Duration, u64) -> u64, time: Duration) -> (f64, Duration) {
        let began = Instant::now();
        let mut gather = Gather::new(NAP, began);
        let (mut now, mut handled, mut turns, mut half) = (Duration::ZERO, 0, 0, None);
        let mut napped = Duration::ZERO;
        while now < time {
            let fresh = came(now, handled) - handled;
            now += if fresh > 0 { WAKE_UP } else { Duration::from_micros(1) };
            now += PACKET * fresh as u32;
            // Waiting is no turn of the loop: it is woken when something is there.
            handled += fresh;
            if fresh == 0 {
                continue;
            }
            turns += 1;
            if let Some(nap) = gather.turn(began + now, handled, turns) {
                now += nap;
                napped += if half.is_some() { nap } else { Duration::ZERO };
            }
            if now > time / 2 {
                half.get_or_insert(handled);
            }
        }
        let rate = (handled - half.unwrap_or_default()) as f64 / (time / 2).as_secs_f64();
        (rate, napped)
    }

    fn steady(each: Duration) -> impl FnMut(Duration, u64) -> u64 {
        move |now, _| (now.as_nanos() / each.as_nanos()) as u64
    }

    #[test]
    fn many_that_wait_for_nothing_are_gathered() {
        let (rate, naps) = run(steady(Duration::from_micros(10)), Duration::from_secs(4));
        assert!(rate > 99_000.0, "{rate}");
        assert!(naps > Duration::from_millis(1_400), "{naps:?}");
    }

    #[test]
    fn few_are_answered_at_once() {
        for each in [Duration::from_micros(100), Duration::from_millis(3), Duration::from_secs(1)] {
            let (_, naps) = run(steady(each), Duration::from_secs(4));
            assert_eq!(naps, Duration::ZERO, "one in {each:?}");
        }
    }

    #[test]
    fn who_waits_for_an_answer_is_not_kept_waiting() {
        // Twenty on their way at most, and 20 µs until the answers have brought the next ones.
        let mut answered = (Duration::ZERO, 0);
        let came = |now: Duration, handled: u64| {
            if handled > answered.1 {
                answered = (now, handled);
            }
            if now >= answered.0 + Duration::from_micros(20) { handled + 20 } else { handled }
        };
        let (rate, naps) = run(came, Duration::from_secs(20));
        let best = 20_000_000.0 / 70.0; // 20, 10, and 20 times 2 µs
        assert!(rate > best * 0.9, "{rate} of {best}");
        assert!(naps < Duration::from_secs(1), "{naps:?}");
    }

    #[test]
    fn a_loop_that_is_behind_does_not_nap() {
        let came = |_: Duration, handled: u64| handled + 500;
        let (_, naps) = run(came, Duration::from_secs(2));
        assert_eq!(naps, Duration::ZERO);
    }

    #[test]
    fn one_slow_span_is_taken_for_the_machines_doing_and_a_second_for_that_of_the_naps() {
        let began = Instant::now();
        let mut gather = Gather::new(NAP, began);
        let (mut now, mut packets) = (began, 0);
        // A span of a hundred turns in which so many packets come; whether the last of them was followed by a nap.
        let mut span = |count: u64| {
            let mut naps = false;
            for _ in 0..100 {
                now += SPAN / 100;
                packets += count / 100;
                naps = gather.turn(now, packets, packets).is_some();
            }
            naps
        };
        assert!(span(2_000), "it is tried");
        for _ in 0..=SPANS_BEFORE_COMPARED {
            assert!(span(2_000));
        }
        assert!(!span(1_000), "a slow one, and the next is without naps");
        assert!(span(2_000), "that was faster: naps are tried once more");
        for _ in 0..=SPANS_BEFORE_COMPARED {
            assert!(span(2_000), "and go on");
        }
        assert!(!span(1_000));
        assert!(span(2_000));
        assert!(!span(1_000), "slow again: they end");
        assert!((0..REST_SPANS).all(|_| !span(2_000)));
    }

    #[test]
    fn many_who_say_little_are_gathered_though_a_turn_brings_much() {
        let began = Instant::now();
        for (packets_a_read, naps) in [(1, true), (2, true), (8, false)] {
            let mut gather = Gather::new(NAP, began);
            let turn =
                |at: u32| gather.turn(began + SPAN / 50 * at, u64::from(at) * 64, u64::from(at) * 64 / packets_a_read);
            assert_eq!((1..=60).map(turn).last().flatten().is_some(), naps, "{packets_a_read} in each read");
        }
    }

    #[test]
    fn when_it_grows_quiet_naps_end_with_the_span() {
        let began = Instant::now();
        let mut gather = Gather::new(NAP, began);
        let (mut now, mut packets) = (began, 0);
        while gather.turn(now, packets, packets).is_none() {
            now += Duration::from_micros(20);
            packets += 1;
        }
        assert_eq!(gather.turn(now, packets, packets), None, "nothing came in this turn");
        assert_eq!(gather.turn(now, packets + 1, packets + 1), Some(NAP));
        now += Duration::from_secs(1);
        assert_eq!(gather.turn(now, packets + 2, packets + 2), None);
        assert_eq!(Gather::new(Duration::ZERO, began).turn(now, 1 << 40, 0), None, "none at all was asked for");
    }
}
