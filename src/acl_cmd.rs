//! `nightjar acl explain`: which line of which file decides what a client may do. Reads files, changes nothing.

use std::fmt::{Display, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use acl::{Acl, Asked, Because, Client, Explanation};
use broker_conf::{Listener, Overrides, Settings};
use clap::{Args, Subcommand, ValueEnum};
use mqtt::{TopicFilter, TopicName};

use crate::config_files::OnDisk;
use crate::{screen, setup};

/// Exit status when the answer is no; 2 is a wrong command line, 3 a configuration that cannot be used.
const REFUSED: u8 = 1;

/// Say why the rules allow or refuse something
///
/// The rules are those of the ACL file that a configuration names. A broker that runs says the same in its log when it
/// refuses something, once a minute for each client and topic.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct AclArgs {
    #[command(subcommand)]
    command: AclCommand,
}

/// Behind `nightjar acl explain --help`, and on its page.
const NOTES: &str = "The files are read as a broker would read them now; one that runs is not asked. What a client may do follows from its user
name, its Client Identifier and the topic, so these are asked for.

Exit status:
  0  Yes.
  1  No.
  2  The command line is wrong.
  3  The configuration cannot be used.

Examples:
  nightjar acl explain -c /etc/mosquitto/mosquitto.conf -u gateway -t cassia -a write
  nightjar acl explain -c mosquitto.conf -u app -t 'home/+/rssi' -a subscribe";

#[derive(Debug, Subcommand)]
enum AclCommand {
    /// Say what a client may do, and which line decides
    #[command(after_long_help = NOTES)]
    Explain(ExplainArgs),
}

#[derive(Debug, Args)]
struct ExplainArgs {
    /// The user name that the client has shown; left out: it came in without one
    #[arg(short, long, value_name = "NAME")]
    user: Option<String>,
    /// Its Client Identifier
    #[arg(short = 'i', long, value_name = "ID", default_value = "")]
    client_id: String,
    /// The topic, or for subscribe the filter; with the mount_point of its listener in front, if that has one
    #[arg(short, long, value_name = "TOPIC")]
    topic: String,
    /// What it wants to do there
    #[arg(short, long, value_enum)]
    access: AccessArg,
    /// The listener that it comes in by: a port, the path of a unix socket, or FILE:LINE of the line that begins it; needed
    /// where listeners have different files
    #[arg(short, long, value_name = "WHICH")]
    listener: Option<String>,
    /// mosquitto.conf
    #[arg(short, long = "config-file", value_name = "FILE")]
    config: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AccessArg {
    Read,
    Write,
    Subscribe,
}

pub(crate) fn main(args: &AclArgs) -> ExitCode {
    let AclCommand::Explain(args) = &args.command;
    match explain(args) {
        Ok((text, is_allowed)) => {
            screen::line(text);
            if is_allowed { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) }
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(crate::run::BAD_CONFIGURATION)
        }
    }
}

fn explain(args: &ExplainArgs) -> Result<(String, bool), String> {
    let settings = broker_conf::parse(Some(&args.config), &mut OnDisk, &Overrides::default())
        .map_err(|error| error.to_string())?;
    let (acl, file) = rules_of(&settings, args.listener.as_deref())?;
    let not_a =
        |what: &str, why: &dyn Display| format!("Error: --topic {}: this is no topic {what}: {why}.", args.topic);
    let name = || TopicName::new(&args.topic).map_err(|why| not_a("name", &why));
    let asked = match args.access {
        AccessArg::Read => Asked::Read(name()?),
        AccessArg::Write => Asked::Write(name()?),
        AccessArg::Subscribe => Asked::Subscribe(TopicFilter::new(&args.topic).map_err(|why| not_a("filter", &why))?),
    };
    let client = Client { client_id: &args.client_id, username: args.user.as_deref() };
    let found = acl.explain(client, asked);
    Ok((told(found, file.as_deref()), found.is_allowed))
}

/// The rules of the listener that is meant, and the file that they are in.
fn rules_of(settings: &Settings, wanted: Option<&str>) -> Result<(Acl, Option<PathBuf>), String> {
    let file = meant(settings, wanted)?.acl_file.as_ref();
    let acl = setup::acl_of(file).map_err(|error| error.0)?;
    Ok((acl, file.map(|file| file.value.clone())))
}

/// The listener that `wanted` says, or any of those that could be meant if all have the same file.
fn meant<'a>(settings: &'a Settings, wanted: Option<&str>) -> Result<&'a Listener, String> {
    // Most often nobody means a listener for HTTP: there paths are asked for, as if they were topics.
    let (of_mqtt, of_http) = (settings.listeners.iter(), settings.http_listeners.iter());
    let found: Vec<_> = match wanted {
        None => of_mqtt.clone().collect(),
        Some(wanted) => of_mqtt.clone().chain(of_http.clone()).filter(|listener| is_called(listener, wanted)).collect(),
    };
    let file = |listener: &Listener| listener.acl_file.as_ref().map(|file| file.value.clone());
    let (why, choice) = match (found.first(), wanted) {
        (Some(first), _) if found.iter().all(|other| file(other) == file(first)) => return Ok(first),
        (Some(_), _) => {
            ("the listeners have different ACL files: say with --listener which of them is meant".to_owned(), found)
        }
        (None, wanted) => {
            let wanted = wanted.unwrap_or_default();
            (format!("--listener {wanted}: there is no such listener; there are"), of_mqtt.chain(of_http).collect())
        }
    };
    let mut text = format!("Error: {why}:");
    for listener in &choice {
        let at = listener.at.as_ref().map_or_else(String::new, |at| format!(" ({at})"));
        let is_clear = choice.iter().filter(|other| port_or_path(other) == port_or_path(listener)).count() == 1;
        let name = match &listener.at {
            Some(at) if !is_clear => at.to_string(),
            _ => port_or_path(listener),
        };
        let file =
            file(listener).map_or_else(|| "no acl_file".to_owned(), |file| format!("acl_file {}", file.display()));
        let _ = write!(text, "\n  --listener {name}: {file}{at}");
    }
    Err(text)
}

/// Whether the operator may mean it: its port, the path of its unix socket, or the line that it begins with; the folder of
/// the line's file may be left out.
fn is_called(listener: &Listener, wanted: &str) -> bool {
    let line = listener.at.as_ref().map(ToString::to_string).unwrap_or_default();
    port_or_path(listener) == wanted || line == wanted || line.ends_with(&format!("/{wanted}"))
}

fn port_or_path(listener: &Listener) -> String {
    listener.unix.as_ref().map_or_else(|| listener.port.to_string(), |path| path.display().to_string())
}

fn told(found: Explanation, file: Option<&Path>) -> String {
    let answer = if found.is_allowed { "allowed" } else { "refused" };
    match (found.because, file) {
        (Because::Line(line), Some(file)) => {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let text = text.lines().nth(line as usize - 1).unwrap_or_default().trim().to_owned();
            format!("{answer}: {}:{line}: {}", file.display(), text.escape_debug())
        }
        (because, Some(file)) => format!("{answer}: {}: {because}", file.display()),
        (because, None) => format!("{answer}: {because}"),
    }
}
