//! The appliance `nightjar`: which program it was called as, and which command was asked for.
//!
//! Called as `mosquitto` or `mosquitto_passwd` (a link to this file) it takes those programs' command lines; that of
//! mosquitto also where options stand in place of a command.
//! What a command does is in the file of its name.

mod acl_cmd;
mod addresses;
mod called;
mod capabilities;
mod certs_cmd;
mod check;
mod cli;
mod config_files;
mod demo;
mod gateway;
mod heap;
mod init;
mod logging;
mod manual;
mod moving;
mod passwd;
mod privileges;
mod reload;
mod run;
mod screen;
mod setup;
mod systemd;
mod toml;
mod watch;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    heap::share_one_arena();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let called_as = arguments.first().map(|name| Path::new(name).file_name().unwrap_or_default().to_owned());
    match called_as.as_deref().and_then(|name| name.to_str()) {
        Some("mosquitto") => cli::run_as_mosquitto(arguments),
        Some("mosquitto_passwd") => passwd::run(arguments.into_iter()),
        // A start script in which only the program's name was changed.
        _ if has_options_alone(&arguments) => cli::run_as_mosquitto(arguments),
        _ => cli::run(cli::Cli::parse_from(arguments)),
    }
}

/// Whether an option stands where our commands stand, and not one of ours.
fn has_options_alone(arguments: &[OsString]) -> bool {
    let first = arguments.get(1).and_then(|first| first.to_str()).unwrap_or_default();
    first.starts_with('-') && !matches!(first, "-h" | "--help" | "-V" | "--version")
}
