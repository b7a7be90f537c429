//! The steps of a keeper, each as a row of commands; and what follows from what the kernel answers.

use std::time::Duration;

use super::{DEBUG, DISCOVERY_WAIT, INFO, Keeper, KeeperSettings, NOTICE, Order, Task, WARNING, Way};
use crate::duty::{Duty, Widening};
use crate::hci_command::HciCommand;
use crate::mgmt::{self, Command, MonitorFeatures, Status};
use crate::scan::{Phys, ScanMode};
use crate::watchdog::{Outcome, Step};

impl Keeper {
    /// What was under way when everything was to be undone is undone, too.
    pub(super) fn undo(&mut self, task: Option<Task>) {
        if self.leaving {
            self.tasks.extend(task);
        }
    }

    pub(super) fn begin(&mut self, step: Step, out: &mut Vec<Order>) {
        self.step = Some(step);
        match step {
            Step::PowerOn => {
                // One that was switched off behind our back was on before, and stays on after us.
                self.kept.powered_by_us |= !self.was_armed;
                self.tasks.push_back(Task::Mgmt(Command::SetPowered(true)));
            }
            Step::Arm => {
                if self.was_armed {
                    self.counts.rearmed += 1;
                    self.note(out, NOTICE, "starting the scan again");
                }
                self.plan_scan(out);
            }
            Step::PowerCycle => {
                self.counts.power_cycled += 1;
                self.note(out, WARNING, "still nothing is heard, or no scan can be started: switching it off and on");
                self.plan_off_and_on();
            }
            Step::Reset => {
                self.counts.reset += 1;
                self.resets += 1;
                self.note(out, WARNING, "switching it off and on did not help: resetting it");
                // One that is off cannot be told to. What the controller forgets by its reset the kernel sets when it is switched on.
                let reset =
                    if self.on && !self.resets.is_multiple_of(2) { Task::ResetController } else { Task::ResetDevice };
                self.tasks.push_back(reset);
                self.plan_off_and_on();
            }
        }
    }

    fn plan_off_and_on(&mut self) {
        self.tasks.extend([false, true].map(|on| Task::Mgmt(Command::SetPowered(on))));
    }

    fn plan_scan(&mut self, out: &mut Vec<Order>) {
        if self.settings.timing.is_some() || self.settings.phys.is_some() {
            self.choose_own(out, "its interval, window or PHYs are chosen");
        }
        match self.way {
            None => self.tasks.push_back(Task::Mgmt(Command::ReadMonitorFeatures)),
            Some(Way::Kernel) => self.plan_kernel_scan(),
            Some(Way::Own) => self.plan_own_scan(out),
        }
    }

    fn plan_kernel_scan(&mut self) {
        if self.leaving {
            return;
        }
        if self.discovery_ours {
            self.tasks.push_back(Task::Mgmt(Command::StopDiscovery));
        }
        if let Some(extended) = self.kept.own_scan {
            self.tasks.push_back(Task::Hci(HciCommand::SetScanEnable { extended, on: false }));
        }
        if let Some(handle) = self.kept.monitor {
            self.tasks.push_back(Task::Mgmt(Command::RemoveMonitor(handle)));
        }
        // Before the scan begins, and each time: bluetoothd may have set them anew.
        self.tasks.push_back(Task::Mgmt(Command::ReadDefaults));
        self.tasks.push_back(Task::Mgmt(Command::AddMonitor));
        if self.settings.mode == ScanMode::Active && (self.discovery_ours || !self.discovering) {
            self.tasks.push_back(Task::Mgmt(Command::StartDiscovery));
        }
    }

    pub(super) fn plan_own_scan(&mut self, out: &mut Vec<Order>) {
        if self.leaving {
            return;
        }
        // What was planned of the other way is void.
        self.tasks.clear();
        // The kernel's scan would be in the way of ours.
        if let Some(handle) = self.kept.monitor {
            self.tasks.push_back(Task::Mgmt(Command::RemoveMonitor(handle)));
        }
        let Some(extended) = self.extended else {
            self.tasks.push_back(Task::Hci(HciCommand::ReadSupportedCommands));
            return;
        };
        let KeeperSettings { mode, timing, phys, .. } = self.settings;
        if !extended && matches!(phys, Some(Phys::Coded | Phys::Both)) && !self.was_armed {
            self.note(out, WARNING, "this controller knows the 1M PHY only; the coded one is not listened to");
        }
        self.tasks.extend([
            Task::Hci(HciCommand::SetScanEnable { extended, on: false }),
            Task::Hci(HciCommand::SetScanParameters { extended, mode, timing, phys }),
            Task::Hci(HciCommand::SetScanEnable { extended, on: true }),
        ]);
    }

    fn choose_own(&mut self, out: &mut Vec<Order>, why: &str) {
        if self.way != Some(Way::Own) {
            self.way = Some(Way::Own);
            self.note(out, NOTICE, &format!("scanning by commands of our own, because {why}"));
        }
    }

    pub(super) fn mgmt_done(
        &mut self,
        now: Duration,
        command: Command,
        status: Status,
        parameters: &[u8],
        out: &mut Vec<Order>,
    ) {
        match (command, status) {
            (Command::SetPowered(on), Status::SUCCESS) => {
                self.on = on;
                self.power_on_fails = 0;
                self.kept.powered_by_us &= on || !self.leaving;
                if self.step == Some(Step::PowerOn) {
                    self.counts.power_cycled += u64::from(self.was_armed);
                    // Not before it is known: one that is being unplugged is switched off first, too.
                    if std::mem::replace(&mut self.off_told, true) {
                        self.note(out, NOTICE, "switched on");
                    } else {
                        self.note(out, WARNING, "someone else had switched the adapter off; it is on again");
                    }
                }
            }
            (Command::ReadMonitorFeatures, Status::SUCCESS) => self.choose(parameters, out),
            (Command::ReadDefaults | Command::SetDefaults(_), _) => self.duty_done(command, status, parameters, out),
            (Command::AddMonitor, Status::SUCCESS) => {
                self.kept.monitor = mgmt::monitor_handle(parameters);
                self.undo(self.kept.monitor.map(|handle| Task::Mgmt(Command::RemoveMonitor(handle))));
            }
            (Command::RemoveMonitor(_), Status::SUCCESS | Status::INVALID_PARAMETERS) => self.kept.monitor = None,
            (Command::RemoveMonitor(_), Status::BUSY) if self.leaving && self.undo_tries > 0 => {
                self.undo_tries -= 1;
                self.undo(Some(Task::Mgmt(command)));
            }
            (Command::StartDiscovery, Status::SUCCESS) => {
                (self.discovering, self.discovery_ours) = (true, true);
                self.undo(Some(Task::Mgmt(Command::StopDiscovery)));
            }
            // Another discovery is on, or ends just now: when it has, ours begins.
            (Command::StartDiscovery, Status::BUSY) => {
                self.note(out, DEBUG, "the kernel is busy with another discovery");
                self.discover_at = Some(now + DISCOVERY_WAIT);
            }
            (Command::StartDiscovery, status) => {
                self.complain(
                    out,
                    format!("no scan responses for now: the kernel refused to start discovery: {status}"),
                );
                self.discover_at = Some(now + 4 * DISCOVERY_WAIT);
            }
            // It ended by itself.
            (Command::StopDiscovery, _) => self.discovery_ours = false,
            (_, Status::SUCCESS) => {}
            (_, Status::RFKILLED) => {
                self.complain(
                    out,
                    "blocked by rfkill; waiting for it to be unblocked (`rfkill unblock bluetooth`)".into(),
                );
                self.end(now, Outcome::Blocked, out);
            }
            (_, Status::NOT_POWERED) => self.end(now, Outcome::Off, out),
            // It was unplugged, which is told besides; or it is just going, and then the next attempt is not made.
            (_, Status::INVALID_INDEX) => self.end(now, Outcome::Failed, out),
            (Command::SetPowered(true), _) if self.step == Some(Step::PowerOn) && self.power_on_fails == 0 => {
                self.power_on_fails += 1;
                self.end(now, Outcome::Failed, out);
            }
            (
                Command::ReadMonitorFeatures | Command::AddMonitor,
                Status::UNKNOWN_COMMAND | Status::NOT_SUPPORTED | Status::PERMISSION_DENIED | Status::NO_RESOURCES,
            ) => {
                self.choose_own(out, &format!("the kernel refused to {}: {status}", command.words()));
                self.plan_own_scan(out);
            }
            (command, status) => {
                self.complain(out, format!("the kernel refused to {}: {status}", command.words()));
                self.end(now, Outcome::Failed, out);
            }
        }
    }

    /// The kernel told how long its scans listen, or took what was set. If it does not, they listen as they did.
    fn duty_done(&mut self, command: Command, status: Status, parameters: &[u8], out: &mut Vec<Order>) {
        match (command, status) {
            (Command::SetDefaults(duty), Status::SUCCESS) if self.leaving => {
                if duty == self.kept.duty {
                    self.kept.duty = Duty::default();
                }
            }
            (Command::SetDefaults(_), Status::SUCCESS) => {
                self.note(
                    out,
                    INFO,
                    "the kernel's scan now listens all the time; what was set before is put back at the end",
                );
            }
            (Command::SetDefaults(_), status) if self.leaving => {
                self.complain(out, format!("the kernel refused to {}: {status}", command.words()));
            }
            (Command::ReadDefaults, _) if self.leaving => {}
            (Command::ReadDefaults, Status::SUCCESS) => match Widening::parse(parameters) {
                Some(Widening { set, .. }) if set.is_empty() => {}
                Some(Widening { set, before }) => {
                    // Written down before it is done.
                    self.kept.duty = before.or(self.kept.duty);
                    self.tasks.push_front(Task::Mgmt(Command::SetDefaults(set)));
                }
                None => self.listens_in_part(out, "it does not tell how long its scan listens"),
            },
            (_, status) => {
                self.kept.duty = Duty::default();
                // Then no monitor can be added either, and another way is taken.
                if status != Status::PERMISSION_DENIED {
                    self.listens_in_part(out, &format!("it refused to {}: {status}", command.words()));
                }
            }
        }
    }

    fn listens_in_part(&mut self, out: &mut Vec<Order>, why: &str) {
        if !self.was_armed {
            let text = "the kernel's scan may listen in a part of the time only (30 ms of each 60, unless it was told otherwise), and";
            let mend = "with interval_ms = 60 and window_ms = 60 it listens all the time, by commands of our own";
            self.note(out, NOTICE, &format!("{text} {why}; {mend}"));
        }
    }

    fn choose(&mut self, features: &[u8], out: &mut Vec<Order>) {
        match MonitorFeatures::parse(features) {
            Some(features) if features.offloaded => {
                self.choose_own(out, "its controller would filter by the kernel's advertisement monitors");
                self.plan_own_scan(out);
            }
            Some(features) => {
                self.way = Some(Way::Kernel);
                if self.kept.monitor.is_some_and(|handle| !features.handles.contains(&handle)) {
                    self.kept.monitor = None;
                }
                self.plan_kernel_scan();
            }
            None => {
                self.choose_own(out, "the kernel's list of advertisement monitors cannot be read");
                self.plan_own_scan(out);
            }
        }
    }
}
