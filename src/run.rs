//! `nightjar run`: the configuration is read whole, the parts are started and joined, signals are awaited. What is read
//! again while it runs is in `reload.rs`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use broker::Handle;
use broker_conf::{Overrides, Settings};
use gateway_core::scan::RadioPlan;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::config_files::OnDisk;
use crate::gateway::radio_process::RadioProcess;
use crate::gateway::within::{self, Gateway, Planned};
use crate::logging::Log;
use crate::moving::{import, place};
use crate::setup::Status;
use crate::systemd::Notify;
use crate::watch::{CERTIFICATES_LOOK, Watch};
use crate::{called, capabilities, privileges, screen, setup, toml};

/// Exit status of a bad configuration, as mosquitto's.
pub(crate) const BAD_CONFIGURATION: u8 = 3;

/// What the command line asked for.
pub(crate) struct Wish {
    pub config: Option<PathBuf>,
    pub toml: Option<PathBuf>,
    pub overrides: Overrides,
    pub only_test: bool,
    pub in_background: bool,
}

pub(crate) fn main(wish: &Wish) -> ExitCode {
    match start(wish) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(running)) => running.until_told_to_stop(),
        Err(status) => ExitCode::from(status),
    }
}

/// An appliance that runs.
pub(crate) struct Running {
    pub(crate) wish_config: Option<PathBuf>,
    /// Those that count.
    pub(crate) settings: Settings,
    /// The listeners by their numbers in the broker; `None` for a number that is free.
    pub(crate) slots: setup::Slots,
    /// The certificates that count.
    pub(crate) certificates: Watch,
    pub(crate) overrides: Overrides,
    /// Those of `nightjar.toml`, which is read at the start alone.
    pub(crate) extras: toml::BrokerExtras,
    pub handle: Handle,
    /// Its end ends the wait for signals.
    broker: JoinHandle<std::thread::Result<std::io::Result<()>>>,
    /// Whether a second signal ends everything at once.
    is_stopping: Arc<AtomicBool>,
    gateway: Option<Gateway>,
    pub(crate) log: Log,
    pub(crate) notify: Notify,
    pid_file: Option<PathBuf>,
    /// Taken by the loop that waits for them.
    signals: Option<Signals>,
}

/// Starts what the files ask for. `None`: it was only to be checked. `Err`: the exit status; what is wrong was said.
pub(crate) fn start(wish: &Wish) -> Result<Option<Running>, u8> {
    let settings = read(wish).map_err(|error| {
        eprintln!("{error}");
        error.exit_status()
    })?;
    if wish.only_test && wish.config.is_none() {
        eprintln!("Please provide a configuration file to test.");
        return Err(BAD_CONFIGURATION);
    }
    privileges::set_umask().map_err(|message| {
        eprintln!("{message}");
        BAD_CONFIGURATION
    })?;
    let extras = toml::read(wish.toml.as_deref()).map_err(|error| {
        eprintln!("Error: {error}");
        BAD_CONFIGURATION
    })?;
    let log = start_log(&settings).map_err(|message| {
        eprintln!("{message}");
        Status::Refused as u8
    })?;
    say_included(&settings);
    for warning in &settings.warnings {
        tracing::warn!(target: "warning", "{warning}");
    }
    let say = |message: &dyn std::fmt::Display| {
        // To the log, and to the person who sits there if the log goes elsewhere.
        for line in message.to_string().lines() {
            tracing::error!(target: "error", "{line}");
            if !settings.log.to_stderr {
                eprintln!("{line}");
            }
        }
    };
    let certificates = Watch::of(settings.listeners.iter().chain(&settings.http_listeners));
    let mut warnings = Vec::new();
    let appliance = setup::appliance(&settings, &mut warnings);
    warn(&warnings);
    let mut appliance = appliance.map_err(|errors| {
        for error in &errors {
            say(error);
        }
        errors.first().map_or(BAD_CONFIGURATION, |first| first.1 as u8)
    })?;
    extras.broker.apply(&mut appliance.settings);
    if let Some(micros) = extras.broker.gather_us {
        appliance.gather = Duration::from_micros(micros);
    }
    let cores = setup::cores();
    appliance.io_threads = extras.broker.io_threads(cores);
    let mut warnings = Vec::new();
    appliance.keeping = setup::keeping(&settings, extras.broker.durability, &mut warnings);
    warn(&warnings);
    let notify = Notify::from_environment();
    appliance.heartbeat = notify.watchdog();
    let store_dir = appliance.keeping.as_ref().map(|keeping| keeping.dir.clone());
    privileges::check(settings.user.as_ref()).map_err(|message| {
        say(&message);
        BAD_CONFIGURATION
    })?;
    let plan = extras.gateway.as_ref().map(|gateway| within::plan(gateway, wish.toml.as_deref()));
    let plan = plan.transpose().map_err(|error| {
        say(&error);
        BAD_CONFIGURATION
    })?;
    if wish.only_test {
        screen::line("Configuration file is OK.");
        return Ok(None);
    }
    if wish.in_background {
        // Before any thread is started: a fork takes only its own along.
        nix::unistd::daemon(true, settings.log.to_stderr || settings.log.to_stdout).map_err(|error| {
            say(&format!("Error: cannot go into the background: {error}."));
            1
        })?;
    }
    // Blocked signals are taken by the iterator from here on: one that comes during the start is not lost.
    let signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, log_rotated()]).map_err(|error| {
        say(&format!("Error: cannot wait for signals: {error}."));
        1
    })?;
    privileges::raise_open_files();
    tracing::info!(target: "information", "{} starting", called::name_and_version());
    if called::is_mosquitto() {
        tracing::info!(target: "information", "This is nightjar {}, which stands in for mosquitto {}.",
            env!("CARGO_PKG_VERSION"), called::STANDS_IN_FOR);
    }
    match &wish.config {
        Some(path) => tracing::info!(target: "information", "Config loaded from {}.", path.display()),
        None => tracing::info!(target: "information", "Using default config."),
    }
    if settings.local_only {
        tracing::info!(target: "information",
            "Starting in local only mode. Connections will only be possible from clients running on this machine.");
        tracing::info!(target: "information",
            "Create a configuration file which defines a listener to allow remote access: nightjar init --help");
    }
    let pid_file = settings.pid_file.as_ref().map(|file| file.value.clone());
    if let Some(file) = &settings.pid_file {
        write_pid(&file.value).map_err(|error| {
            say(&format!("Error: Unable to write pid file.\n{}: {error} ({}).", file.value.display(), file.at));
            Status::Refused as u8
        })?;
    }
    for listener in &appliance.listeners {
        for address in &listener.addresses {
            let kind = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            tracing::info!(target: "information", "Opening {kind} listen socket on port {}.", address.port());
        }
        if let Some(path) = &listener.unix {
            tracing::info!(target: "information", "Opening unix listen socket on path {}.", path.display());
        }
    }
    let unix: Vec<PathBuf> = appliance.listeners.iter().filter_map(|listener| listener.unix.clone()).collect();
    say_threads(appliance.io_threads, cores, extras.broker.threads.is_some());
    if let Some(dir) = &store_dir {
        move_in(&settings, dir);
    }
    // Before any thread is started and while it can still be given what it needs. A bad radio is no reason not to start.
    let user = settings.user.as_ref().map(|user| user.value.as_str());
    let radio = plan.as_ref().and_then(Planned::radio).and_then(|plan| start_radio(plan, user));
    let (handle, broker) = appliance.start_when_bound(capabilities::give_up).map_err(|error| {
        say(&error);
        1
    })?;
    log.publish_by(handle.clone());
    let (broker, is_stopping) = watch(broker, &signals).map_err(|error| {
        say(&format!("Error: unable to start: {error}."));
        1
    })?;
    // Recordings and keys were opened as root may; from here on nobody needs to be root.
    let gateway = plan.map(|plan| plan.start(&handle, radio)).transpose().map_err(|error| {
        say(&error);
        1
    })?;
    let hand_over = |user: &nix::unistd::User| {
        if let Some(file) = log.file() {
            file.give_to(user.uid.as_raw(), user.gid.as_raw());
        }
        for path in &unix {
            // mosquitto makes it as that user, whose group may connect.
            if let Err(error) = privileges::give_socket(path, user) {
                tracing::warn!(target: "warning", "Warning: cannot give the unix socket {} to the user '{}': {error}. Only root \
                    can connect to it.", path.display(), user.name);
            }
        }
        if let Some(dir) = &store_dir
            && let Err(error) = privileges::give_folder(dir, user)
        {
            tracing::warn!(target: "warning", "Warning: cannot give the store {} to the user '{}': {error}. Nothing can be \
                written there without root.", dir.display(), user.name);
        }
    };
    privileges::give_away(user, hand_over).map_err(|message| {
        say(&message);
        1
    })?;
    tracing::info!(target: "information", "{} running", called::name_and_version());
    notify.ready("Running");
    Ok(Some(Running {
        wish_config: wish.config.clone(),
        slots: settings.listeners.iter().cloned().map(Some).collect(),
        certificates,
        settings,
        overrides: wish.overrides.clone(),
        extras: extras.broker,
        handle,
        broker,
        is_stopping,
        gateway,
        log,
        notify,
        pid_file,
        signals: Some(signals),
    }))
}

/// The process that has the radio, and alone keeps what that takes.
fn start_radio(plan: &RadioPlan, user: Option<&str>) -> Option<RadioProcess> {
    let radio = privileges::to_become(user).and_then(|other| {
        RadioProcess::start(plan, other)
            .map_err(|error| format!("Error: the radio process cannot be started: {error}."))
    });
    radio.inspect_err(|message| tracing::error!(target: "error", "{message}")).ok()
}

/// Which of the two ways of running was chosen, and by whom.
fn say_threads(threads: usize, cores: usize, is_asked_for: bool) {
    let why = if is_asked_for { "as 'threads' says".to_owned() } else { format!("for {cores} cores") };
    let who = match threads {
        0 => "One thread reads, decides and writes".to_owned(),
        1 => "One I/O thread reads and writes beside the broker's own".to_owned(),
        _ => format!("{threads} I/O threads read and write beside the broker's own"),
    };
    tracing::info!(target: "information", "{who} ({why}).");
}

/// At the first start with a store, mosquitto's own file comes over. One that cannot be used is no reason not to start.
fn move_in(settings: &Settings, store_dir: &Path) {
    let location = place::location(settings).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    match import::first_start(&location, &settings.persistence.file, store_dir, now) {
        Ok(None) => {}
        Ok(Some(report)) => {
            for line in report.to_string().lines() {
                tracing::info!(target: "notice", "{line}");
            }
        }
        Err(error) => {
            tracing::error!(target: "error", "Error: what mosquitto kept does not come over: {error}. The store begins empty; \
                see 'nightjar import --help'.");
        }
    }
}

/// The files of `include_dir`, in mosquitto's words and in the order in which they were read.
pub(crate) fn say_included(settings: &Settings) {
    for file in settings.files.iter().skip(1) {
        tracing::info!(target: "information", "Loading config file {}", file.display());
    }
}

/// In mosquitto's words, for scripts.
fn say_saving(settings: &Settings) {
    let dir = place::store_dir(place::location(settings).as_deref());
    tracing::info!(target: "information", "Saving in-memory database to {}.", dir.display());
}

/// A broker that ends by itself must not leave a process that waits for signals; and who sends a second
/// signal does not want to wait for the last client.
#[allow(clippy::type_complexity)] // what a thread gives back, of a thread
fn watch(
    broker: JoinHandle<std::io::Result<()>>,
    signals: &Signals,
) -> std::io::Result<(JoinHandle<std::thread::Result<std::io::Result<()>>>, Arc<AtomicBool>)> {
    let is_stopping = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&is_stopping))?;
    }
    let waiting = signals.handle();
    let watcher = std::thread::Builder::new().name("watcher".to_owned()).spawn(move || {
        let ended = broker.join();
        waiting.close();
        ended
    })?;
    Ok((watcher, is_stopping))
}

pub(crate) fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!(target: "warning", "Warning: {warning}");
    }
}

fn read(wish: &Wish) -> Result<Settings, broker_conf::ConfigError> {
    broker_conf::parse(wish.config.as_deref(), &mut OnDisk, &wish.overrides)
}

fn start_log(settings: &Settings) -> Result<Log, String> {
    Log::start(&settings.log, &called::name()).map_err(|error| cannot_log(settings, &error))
}

/// What the log's file cannot be opened for.
pub(crate) fn cannot_log(settings: &Settings, error: &std::io::Error) -> String {
    let file = settings.log.to_file.as_ref();
    let (path, at) = file.map_or_else(Default::default, |file| (file.value.display().to_string(), file.at.to_string()));
    format!("Error: Unable to open log file {path} for writing.\n{error} ({at}).")
}

/// `SIGRTMIN`, which asks to open the log's file again. The C library keeps the first of these signals to itself.
fn log_rotated() -> i32 {
    nix::libc::SIGRTMIN()
}

fn write_pid(path: &std::path::Path) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    write!(file, "{}", std::process::id())
}

impl Running {
    /// Waits for signals: HUP reads files again, INT and TERM stop.
    pub(crate) fn until_told_to_stop(mut self) -> ExitCode {
        let Some(mut signals) = self.signals.take() else { return self.stop() };
        let (came, arrived) = mpsc::channel();
        let forwarded = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            // It ends when the broker does, which closes the signals.
            signals.forever().try_for_each(|signal| came.send(signal))
        });
        if let Err(error) = forwarded {
            tracing::error!(target: "error", "Error: cannot wait for signals: {error}.");
            return self.stop();
        }
        loop {
            let signal = match arrived.recv_timeout(CERTIFICATES_LOOK) {
                Ok(signal) => signal,
                Err(RecvTimeoutError::Timeout) => {
                    self.look_at_certificates();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            match signal {
                SIGHUP => self.reload(),
                SIGUSR1 => self.save(),
                SIGUSR2 => self.describe(),
                signal if signal == log_rotated() => self.reopen_log(),
                _ => break,
            }
        }
        self.stop()
    }

    /// The trees of subscriptions and retained messages, to standard output as mosquitto does.
    fn describe(&self) {
        if let Some(trees) = self.handle.describe() {
            screen::text(&trees);
        }
    }

    /// The log's file was rotated away.
    pub(crate) fn reopen_log(&self) {
        if let Some(Err(error)) = self.log.file().map(|file| file.reopen()) {
            tracing::error!(target: "error", "Error: cannot open the log file again: {error}; the old one goes on.");
        }
    }

    /// mosquitto saves then; what we promise is saved already, and the rest is now.
    fn save(&self) {
        if self.settings.persistence.is_on {
            say_saving(&self.settings);
            self.handle.save();
        } else {
            tracing::info!(target: "information", "There is nothing to save: persistence is off.");
        }
    }

    fn stop(mut self) -> ExitCode {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.notify.stopping();
        // The gateway first: what it holds can still be handed over.
        if let Some(gateway) = self.gateway.take() {
            gateway.stop();
        }
        self.handle.stop();
        let ended = self.broker.join().and_then(|ended| ended);
        tracing::info!(target: "information", "{} terminating", called::name_and_version());
        if self.settings.persistence.is_on {
            say_saving(&self.settings); // what was not saved before was when the broker's thread ended
        }
        if let Some(path) = &self.pid_file {
            let _ = std::fs::remove_file(path); // another user may own its folder by now
        }
        match ended {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(error)) => {
                tracing::error!(target: "error", "Error: the broker stopped: {error}.");
                ExitCode::FAILURE
            }
            Err(_) => ExitCode::FAILURE,
        }
    }
}
