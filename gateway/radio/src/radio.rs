//! The loop: it waits for what the kernel tells, hands it to the keepers, carries out what they order, and writes the stream.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use gateway_core::btsnoop::PacketKind;
use gateway_core::keeper::{INFO, Keeper, KeeperSettings, Kept, NOTICE, Order, WARNING};
use gateway_core::mgmt::{self, Command, Event, Info, Status};
use gateway_core::monitor::MonitorPacket;
use gateway_core::pace::Pace;
use gateway_core::radio_counts::{COUNTS_IDENT, LOG_IDENT, RadioCounts};
use gateway_core::scan::RadioPlan;
use gateway_core::watchdog::Rules;
use gateway_core::{MacAddress, Timestamp, btsnoop_writer};

use crate::socket::{self, Control};
use crate::state::StateFile;
use crate::stream::Stream;
use crate::sys::{self, Batch, Waiting};
use crate::ward::Ward;
use crate::{RadioError, RadioSettings, device};

/// Counts that change besides that of packets are told at once, but no more often than this.
const COUNTS_WAIT_MIN: Duration = Duration::from_secs(1);
/// The others as often as this.
const COUNTS_WAIT: Duration = Duration::from_secs(60);
/// For the undoing at the end.
const LEAVE_TIME_MAX: Duration = Duration::from_secs(5);
/// No wait is longer.
const WAIT_MAX: Duration = Duration::from_secs(60);
const SET_POWERED: u16 = Command::SetPowered(true).opcode();
/// How often a reset under way is looked at.
const RESET_LOOK: Duration = Duration::from_millis(100);

pub(crate) struct Radio<'a> {
    settings: &'a RadioSettings,
    /// May we manage adapters? Else the monitor channel tells whether they are on.
    managing: bool,
    monitor: OwnedFd,
    control: Control,
    stream: Stream,
    batch: Batch,
    pace: Pace,
    begun: Instant,
    /// What the monitor said of each adapter that is there.
    seen: BTreeMap<u16, Seen>,
    wards: Vec<Ward>,
    notes: Vec<(u8, String)>,
    lost: u64,
    told: RadioCounts,
    told_at: Duration,
}

/// What the monitor said of an adapter before it was known whether it is wanted, a record of each kind.
#[derive(Default)]
struct Seen {
    shown: bool,
    records: Vec<(PacketKind, Timestamp, Vec<u8>)>,
}

impl<'a> Radio<'a> {
    pub(crate) fn new(settings: &'a RadioSettings, out: UnixStream) -> Result<Self, RadioError> {
        let monitor = socket::monitor()?;
        let control = Control::open()?;
        let stream = Stream::new(out).map_err(|cause| RadioError::Kernel { what: "opening the stream", cause })?;
        Ok(Self {
            settings,
            managing: device::has_capability(device::NET_ADMIN),
            monitor,
            control,
            stream,
            batch: Batch::new(),
            pace: Pace::default(),
            begun: Instant::now(),
            seen: BTreeMap::new(),
            wards: Vec::new(),
            notes: Vec::new(),
            lost: 0,
            told: RadioCounts::default(),
            told_at: Duration::ZERO,
        })
    }

    /// Scans until the reader closes its end; then undoes what was set.
    pub(crate) fn run(mut self) -> Result<(), RadioError> {
        self.begin()?;
        while self.stream.is_open() {
            let packets = self.turn()?;
            let nap = self.pace.after_turn(self.now(), packets);
            // What is due, or told meanwhile, comes so much later.
            if !nap.is_zero() {
                thread::sleep(nap);
            }
        }
        let until = self.now() + LEAVE_TIME_MAX;
        self.wards.iter_mut().for_each(|ward| ward.keeper.leave());
        self.keep(&mut BTreeMap::new());
        while self.wards.iter().any(|ward| ward.index.is_some() && !ward.keeper.has_left()) && self.now() < until {
            self.turn()?;
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn begin(&mut self) -> Result<(), RadioError> {
        self.read_monitor()?;
        let list = self.control.ask(Command::ReadIndexList, mgmt::NO_ADAPTER)?;
        let indexes = list.ok().and_then(|list| mgmt::index_list(&list)).unwrap_or_default();
        for index in indexes {
            let _ = self.control.give(Command::ReadInfo, index);
        }
        if !self.managing {
            let text = "CAP_NET_ADMIN is missing: adapters that are off cannot be switched on, and none can be reset";
            self.notes.push((WARNING, text.to_owned()));
        }
        Ok(())
    }

    /// Waits for something, and deals with all that is there. Gives how many packets of the air there were.
    fn turn(&mut self) -> Result<u32, RadioError> {
        let kernel = |cause| RadioError::Kernel { what: "waiting for the adapters", cause };
        let leaving = !self.stream.is_open();
        let raws = self.wards.iter().filter_map(|ward| ward.raw.as_ref()).map(|raw| raw.as_fd());
        let mut waiting: Vec<_> = [self.monitor.as_fd(), self.control.as_fd()]
            .into_iter()
            .chain(raws)
            .map(|fd| Waiting { fd, writable: false })
            .collect();
        if !leaving {
            waiting.push(Waiting { fd: self.stream.as_fd(), writable: self.stream.is_behind() });
        }
        let ready = sys::wait(&waiting, self.wait_time()).map_err(kernel)?;
        if !leaving && ready.last().is_some_and(|out| out.closed) {
            self.stream.close();
            return Ok(0);
        }
        let mut packets = 0;
        let mut orders = BTreeMap::new();
        if ready.first().is_some_and(|monitor| monitor.readable) {
            packets = self.read_monitor_into(&mut orders)?;
        }
        self.read_control(&mut orders)?;
        let now = self.now();
        for (at, ward) in self.wards.iter_mut().enumerate() {
            ward.read_raw(now, orders.entry(at).or_default());
        }
        self.keep(&mut orders);
        self.tell_counts();
        self.say();
        self.stream.flush();
        Ok(packets)
    }

    fn wait_time(&self) -> Duration {
        let now = self.now();
        let deadlines = self.wards.iter().filter(|ward| ward.index.is_some()).filter_map(|ward| ward.keeper.deadline());
        let resetting = self.wards.iter().any(Ward::is_resetting).then_some(now + RESET_LOOK);
        let counts = (self.counts() != self.told).then(|| self.counts_due());
        let due = deadlines.chain(resetting).chain(counts).min();
        due.map_or(WAIT_MAX, |due| due.saturating_sub(now)).min(WAIT_MAX)
    }

    fn read_monitor(&mut self) -> Result<(), RadioError> {
        self.read_monitor_into(&mut BTreeMap::new()).map(drop)
    }

    /// Takes what is there of the monitor channel. Gives how many packets of it were of the air.
    fn read_monitor_into(&mut self, orders: &mut BTreeMap<usize, Vec<Order>>) -> Result<u32, RadioError> {
        // So many batches, and then the others have their turn.
        const BATCHES_MAX: usize = 16;
        let mut of_the_air = 0;
        for _ in 0..BATCHES_MAX {
            let mut batch = std::mem::replace(&mut self.batch, Batch::none());
            let all = batch.receive(&self.monitor);
            for (packet, at) in batch.packets() {
                if let Some(packet) = MonitorPacket::parse(packet) {
                    of_the_air += u32::from(packet.is_advertising());
                    self.monitored(packet, at.unwrap_or_else(wall_clock), orders);
                }
            }
            self.batch = batch;
            if all.map_err(|cause| RadioError::Kernel { what: "reading the monitor channel", cause })? {
                break;
            }
        }
        self.lost = sys::dropped(&self.monitor).map_or(self.lost, u64::from);
        Ok(of_the_air)
    }

    /// A packet of the monitor channel.
    fn monitored(&mut self, packet: MonitorPacket<'_>, at: Timestamp, orders: &mut BTreeMap<usize, Vec<Order>>) {
        let now = self.now();
        let ward = self.wards.iter().position(|ward| ward.index == Some(packet.adapter));
        if let Some((at, ward)) = ward.and_then(|at| Some((at, self.wards.get_mut(at)?))) {
            let out = orders.entry(at).or_default();
            match packet.kind {
                PacketKind::Event if packet.is_advertising() => ward.keeper.heard(now),
                PacketKind::Event => ward.keeper.hardware_error(now, out),
                PacketKind::IndexInfo if !self.managing => ward.keeper.powered(now, true),
                PacketKind::CloseIndex if !self.managing => ward.keeper.powered(now, false),
                _ => {
                    if let Some(on) = packet.scan_switched() {
                        ward.keeper.scan_switched(now, on);
                    }
                }
            }
        }
        match packet.kind {
            PacketKind::Command => {}
            PacketKind::Event => {
                if self.seen.get(&packet.adapter).is_some_and(|seen| seen.shown) {
                    self.stream.push(packet.kind, packet.adapter, at, self.lost, packet.data);
                }
            }
            kind => {
                let seen = self.seen.entry(packet.adapter).or_default();
                if seen.shown {
                    self.stream.push(kind, packet.adapter, at, self.lost, packet.data);
                } else {
                    seen.records.retain(|(known, ..)| *known != kind);
                    seen.records.push((kind, at, packet.data.to_vec()));
                }
                match kind {
                    PacketKind::DeleteIndex => drop(self.seen.remove(&packet.adapter)),
                    PacketKind::CloseIndex => seen.records.retain(|(known, ..)| *known == PacketKind::NewIndex),
                    _ => {}
                }
            }
        }
    }

    fn read_control(&mut self, orders: &mut BTreeMap<usize, Vec<Order>>) -> Result<(), RadioError> {
        let kernel = |cause| RadioError::Kernel { what: "reading the management channel", cause };
        while let Some(packet) = self.control.next().map_err(kernel)? {
            if let Some((index, event)) = mgmt::event(&packet) {
                self.managed(index, event, orders);
            }
        }
        Ok(())
    }

    /// An event of the management channel.
    fn managed(&mut self, index: u16, event: Event<'_>, orders: &mut BTreeMap<usize, Vec<Order>>) {
        let now = self.now();
        match event {
            Event::IndexAdded => drop(self.control.give(Command::ReadInfo, index)),
            Event::Done { opcode, parameters, .. } if opcode == Command::ReadInfo.opcode() => {
                if let Some(info) = Info::parse(parameters) {
                    self.appeared(index, &info, orders);
                }
            }
            // Kernels have said so of rfkill (6.1 does): "failed".
            Event::Done { opcode: SET_POWERED, status: Status::FAILED, parameters } if device::is_blocked(index) => {
                self.managed(index, Event::Done { opcode: SET_POWERED, status: Status::RFKILLED, parameters }, orders);
            }
            event => {
                let Some(at) = self.wards.iter().position(|ward| ward.index == Some(index)) else { return };
                let Some(ward) = self.wards.get_mut(at) else { return };
                let out = orders.entry(at).or_default();
                if event == Event::IndexRemoved {
                    ward.keeper.gone(now, out);
                    ward.unplugged();
                } else {
                    ward.keeper.told(now, event, out);
                }
            }
        }
    }

    /// An adapter is there, and this is it.
    fn appeared(&mut self, index: u16, info: &Info, orders: &mut BTreeMap<usize, Vec<Order>>) {
        let (address, now) = (info.address, self.now());
        let label = format!("hci{index} ({address})");
        let wanted = &self.settings.plan.adapters;
        if !(wanted.is_empty() || wanted.contains(&address)) || self.wards.iter().any(|ward| ward.index == Some(index))
        {
            return;
        }
        if !info.supported.low_energy() {
            self.notes
                .push((WARNING, format!("{label}: this adapter cannot do Bluetooth Low Energy; it is left alone")));
            return;
        }
        let appearance = device::appearance(index).unwrap_or_default();
        let mut state = StateFile::new(self.settings.state.as_deref(), address, appearance);
        // One without an address is known by its index only, and so is always a new one.
        let known = self.wards.iter().position(|ward| ward.address == address && ward.index.is_none());
        let at = known.filter(|_| address != MacAddress([0; 6])).unwrap_or(self.wards.len());
        let powered = info.current.powered();
        if let Some(ward) = self.wards.get_mut(at) {
            ward.plugged(index, state);
        } else {
            let kept = state.load();
            if kept != Kept::default() {
                self.notes
                    .push((NOTICE, format!("{label}: undoing what was left behind when this program last ended")));
            }
            let keeper = Keeper::new(self.keeper_settings(), label.clone(), kept);
            self.wards.push(Ward::new(address, index, keeper, state));
        }
        if let Some(ward) = self.wards.get_mut(at) {
            ward.keeper.here(now, label, powered, orders.entry(at).or_default());
        }
        let seen = self.seen.entry(index).or_default();
        seen.shown = true;
        for (kind, at, packet) in std::mem::take(&mut seen.records) {
            self.stream.push(kind, index, at, self.lost, &packet);
        }
    }

    fn keeper_settings(&self) -> KeeperSettings {
        let RadioPlan { mode, timing, phys, silence, may_reset, .. } = self.settings.plan;
        let rules = Rules { silence, may_cycle: self.managing, may_reset: may_reset && self.managing };
        KeeperSettings { mode, timing, phys, rules }
    }

    /// Lets each keeper go on.
    fn keep(&mut self, orders: &mut BTreeMap<usize, Vec<Order>>) {
        let now = self.now();
        for (at, ward) in self.wards.iter_mut().enumerate() {
            ward.carry_out(now, orders.remove(&at).unwrap_or_default(), &self.control, &mut self.notes);
        }
    }

    fn counts(&self) -> RadioCounts {
        let dropped = RadioCounts { dropped: self.lost + self.stream.dropped(), ..RadioCounts::default() };
        self.wards.iter().map(|ward| ward.keeper.counts()).fold(dropped, RadioCounts::plus)
    }

    fn counts_due(&self) -> Duration {
        let packets_alone = RadioCounts { heard: self.told.heard, ..self.counts() } == self.told;
        self.told_at + if packets_alone { COUNTS_WAIT } else { COUNTS_WAIT_MIN }
    }

    fn tell_counts(&mut self) {
        let (now, counts) = (self.now(), self.counts());
        if counts != self.told && now >= self.counts_due() {
            (self.told, self.told_at) = (counts, now);
            self.write_note(INFO, COUNTS_IDENT, &counts.to_string());
        }
    }

    fn say(&mut self) {
        for (priority, text) in std::mem::take(&mut self.notes) {
            self.write_note(priority, LOG_IDENT, &text);
        }
    }

    fn write_note(&mut self, priority: u8, ident: &str, text: &str) {
        let packet = btsnoop_writer::note_packet(priority, ident, text);
        self.stream.push(PacketKind::Note, mgmt::NO_ADAPTER, wall_clock(), self.lost, &packet);
    }
}

fn wall_clock() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(since_1970.as_micros() as u64)
}
