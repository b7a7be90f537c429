//! A keeper in an invented machine: a kernel, a controller, and people who pull plugs. A seed is a history.

use std::collections::BTreeSet;

use super::*;
use crate::mgmt::{self, Status};

const SILENCE: Duration = Duration::from_secs(10);
/// Between two packets of the air.
const PACKET: Duration = Duration::from_millis(100);

fn settings(mode: ScanMode) -> KeeperSettings {
    let rules = Rules { silence: SILENCE, may_cycle: true, may_reset: true };
    KeeperSettings { mode, timing: None, phys: None, rules }
}

/// Numbers that depend on the seed alone (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What the machine tells the keeper.
enum Answer {
    Done(u16, Status, Vec<u8>),
    Settings(bool),
    Discovering(bool),
    Removed(u16),
    Hci(u16, u8),
    Reset,
}

struct Machine {
    dice: Dice,
    now: Duration,
    keeper: Keeper,
    answers: Vec<(Duration, Answer)>,
    notes: Vec<String>,
    plugged: bool,
    powered: bool,
    blocked: bool,
    /// Commands to the controller fail.
    hung: bool,
    /// It takes commands and hears nothing.
    deaf: bool,
    /// The controller's scan is off, though the kernel thinks it is on.
    lost: bool,
    monitors: BTreeSet<u16>,
    own_scan: bool,
    discovery_until: Option<Duration>,
    refuses_monitors: Option<Status>,
    /// How long the kernel's passive scan listens, of an interval of 96.
    window: u16,
    refuses_duty: Option<Status>,
    /// It is being unplugged: nothing can be told to it any more.
    dying: bool,
}

impl Machine {
    fn new(seed: u64, settings: KeeperSettings) -> Self {
        let mut machine = Self {
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            now: Duration::ZERO,
            keeper: Keeper::new(settings, "hci0".to_owned(), Kept::default()),
            answers: Vec::new(),
            notes: Vec::new(),
            plugged: true,
            powered: true,
            blocked: false,
            hung: false,
            deaf: false,
            lost: false,
            monitors: BTreeSet::new(),
            own_scan: false,
            discovery_until: None,
            refuses_monitors: None,
            window: 48,
            refuses_duty: None,
            dying: false,
        };
        machine.here();
        machine
    }

    /// Nothing has begun yet: the keeper is another, and is told so with [`Self::here`].
    fn anew(mut self, settings: KeeperSettings, kept: Kept) -> Self {
        self.keeper = Keeper::new(settings, "hci0".to_owned(), kept);
        self.answers.clear();
        self.notes.clear();
        self
    }

    fn scanning(&self) -> bool {
        let asked = !self.monitors.is_empty() || self.own_scan || self.discovery_until.is_some();
        self.plugged && self.powered && !self.lost && asked
    }

    fn here(&mut self) {
        let mut orders = Vec::new();
        self.keeper.here(self.now, "hci0".to_owned(), self.powered, &mut orders);
        self.obey(orders);
    }

    fn after(&mut self, millis: u64, answer: Answer) {
        self.answers.push((self.now + Duration::from_millis(millis), answer));
    }

    fn power(&mut self, on: bool) {
        if self.powered != on {
            self.powered = on;
            self.lost = false;
            self.own_scan = false;
            self.after(1, Answer::Settings(on));
            if !on && self.discovery_until.take().is_some() {
                self.after(1, Answer::Discovering(false));
            }
        }
    }

    fn obey(&mut self, mut orders: Vec<Order>) {
        loop {
            self.keeper.tick(self.now, &mut orders);
            if orders.is_empty() {
                return;
            }
            for order in std::mem::take(&mut orders) {
                match order {
                    Order::Note(_, text) => self.notes.push(format!("{:?} {text}", self.now)),
                    Order::ResetController | Order::ResetDevice => {
                        self.lost = true;
                        self.after(20, Answer::Reset);
                    }
                    Order::Hci(command) => {
                        if let HciCommand::SetScanEnable { on, .. } = command {
                            self.own_scan = on;
                            self.lost &= !on;
                        }
                        self.after(5, Answer::Hci(command.opcode(), 0));
                    }
                    Order::Mgmt(command) => self.command(command),
                }
            }
        }
    }

    fn command(&mut self, command: Command) {
        if !self.plugged {
            return;
        }
        let (mut status, mut parameters, mut millis) = (Status::SUCCESS, Vec::new(), 1 + self.dice.roll(30));
        match command {
            _ if self.dying => status = Status::FAILED,
            Command::SetPowered(true) if self.blocked => status = Status::RFKILLED,
            Command::SetPowered(on) if self.hung => {
                (status, millis) = (Status(0x03), 10_000);
                if !on {
                    self.power(false);
                }
            }
            Command::SetPowered(on) => self.power(on),
            Command::ReadMonitorFeatures => {
                parameters = vec![0; 11];
                parameters.extend((self.monitors.len() as u16).to_le_bytes());
                parameters.extend(self.monitors.iter().flat_map(|handle| handle.to_le_bytes()));
            }
            Command::AddMonitor if self.refuses_monitors.is_some() => {
                status = self.refuses_monitors.unwrap_or(status);
            }
            Command::AddMonitor if self.hung => (status, millis) = (Status(0x03), 2_000),
            Command::AddMonitor => {
                let handle = (1..32).find(|handle| !self.monitors.contains(handle)).expect("one is free");
                self.monitors.insert(handle);
                self.lost = false;
                parameters = handle.to_le_bytes().to_vec();
            }
            Command::RemoveMonitor(handle) => {
                assert_ne!(handle, 0, "that would remove everybody's");
                if !self.monitors.remove(&handle) {
                    status = Status::INVALID_PARAMETERS;
                }
            }
            Command::StartDiscovery if !self.powered => status = Status::NOT_POWERED,
            Command::StartDiscovery if self.hung => (status, millis) = (Status(0x03), 2_000),
            Command::StartDiscovery if self.discovery_until.is_some() => status = Status::BUSY,
            Command::StartDiscovery => {
                self.discovery_until = Some(self.now + Duration::from_millis(10_240));
                self.lost = false;
                self.after(millis, Answer::Discovering(true));
            }
            Command::StopDiscovery => {
                if self.discovery_until.take().is_some() {
                    self.after(1, Answer::Discovering(false));
                } else {
                    status = Status::REJECTED;
                }
            }
            Command::ReadDefaults | Command::SetDefaults(_) if self.refuses_duty.is_some() => {
                status = self.refuses_duty.unwrap_or(status);
            }
            Command::ReadDefaults => {
                parameters = [&[0x13, 0, 2, 96, 0, 0x14, 0, 2][..], &self.window.to_le_bytes()].concat();
            }
            Command::SetDefaults(duty) => self.window = duty.monitor_window.expect("it is all that there is"),
            Command::ReadIndexList | Command::ReadInfo => unreachable!("the edge asks this"),
        }
        self.after(millis, Answer::Done(command.opcode(), status, parameters));
    }

    fn tell(&mut self, answer: Answer) {
        let mut out = Vec::new();
        let (now, keeper) = (self.now, &mut self.keeper);
        match answer {
            Answer::Done(opcode, status, parameters) => {
                keeper.told(now, Event::Done { opcode, status, parameters: &parameters }, &mut out);
            }
            Answer::Settings(on) => keeper.told(now, Event::NewSettings(mgmt::Settings(on.into())), &mut out),
            Answer::Discovering(on) => keeper.told(now, Event::Discovering(on), &mut out),
            Answer::Removed(handle) => keeper.told(now, Event::MonitorRemoved(handle), &mut out),
            Answer::Hci(opcode, status) => {
                let done = HciDone { opcode, status: HciStatus(status), parameters: &[0; 64] };
                keeper.hci_done(now, done, &mut out);
            }
            Answer::Reset => keeper.reset_done(Ok(()), &mut out),
        }
        self.obey(out);
    }

    /// Lets time go on, in steps of 20 ms.
    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += Duration::from_millis(20);
            if self.discovery_until.is_some_and(|at| at <= self.now) {
                self.discovery_until = None;
                self.after(0, Answer::Discovering(false));
            }
            let due: Vec<_> = self.answers.extract_if(.., |(at, _)| *at <= self.now).collect();
            for (_, answer) in due {
                self.tell(answer);
            }
            if self.scanning() && !self.deaf && self.now.as_millis().is_multiple_of(PACKET.as_millis()) {
                self.keeper.heard(self.now);
            }
            self.obey(Vec::new());
        }
    }

    /// Something bad happens.
    fn weather(&mut self) {
        match self.dice.roll(11) {
            0 if self.plugged => self.unplug(),
            0 | 1 => self.plug(),
            2 => self.power(false),
            3 => {
                self.blocked = true;
                self.power(false);
            }
            4 => self.blocked = false,
            5 => self.hung = !self.hung,
            6 => self.deaf = !self.deaf,
            7 => self.lost = true,
            8 => {
                // One by one, or all at once.
                let monitors = std::mem::take(&mut self.monitors);
                let all = self.dice.roll(2) == 0;
                for handle in monitors {
                    self.after(1, Answer::Removed(if all { 0 } else { handle }));
                }
            }
            9 => {
                // The kernel switches it off and on.
                let mut out = Vec::new();
                self.keeper.hardware_error(self.now, &mut out);
                self.obey(out);
                self.power(false);
                if !self.hung && !self.blocked {
                    self.power(true);
                }
            }
            _ => {
                self.lost = true;
                self.keeper.scan_switched(self.now, false);
            }
        }
    }

    fn unplug(&mut self) {
        (self.plugged, self.dying, self.window) = (false, false, 48);
        self.monitors.clear();
        (self.own_scan, self.discovery_until) = (false, None);
        self.answers.clear();
        let mut out = Vec::new();
        self.keeper.gone(self.now, &mut out);
        self.obey(out);
    }

    fn plug(&mut self) {
        if !self.plugged {
            (self.plugged, self.powered, self.lost) = (true, self.dice.roll(2) == 0, false);
            self.here();
        }
    }

    fn clear_up(&mut self) {
        (self.blocked, self.hung, self.deaf) = (false, false, false);
        self.plug();
    }
}

#[test]
fn whatever_the_weather_when_it_clears_the_adapter_scans_within_15_seconds() {
    let seeds = match std::env::var_os("SEED") {
        Some(seed) => {
            let seed: u64 = seed.to_string_lossy().parse().expect("SEED is a number");
            seed..seed + 1
        }
        None => 0..100,
    };
    for seed in seeds {
        let mode = if seed % 2 == 0 { ScanMode::Passive } else { ScanMode::Active };
        let mut machine = Machine::new(seed, settings(mode));
        if seed % 5 == 0 {
            machine.refuses_monitors = Some(Status::UNKNOWN_COMMAND);
        }
        // An air on which nothing was ever heard does not count as busy.
        machine.run(Duration::from_secs(2));
        for _ in 0..30 {
            machine.weather();
            let calm = 10 * machine.dice.roll(1_500);
            machine.run(Duration::from_millis(calm));
        }
        machine.clear_up();
        machine.run(Duration::from_secs(15));
        let notes = &machine.notes[machine.notes.len().saturating_sub(8)..];
        assert!(
            machine.scanning(),
            "{:?} {:?}, replay: SEED={seed} cargo test -p gateway-core; {notes:#?}",
            machine.now,
            machine.keeper
        );
        assert!(machine.monitors.len() <= 1, "SEED={seed}: monitors are left behind");
        // And it stays so, without being touched.
        machine.run(Duration::from_secs(60));
        let counts = machine.keeper.counts();
        machine.run(Duration::from_secs(60));
        let later = machine.keeper.counts();
        assert!(later.heard > counts.heard + 590, "SEED={seed}");
        assert_eq!(RadioCounts { heard: counts.heard, ..later }, counts, "SEED={seed}: nothing was done");
    }
}

/// Waits that double have become hours by then, and the lists of what was set have had time to grow.
#[test]
fn a_week_of_bad_weather_ends_with_the_adapter_scanning() {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    for mode in [ScanMode::Passive, ScanMode::Active] {
        let mut machine = Machine::new(7, settings(mode));
        machine.run(Duration::from_secs(2));
        while machine.now < WEEK {
            machine.weather();
            let calm = machine.dice.roll(2 * 15 * 60);
            machine.run(Duration::from_secs(calm));
            machine.notes.clear();
        }
        // The last hour is the worst: plugged in, and it answers nothing.
        machine.clear_up();
        machine.hung = true;
        machine.lost = true;
        machine.run(Duration::from_secs(60 * 60));
        machine.clear_up();
        machine.run(Duration::from_secs(15));
        assert!(machine.scanning(), "{:?}", machine.keeper);
        assert!(machine.monitors.len() <= 1, "monitors are left behind: {:?}", machine.monitors);
        let heard = machine.keeper.counts().heard;
        machine.run(Duration::from_secs(60));
        assert!(machine.keeper.counts().heard > heard + 590);
    }
}

#[test]
fn what_was_set_is_undone_whenever_it_ends() {
    for seed in 0..200 {
        let mode = if seed % 2 == 0 { ScanMode::Passive } else { ScanMode::Active };
        let mut machine = Machine::new(seed, settings(mode)).anew(settings(mode), Kept::default());
        (machine.powered, machine.blocked) = (seed % 3 == 0, false);
        let was_powered = machine.powered;
        machine.here();
        if seed % 5 == 0 {
            machine.refuses_monitors = Some(Status::UNKNOWN_COMMAND);
        }
        // Sometimes in the middle of beginning.
        let begun = 10 + 10 * machine.dice.roll(30);
        machine.run(Duration::from_millis(begun));
        machine.keeper.leave();
        machine.run(Duration::from_secs(2));
        assert!(machine.keeper.has_left(), "seed {seed}");
        let left = (machine.monitors.len(), machine.own_scan, machine.discovery_until, machine.powered);
        assert_eq!(left, (0, false, None, was_powered), "seed {seed}");
        assert_eq!(machine.window, 48, "seed {seed}");
        assert_eq!(machine.keeper.kept(), Kept::default(), "seed {seed}");
    }
}

#[test]
fn what_a_crash_left_behind_is_removed_and_what_is_of_others_is_not() {
    let duty = Duty { monitor_window: Some(48), ..Duty::default() };
    let kept = Kept { monitor: Some(2), duty, ..Kept::default() };
    let mut machine = Machine::new(1, settings(ScanMode::Passive)).anew(settings(ScanMode::Passive), kept);
    machine.monitors.extend([1, 2]);
    machine.window = 96;
    machine.here();
    machine.run(Duration::from_secs(1));
    assert_eq!(machine.monitors, BTreeSet::from([1, 2]));
    assert_eq!(machine.keeper.kept().monitor, Some(2), "removed, and added anew");
    machine.keeper.leave();
    machine.run(Duration::from_secs(1));
    assert_eq!((machine.monitors, machine.window), (BTreeSet::from([1]), 48));
}

#[test]
fn the_kernels_scan_is_made_to_listen_all_the_time_also_when_others_set_it_anew() {
    let mut machine = Machine::new(1, settings(ScanMode::Passive));
    machine.run(Duration::from_secs(1));
    assert_eq!(machine.window, 96);
    // As bluetoothd does when it is started anew, if it is told of such a value.
    machine.window = 32;
    machine.monitors.clear();
    machine.after(1, Answer::Removed(0));
    machine.run(Duration::from_secs(2));
    assert_eq!(machine.window, 96);
    machine.keeper.leave();
    machine.run(Duration::from_secs(1));
    assert_eq!(machine.window, 32, "what others set last");
}

#[test]
fn a_kernel_that_cannot_be_told_how_long_to_listen_is_scanned_with_as_it_is_and_that_is_said() {
    for refusal in [Status::UNKNOWN_COMMAND, Status::NOT_SUPPORTED] {
        let mut machine =
            Machine::new(1, settings(ScanMode::Passive)).anew(settings(ScanMode::Passive), Kept::default());
        machine.refuses_duty = Some(refusal);
        machine.here();
        machine.run(Duration::from_secs(1));
        assert!(machine.scanning() && !machine.own_scan);
        let said = machine.notes.iter().filter(|note| note.contains("window_ms = 60")).count();
        assert_eq!((said, machine.keeper.kept().duty), (1, Duty::default()), "{:?}", machine.notes);
    }
}

#[test]
fn each_fallback_says_why() {
    let chosen = KeeperSettings { phys: Some(Phys::Both), ..settings(ScanMode::Passive) };
    let rows = [
        (settings(ScanMode::Passive), Some(Status::PERMISSION_DENIED), "permission denied (CAP_NET_ADMIN is missing)"),
        (settings(ScanMode::Passive), Some(Status::UNKNOWN_COMMAND), "unknown command (an older kernel)"),
        (settings(ScanMode::Passive), Some(Status::NO_RESOURCES), "no resources left"),
        (chosen, None, "its interval, window or PHYs are chosen"),
    ];
    for (settings, refuses, why) in rows {
        let mut machine = Machine::new(1, settings).anew(settings, Kept::default());
        machine.refuses_monitors = refuses;
        machine.here();
        machine.run(Duration::from_secs(1));
        assert!(machine.own_scan, "{why}");
        let note = &machine.notes.iter().find(|note| note.contains("commands of our own")).expect(why);
        assert!(note.contains(why), "{note}");
        // The controller of this machine is an old one.
        let told = machine.notes.iter().any(|note| note.contains("the 1M PHY only"));
        assert_eq!(told, settings.phys.is_some(), "{:?}", machine.notes);
    }
}

#[test]
fn discovery_is_begun_anew_when_it_ends_and_others_do_not_disturb_it() {
    let mut machine = Machine::new(1, settings(ScanMode::Active));
    let mut silent = 0;
    for _ in 0..600 {
        machine.run(Duration::from_millis(100));
        silent += u64::from(machine.discovery_until.is_none());
    }
    assert!(silent <= 6, "{silent} of 600 looks");
    assert_eq!(machine.keeper.counts().rearmed, 0, "that is no trouble");
}

#[test]
fn one_that_is_pulled_out_is_not_told_as_switched_off_by_someone() {
    let mut machine = Machine::new(1, settings(ScanMode::Passive));
    machine.run(Duration::from_secs(1));
    machine.notes.clear();
    // The kernel switches it off, and needs seconds to remove it; commands fail meanwhile.
    machine.power(false);
    machine.dying = true;
    machine.run(Duration::from_millis(2_400));
    machine.unplug();
    machine.run(Duration::from_secs(5));
    assert_eq!(machine.notes.len(), 1, "{:?}", machine.notes);
    assert!(machine.notes[0].contains("the adapter is gone"), "{:?}", machine.notes);
}

#[test]
fn one_that_someone_switched_off_is_told_so_once_it_is_on_again() {
    let mut machine = Machine::new(1, settings(ScanMode::Passive));
    machine.run(Duration::from_secs(1));
    machine.notes.clear();
    machine.power(false);
    machine.run(Duration::from_secs(4));
    let told = machine.notes.iter().filter(|note| note.contains("someone else had switched the adapter off")).count();
    assert_eq!(told, 1, "{:?}", machine.notes);
}
