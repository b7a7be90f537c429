//! `nightjar gateway …`: the air looked at and recorded; and the gateway within `nightjar run`, with the process that
//! has its radio. What is heard is decided in the crate `gateway-core`, how the adapters are made to hear in `radio`.

mod adapters;
mod air;
mod devices;
mod fork;
mod framing;
mod hearing;
mod json;
mod lives;
mod names;
mod order;
mod plain;
pub(crate) mod radio_child;
pub(crate) mod radio_process;
mod record;
mod rows;
mod says;
mod scan;
mod source;
mod state_folder;
mod terminal;
pub(crate) mod within;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// This machine's Bluetooth: adapters, what is on the air, recordings
///
/// Listening takes CAP_NET_RAW and CAP_NET_ADMIN: root has them, or `setcap cap_net_raw,cap_net_admin+eip` gives them to the
/// program. A gateway that publishes what it hears is a part of `nightjar run`; what it does is written in nightjar.toml(5).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct GatewayArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Adapters(adapters::AdaptersArgs),
    Scan(scan::ScanArgs),
    Record(record::RecordArgs),
}

pub(crate) fn main(args: &GatewayArgs) -> ExitCode {
    match &args.command {
        Command::Adapters(args) => adapters::main(args),
        Command::Scan(args) => scan::main(args),
        Command::Record(args) => record::main(args),
    }
}
