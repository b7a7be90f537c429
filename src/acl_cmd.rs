//! `nightjar acl explain`: which line of which file decides what a client may do. Reads files, changes nothing.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use acl::{Acl, Asked, Because, Client, Explanation};
use broker_conf::{Overrides, Settings};
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
    /// The topic, or for subscribe the filter
    #[arg(short, long, value_name = "TOPIC")]
    topic: String,
    /// What it wants to do there
    #[arg(short, long, value_enum)]
    access: AccessArg,
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
    let (acl, file) = rules_of(&settings)?;
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

/// The rules that all listeners have, and the file that they are in.
fn rules_of(settings: &Settings) -> Result<(Acl, Option<PathBuf>), String> {
    let file = settings.listeners.iter().find_map(|listener| listener.acl_file.as_ref());
    let acl = setup::acl_of(file).map_err(|error| error.0)?;
    Ok((acl, file.map(|file| file.value.clone())))
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
