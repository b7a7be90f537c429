//! One load on the core, in memory, the same each time to the instruction: `instructions LOAD` plays it and says how many
//! messages (or connections) it was, and how often the broker asked for memory; without a load it names them all. What of it
//! is the broker's is in [`world::measured_part`], and that alone is counted, its instructions by tests/counts.rs. No sockets
//! here, and no clock.

mod clients;
mod counting;
mod loads;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(wanted) = std::env::args().nth(1) else {
        for (name, _) in loads::ALL {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let Some((_, play)) = loads::ALL.iter().find(|(name, _)| *name == wanted) else {
        eprintln!("instructions: there is no load '{wanted}'");
        return ExitCode::FAILURE;
    };
    let (messages, allocations) = play();
    println!("{messages} {allocations}");
    ExitCode::SUCCESS
}
