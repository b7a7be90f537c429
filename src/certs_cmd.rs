//! `nightjar certs`: a certificate authority of one's own, in four commands.

use certs::issue::{self, Authority, KeyKind, Terms};
use certs::{CertError, host, summary};
use clap::{Args, Subcommand, ValueHint};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use crate::screen;

/// The exit status of every refusal, as mosquitto's programs have it.
const REFUSED: u8 = 3;

/// Make and show certificates
///
/// A certificate authority of one's own, for a broker and its clients: `ca` once, `server` for the broker, `client` for each
/// client that is to show a certificate. Files that exist are left alone without --force.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "Exit status:
  0  Done.
  3  Not done, or a file cannot be read; the message says why.

Examples:
  nightjar certs ca /etc/nightjar/certs
  nightjar certs server /etc/nightjar/certs --name broker.example.com
  nightjar certs client /etc/nightjar/certs gateway-7
  nightjar certs show /etc/nightjar/certs/server.crt"
)]
pub(crate) struct CertsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a CA: DIR/ca.crt, which is given to every router, and DIR/ca.key, which is given to nobody
    Ca {
        /// Where the files go; made if missing
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// The CA's name in its certificate [default: "Nightjar CA" and this host's name]
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Make DIR/server.crt and DIR/server.key, signed by the CA in DIR
    Server {
        /// Where the CA is and the files go
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// A host name or address that clients dial; repeat it for more [default: all of this host's]
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        how: How,
    },
    /// Make DIR/NAME.crt and DIR/NAME.key for a client, signed by the CA in DIR
    Client {
        /// Where the CA is and the files go
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// The client's name; with `use_identity_as_username` it is the user name
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Print what is in certificate files
    Show {
        /// PEM files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct How {
    /// Days of validity [default: 3650; for a server 825]
    #[arg(long)]
    days: Option<u32>,
    /// Make an RSA key of 2048 bits, for clients without elliptic curves
    #[arg(long)]
    rsa: bool,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

impl How {
    fn terms(&self, days: u32) -> Terms {
        let kind = if self.rsa { KeyKind::Rsa } else { KeyKind::EcdsaP256 };
        Terms { days: self.days.unwrap_or(days), kind, now: SystemTime::now() }
    }
}

/// Carries the command out; every refusal is one line on standard error and exit status 3.
pub(crate) fn main(args: CertsArgs) -> ExitCode {
    let done = match args.command {
        Command::Ca { dir, name, how } => ca(&dir, name, &how),
        Command::Server { dir, names, how } => server(&dir, names, &how),
        Command::Client { dir, name, how } => client(&dir, &name, &how),
        Command::Show { files } => return show(&files),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => refuse(&cause),
    }
}

fn ca(dir: &Path, name: Option<String>, how: &How) -> Result<(), CertError> {
    let name = name.unwrap_or_else(default_ca_name);
    let issued = issue::ca(&name, how.terms(issue::CA_DAYS))?;
    let (certfile, keyfile) = issue::write(dir, "ca", &issued, how.force)?;
    screen::line(format_args!("{}  for the router's CA Certificate, and for cafile", certfile.display()));
    screen::line(format_args!("{}  signs certificates: keep it off the network", keyfile.display()));
    Ok(())
}

fn server(dir: &Path, names: Vec<String>, how: &How) -> Result<(), CertError> {
    let authority = authority(dir)?;
    let names = if names.is_empty() { host::names() } else { names };
    let issued = issue::server(&authority, &names, how.terms(issue::SERVER_DAYS))?;
    let (certfile, keyfile) = issue::write(dir, "server", &issued, how.force)?;
    screen::line(format_args!("{}  for certfile; good for {}", certfile.display(), names.join(", ")));
    screen::line(format_args!("{}  for keyfile", keyfile.display()));
    Ok(())
}

fn client(dir: &Path, name: &str, how: &How) -> Result<(), CertError> {
    issue::check_client_name(name)?;
    let issued = issue::client(&authority(dir)?, name, how.terms(issue::CLIENT_DAYS))?;
    let (certfile, keyfile) = issue::write(dir, name, &issued, how.force)?;
    screen::line(format_args!("{}  the client's certificate", certfile.display()));
    screen::line(format_args!("{}  its key", keyfile.display()));
    Ok(())
}

/// Every file is shown that can be; one that cannot makes the exit status 3.
fn show(files: &[PathBuf]) -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    for file in files {
        match summary::summaries(file) {
            Ok(found) => found.iter().for_each(print_summary),
            Err(cause) => status = refuse(&cause),
        }
    }
    status
}

fn print_summary(summary: &summary::Summary) {
    let now = SystemTime::now();
    screen::line(format_args!("{summary}"));
    if summary.expired(now) {
        screen::line("  EXPIRED");
    } else if summary.not_yet_valid(now) {
        screen::line("  NOT VALID YET");
    } else {
        screen::line(format_args!("  days left    {}", summary.days_left(now)));
    }
}

/// The CA in a directory, with advice when there is none.
fn authority(dir: &Path) -> Result<Authority, CertError> {
    Authority::read(dir).map_err(|cause| match cause {
        CertError::Missing { path, nearest: None } => CertError::Refused(format!(
            "{} does not exist: make the CA first (nightjar certs ca {})",
            path.display(),
            dir.display()
        )),
        other => other,
    })
}

/// A name of its own for each host's CA, so that a router's error names the right one.
fn default_ca_name() -> String {
    let name = host::hostname().map_or_else(|| "Nightjar CA".to_owned(), |host| format!("Nightjar CA {host}"));
    name.chars().take(issue::COMMON_NAME_BYTES_MAX).collect()
}

fn refuse(cause: &CertError) -> ExitCode {
    eprintln!("Error: {cause}");
    ExitCode::from(REFUSED)
}
