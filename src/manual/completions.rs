//! What shells complete: clap_complete's scripts, and where each shell looks for them.

use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::Program;
use super::page::MARK;
use crate::cli::{Cli, Mosquitto};
use crate::passwd::MosquittoPasswd;

/// The shells, and every program for each.
pub(super) const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];
pub(super) const PROGRAMS: [Program; 3] = [Program::Nightjar, Program::Mosquitto, Program::MosquittoPasswd];

impl Program {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nightjar => "nightjar",
            Self::Mosquitto => "mosquitto",
            Self::MosquittoPasswd => "mosquitto_passwd",
        }
    }

    fn command(self) -> Command {
        match self {
            Self::Nightjar => Cli::command(),
            Self::Mosquitto => Mosquitto::command(),
            Self::MosquittoPasswd => MosquittoPasswd::command(),
        }
    }
}

/// The text that a shell reads.
pub(super) fn script(shell: Shell, program: Program) -> String {
    let mut made = Vec::new();
    generate(shell, &mut program.command(), program.name(), &mut made);
    let made = String::from_utf8_lossy(&made);
    let mark = format!("# {MARK} {} from its command line.\n", env!("CARGO_PKG_VERSION"));
    // zsh looks into the first line for what the file completes.
    match made.split_once('\n').filter(|(first, _)| first.starts_with("#compdef")) {
        Some((first, rest)) => format!("{first}\n{mark}{rest}"),
        None => format!("{mark}{made}"),
    }
}

/// Where it is looked for below /usr/share and /usr/local/share.
pub(super) fn place(shell: Shell, program: Program) -> String {
    let name = program.name();
    match shell {
        Shell::Zsh => format!("zsh/site-functions/_{name}"),
        Shell::Fish => format!("fish/vendor_completions.d/{name}.fish"),
        _ => format!("bash-completion/completions/{name}"),
    }
}
