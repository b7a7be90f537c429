//! Against a broker that we did not write: thousands of conversations, right and wrong, in all three versions, with
//! ours and with Debian's mosquitto in lock step; what comes back is compared byte for byte.
//!
//! A conversation is made from a seed, which a failure prints, with the fewest steps that still show it. `SEED=17` plays
//! that one; `DIFFERENTIAL=50000` plays so many. What may differ, and why, is listed in `accepted`. mosquitto 2.0.11 is
//! older than 2.1.2, whose place ours takes; where they differ, the list says so.

#[path = "../appliance/folder.rs"]
#[allow(dead_code, reason = "shared with the appliance's tests")]
mod folder;
#[path = "../appliance/harness.rs"]
#[allow(dead_code, reason = "shared with the appliance's tests")]
mod harness;
#[path = "../mosquitto/mod.rs"]
mod mosquitto;
#[path = "../appliance/ports.rs"]
mod ports;
#[path = "../appliance/side.rs"]
#[allow(dead_code, reason = "shared with the appliance's tests")]
mod side;

mod accepted;
mod brokers;
mod bytes;
mod conversation;
mod damage;
mod dice;
mod keeper;
mod listeners;
mod properties;
mod scene;
mod speech;
mod stage;
mod wire;

use std::time::Instant;

use accepted::{Accepted, CONVERSATIONS};
use brokers::{CONFIGURATIONS, Pair};
use conversation::{Conversation, Step};
use scene::words;
use stage::Outcome;

/// Differences after which a configuration is given up.
const DIFFERENCES_MAX: usize = 10;

#[test]
fn ours_answers_as_mosquitto_does() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    if let Some(seed) = number("SEED") {
        let conversation = Conversation::from_seed(seed);
        let pair = Pair::start(conversation.configuration);
        if let Some(report) = report(&pair, conversation).1 {
            panic!("{report}");
        }
        return;
    }
    let count = number("DIFFERENTIAL").unwrap_or(CONVERSATIONS);
    let begun = Instant::now();
    let results: Vec<(Outcome, Vec<String>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONFIGURATIONS.len()).map(|at| scope.spawn(move || play_all(at, count))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread that ends well")).collect()
    });
    let packets: usize = results.iter().map(|(sum, _)| sum.packets).sum();
    let steps: usize = results.iter().map(|(sum, _)| sum.steps).sum();
    eprintln!("{count} conversations of {steps} steps, {packets} packets compared, in {:?}", begun.elapsed());
    let met = |at: usize| results.iter().map(|(sum, _)| sum.accepted[at]).sum::<usize>();
    for (at, accepted) in accepted::all().enumerate() {
        eprintln!("{:6} times: {}: {}", met(at), accepted.name, accepted.reason);
    }
    let differences: Vec<&str> = results.iter().flat_map(|(_, differences)| differences).map(String::as_str).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    let is_unused = |(at, accepted): &(usize, &Accepted)| met(*at) == 0 && accepted.is_certain(count);
    let unused: Vec<&str> = accepted::all().enumerate().filter(is_unused).map(|(_, accepted)| accepted.name).collect();
    assert!(unused.is_empty(), "these differences are accepted, but there are none such: {unused:?}");
}

/// All the conversations of one configuration.
fn play_all(at: usize, count: u64) -> (Outcome, Vec<String>) {
    let pair = Pair::start(&CONFIGURATIONS[at]);
    let mut sum = Outcome::new();
    let mut differences = Vec::new();
    for seed in (at as u64..count).step_by(CONFIGURATIONS.len()) {
        let (outcome, difference) = report(&pair, Conversation::from_seed(seed));
        sum.steps += outcome.steps;
        sum.packets += outcome.packets;
        for (sum, met) in sum.accepted.iter_mut().zip(outcome.accepted) {
            *sum += met;
        }
        differences.extend(difference);
        if differences.len() >= DIFFERENCES_MAX {
            break;
        }
    }
    (sum, differences)
}

/// Plays a conversation; a difference is told in the fewest steps that show it.
fn report(pair: &Pair, mut conversation: Conversation) -> (Outcome, Option<String>) {
    let outcome = stage::play(pair, &conversation);
    let Some(mut difference) = outcome.difference.clone() else { return (outcome, None) };
    conversation.steps.truncate(outcome.step + 1);
    for at in (0..conversation.steps.len()).rev() {
        let mut fewer = conversation.clone();
        fewer.steps.remove(at);
        let outcome = stage::play(pair, &fewer);
        if let Some(still) = outcome.difference {
            difference = still;
            conversation = fewer;
        }
    }
    let steps: Vec<String> = conversation.steps.iter().map(told).collect();
    let report = format!("---- SEED={}\n{}\n{difference}", conversation.seed, steps.join("\n"));
    (outcome, Some(report))
}

fn told(step: &Step) -> String {
    match step {
        Step::Connect { at, version, bytes } => {
            format!("{at} connects, {version:?}:\n{}", words(*version, bytes))
        }
        Step::Say { at, bytes } => format!("{at} says {bytes:02x?}"),
        Step::Answer { at, nth, reason } => format!("{at} answers number {nth} with {reason:?}"),
        Step::Leave { at } => format!("{at} leaves"),
    }
}
