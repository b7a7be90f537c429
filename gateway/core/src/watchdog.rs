//! What is to be done, and when, so that an adapter keeps scanning.
//!
//! A [`Watchdog`] looks after one adapter. It is told what happened ([`Watchdog::told`]), asked when it wants to be asked
//! again ([`Watchdog::deadline`]) and what is to be done now ([`Watchdog::step`]); who carried a step out tells how it went
//! ([`Watchdog::done`]). One step is under way at a time. How a step is carried out is [`crate::keeper`]'s.
//!
//! The order of what is done about an adapter that hears nothing, or whose scan cannot be started: start the scan again;
//! switch the adapter off and on; reset it. Each goes further than the one before, and disturbs more: other programs use the
//! adapter too. So the last two come again only after times that double.
//!
//! An air in which nobody speaks sounds like a deaf adapter. Silence counts where packets were heard in the
//! [`BUSY`] before it; else the scan is only started again, now and then.
//!
//! Every time is since some beginning that the caller chose, and never runs backwards.

use std::time::Duration;

/// An air is busy for so long after a packet was heard.
pub const BUSY: Duration = Duration::from_secs(10 * 60);
/// An adapter that someone switched off is switched on again after this: they may be at it themselves, as bluetoothd is when
/// it starts.
pub const POWER_ON_AFTER: Duration = Duration::from_secs(2);
/// Between two attempts to switch on what rfkill blocks. Nothing is disturbed by it.
pub const BLOCKED_WAIT: Duration = Duration::from_secs(3);
/// The longest wait between two attempts to start a scan, or to switch on.
pub const RETRY_WAIT_MAX: Duration = Duration::from_secs(4);
/// A scan that was switched off by a command of others is given this time to come back: the kernel pauses its own
/// to connect, and between two discoveries.
pub const PAUSE_MAX: Duration = Duration::from_secs(3);
/// Between two starts of a scan that others keep ending.
pub const REARM_WAIT_MIN: Duration = Duration::from_secs(1);
/// Starts of a scan that must fail before more is done than trying again.
pub const FAILURES_MIN: u32 = 3;

/// Packets still come for so long after a scan was switched off.
const LAST_WORDS: Duration = Duration::from_millis(500);
const RETRY_WAIT_MIN: Duration = Duration::from_millis(500);
/// On an air that was always silent.
const QUIET_WAIT: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(15 * 60));
const CYCLE_WAIT: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(60 * 60));
const RESET_WAIT: Backoff = Backoff::new(Duration::from_secs(5 * 60), Duration::from_secs(4 * 60 * 60));

/// What happened to an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is there.
    Here {
        /// Whether it is switched on.
        powered: bool,
    },
    /// It was unplugged.
    Gone,
    /// It was switched on or off, by whomever.
    Powered(bool),
    /// A packet was heard.
    Heard,
    /// Our scan was ended: the monitor that keeps it up was removed.
    Disturbed,
    /// A command to the controller switched scanning on or off, by whomever.
    Scan(bool),
    /// The controller says that its hardware failed. The kernel restarts it.
    HardwareError,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Switch it on.
    PowerOn,
    /// Start the scan, anew if it is on.
    Arm,
    /// Switch it off and on.
    PowerCycle,
    /// Reset it.
    Reset,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As wished.
    Done,
    /// The adapter is blocked by rfkill: it can only be waited for.
    Blocked,
    /// It is off.
    Off,
    /// It did not work, or there was no answer.
    Failed,
}

/// What the watchdog may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long nothing may be heard on a busy air.
    pub silence: Duration,
    /// Whether it may be switched off and on; by who manages adapters.
    pub may_cycle: bool,
    /// Whether [`Step::Reset`] is allowed.
    pub may_reset: bool,
}

/// Looks after one adapter; see the module.
#[derive(Clone, Debug)]
pub struct Watchdog {
    rules: Rules,
    here: bool,
    powered: bool,
    armed: bool,
    under_way: Option<Step>,
    /// Not before this: the next attempt to switch on, or to start the scan.
    not_before: Duration,
    /// Attempts of either that failed in a row.
    failures: u32,
    heard_at: Option<Duration>,
    /// When the scan was last started.
    armed_at: Duration,
    /// Since when it is switched off by others, or should be on and is not.
    paused_at: Option<Duration>,
    /// What the last command said that switched scanning; `None`: none was seen yet.
    switched: Option<bool>,
    /// Times in a row that it did not come back.
    unswitched: u32,
    /// Steps taken since a packet was heard: about this silence.
    tried: u32,
    cycled: bool,
    quiet: Backoff,
    cycle: Backoff,
    reset: Backoff,
    deaf: Option<Deaf>,
    deaf_time: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Deaf {
    since: Duration,
    /// It ends when a packet is heard, not when the scan is started.
    until_heard: bool,
}

impl Watchdog {
    /// For an adapter that is not there yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            here: false,
            powered: false,
            armed: false,
            under_way: None,
            not_before: Duration::ZERO,
            failures: 0,
            heard_at: None,
            armed_at: Duration::ZERO,
            paused_at: None,
            switched: None,
            unswitched: 0,
            tried: 0,
            cycled: false,
            quiet: QUIET_WAIT,
            cycle: CYCLE_WAIT,
            reset: RESET_WAIT,
            deaf: None,
            deaf_time: Duration::ZERO,
        }
    }

    /// Takes what happened at `now`.
    pub fn told(&mut self, now: Duration, what: Told) {
        match what {
            Told::Here { powered } => {
                self.here = true;
                self.failures = 0;
                self.powered = powered;
                self.unarmed(now, now);
            }
            Told::Gone => {
                self.here = false;
                self.switched = None;
                self.under_way = None;
                self.unarmed(now, now);
            }
            Told::Powered(on) if self.powered == on => {}
            Told::Powered(on) => {
                self.powered = on;
                self.failures = 0;
                self.unarmed(now, if on { now } else { now + POWER_ON_AFTER });
            }
            Told::Heard => self.heard(now),
            Told::Disturbed => self.unarmed(now, now.max(self.armed_at + REARM_WAIT_MIN)),
            Told::Scan(false) => {
                self.switched = Some(false);
                self.paused_at.get_or_insert(now);
            }
            Told::Scan(true) => {
                self.switched = Some(true);
                self.unswitched = 0;
                self.paused_at = None;
            }
            // The kernel switches it off and on, which is told besides; where it does not, this starts the scan.
            Told::HardwareError => self.unarmed(now, now + REARM_WAIT_MIN),
        }
    }

    /// What is to be done at `now`; it is under way from then on.
    pub fn step(&mut self, now: Duration) -> Option<Step> {
        let (_, step) = self.next().filter(|(at, _)| *at <= now)?;
        self.under_way = Some(step);
        if self.armed {
            // It is about silence, or a pause that lasts too long.
            self.tried += 1;
            self.unswitched += u32::from(self.paused_at.is_some());
            let since = self.paused_at.or(self.heard_at);
            if let Some(since) = since.filter(|since| now.saturating_sub(*since) < BUSY) {
                self.deaf.get_or_insert(Deaf { since, until_heard: true });
            }
            if !self.busy() && self.paused_at.is_none() {
                self.quiet.take(now);
            }
        }
        match step {
            Step::PowerCycle => {
                self.cycled = true;
                self.cycle.take(now);
            }
            Step::Reset => self.reset.take(now),
            Step::PowerOn | Step::Arm => {}
        }
        Some(step)
    }

    /// When there will be something to do, unless something is told before. `None`: never.
    pub fn deadline(&self) -> Option<Duration> {
        self.next().map(|(at, _)| at)
    }

    /// Takes how the step that is under way went.
    pub fn done(&mut self, now: Duration, outcome: Outcome) {
        let Some(step) = self.under_way.take() else { return };
        match (outcome, step) {
            (Outcome::Done, Step::Arm) => {
                self.failures = 0;
                self.armed = true;
                self.armed_at = now;
                // What the kernel says it does is believed when it is seen. It may come a moment later.
                self.paused_at = (self.switched == Some(false)).then_some(now);
                if self.deaf.is_some_and(|deaf| !deaf.until_heard) {
                    self.hears_again(now);
                }
            }
            (Outcome::Done, Step::PowerOn | Step::PowerCycle | Step::Reset) => {
                self.powered = true;
                self.unarmed(now, now);
            }
            (Outcome::Blocked, _) => {
                self.powered = false;
                self.unarmed(now, now + BLOCKED_WAIT);
            }
            (Outcome::Off | Outcome::Failed, _) => {
                self.powered &= outcome != Outcome::Off;
                let wait = RETRY_WAIT_MIN.saturating_mul(1 << self.failures.min(8)).min(RETRY_WAIT_MAX);
                self.failures += 1;
                self.unarmed(now, now + wait);
            }
        }
    }

    /// Whether the scan is on, as far as is known.
    pub fn scanning(&self) -> bool {
        self.here && self.powered && self.armed && self.paused_at.is_none()
    }

    /// Whether the scan was started, and not ended since; it may pause.
    pub fn armed(&self) -> bool {
        self.armed
    }

    /// For how long it did not scan, since it first did.
    pub fn deaf_time(&self) -> Duration {
        self.deaf_time
    }

    /// The next step and when it is due.
    fn next(&self) -> Option<(Duration, Step)> {
        if !self.here || self.under_way.is_some() {
            return None;
        }
        if !self.powered {
            let hopeless = self.failures >= FAILURES_MIN && self.may_reset(self.not_before);
            return Some((self.not_before, if hopeless { Step::Reset } else { Step::PowerOn }));
        }
        if !self.armed {
            let step = if self.failures < FAILURES_MIN { Step::Arm } else { self.remedy(self.not_before) };
            return Some((self.not_before, step));
        }
        let paused = self.paused_at.map(|since| {
            let due = since.max(self.armed_at) + PAUSE_MAX;
            (due, if self.unswitched < FAILURES_MIN { Step::Arm } else { self.remedy(due) })
        });
        let silent = if self.busy() {
            let due = self.heard_at.unwrap_or_default().max(self.armed_at) + self.rules.silence;
            (due, if self.tried == 0 { Step::Arm } else { self.remedy(due) })
        } else {
            (self.quiet.at.max(self.armed_at + self.quiet.wait), Step::Arm)
        };
        paused.into_iter().chain([silent]).min_by_key(|(at, _)| *at)
    }

    /// The furthest that may be gone at `at`, one thing after the other.
    fn remedy(&self, at: Duration) -> Step {
        match () {
            () if self.cycled && self.may_reset(at) => Step::Reset,
            () if self.rules.may_cycle && at >= self.cycle.at => Step::PowerCycle,
            () => Step::Arm,
        }
    }

    fn may_reset(&self, at: Duration) -> bool {
        self.rules.may_reset && at >= self.reset.at
    }

    /// Whether silence is remarkable.
    fn busy(&self) -> bool {
        self.heard_at.is_some_and(|heard| self.armed_at.saturating_sub(heard) < BUSY)
    }

    fn unarmed(&mut self, now: Duration, not_before: Duration) {
        if self.armed {
            self.deaf.get_or_insert(Deaf { since: now, until_heard: false });
        }
        self.armed = false;
        self.not_before = not_before;
    }

    fn heard(&mut self, now: Duration) {
        self.heard_at = Some(now);
        self.tried = 0;
        // Who hears is scanning, whatever was said; but what was under way when it was switched off still comes.
        if self.paused_at.is_none_or(|paused| now >= paused + LAST_WORDS) {
            (self.unswitched, self.paused_at) = (0, None);
        }
        self.cycled = false;
        self.quiet = QUIET_WAIT;
        self.cycle.forgive(now, &CYCLE_WAIT);
        self.reset.forgive(now, &RESET_WAIT);
        if self.deaf.is_some_and(|deaf| deaf.until_heard || now >= deaf.since + LAST_WORDS) {
            self.hears_again(now);
        }
    }

    fn hears_again(&mut self, now: Duration) {
        if let Some(deaf) = self.deaf.take() {
            self.deaf_time += now.saturating_sub(deaf.since);
        }
    }
}

/// When something may be done again: after a time that doubles.
#[derive(Clone, Copy, Debug)]
struct Backoff {
    at: Duration,
    wait: Duration,
    max: Duration,
}

impl Backoff {
    const fn new(wait: Duration, max: Duration) -> Self {
        Self { at: Duration::ZERO, wait, max }
    }

    fn take(&mut self, now: Duration) {
        self.at = now + self.wait;
        self.wait = (self.wait * 2).min(self.max);
    }

    /// All is well: if it is so long after the last time that it might be done again, the waits are short again.
    fn forgive(&mut self, now: Duration, fresh: &Self) {
        if now >= self.at {
            *self = *fresh;
        }
    }
}

#[cfg(test)]
#[path = "watchdog_tests.rs"]
mod tests;
