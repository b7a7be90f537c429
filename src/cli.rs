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
use crate::{acl_cmd, certs_cmd, check, demo, gateway, init, passwd, run};

/// An MQTT broker that stands in for mosquitto, and a Bluetooth gateway, in one program.
///
/// A first try:  nightjar demo
///
/// A server:     nightjar init password /etc/nightjar
///               nightjar run -c /etc/nightjar/mosquitto.conf
#[derive(Debug, Parser)]
#[command(name = "nightjar", version, verbatim_doc_comment)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker, and the gateway if nightjar.toml asks for one
    Run(RunArgs),
    /// Make the files of one of the guide's four scenarios, with fresh secrets
    Init(init::InitArgs),
    /// Say everything that is wrong with a configuration, and what is unwise
    Check(check::CheckArgs),
    /// Manage a password file, as mosquitto_passwd does
    Passwd(passwd::PasswdArgs),
    /// Say why the rules allow or refuse something
    Acl(acl_cmd::AclArgs),
    /// Make and show certificates
    Certs(certs_cmd::CertsArgs),
    Import(moving::ImportArgs),
    Export(moving::ExportArgs),
    Store(moving::StoreArgs),
    /// This machine's Bluetooth: adapters, what is on the air, recordings
    Gateway(gateway::GatewayArgs),
    /// The part of `nightjar run` that has the radio
    #[command(hide = true)]
    RadioProcess(RadioProcessArgs),
    /// Show it working: a broker, and a gateway that plays a recording
    Demo(demo::DemoArgs),
}

/// `nightjar run`
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// mosquitto.conf; without it only this machine can connect, on port 1883
    #[arg(short, long = "config-file", value_name = "FILE")]
    config: Option<PathBuf>,
    /// What mosquitto.conf has no words for (the gateway) [default: nightjar.toml beside FILE, if it is there]
    #[arg(long, value_name = "FILE")]
    toml: Option<PathBuf>,
    /// Set an option as if it stood in mosquitto.conf: --set 'max_queued_messages 100'; may be given again
    #[arg(long = "set", value_name = "'OPTION VALUE'")]
    set: Vec<String>,
    /// Listen on this port of 127.0.0.1 and ::1 where FILE has no listener; may be given again
    #[arg(short, long = "port", value_name = "PORT")]
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

pub(crate) fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Run(args) => start(args),
        Command::Init(args) => init::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Passwd(args) => passwd::main(&args),
        Command::Gateway(args) => gateway::main(&args),
        Command::RadioProcess(args) => radio_child::main(&args),
        Command::Acl(args) => acl_cmd::main(&args),
        Command::Certs(args) => certs_cmd::main(args),
        Command::Import(args) => moving::import(&args),
        Command::Export(args) => moving::export(&args),
        Command::Store(args) => moving::store(&args),
        Command::Demo(args) => demo::main(&args),
    }
}

/// mosquitto's own command line.
#[derive(Debug, Parser)]
#[command(name = "mosquitto", version, about = "nightjar, called as mosquitto: the same options")]
struct Mosquitto {
    #[command(flatten)]
    run: RunArgs,
}

/// Errors in the command line end with 3, as mosquitto's do; help and version with 0.
pub(crate) fn run_as_mosquitto(arguments: Vec<OsString>) -> ExitCode {
    match Mosquitto::try_parse_from(arguments) {
        Ok(mosquitto) => start(mosquitto.run),
        Err(error) => {
            match in_mosquittos_words(&error) {
                Some(words) => eprintln!("{words}\n\n{}", Mosquitto::command().render_usage()),
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
