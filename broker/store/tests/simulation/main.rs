//! A seed is a history: the real core and the real store in an invented world.
//!
//! Clients of all versions come, go, take over, publish, subscribe and acknowledge late or twice; bytes are lost with
//! their connection, sockets clog, commits are late, the process dies, the clock jumps, rules change. Beside the broker
//! runs a model of what it was told (`model`, `lives`, `hearing`, `shares`); every packet and every counter of the broker
//! is held against it (`checks`), what the store holds (`death`), what is left at the end (`end`); and the clients keep
//! their own account of what they hear (`client`). The store lies on a disk that loses what was not synced, fills up and
//! fails (`disk`), and what it gives back is held against what it promised (`kept`).
//!
//! The number that a failure prints brings the history back, told step by step:
//! `SEED=17 cargo test -p broker-store --test simulation`.
#![allow(missing_docs, clippy::unwrap_used)]

mod checks;
mod client;
mod death;
mod disk;
mod edge;
mod end;
mod hearing;
mod history;
mod kept;
mod lives;
mod model;
mod plan;
mod rights;
mod rng;
mod shares;
mod words;

use std::time::{Duration, Instant};

use history::History;
use plan::{THEMES, Theme};

/// Of each theme, in `make test`.
const SEEDS: u64 = 1_700;

/// What has been gone through.
#[derive(Default)]
struct Sum {
    histories: u64,
    calls: u64,
    deliveries: u64,
    /// Bits that have changed.
    rot: u64,
}

impl Sum {
    /// A seed's theme is told by the seed itself, so that the number alone brings the history back.
    fn go_through(&mut self, seed: u64, is_told: bool) {
        let told = Told(seed);
        let mut history = History::new(seed, THEMES[(seed % THEMES.len() as u64) as usize]);
        (history.is_told, history.model.is_told) = (is_told, is_told);
        history.run();
        self.histories += 1;
        self.calls += history.calls;
        self.deliveries += history.deliveries;
        self.rot += history.edge.kept.tries_of_rot;
        std::mem::forget(told);
    }
}

/// A number that the person who runs the test has chosen.
fn chosen(name: &str) -> Option<u64> {
    #[allow(clippy::disallowed_methods)] // it is not the core that asks
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is to be a number, not {value}")))
}

fn histories(theme: Theme) {
    let themes = THEMES.len() as u64;
    let first = THEMES.iter().position(|other| *other == theme).unwrap() as u64;
    let mut sum = Sum::default();
    if let Some(seed) = chosen("SEED") {
        if seed % themes == first {
            sum.go_through(seed, true);
        }
        return;
    }
    for n in 0..SEEDS {
        sum.go_through(first + n * themes, false);
    }
    assert!(theme != Theme::Disk || sum.rot > SEEDS, "{} changed bits", sum.rot);
    assert!(sum.deliveries > SEEDS * 10, "histories in which nothing happens: {} deliveries", sum.deliveries);
}

#[test]
fn whatever_the_network_does_each_message_arrives_as_its_qos_says() {
    histories(Theme::Network);
}

#[test]
fn what_was_acknowledged_outlives_the_process() {
    histories(Theme::Store);
}

#[test]
fn what_was_acknowledged_outlives_what_a_disk_does() {
    histories(Theme::Disk);
}

#[test]
fn wills_and_sessions_and_messages_end_when_they_are_to() {
    histories(Theme::Clock);
}

#[test]
fn nobody_is_sent_what_she_did_not_ask_for_or_may_not_read() {
    histories(Theme::Rights);
}

#[test]
fn no_limit_is_passed_and_nothing_is_dropped_below_one() {
    histories(Theme::Limits);
}

#[test]
fn no_promise_is_broken_when_everything_happens_at_once() {
    histories(Theme::Everything);
}

/// `make soak`: from `SOAK_FROM` on, `SOAK_SEEDS` seeds or as many as fit into `SOAK_MINUTES`. Alone it is a few more.
#[test]
fn longer_runs_break_no_promise_either() {
    let from = chosen("SOAK_FROM").unwrap_or(SEEDS * THEMES.len() as u64);
    let time = chosen("SOAK_MINUTES").map(|minutes| Duration::from_secs(minutes * 60));
    let seeds = chosen("SOAK_SEEDS").unwrap_or(if time.is_some() { u64::MAX - from } else { 60 });
    let begun = now();
    let mut sum = Sum::default();
    for seed in from..from + seeds {
        sum.go_through(seed, false);
        if time.is_some_and(|time| begun.elapsed() > time) {
            break;
        }
        if sum.histories.is_multiple_of(20_000) {
            tell(&sum, begun);
        }
    }
    tell(&sum, begun);
}

#[allow(clippy::disallowed_methods)] // somebody waits for the end of it; the core never sees this clock
fn now() -> Instant {
    Instant::now()
}

fn tell(sum: &Sum, begun: Instant) {
    let Sum { histories, calls, deliveries, rot } = sum;
    let seconds = begun.elapsed().as_secs_f64();
    let per_second = |count: u64| count as f64 / seconds;
    println!(
        "{histories} histories in {seconds:.1} s ({:.0} a second), {calls} calls of the broker ({:.0} a second), {deliveries} deliveries, {rot} changed bits",
        per_second(*histories),
        per_second(*calls)
    );
}

/// Says which seed it was when a history ends in a panic.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("replay: SEED={} cargo test -p broker-store --test simulation", self.0);
    }
}
