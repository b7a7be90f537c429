//! Where packets come from, and the only place that waits.
//!
//! A source is asked for the next thing to happen, at latest a given time, and waits for it. It keeps the
//! time of what it plays: a recording has its own, which passes at the speed it is replayed at. What is
//! decided from these times is therefore the same at every speed.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::Timestamp;
use tokio::time::{Instant, sleep_until};

use crate::Speed;
use crate::recording::{Event, Recording};

/// From the last packet of a recording to the first of its next round.
const ROUND_PAUSE: Duration = Duration::from_millis(100);

/// The longest silence in a recording that is waited for; a longer one is cut to this. A laptop that slept, or a
/// clock that was set, would else look like a gateway that hangs.
const SILENCE_MAX: Duration = Duration::from_secs(3600);

/// What happens next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A packet was heard.
    Heard(Event<'a>),
    /// It became known who an adapter is.
    Adapter,
    /// The time asked for has come.
    Reached(Timestamp),
    /// Nothing will be heard any more.
    Ended,
    /// Nor here, for this reason.
    Broken(String),
}

/// A recording that is being replayed.
#[derive(Debug)]
pub(crate) struct Replay {
    recording: Arc<Recording>,
    looped: bool,
    speed: Speed,
    /// The next event, and in which round.
    position: usize,
    /// Added to the times of this round, so that time goes on.
    shift: Duration,
    /// Where the replay stands: the recording's time, and when that was. `None`: it has not begun.
    now: Option<(Timestamp, Instant)>,
}

impl Replay {
    pub(crate) fn new(recording: Arc<Recording>, looped: bool, speed: Speed) -> Self {
        Self { recording, looped, speed, position: 0, shift: Duration::ZERO, now: None }
    }

    /// Waits for the next event, but not past `until` (in the recording's time). Dropped while it waits, it
    /// has changed nothing.
    pub(crate) async fn next(&mut self, until: Option<Timestamp>) -> Next<'_> {
        let (index, shift) = self.upcoming();
        let Some(at) = self.recording.event(index).map(|event| event.at + shift) else { return Next::Ended };
        if let Some(until) = until.filter(|until| *until <= at) {
            self.wait_for(until).await;
            return Next::Reached(until);
        }
        self.wait_for(at).await;
        (self.position, self.shift) = (index + 1, shift);
        self.recording.event(index).map_or(Next::Ended, |event| Next::Heard(Event { at, ..event }))
    }

    /// The next event and its round's shift.
    fn upcoming(&self) -> (usize, Duration) {
        if self.looped && self.position >= self.recording.len() {
            (0, self.shift + self.recording.duration() + ROUND_PAUSE)
        } else {
            (self.position, self.shift)
        }
    }

    async fn wait_for(&mut self, at: Timestamp) {
        let Speed::Times(times) = self.speed else {
            // Without waiting, but others must have their turn.
            tokio::task::consume_budget().await;
            return;
        };
        let (then, when) = self.now.unwrap_or_else(|| (at, Instant::now()));
        // Late is late: the events after are due when they were, so that the pace is kept in the long run.
        let due = when + at.since(then).min(SILENCE_MAX).div_f64(times);
        sleep_until(due).await;
        self.now = Some((at.max(then), due));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn replay(looped: bool, speed: Speed) -> Replay {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/data-test.btsnoop");
        Replay::new(Arc::new(Recording::open(&path).unwrap()), looped, speed)
    }

    async fn heard(replay: &mut Replay) -> Option<Timestamp> {
        match replay.next(None).await {
            Next::Heard(event) => Some(event.at),
            Next::Ended => None,
            other => panic!("nothing was asked for: {other:?}"),
        }
    }

    // tokio's paused clock goes on by itself to whatever is waited for: these tests take no time.

    #[tokio::test(start_paused = true)]
    async fn a_recording_is_replayed_at_the_pace_at_which_it_was_recorded() {
        for (speed, times) in [(Speed::Times(1.0), 1.0), (Speed::Times(10.0), 10.0), (Speed::Times(0.5), 0.5)] {
            let mut replay = replay(false, speed);
            let began = Instant::now();
            let first = heard(&mut replay).await.unwrap();
            while let Some(at) = heard(&mut replay).await {
                let wanted = at.since(first).as_secs_f64() / times;
                // Timers of tokio have whole milliseconds.
                assert!((began.elapsed().as_secs_f64() - wanted).abs() < 0.002, "{speed:?}");
            }
            let all = replay.recording.duration().as_secs_f64() / times;
            assert!((began.elapsed().as_secs_f64() - all).abs() < 0.002, "{speed:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn as_fast_as_possible_waits_for_nothing() {
        let mut replay = replay(false, Speed::Fastest);
        let began = Instant::now();
        let mut events = 0;
        while heard(&mut replay).await.is_some() {
            events += 1;
        }
        assert_eq!((events, began.elapsed()), (replay.recording.len(), Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_loop_time_goes_on_and_nothing_is_left_out() {
        let mut replay = replay(true, Speed::Times(1.0));
        let began = Instant::now();
        let events = replay.recording.len();
        let mut times = Vec::new();
        for _ in 0..3 * events {
            times.push(heard(&mut replay).await.unwrap());
        }
        assert!(times.is_sorted());
        let round = replay.recording.duration() + ROUND_PAUSE;
        for index in 0..2 * events {
            assert_eq!(times[index] + round, times[index + events]);
        }
        assert!(began.elapsed() >= 2 * round && began.elapsed() < 3 * round);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_asked_for_comes_before_what_is_heard_later() {
        let mut replay = replay(false, Speed::Times(1.0));
        let first = heard(&mut replay).await.unwrap();
        let began = Instant::now();
        let until = first + Duration::from_millis(1);
        assert_eq!(replay.next(Some(until)).await, Next::Reached(until));
        assert!(began.elapsed() <= Duration::from_millis(2));
        // And the event that came after it is not lost.
        let second = replay.recording.event(1).unwrap().at;
        assert_eq!(heard(&mut replay).await, Some(second));
    }
}
