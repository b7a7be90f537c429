//! A seed is a history: the real core in an invented world.
//!
//! Clients of all versions come, go, take over, publish, subscribe and acknowledge late or twice; bytes are lost with
//! their connection, sockets clog, commits are late, the process dies, the clock jumps, rules change. Beside the broker
//! runs a model of what it was told (`model`, `lives`, `hearing`); every packet and every counter of the broker is held
//! against it (`checks`), and the clients keep their own account of what they hear (`client`).
//!
//! The number that a failure prints brings the history back: `SEED=17 cargo test -p broker-core --test simulation`.
#![allow(missing_docs, clippy::unwrap_used)]

mod checks;
mod client;
mod death;
mod edge;
mod end;
mod hearing;
mod history;
mod lives;
mod model;
mod plan;
mod rights;
mod rng;
mod shares;
mod words;

use history::History;
use plan::{THEMES, Theme};

/// Of each theme, in `make test`.
const SEEDS: u64 = 1_700;

/// A seed's theme is told by the seed itself, so that the number alone brings the history back.
fn histories(theme: Theme) {
    let themes = THEMES.len() as u64;
    let first = THEMES.iter().position(|other| *other == theme).unwrap() as u64;
    #[allow(clippy::disallowed_methods)] // a test is told its seed by the person who runs it
    let chosen = std::env::var("SEED").ok().map(|seed| seed.parse::<u64>().expect("SEED is a number"));
    let (mut deliveries, mut calls) = (0, 0);
    for seed in (0..SEEDS).map(|n| first + n * themes).chain(chosen).filter(|seed| chosen.is_none_or(|it| it == *seed))
    {
        if seed % themes != first {
            continue;
        }
        let told = Told(seed);
        let mut history = History::new(seed, theme);
        (history.is_told, history.model.is_told) = (chosen.is_some(), chosen.is_some());
        history.run();
        deliveries += history.deliveries;
        calls += history.calls;
        std::mem::forget(told);
    }
    println!("{calls} calls of the broker, {deliveries} deliveries");
    assert!(chosen.is_some() || deliveries > SEEDS * 10, "histories in which nothing happens: {deliveries} deliveries");
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

/// Says which seed it was when a history ends in a panic.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("replay: SEED={} cargo test -p broker-core --test simulation", self.0);
    }
}
