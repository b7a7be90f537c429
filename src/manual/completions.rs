//! What shells complete: clap_complete's scripts, and where each shell looks for them.

use clap::{Arg, Command, CommandFactory as _, ValueHint};
use clap_complete::{Shell, generate};

use super::Program;
use super::page::MARK;
use crate::cli::{self, Mosquitto};
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
        let command = match self {
            Self::Nightjar => cli::for_people(),
            Self::Mosquitto => Mosquitto::command(),
            Self::MosquittoPasswd => MosquittoPasswd::command(),
        };
        with_hints(command.disable_help_subcommand(true))
    }
}

/// Says of each value that it is a file, or that it is none: of what nothing is said, shells offer files.
fn with_hints(command: Command) -> Command {
    let hint = |arg: Arg| {
        let hint = match arg.get_value_hint() {
            ValueHint::AnyPath => ValueHint::FilePath,
            ValueHint::Unknown if arg.get_possible_values().is_empty() => ValueHint::Other,
            _ => return arg,
        };
        if arg.get_action().takes_values() { arg.value_hint(hint) } else { arg }
    };
    command.mut_args(hint).mut_subcommands(with_hints)
}

/// In front of clap_complete's function for bash, which offers options where an operand is to be written and never a file:
/// where the operand is a file, options are offered to who has begun one, and bash itself offers the files.
fn with_files(made: &str, command: &Command, program: &str) -> String {
    let mut commands = Vec::new();
    taking_files(command, "", &mut commands);
    if commands.is_empty() {
        return made.to_owned();
    }
    let function = program.replace('-', "__");
    let (body, complete) = made.rsplit_once("\n}\n").unwrap_or((made, ""));
    format!(
        "{body}\n}}\n
_{function}_or_files() {{
    _{function} \"$@\"
    [[ \"$2\" == -* ]] && return 0
    case \" ${{COMP_WORDS[*]:1:COMP_CWORD-1}} \" in
        {})
            local candidate kept=()
            for candidate in \"${{COMPREPLY[@]}}\"; do
                [[ \"$candidate\" == -* ]] || kept+=(\"$candidate\")
            done
            COMPREPLY=(\"${{kept[@]}}\")
            ;;
    esac
}}
{}",
        commands.join("|"),
        complete.replace(&format!("-F _{function} "), &format!("-F _{function}_or_files "))
    )
}

/// Patterns for the words between the program's name and the one that is being written.
fn taking_files(command: &Command, path: &str, found: &mut Vec<String>) {
    let is_path = |arg: &Arg| matches!(arg.get_value_hint(), ValueHint::FilePath | ValueHint::DirPath);
    if command.get_positionals().any(is_path) {
        found.push(format!("\"{path} \"*"));
    }
    for within in command.get_subcommands() {
        taking_files(within, &format!("{path} {}", within.get_name()), found);
    }
}

/// The text that a shell reads.
pub(super) fn script(shell: Shell, program: Program) -> String {
    let (mut command, mut made) = (program.command(), Vec::new());
    generate(shell, &mut command, program.name(), &mut made);
    let mut made = String::from_utf8_lossy(&made).into_owned();
    if shell == Shell::Bash {
        made = with_files(&made, &command, program.name());
    }
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
