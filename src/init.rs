//! `nightjar init`: the guide's files for one of its four scenarios, with fresh secrets, and the values to type into
//! the router's form. Nothing is started here, and nothing that is there is overwritten.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::UdpSocket;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use acl::{HashAlgorithm, PasswordHash};
use clap::{Args, ValueEnum, ValueHint};

use crate::{privileges, screen};

/// The guide's four scenarios (chapter 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// No encryption, no password: for a closed network or a first try.
    Open,
    /// User name and password, no encryption.
    Password,
    /// Pre-shared key, and user name and password.
    Psk,
    /// Server certificate, and user name and password.
    Certificate,
}

/// Make the files of one of the guide's four scenarios, with fresh secrets
///
/// The guide is Cassia's, for its routers. What is made: mosquitto.conf, and what it names: a password file, an ACL file, a
/// file of pre-shared keys or certificates. What to type into the router's form, and how to subscribe, is printed.
/// Nothing that exists is overwritten. Made by root, the files are given to the user that the broker becomes.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "Exit status:
  0  The files are there.
  1  They were not made; the message says why.
  2  The command line is wrong.

Examples:
  nightjar init password /etc/nightjar
  nightjar init certificate --name broker.example.com --port 8883 /etc/nightjar"
)]
pub(crate) struct InitArgs {
    /// Which of the guide's scenarios.
    scenario: Scenario,
    /// Where the files go; made if it is not there.
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// The port that routers connect to.
    #[arg(long, default_value_t = 1883, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The user of routers and subscribers.
    #[arg(long, default_value = "cassiamqtt")]
    user: String,
    /// The topic of the scan data.
    #[arg(long, default_value = "cassia")]
    topic: String,
    /// A name or address by which routers reach this machine, for the certificate; may be given again.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
}

/// What was made; what a person needs to know of it.
pub(crate) struct Made {
    pub config: PathBuf,
    pub user: Option<String>,
    pub password: Option<String>,
    pub files: Vec<PathBuf>,
    psk: Option<(String, String)>,
    ca: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    #[error("{0} is there already: choose another folder, or move the old files away")]
    Exists(PathBuf),
    #[error("cannot write {path}: {cause}")]
    Write { path: PathBuf, cause: io::Error },
    #[error("{0}")]
    Secrets(String),
    #[error("the {what} '{value}' may not hold {not}")]
    Value { what: &'static str, value: String, not: &'static str },
}

pub(crate) fn main(args: &InitArgs) -> ExitCode {
    match make(args.scenario, &args.dir, &Wishes::of(args)) {
        Ok(made) => {
            screen::text(&report(&made, args));
            screen::text(&owners(&made));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("nightjar init: {error}");
            ExitCode::from(1)
        }
    }
}

/// What the person may choose.
pub(crate) struct Wishes {
    pub port: u16,
    /// Listen on this address alone.
    pub address: Option<String>,
    pub user: String,
    pub topic: String,
    pub names: Vec<String>,
}

impl Wishes {
    fn of(args: &InitArgs) -> Self {
        Self {
            port: args.port,
            address: None,
            user: args.user.clone(),
            topic: args.topic.clone(),
            names: args.names.clone(),
        }
    }
}

/// Writes the scenario's files into `dir`.
pub(crate) fn make(scenario: Scenario, dir: &Path, wishes: &Wishes) -> Result<Made, InitError> {
    check_wishes(wishes)?;
    let shown = if dir.is_absolute() { dir.to_owned() } else { std::path::absolute(dir).unwrap_or(dir.to_owned()) };
    let config = shown.join("mosquitto.conf");
    // Nothing is written where it could not be finished: half a set-up would be in the way of the next try.
    if let Some(there) = file_names(scenario).iter().map(|name| shown.join(name)).find(|path| path.exists()) {
        return Err(InitError::Exists(there));
    }
    let certificates = (scenario == Scenario::Certificate).then(|| issued(wishes)).transpose()?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(|cause| write_error(dir, cause))?;
    let mut made = Made { config: config.clone(), user: None, password: None, files: Vec::new(), psk: None, ca: None };
    let mut text = String::new();
    let _ = writeln!(text, "# {}, made by `nightjar init`. The options are mosquitto's.", title(scenario));
    match &wishes.address {
        Some(address) => {
            let _ = writeln!(text, "listener {} {address}", wishes.port);
        }
        None => {
            let _ = writeln!(text, "listener {}", wishes.port);
        }
    }
    text.push_str("max_connections -1\n");
    if scenario == Scenario::Open {
        text.push_str("# Anyone who reaches the port may publish and subscribe.\nallow_anonymous true\n");
    } else {
        text.push_str("allow_anonymous false\n");
        let password = secret(12)?;
        let (pwfile, acl) = (shown.join("pwfile"), shown.join("acl"));
        write_secret(&mut made, &pwfile, &format!("{}:{}\n", wishes.user, hash(&password)?))?;
        write_secret(&mut made, &acl, &acl_text(wishes))?;
        let _ = writeln!(text, "password_file {}", pwfile.display());
        let _ = writeln!(text, "acl_file {}", acl.display());
        made.user = Some(wishes.user.clone());
        made.password = Some(password);
    }
    match (scenario, certificates) {
        (Scenario::Psk, _) => {
            let (identity, key) = ("cassiapsk".to_owned(), hex(&random::<16>()?));
            let pskfile = shown.join("pskfile");
            write_secret(&mut made, &pskfile, &format!("{identity}:{key}\n"))?;
            let _ = writeln!(text, "psk_hint nightjar\npsk_file {}", pskfile.display());
            made.psk = Some((identity, key));
        }
        (_, Some(certificates)) => {
            let certs = shown.join("certs");
            write_certificates(&certs, &certificates, &mut made)?;
            for (option, file) in [("cafile", "ca.crt"), ("certfile", "server.crt"), ("keyfile", "server.key")] {
                let _ = writeln!(text, "{option} {}", certs.join(file).display());
            }
            made.ca = Some(certs.join("ca.crt"));
        }
        (_, None) => {}
    }
    let data = shown.join("data");
    make_data(&data).map_err(|cause| write_error(&data, cause))?;
    let _ = writeln!(
        text,
        "# What was acknowledged is kept here.\npersistence true\npersistence_location {}/",
        data.display()
    );
    // Last, so that a set-up that could not be finished is not taken for one.
    write(&mut made, &config, &text, 0o644)?;
    Ok(made)
}

/// The folder of what outlives the process, for the user that the broker becomes.
fn make_data(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    privileges::hand_over(&[dir.to_owned()])?;
    Ok(())
}

const fn title(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Open => "No encryption, no password",
        Scenario::Password => "User name and password, no encryption",
        Scenario::Psk => "Pre-shared key, user name and password",
        Scenario::Certificate => "Server certificate, user name and password",
    }
}

fn check_wishes(wishes: &Wishes) -> Result<(), InitError> {
    let value = |what, value: &str, not| Err(InitError::Value { what, value: value.to_owned(), not });
    if wishes.user.is_empty() || wishes.user.contains([':', '\n', '\r', '\0']) {
        return value("user name", &wishes.user, "a colon or a line end, nor be empty");
    }
    if wishes.user.starts_with(['#', ' ']) || wishes.user.ends_with(' ') {
        return value("user name", &wishes.user, "a # or a blank at its beginning, nor a blank at its end");
    }
    if wishes.topic.starts_with(' ') {
        return value("topic", &wishes.topic, "a blank at its beginning");
    }
    if wishes.topic.is_empty() || wishes.topic.contains(['+', '#', '\n', '\r', '\0']) {
        return value("topic", &wishes.topic, "a wildcard or a line end, nor be empty");
    }
    Ok(())
}

fn acl_text(wishes: &Wishes) -> String {
    format!(
        "# One user publishes and subscribes here, as in the guide. Better: a user for the routers (topic write) and \
         one for\n# the subscribers (topic read), each with `nightjar passwd`.\n\
         user {user}\ntopic readwrite {topic}/#\n",
        user = wishes.user,
        topic = wishes.topic
    )
}

/// What a scenario consists of; `mosquitto.conf`, which is written last, comes first to be named first.
const fn file_names(scenario: Scenario) -> &'static [&'static str] {
    match scenario {
        Scenario::Open => &["mosquitto.conf"],
        Scenario::Password => &["mosquitto.conf", "pwfile", "acl"],
        Scenario::Psk => &["mosquitto.conf", "pwfile", "acl", "pskfile"],
        Scenario::Certificate => {
            &["mosquitto.conf", "pwfile", "acl", "certs/ca.crt", "certs/ca.key", "certs/server.crt", "certs/server.key"]
        }
    }
}

/// A CA and the server's certificate that it signed.
fn issued(wishes: &Wishes) -> Result<[certs::issue::Issued; 2], InitError> {
    use certs::issue::{self, Authority, Terms};
    let secrets = |error: certs::CertError| InitError::Secrets(error.to_string());
    let names = if wishes.names.is_empty() { certs::host::names() } else { wishes.names.clone() };
    let authority = issue::ca("Nightjar CA", Terms::days(issue::CA_DAYS)).map_err(secrets)?;
    let signer = Authority::from_issued(&authority).map_err(secrets)?;
    let server = issue::server(&signer, &names, Terms::days(issue::SERVER_DAYS)).map_err(secrets)?;
    Ok([authority, server])
}

fn write_certificates(dir: &Path, issued: &[certs::issue::Issued; 2], made: &mut Made) -> Result<(), InitError> {
    let [authority, server] = issued;
    fs::create_dir_all(dir).map_err(|cause| write_error(dir, cause))?;
    write(made, &dir.join("ca.crt"), &authority.certificate, 0o644)?;
    write_secret(made, &dir.join("ca.key"), &authority.key)?;
    write(made, &dir.join("server.crt"), &server.certificate, 0o644)?;
    write_secret(made, &dir.join("server.key"), &server.key)
}

/// What to type into the router's form (figures 5 to 7 of the guide), and what to do next.
fn report(made: &Made, args: &InitArgs) -> String {
    let mut text = String::new();
    let host = own_address().unwrap_or_else(|| "<the address of this machine>".to_owned());
    let _ = writeln!(text, "{}. Made:", title(args.scenario));
    for file in &made.files {
        let _ = writeln!(text, "  {}", file.display());
    }
    let _ = writeln!(text, "\nIn the router's form (Services, or the AC's Routers tab):");
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<28} {value}");
    };
    row("Service Access", "MQTT");
    row("Host", &host);
    row("Port", &args.port.to_string());
    row("Connection Type", "Long");
    row("User Name", made.user.as_deref().unwrap_or("(leave empty)"));
    row("Password", made.password.as_deref().unwrap_or("(leave empty)"));
    row("Topic of Scan", &args.topic);
    row("QoS of Scan", "At least once (1)");
    match (&made.psk, &made.ca) {
        (Some((identity, key)), _) => {
            row("Encryption Mode", "PSK");
            row("PSK", key);
            row("PSK Identity", identity);
        }
        (None, Some(ca)) => {
            row("Encryption Mode", "Certificate");
            row("CA Certificate", &format!("(the text of {})", ca.display()));
            row("Require Client Certificate", "No");
        }
        (None, None) => row("Encryption Mode", "None"),
    }
    let config = pasted(&made.config.display().to_string());
    let _ = writeln!(text, "\nCheck it:   nightjar check -c {config}\nStart it:   nightjar run -c {config}");
    let mut subscribe = format!("mosquitto_sub -h {host} -p {} -t {}", args.port, pasted(&args.topic));
    if let (Some(user), Some(password)) = (&made.user, &made.password) {
        let _ = write!(subscribe, " -u {} -P {password}", pasted(user));
    }
    if let Some((identity, key)) = &made.psk {
        let _ = write!(subscribe, " --psk {key} --psk-identity {identity}");
    }
    if let Some(ca) = &made.ca {
        let _ = write!(subscribe, " --cafile {}", pasted(&ca.display().to_string()));
    }
    let _ = writeln!(text, "Subscribe:  {subscribe}");
    text
}

/// A word of a line that is pasted into a shell: quoted if the shell would take it for something else.
fn pasted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+:@%,".contains(letter);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Whose the files are, where that matters: at SIGHUP they are read again, by the user that root became.
fn owners(made: &Made) -> String {
    match privileges::hand_over(&made.files) {
        Ok(Some(user)) => {
            format!("\nThe files belong to the user {user}, whom the broker becomes when root starts it.\n")
        }
        Ok(None) if privileges::would_lose_roots_files() => {
            "\nStarted as root, the broker becomes the user nobody, who \
            cannot read these files again at SIGHUP: make a user mosquitto and give them to it, or add 'user root'.\n"
                .to_owned()
        }
        Ok(None) => String::new(),
        Err(error) => format!("\nThe files stay root's: {error}. Give them to the user of the broker (chown).\n"),
    }
}

/// The address by which this machine reaches others; nothing is sent.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // An address of the documentation range: connecting a UDP socket only chooses a route.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then(|| address.to_string())
}

fn random<const N: usize>() -> Result<[u8; N], InitError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| InitError::Secrets(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

/// A password that can be typed: without letters that look alike.
pub(crate) fn secret(length: usize) -> Result<String, InitError> {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
    let bytes = random::<64>()?;
    Ok(bytes[..length.min(64)].iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

fn hash(password: &str) -> Result<String, InitError> {
    let salt = random::<16>()?;
    PasswordHash::create(HashAlgorithm::Argon2id, None, password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| InitError::Secrets(error.to_string()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn write_secret(made: &mut Made, path: &Path, text: &str) -> Result<(), InitError> {
    write(made, path, text, 0o600)
}

fn write(made: &mut Made, path: &Path, text: &str, mode: u32) -> Result<(), InitError> {
    let result = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    match result {
        Ok(()) => {
            made.files.push(path.to_owned());
            Ok(())
        }
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Err(InitError::Exists(path.to_owned())),
        Err(cause) => Err(write_error(path, cause)),
    }
}

fn write_error(path: &Path, cause: io::Error) -> InitError {
    InitError::Write { path: path.to_owned(), cause }
}
