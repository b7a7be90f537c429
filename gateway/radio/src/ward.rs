//! One adapter that is looked after: its keeper, and what carries out the keeper's orders.

use std::io;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use gateway_core::MacAddress;
use gateway_core::hci_command::{self, HciCommand};
use gateway_core::keeper::{Keeper, Kept, Order, WARNING};

use crate::device;
use crate::socket::{Control, Raw};
use crate::state::StateFile;
use crate::sys;

/// An adapter, there or not.
pub(crate) struct Ward {
    pub(crate) address: MacAddress,
    /// `None`: it is unplugged.
    pub(crate) index: Option<u16>,
    pub(crate) keeper: Keeper,
    pub(crate) raw: Option<Raw>,
    /// A reset that is under way on a thread of its own: the kernel may let it wait for seconds.
    resetting: Option<Receiver<Result<(), String>>>,
    state: StateFile,
}

impl Ward {
    pub(crate) fn new(address: MacAddress, index: u16, keeper: Keeper, state: StateFile) -> Self {
        Self { address, index: Some(index), keeper, raw: None, resetting: None, state }
    }

    /// It came back, in another appearance.
    pub(crate) fn plugged(&mut self, index: u16, state: StateFile) {
        self.index = Some(index);
        self.state = state;
    }

    pub(crate) fn unplugged(&mut self) {
        self.index = None;
        // What was set is gone with it; who comes back has a file of that appearance.
        let _ = self.state.save(Kept::default());
        self.state = StateFile::new(None, self.address, String::new());
        self.raw = None;
        self.resetting = None;
    }

    /// Whether a reset is waited for, of which no socket tells.
    pub(crate) fn is_resetting(&self) -> bool {
        self.resetting.is_some()
    }

    /// Carries out `orders`, and lets the keeper go on until it has none. What is to be said goes into `notes`.
    pub(crate) fn carry_out(
        &mut self,
        now: Duration,
        mut orders: Vec<Order>,
        control: &Control,
        notes: &mut Vec<(u8, String)>,
    ) {
        match self.resetting.as_ref().map(Receiver::try_recv) {
            None | Some(Err(TryRecvError::Empty)) => {}
            Some(Ok(result)) => self.reset_done(result, &mut orders),
            Some(Err(TryRecvError::Disconnected)) => {
                self.reset_done(Err("the reset did not end well".to_owned()), &mut orders);
            }
        }
        loop {
            self.keeper.tick(now, &mut orders);
            if orders.is_empty() {
                break;
            }
            for order in std::mem::take(&mut orders) {
                self.carry_out_one(now, order, control, &mut orders, notes);
            }
        }
        if let Err(cause) = self.state.save(self.keeper.kept()) {
            notes.push((WARNING, format!("what is set in the kernel could not be written down: {cause}")));
        }
    }

    fn carry_out_one(
        &mut self,
        now: Duration,
        order: Order,
        control: &Control,
        orders: &mut Vec<Order>,
        notes: &mut Vec<(u8, String)>,
    ) {
        if let Order::Note(priority, text) = order {
            notes.push((priority, text));
            return;
        }
        // One that is unplugged was told so; what it still ordered is of no use.
        let Some(index) = self.index else { return };
        match order {
            // If it cannot be given, no answer comes, and the keeper gives up on it.
            Order::Mgmt(command) => drop(control.give(command, index)),
            Order::Hci(command) => {
                if let Err(cause) = self.give(index, command) {
                    self.raw = None;
                    let off = cause.raw_os_error() == Some(libc::ENETDOWN);
                    self.keeper.hci_failed(now, off, &cause.to_string(), orders);
                }
            }
            Order::ResetController => self.reset(move || controller_reset(index), orders),
            Order::ResetDevice => self.reset(move || device::reset(index), orders),
            Order::Note(..) => {}
        }
    }

    fn give(&mut self, index: u16, command: HciCommand) -> io::Result<()> {
        let raw = match self.raw.take() {
            Some(raw) => raw,
            None => Raw::open(index)?,
        };
        self.raw.insert(raw).give(command)
    }

    /// Takes what the controller answered.
    pub(crate) fn read_raw(&mut self, now: Duration, orders: &mut Vec<Order>) {
        while let Some(packet) = self.raw.as_ref().and_then(Raw::next) {
            if let Some(done) = hci_command::done(&packet) {
                self.keeper.hci_done(now, done, orders);
            }
        }
    }

    fn reset(&mut self, reset: impl FnOnce() -> Result<(), String> + Send + 'static, orders: &mut Vec<Order>) {
        let (sender, receiver) = channel();
        let begun = thread::Builder::new().name("radio-reset".to_owned()).spawn(move || sender.send(reset()));
        match begun {
            Ok(_) => self.resetting = Some(receiver),
            Err(cause) => self.reset_done(Err(cause.to_string()), orders),
        }
    }

    fn reset_done(&mut self, result: Result<(), String>, orders: &mut Vec<Order>) {
        self.resetting = None;
        self.keeper.reset_done(result, orders);
    }
}

fn controller_reset(index: u16) -> Result<(), String> {
    let reset = sys::bluetooth_socket().and_then(|socket| sys::reset_controller(&socket, index));
    reset.map_err(|cause| cause.to_string())
}
