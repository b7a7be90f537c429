//! The command lines of `nightjar import`, `export` and `store`.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueHint};

use super::looking::{self, DAMAGED, refuse};
use super::progress::Progress;
use super::{export, import, place};
use crate::screen;

/// Make a store of mosquitto's persistence file
///
/// Sessions with their subscriptions, queued and in-flight messages, and retained messages come over, from the files of
/// mosquitto 1.4 to 2.1. Stop mosquitto first: it saves when it ends, and what it did since the last save is not in the
/// file. FILE stays as it is, so mosquitto can be started again.
///
/// A broker does the same by itself at its first start, if there is a mosquitto.db in persistence_location and no store.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "Exit status:
  0  All of it came over.
  1  Part of the file is damaged, the rest came over.
  2  Nothing came over.

Examples:
  nightjar import /var/lib/mosquitto/mosquitto.db
  nightjar import -c /etc/nightjar/mosquitto.conf /var/lib/mosquitto/mosquitto.db"
)]
pub(crate) struct ImportArgs {
    /// mosquitto.db
    file: PathBuf,
    /// The store's folder; it must not hold one yet [default: nightjar.store beside FILE]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    to: Option<PathBuf>,
    /// Put it where the broker with this mosquitto.conf looks for it
    #[arg(short, long = "config-file", value_name = "CONF", conflicts_with = "to")]
    config: Option<PathBuf>,
}

/// Write what a store holds as JSON lines
///
/// A line for each session with its subscriptions, each message that waits or is in flight, and each retained message. The
/// keys are in docs/store.md. The store is not changed, and a broker may have it open.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "Exit status:
  0  All of it was written.
  1  Something is damaged; everything else was written.
  2  It cannot be read, or not be written.

Examples:
  nightjar export /var/lib/mosquitto | jq 'select(.kind == \"retained\") | .topic'"
)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    store: Which,
    /// Write to this new file, which only you can read [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Look at a store, and put it right
///
/// A store is the folder nightjar.store in persistence_location: what the broker keeps for the time after its end. A broker
/// that starts sets aside by itself what is damaged; the start succeeds with everything else.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is in it and what is damaged; nothing is changed
    ///
    /// A broker may have the store open.
    #[command(
        verbatim_doc_comment,
        after_long_help = "Exit status:
  0  There is no damage that a start has not told of.
  1  There is damage.
  2  It cannot be read."
    )]
    Check(Which),
    /// Print every record: file, offset, length, what it says
    ///
    /// Records stand in the order in which they were written; a later one may take an earlier one back. A broker may have
    /// the store open.
    #[command(
        verbatim_doc_comment,
        after_long_help = "Exit status:
  0  There is no damage that a start has not told of.
  1  There is damage.
  2  It cannot be read."
    )]
    Dump(Which),
    /// Set aside what is damaged, and write everything else anew
    ///
    /// Stop the broker first. What is damaged goes to damaged-<n>.jsonl in the store's folder, with the clients and messages
    /// as far as they can be told. It can be interrupted and done again.
    #[command(
        verbatim_doc_comment,
        after_long_help = "Exit status:
  0  Done.
  2  Not done."
    )]
    Repair(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// The store's folder, or the persistence_location that it is in
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath, required_unless_present = "config")]
    dir: Option<PathBuf>,
    /// The store of the broker with this mosquitto.conf
    #[arg(short, long = "config-file", value_name = "CONF", conflicts_with = "dir")]
    config: Option<PathBuf>,
}

impl Which {
    fn dir(&self) -> Result<PathBuf, String> {
        match (&self.dir, &self.config) {
            (Some(dir), _) => Ok(place::meant(dir)),
            (None, Some(config)) => place::of_configuration(config),
            (None, None) => Ok(place::store_dir(None)),
        }
    }
}

pub(crate) fn import(args: &ImportArgs) -> ExitCode {
    let dir = match (&args.to, &args.config) {
        (Some(dir), _) => Ok(dir.clone()),
        (None, Some(config)) => place::of_configuration(config),
        (None, None) => Ok(place::store_dir(args.file.parent())),
    };
    let done = dir.and_then(|dir| import::import_file(&args.file, &dir, now_ms()).map_err(|why| why.to_string()));
    match done {
        Err(why) => refuse(&why),
        Ok(report) => {
            screen::line(&report);
            if report.report.damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) }
        }
    }
}

pub(crate) fn store(args: &StoreArgs) -> ExitCode {
    let (Command::Check(which) | Command::Dump(which) | Command::Repair(which)) = &args.command;
    let dir = match which.dir() {
        Ok(dir) => dir,
        Err(why) => return refuse(&why),
    };
    match &args.command {
        Command::Check(_) => looking::check(&dir),
        Command::Dump(_) => looking::dump_all(&dir),
        Command::Repair(_) => looking::repair(&dir),
    }
}

pub(crate) fn export(args: &ExportArgs) -> ExitCode {
    match args.store.dir().and_then(|dir| try_export(&dir, args.output.as_deref())) {
        Ok(damaged) if damaged => ExitCode::from(DAMAGED),
        Ok(_) => ExitCode::SUCCESS,
        Err(why) => refuse(&why),
    }
}

/// Whether something could not be read.
fn try_export(dir: &Path, output: Option<&Path>) -> Result<bool, String> {
    looking::begin(dir)?;
    let found = broker_store::inspect(dir, 0).map_err(|why| why.to_string())?;
    for damage in &found.damage {
        eprintln!("damaged, and left out: {damage}");
    }
    let to: Box<dyn Write> = match output {
        Some(path) => {
            let file = File::options().create_new(true).write(true).mode(0o600).open(path);
            Box::new(file.map_err(|why| format!("{}: {why}", path.display()))?)
        }
        None => Box::new(io::stdout()),
    };
    let mut progress = Progress::of("written");
    // Where nobody looks there is nothing to say: the lines themselves may go to a terminal.
    let watched = output.is_some();
    let written = export::write(found.recovered, &mut BufWriter::new(to), |count| {
        if watched {
            progress.at(count);
        }
    });
    match written {
        // Whoever read it has seen enough.
        Err(why) if why.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(why) => Err(format!("{}: {why}", output.unwrap_or(Path::new("standard output")).display())),
        Ok(()) => Ok(!found.damage.is_empty()),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
