//! `nightjar check`: every error of a configuration at once, and the traps that are not errors. Nothing is started
//! and nothing is changed.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use broker_conf::{Listener, Overrides, Settings};
use certs::{Finding, Severity};
use clap::Args;

use crate::config_files::OnDisk;
use crate::gateway::within;
use crate::{privileges, screen, setup, toml};

/// Say everything that is wrong with a configuration, and what is unwise
///
/// A start stops at the first fault, as mosquitto's does; this goes on. The files that are named are looked at, too:
/// whether they can be read, whether certificates and keys belong together and are in date, whether a file with secrets
/// can be read by others. Nothing is started and nothing is changed.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "Exit status:
  0  It can be started; there may be warnings.
  3  It cannot.

Examples:
  nightjar check -c /etc/mosquitto/mosquitto.conf"
)]
pub(crate) struct CheckArgs {
    /// mosquitto.conf
    #[arg(short, long = "config-file", value_name = "FILE")]
    config: PathBuf,
    /// What mosquitto.conf has no words for [default: nightjar.toml beside FILE, if it is there]
    #[arg(long, value_name = "FILE")]
    toml: Option<PathBuf>,
}

/// What was found; each message once.
#[derive(Default)]
struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    fn error(&mut self, message: &str) {
        let message = message.strip_prefix("Error: ").unwrap_or(message).to_owned();
        if !self.errors.contains(&message) {
            self.errors.push(message);
        }
    }

    fn warning(&mut self, message: String) {
        if !self.warnings.contains(&message) {
            self.warnings.push(message);
        }
    }

    /// An error stops one listener, and is told with `of` it; what is unwise about a file is so wherever it is named.
    fn take(&mut self, findings: Vec<Finding>, of: &str) {
        for finding in findings {
            match finding.severity {
                Severity::Error => self.error(&format!("{}{of}", finding.message)),
                Severity::Warning => self.warning(finding.message),
            }
        }
    }
}

pub(crate) fn main(args: &CheckArgs) -> ExitCode {
    let mut findings = Findings::default();
    let (settings, errors) = broker_conf::check(Some(&args.config), &mut OnDisk, &Overrides::default());
    for error in &errors {
        findings.error(&error.one_line());
    }
    check_settings(&settings, errors.is_empty(), &mut findings);
    let beside = args.config.with_file_name("nightjar.toml");
    let toml = args.toml.clone().or_else(|| beside.exists().then_some(beside));
    check_toml(toml.as_deref(), &mut findings);
    print(&findings, &args.config);
    if findings.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(crate::run::BAD_CONFIGURATION) }
}

fn print(findings: &Findings, config: &Path) {
    for (kind, messages) in [("error", &findings.errors), ("warning", &findings.warnings)] {
        for message in messages {
            screen::line(format_args!("{kind}: {}", message.replace('\n', "\n    ")));
        }
    }
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    match (findings.errors.len(), findings.warnings.len()) {
        (0, 0) => {
            screen::line(format_args!(
                "No errors, nothing unwise. Start it with: nightjar run -c {}",
                config.display()
            ));
        }
        (0, warnings) => screen::line(format_args!("No errors, {}: it can be started.", count(warnings, "warning"))),
        (errors, warnings) => screen::line(format_args!("{}, {}.", count(errors, "error"), count(warnings, "warning"))),
    }
}

/// What the settings say and what is in the files that they name. The settings are `whole` if every line was good;
/// otherwise a default may stand where something else was meant, and what follows from options alone is not told.
fn check_settings(settings: &Settings, whole: bool, findings: &mut Findings) {
    for warning in settings.warnings.iter().filter(|warning| whole || warning.at.is_some()) {
        findings.warning(warning.to_string());
    }
    if whole && settings.local_only {
        findings.warning("there is no listener: only clients on this machine can connect".to_owned());
    }
    let now = SystemTime::now();
    for listener in &settings.listeners {
        if whole {
            check_openness(listener, findings);
        }
        check_secrets(listener, now, findings);
    }
    for listener in &settings.http_listeners {
        check_secrets(listener, now, findings);
    }
    check_process(settings, findings);
    let mut warnings = Vec::new();
    if let Err(errors) = setup::appliance(settings, &mut warnings) {
        for error in errors {
            // What was found out about certificates stands there already, with more of them.
            let told = error.0.strip_prefix("Error: ").unwrap_or(&error.0);
            if !findings.errors.iter().any(|message| message.contains(told) || told.contains(message.as_str())) {
                findings.error(&error.0);
            }
        }
    }
    for warning in warnings {
        findings.warning(warning);
    }
}

/// What is not the broker's but the process's: whom it becomes, and the files that it writes.
fn check_process(settings: &Settings, findings: &mut Findings) {
    if let Err(message) = privileges::check(settings.user.as_ref()) {
        findings.error(&message);
    }
    for (option, file) in [("log_dest file", &settings.log.to_file), ("pid_file", &settings.pid_file)] {
        if let Some(file) = file
            && let Err(cause) = could_be_written(&file.value)
        {
            findings.error(&format!("{option} {}: {cause} ({})", file.value.display(), file.at));
        }
    }
}

/// Tried as far as it goes without changing anything.
fn could_be_written(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().append(true).open(path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            std::fs::read_dir(folder).map(drop)
        }
        other => other.map(drop),
    }
}

fn check_openness(listener: &Listener, findings: &mut Findings) {
    let door = match &listener.unix {
        Some(path) => format!("unix socket {}", path.display()),
        None => format!("port {}", listener.port),
    };
    let is_open_to_network =
        listener.unix.is_none() && listener.address.as_deref().is_none_or(|host| !is_loopback(host));
    if listener.allow_anonymous && is_open_to_network {
        findings.warning(format!(
            "{door}: anyone who can reach it may connect (allow_anonymous true): set allow_anonymous false and give \
             a password_file, or listen on 127.0.0.1 alone"
        ));
    }
    if !listener.allow_anonymous && listener.password_file.is_none() && listener.username_from.is_none() {
        findings.warning(format!("{door}: nobody can connect: allow_anonymous is false and there is no password_file"));
    }
    if listener.password_file.is_some()
        && listener.certificates.is_none()
        && listener.psk.is_none()
        && is_open_to_network
    {
        findings.warning(format!(
            "{door}: passwords and messages travel unencrypted: give it a psk_file or a certificate, or keep it \
             within a network that you trust"
        ));
    }
}

fn check_secrets(listener: &Listener, now: SystemTime, findings: &mut Findings) {
    let secrets = [
        ("password_file", listener.password_file.as_ref()),
        ("psk_file", listener.psk.as_ref().and_then(|psk| psk.file.as_ref())),
    ];
    for (option, file) in secrets {
        if let Some(file) = file
            && is_readable_by_all(&file.value)
        {
            findings.warning(format!(
                "{option} {0}: every user of this machine can read it: chmod 600 {0}",
                file.value.display()
            ));
        }
    }
    if let Some(files) = setup::server_files(listener) {
        findings.take(certs::inspect_server(&files, now), &setup::of_listener(listener));
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_readable_by_all(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

fn check_toml(path: Option<&Path>, findings: &mut Findings) {
    match toml::read(path) {
        Err(error) => findings.error(&error.to_string()),
        Ok(extras) => {
            if let Some(gateway) = &extras.gateway
                && let Err(error) = within::plan(gateway, path)
            {
                findings.error(&error.to_string());
            }
            let cores = setup::cores();
            if let Some(threads) = extras.broker.threads.filter(|threads| *threads > cores) {
                findings.warning(format!(
                    "threads (nightjar.toml) is {threads}, and there {} {cores} core{}: I/O threads need a core each beside \
                     the broker's own; leave the option out, and the number follows the machine",
                    if cores == 1 { "is" } else { "are" },
                    if cores == 1 { "" } else { "s" },
                ));
            }
        }
    }
}
