//! Acknowledged means kept: a broker is killed at random moments, over a disk that forgets what was not synced, and
//! after each start every message that it acknowledged must be delivered, in order, at QoS 2 once.
//!
//! `SEED=17` plays another history. `KILLS=300` has so many kills, also with power cuts; `make soak` does that.
//! Debian's mosquitto is driven too, to see that the driver finds nothing where nothing is lost, and finds what is.

#[path = "../differential/dice.rs"]
mod dice;
#[path = "../appliance/folder.rs"]
#[allow(dead_code, reason = "shared with the appliance's tests")]
mod folder;
#[path = "../appliance/harness.rs"]
#[allow(dead_code, reason = "shared with the appliance's tests")]
mod harness;
#[path = "../appliance/ports.rs"]
mod ports;

mod changer;
mod client;
mod drive;
mod full;
mod line;
mod onlooker;
mod power;
mod program;
mod publisher;
mod subscriber;

use drive::{Done, Ending, Plan, drive};
use power::Deaf;
use program::Program;

/// Kills of one history in `make test`.
const KILLS: usize = 20;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|why| panic!("{variable}={text}: {why}")))
}

fn seed() -> u64 {
    number("SEED").unwrap_or(1)
}

fn kills() -> usize {
    number("KILLS").map_or(KILLS, |kills| kills as usize)
}

/// Plays it; nothing may be broken.
fn holds(plan: Plan) -> Done {
    let seed = seed();
    let done = drive(seed, plan).unwrap_or_else(|broken| {
        panic!(
            "{}\n{plan:?}\nreplay (as far as the machine's haste allows): SEED={seed} cargo test --test durable",
            broken.0
        )
    });
    println!("{plan:?}: {done:?}");
    assert!(done.messages > 0 && done.acknowledged > 0, "the history was empty: {done:?}");
    done
}

/// Plays histories until one shows a broken promise, and says which.
fn is_found(plan: Plan) -> String {
    for seed in seed()..seed() + 5 {
        if let Err(broken) = drive(seed, plan) {
            println!("{plan:?}, SEED={seed}: {}", broken.0);
            return broken.0;
        }
    }
    panic!("nothing was found in five histories: {plan:?}");
}

#[test]
fn whatever_was_acknowledged_outlives_kills() {
    holds(Plan { program: Program::Nightjar, ending: Ending::Killed, rounds: kills() });
}

#[test]
fn whatever_was_acknowledged_outlives_power_cuts() {
    let plan = Plan { program: Program::Nightjar, ending: Ending::PowerCut(Deaf::ToNothing), rounds: kills() };
    let done = holds(plan);
    assert!(done.losses > 0, "no power cut took anything: {done:?}");
}

#[test]
fn whatever_was_acknowledged_outlives_an_orderly_end() {
    holds(Plan { program: Program::Nightjar, ending: Ending::Asked, rounds: 5 });
}

// ---- the driver can fail

#[test]
fn a_missing_sync_of_files_is_found() {
    is_found(Plan { program: Program::Nightjar, ending: Ending::PowerCut(Deaf::To("files")), rounds: KILLS });
}

#[test]
fn a_missing_sync_of_folders_is_found() {
    is_found(Plan { program: Program::Nightjar, ending: Ending::PowerCut(Deaf::To("folders")), rounds: KILLS });
}

#[test]
fn with_mosquitto_asked_to_end_nothing_is_found() {
    holds(Plan { program: Program::Mosquitto, ending: Ending::Asked, rounds: 8 });
}

#[test]
fn with_mosquitto_killed_losses_are_found() {
    is_found(Plan { program: Program::Mosquitto, ending: Ending::Killed, rounds: KILLS });
}
