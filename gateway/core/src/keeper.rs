//! How one adapter is kept scanning: the steps of the [watchdog](crate::watchdog), as commands to the kernel or the controller.
//!
//! A [`Keeper`] is told what the kernel says of its adapter and answers with [`Order`]s; it has one command under way at a
//! time, and gives up on one that is not answered. It knows two ways to scan:
//!
//! - *by the kernel*: an advertisement monitor of our own makes the kernel scan passively and without a filter of duplicates;
//!   with discovery besides, actively. The adapter is shared with bluetoothd and connections;
//! - *by our own commands* to the controller, where the first way is not open, or when interval, window or PHYs are chosen.
//!
//! What it set, it undoes ([`Keeper::leave`]); what a crash left behind is in [`Kept`], which the edge writes down.

mod steps;

use std::collections::VecDeque;
use std::time::Duration;

use crate::duty::Duty;
use crate::hci_command::{self, HciCommand, HciDone, HciStatus};
use crate::mgmt::{Command, Event};
use crate::radio_counts::RadioCounts;
use crate::scan::{Phys, ScanMode, ScanTiming};
use crate::watchdog::{Outcome, Rules, Step, Told, Watchdog};

/// The kernel may need so long to switch an adapter on: a controller that does not answer takes it 10 s.
const POWER_TIME_MAX: Duration = Duration::from_secs(14);
/// Any other command.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Between two attempts to start a discovery while another is on.
const DISCOVERY_WAIT: Duration = Duration::from_millis(500);

/// How an adapter is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct KeeperSettings {
    /// Whether scan requests are sent.
    pub mode: ScanMode,
    /// Chosen times; they need commands of our own.
    pub timing: Option<ScanTiming>,
    /// Chosen PHYs; the same.
    pub phys: Option<Phys>,
    /// For the watchdog.
    pub rules: Rules,
}

/// What the edge is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Give a command to the kernel's management, for this adapter.
    Mgmt(Command),
    /// Give a command to the controller.
    Hci(HciCommand),
    /// Have the kernel send HCI_Reset; tell [`Keeper::reset_done`] how it went.
    ResetController,
    /// Reset the device on its bus; tell [`Keeper::reset_done`] how it went.
    ResetDevice,
    /// Say something: a syslog priority, and a text.
    Note(u8, String),
}

/// Syslog priorities.
pub const WARNING: u8 = 4;
/// Something that is normal and worth knowing.
pub const NOTICE: u8 = 5;
/// Something for who looks closely.
pub const INFO: u8 = 6;
/// Something for who looks for a fault.
pub const DEBUG: u8 = 7;

/// What is set in the kernel by us, and would outlive us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Handle of our advertisement monitor.
    pub monitor: Option<u16>,
    /// Our own scan is on, by the commands of Bluetooth 5 or not.
    pub own_scan: Option<bool>,
    /// How long the kernel's scans listened before we had them listen all the time.
    pub duty: Duty,
    /// It was off, and we switched it on.
    pub powered_by_us: bool,
}

/// How the scan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Kernel,
    Own,
}

/// A command of a step, or what is done like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Mgmt(Command),
    Hci(HciCommand),
    ResetController,
    ResetDevice,
}

/// Keeps one adapter scanning; see the module.
#[derive(Debug)]
pub struct Keeper {
    settings: KeeperSettings,
    label: String,
    watchdog: Watchdog,
    way: Option<Way>,
    /// Whether the controller has the commands of Bluetooth 5, once it was asked.
    extended: Option<bool>,
    kept: Kept,
    /// It is switched on, as far as is known.
    on: bool,
    /// It was said that someone else switched it off.
    off_told: bool,
    /// Attempts in a row to switch it on that failed: the first one is not complained of.
    power_on_fails: u32,
    /// A discovery is on, whoever began it.
    discovering: bool,
    /// It is ours.
    discovery_ours: bool,
    discover_at: Option<Duration>,
    tasks: VecDeque<Task>,
    under_way: Option<(Task, Duration)>,
    step: Option<Step>,
    leaving: bool,
    was_armed: bool,
    /// What was last complained of: the same is not said twice in a row.
    complaint: String,
    resets: u64,
    undo_tries: u32,
    counts: RadioCounts,
}

impl Keeper {
    /// For an adapter that is called `label` in notes (`hci0 (00:1A:…)`), and of which `kept` was found written down.
    pub fn new(settings: KeeperSettings, label: String, kept: Kept) -> Self {
        Self {
            settings,
            label,
            watchdog: Watchdog::new(settings.rules),
            way: None,
            extended: kept.own_scan,
            kept,
            on: false,
            off_told: false,
            power_on_fails: 0,
            discovering: false,
            discovery_ours: false,
            discover_at: None,
            tasks: VecDeque::new(),
            under_way: None,
            step: None,
            leaving: false,
            was_armed: false,
            complaint: String::new(),
            resets: 0,
            undo_tries: 5,
            counts: RadioCounts::default(),
        }
    }

    /// The adapter is there, now called `label`. If it is there again, what was set in it is gone with it.
    pub fn here(&mut self, now: Duration, label: String, powered: bool, out: &mut Vec<Order>) {
        if self.was_armed {
            self.counts.returned += 1;
            out.push(Order::Note(NOTICE, format!("{label}: the adapter is back")));
        }
        self.label = label;
        (self.on, self.off_told) = (powered, true);
        self.watchdog.told(now, Told::Here { powered });
    }

    /// The adapter was unplugged.
    pub fn gone(&mut self, now: Duration, out: &mut Vec<Order>) {
        self.counts.unplugged += 1;
        self.note(out, WARNING, "the adapter is gone; waiting for it to come back");
        self.watchdog.told(now, Told::Gone);
        self.power_on_fails = 0;
        (self.step, self.under_way, self.way, self.discover_at) = (None, None, None, None);
        (self.discovering, self.discovery_ours) = (false, false);
        self.tasks.clear();
        self.kept = Kept::default();
    }

    /// An event with reports of this adapter came.
    pub fn heard(&mut self, now: Duration) {
        self.counts.heard += 1;
        self.watchdog.told(now, Told::Heard);
    }

    /// A command that switches scanning was seen on its way to the controller.
    pub fn scan_switched(&mut self, now: Duration, on: bool) {
        self.watchdog.told(now, Told::Scan(on));
    }

    /// The controller says that its hardware failed.
    pub fn hardware_error(&mut self, now: Duration, out: &mut Vec<Order>) {
        self.counts.hardware_errors += 1;
        self.note(out, WARNING, "the controller reports a hardware error; the kernel restarts it");
        self.watchdog.told(now, Told::HardwareError);
    }

    /// It was switched on or off, as the monitor channel tells to those who may not manage adapters.
    pub fn powered(&mut self, now: Duration, on: bool) {
        if self.on == on {
            return;
        }
        (self.on, self.off_told) = (on, false);
        let ours = matches!(self.step, Some(Step::PowerOn | Step::PowerCycle | Step::Reset)) || self.leaving;
        if !on {
            (self.discovering, self.discovery_ours, self.discover_at) = (false, false, None);
        }
        if !ours {
            self.kept.powered_by_us = false;
            self.watchdog.told(now, Told::Powered(on));
        }
    }

    /// Takes what the kernel's management tells of this adapter.
    pub fn told(&mut self, now: Duration, event: Event<'_>, out: &mut Vec<Order>) {
        match event {
            Event::Done { opcode, status, parameters } => {
                let Some((Task::Mgmt(command), _)) = self.under_way else { return };
                if command.opcode() == opcode {
                    self.under_way = None;
                    self.mgmt_done(now, command, status, parameters, out);
                }
            }
            Event::NewSettings(settings) => self.powered(now, settings.powered()),
            Event::Discovering(on) => {
                self.discovering = on;
                if !on {
                    self.discovery_ours = false;
                    self.discover_at = Some(now);
                }
            }
            // 0 stands for all of them.
            Event::MonitorRemoved(handle) if self.kept.monitor.is_some_and(|ours| [ours, 0].contains(&handle)) => {
                self.kept.monitor = None;
                self.note(out, NOTICE, "another program removed our advertisement monitor; adding it again");
                self.watchdog.told(now, Told::Disturbed);
            }
            Event::MonitorRemoved(_) | Event::IndexAdded | Event::IndexRemoved | Event::Other(_) => {}
        }
    }

    /// Takes what the controller answered to a command of ours.
    pub fn hci_done(&mut self, now: Duration, done: HciDone<'_>, out: &mut Vec<Order>) {
        let Some((Task::Hci(command), _)) = self.under_way else { return };
        if command.opcode() != done.opcode {
            return;
        }
        self.under_way = None;
        match (command, done.status) {
            (HciCommand::ReadSupportedCommands, HciStatus::SUCCESS) => {
                self.extended = Some(hci_command::knows_extended_scan(done.parameters));
                self.plan_own_scan(out);
            }
            (HciCommand::SetScanEnable { extended, on }, HciStatus::SUCCESS) => {
                self.kept.own_scan = on.then_some(extended);
                self.undo(on.then_some(Task::Hci(HciCommand::SetScanEnable { extended, on: false })));
            }
            // One that was not on cannot be switched off.
            (HciCommand::SetScanEnable { on: false, .. }, _) => self.kept.own_scan = None,
            (_, HciStatus::SUCCESS) => {}
            (command, status) => {
                self.complain(out, format!("the controller refused to {}: {status}", command.words()));
                self.end(now, Outcome::Failed, out);
            }
        }
    }

    /// A command could not be given to the controller: it is off, or we may not.
    pub fn hci_failed(&mut self, now: Duration, off: bool, why: &str, out: &mut Vec<Order>) {
        if matches!(self.under_way, Some((Task::Hci(_), _))) {
            self.under_way = None;
            self.complain(out, format!("no command can be given to the controller: {why}"));
            self.end(now, if off { Outcome::Off } else { Outcome::Failed }, out);
        }
    }

    /// [`Order::ResetController`] or [`Order::ResetDevice`] was carried out, or could not be.
    pub fn reset_done(&mut self, result: Result<(), String>, out: &mut Vec<Order>) {
        if matches!(self.under_way, Some((Task::ResetController | Task::ResetDevice, _))) {
            self.under_way = None;
            if let Err(why) = result {
                // Off and on may help all the same.
                self.complain(out, format!("it could not be reset: {why}"));
            }
        }
    }

    /// Goes on: what is due at `now` is ordered. To be called after each of the others, and at the [deadline](Self::deadline).
    pub fn tick(&mut self, now: Duration, out: &mut Vec<Order>) {
        if let Some((task, _)) = self.under_way.filter(|(_, until)| *until <= now) {
            self.under_way = None;
            self.complain(out, format!("no answer to the wish to {}", task.words()));
            self.end(now, Outcome::Failed, out);
        }
        while self.under_way.is_none() {
            if let Some(task) = self.tasks.pop_front() {
                self.under_way = Some((task, now + task.time_max()));
                out.push(task.order());
            } else if self.step.is_some() {
                self.end(now, Outcome::Done, out);
            } else if self.leaving {
                break;
            } else if let Some(step) = self.watchdog.step(now) {
                self.begin(step, out);
            } else if self.discover_at.is_some_and(|at| at <= now) {
                self.discover_at = None;
                let wanted = self.settings.mode == ScanMode::Active && self.way == Some(Way::Kernel);
                if wanted && !self.discovering && self.watchdog.armed() {
                    self.tasks.push_back(Task::Mgmt(Command::StartDiscovery));
                }
            } else {
                break;
            }
        }
    }

    /// When [`Self::tick`] is to be called, unless something is told before.
    pub fn deadline(&self) -> Option<Duration> {
        match self.under_way {
            Some((_, until)) => Some(until),
            None if self.leaving => None,
            None => self.watchdog.deadline().into_iter().chain(self.discover_at).min(),
        }
    }

    /// From now on everything is undone. It has been when [`Self::has_left`].
    pub fn leave(&mut self) {
        self.leaving = true;
        self.tasks.clear();
        let half_way = matches!(self.step.take(), Some(Step::PowerCycle | Step::Reset));
        if half_way && !self.kept.powered_by_us {
            self.tasks.push_back(Task::Mgmt(Command::SetPowered(true)));
        }
        if self.discovery_ours {
            self.tasks.push_back(Task::Mgmt(Command::StopDiscovery));
        }
        if let Some(handle) = self.kept.monitor {
            self.tasks.push_back(Task::Mgmt(Command::RemoveMonitor(handle)));
        }
        if let Some(extended) = self.kept.own_scan {
            self.tasks.push_back(Task::Hci(HciCommand::SetScanEnable { extended, on: false }));
        }
        // When nothing of ours scans any more: the next scan that others begin is as it was.
        if !self.kept.duty.is_empty() {
            self.tasks.push_back(Task::Mgmt(Command::SetDefaults(self.kept.duty)));
        }
        if self.kept.powered_by_us {
            self.tasks.push_back(Task::Mgmt(Command::SetPowered(false)));
        }
    }

    /// Whether nothing is left to be undone.
    pub fn has_left(&self) -> bool {
        self.leaving && self.under_way.is_none() && self.tasks.is_empty()
    }

    /// What is to be written down.
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// What was counted of this adapter.
    pub fn counts(&self) -> RadioCounts {
        RadioCounts { deaf_ms: self.watchdog.deaf_time().as_millis() as u64, ..self.counts }
    }

    /// Whether its scan is on, as far as is known.
    pub fn scanning(&self) -> bool {
        self.watchdog.scanning()
    }

    fn end(&mut self, now: Duration, outcome: Outcome, out: &mut Vec<Order>) {
        self.tasks.retain(|_| self.leaving);
        let Some(step) = self.step.take() else { return };
        if (step, outcome) == (Step::Arm, Outcome::Done) {
            if !self.was_armed || !self.complaint.is_empty() {
                let how = if self.settings.mode == ScanMode::Active { "actively" } else { "passively" };
                self.note(out, NOTICE, &format!("scanning {how}"));
            }
            self.was_armed = true;
            self.complaint.clear();
        }
        if step == Step::PowerOn && outcome != Outcome::Done {
            self.kept.powered_by_us = false;
        }
        // A failure half-way leaves it off.
        let outcome = if outcome == Outcome::Failed && !self.on { Outcome::Off } else { outcome };
        self.watchdog.done(now, outcome);
    }

    fn note(&self, out: &mut Vec<Order>, priority: u8, text: &str) {
        out.push(Order::Note(priority, format!("{}: {text}", self.label)));
    }

    fn complain(&mut self, out: &mut Vec<Order>, text: String) {
        if self.complaint != text {
            self.note(out, WARNING, &text);
            self.complaint = text;
        }
    }
}

impl Task {
    fn order(self) -> Order {
        match self {
            Self::Mgmt(command) => Order::Mgmt(command),
            Self::Hci(command) => Order::Hci(command),
            Self::ResetController => Order::ResetController,
            Self::ResetDevice => Order::ResetDevice,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Mgmt(command) => command.words(),
            Self::Hci(command) => command.words(),
            Self::ResetController | Self::ResetDevice => "reset the adapter",
        }
    }

    fn time_max(self) -> Duration {
        match self {
            Self::Mgmt(Command::SetPowered(_)) | Self::ResetController | Self::ResetDevice => POWER_TIME_MAX,
            Self::Mgmt(_) | Self::Hci(_) => ANSWER_TIME_MAX,
        }
    }
}

#[cfg(test)]
mod tests;
