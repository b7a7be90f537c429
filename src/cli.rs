//! The command lines: ours, and mosquitto's for when we are called by its name. Nothing is done here but to read
//! them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use broker_conf::Overrides;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::gateway::radio_child::{self, RadioProcessArgs};
use crate::moving::commands as moving;
use crate::{acl_cmd, called, certs_cmd, check, demo, gateway, init, manual, passwd, run};

/// An MQTT broker that stands in for mosquitto, and a Bluetooth gateway, in one program.
///
/// The broker reads mosquitto's files as they are; the gateway turns Bluetooth advertisements into the JSON that Cassia's
/// routers send. Each command has a page of its own: `nightjar manual COMMAND`, or `nightjar COMMAND --help`.
#[derive(Debug, Parser)]
#[command(name = "nightjar", version, verbatim_doc_comment, after_long_help = NOTES, after_help = FIRST_STEPS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Commands,
}

/// For people, and for ourselves.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, for as long as the program runs")]
enum Commands {
    #[command(flatten)]
    Shown(Command),
    /// The part of `nightjar run` that has the radio
    #[command(hide = true)]
    RadioProcess(RadioProcessArgs),
}

/// Behind `-h`.
const FIRST_STEPS: &str = "A first try:
  nightjar demo

A server:
  nightjar init password /etc/nightjar
  nightjar run -c /etc/nightjar/mosquitto.conf";

/// Behind `--help`, and on the page.
const NOTES: &str = "A first try:
  nightjar demo

A server:
  nightjar init password /etc/nightjar
  nightjar run -c /etc/nightjar/mosquitto.conf

Moving from mosquitto:
  nightjar check -c /etc/mosquitto/mosquitto.conf
  systemctl stop mosquitto
  nightjar run -c /etc/mosquitto/mosquitto.conf

Called as mosquitto or mosquitto_passwd, by a link of that name, it takes the command lines of those programs; and mosquitto's
with its options in place of a command, too: nightjar -c FILE is nightjar run -c FILE.

Exit status:
  0  Done.
  1  Not done, or no: the message says why.
  2  The command line is wrong.
  3  The configuration cannot be used.

What a command has besides is on its page.";

/// Behind `nightjar run --help`, and on the pages nightjar-run(1) and mosquitto(8).
const RUN_NOTES: &str = "Without FILE only this machine can connect, on port 1883, without a user name. With FILE all is as that says; its options are
mosquitto's. Everything is read and checked before a port is opened.

Started as root, it becomes the user of the option `user`, else mosquitto, else nobody. That user must be able to read the
password, ACL and key files, for at SIGHUP they are read again.

Signals:
  SIGTERM, SIGINT  End in order. A second one ends at once.
  SIGHUP  Read again mosquitto.conf and the password, ACL, key and certificate files. A fault in one of them leaves
          everything as it was, and the log says what it is. Certificates that change on the disk are read again
          without a signal.
  SIGUSR1  Write to the disk what may still be on its way there.
  SIGUSR2  Print the trees of subscriptions and retained messages to standard output.
  SIGRTMIN  Open the log file again, after it was rotated away.

Environment:
  NIGHTJAR_TABLE__KEY  A key of nightjar.toml, as in `NIGHTJAR_BROKER__THREADS=4`.
  MOSQUITTO_PERSISTENCE_LOCATION  Takes the place of the option `persistence_location`.
  MOSQUITTO_UNSAFE_ALLOW_SYMLINKS  Set, a password, ACL or key file may be a symbolic link.
  PUID, PGID  User and group by number, in place of the option `user`.
  UMASK_SET  The umask, octal.
  NOTIFY_SOCKET, WATCHDOG_USEC  As systemd sets them: it is told when the broker is ready, reloads and stops.

Exit status:
  0  It was told to end; or `--test-config` found no fault.
  1  A file or a port cannot be opened, or the broker could not go on.
  2  The command line is wrong; called as mosquitto, that is 3.
  3  The configuration cannot be used.

The message on standard error, and in the log, says why.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker, and the gateway if nightjar.toml asks for one
    #[command(after_long_help = RUN_NOTES)]
    Run(RunArgs),
    Init(init::InitArgs),
    Check(check::CheckArgs),
    /// Manage a password file, as mosquitto_passwd does
    #[command(override_usage = passwd::usage("nightjar passwd"))]
    Passwd(passwd::PasswdArgs),
    Acl(acl_cmd::AclArgs),
    Certs(certs_cmd::CertsArgs),
    Import(moving::ImportArgs),
    Export(moving::ExportArgs),
    Store(moving::StoreArgs),
    Gateway(gateway::GatewayArgs),
    Demo(demo::DemoArgs),
    Manual(manual::ManualArgs),
    Completions(manual::CompletionsArgs),
}

/// `nightjar run`
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// mosquitto.conf; without it only this machine can connect, on port 1883
    #[arg(short, long = "config-file", value_name = "FILE")]
    config: Option<PathBuf>,
    /// What mosquitto.conf has no words for, see nightjar.toml(5) [default: nightjar.toml beside FILE, if it is there]
    #[arg(long, value_name = "FILE")]
    toml: Option<PathBuf>,
    /// Set an option as if it stood in mosquitto.conf: --set 'max_queued_messages 100'; may be given again
    #[arg(long = "set", value_name = "OPTION=VALUE")]
    set: Vec<String>,
    /// Listen on this port of 127.0.0.1 and ::1 where FILE has no listener; may be given again
    #[arg(short, long = "port", value_name = "PORT", allow_negative_numbers = true)]
    ports: Vec<String>,
    /// Log everything
    #[arg(short, long)]
    verbose: bool,
    /// Log nothing
    #[arg(short, long)]
    quiet: bool,
    /// Read and check everything, then exit
    #[arg(long)]
    test_config: bool,
    /// Write the keys of all TLS sessions to FILE, for finding faults only: whoever has it reads everything
    #[arg(long, value_name = "FILE")]
    tls_keylog: Option<PathBuf>,
    /// Go on in the background
    #[arg(short, long)]
    daemon: bool,
}

impl RunArgs {
    fn wish(self) -> Result<run::Wish, String> {
        if self.ports.len() > Overrides::PORTS_MAX {
            return Err(format!("Error: Only {} ports can be specified on the command line.", Overrides::PORTS_MAX));
        }
        let ports = self.ports.iter().map(|text| port(text)).collect::<Result<_, _>>()?;
        let set = self.set.iter().map(|text| option_and_value(text)).collect::<Result<_, _>>()?;
        Ok(run::Wish {
            toml: self
                .toml
                .or_else(|| Some(self.config.as_ref()?.with_file_name("nightjar.toml")).filter(|p| p.exists())),
            config: self.config,
            overrides: Overrides { set, ports, verbose: self.verbose, quiet: self.quiet, tls_keylog: self.tls_keylog },
            only_test: self.test_config,
            in_background: self.daemon,
        })
    }
}

/// 1 to 65535; in mosquitto's words, but for what is no number, which it takes for 0.
fn port(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("Error: Invalid port specified ({text}).")),
    }
}

/// `option value`, or `option=value`.
fn option_and_value(text: &str) -> Result<(String, String), String> {
    let (option, value) = text
        .split_once([' ', '='])
        .ok_or_else(|| format!("Error: --set {text}: write the option and its value, as --set 'max_keepalive 60'."))?;
    Ok((option.trim().to_owned(), value.trim().to_owned()))
}

/// The command line without what is not for people. (clap hides it from `--help`, clap_complete does not from shells.)
pub(crate) fn for_people() -> clap::Command {
    Command::augment_subcommands(clap::Command::new("nightjar").version(env!("CARGO_PKG_VERSION")))
}

pub(crate) fn run(cli: Cli) -> ExitCode {
    let command = match cli.command {
        Commands::Shown(command) => command,
        Commands::RadioProcess(args) => return radio_child::main(&args),
    };
    match command {
        Command::Run(args) => start(args),
        Command::Init(args) => init::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Passwd(args) => passwd::main(&args),
        Command::Gateway(args) => gateway::main(&args),
        Command::Acl(args) => acl_cmd::main(&args),
        Command::Certs(args) => certs_cmd::main(args),
        Command::Import(args) => moving::import(&args),
        Command::Export(args) => moving::export(&args),
        Command::Store(args) => moving::store(&args),
        Command::Demo(args) => demo::main(&args),
        Command::Manual(args) => manual::main(&args),
        Command::Completions(args) => manual::completions(&args),
    }
}

/// mosquitto's own command line.
#[derive(Debug, Parser)]
#[command(name = "mosquitto", version = called::VERSION_AS_MOSQUITTO, before_help = called::HEAD_AS_MOSQUITTO)]
#[command(about = "an MQTT broker: nightjar, called as mosquitto", after_long_help = RUN_NOTES)]
pub(crate) struct Mosquitto {
    #[command(flatten)]
    run: RunArgs,
}

/// Errors in the command line end with 3, as mosquitto's do; help and version with 0.
pub(crate) fn run_as_mosquitto(arguments: Vec<OsString>) -> ExitCode {
    match Mosquitto::try_parse_from(arguments) {
        Ok(mosquitto) => start(mosquitto.run),
        Err(error) => {
            match in_mosquittos_words(&error) {
                Some(words) if called::is_mosquitto() => {
                    eprintln!("{words}\n\n{}", Mosquitto::command().render_usage());
                }
                // Options stand where our commands do: perhaps one of them is meant.
                Some(words) => eprintln!(
                    "{words}\n\nUsage: nightjar [OPTIONS], as for mosquitto; or nightjar COMMAND, see nightjar --help"
                ),
                None => drop(error.print()),
            }
            if error.use_stderr() { ExitCode::from(3) } else { ExitCode::SUCCESS }
        }
    }
}

/// What mosquitto says to a command line that it does not take.
fn in_mosquittos_words(error: &clap::Error) -> Option<String> {
    let ContextValue::String(argument) = error.get(ContextKind::InvalidArg)? else { return None };
    match error.kind() {
        ErrorKind::UnknownArgument => Some(format!("Error: Unknown option '{argument}'.")),
        ErrorKind::InvalidValue if argument.starts_with("--port") => {
            Some("Error: -p argument given, but no port specified.".to_owned())
        }
        ErrorKind::InvalidValue if argument.starts_with("--config-file") => {
            Some("Error: -c argument given, but no config file specified.".to_owned())
        }
        _ => None,
    }
}

fn start(args: RunArgs) -> ExitCode {
    match args.wish() {
        Ok(wish) => run::main(&wish),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(3)
        }
    }
}
