//! A worker: it waits for its sockets, reads them into one batch, hands that over, and writes what it is told to. It
//! knows nothing of MQTT, decides nothing, and waits for nobody but its poll: while the broker's thread has no room for
//! another batch it reads no more, and goes on writing.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};

use super::DoorPlate;
use super::account::Account;
use super::mailbox::{Batch, Deed, Mailbox, Newcomer, News, Order, Orders, What};
use crate::HANDSHAKES_PER_TURN_MAX;
use crate::closing::{CLOSING, Closing};
use crate::door::{self, Knock};
use crate::handshakes::{Handshakes, Queued};
use crate::judging::{Judging, Objection};
use crate::listener::ListenerConfig;
use crate::transport::{Progress, Transport};

const WAKE: Token = Token(usize::MAX);
/// A read with less room than this is not worth its system call.
const READ_ROOM_MIN: usize = 16 * 1024;

pub(super) struct Pump {
    poll: Poll,
    mailbox: Arc<Mailbox>,
    doors: Arc<[ListenerConfig]>,
    /// By the number that the broker gave them.
    sockets: Vec<Option<Box<Socket>>>,
    /// Filled in this turn.
    batch: Batch,
    words: Vec<(u32, u32)>,
    orders: Orders,
    /// Sockets that may hold more than was read.
    again: Vec<u32>,
    handshakes: Handshakes,
    /// Certificates that are verified again.
    judging: Judging,
    closing: Closing,
    /// There is no room to read into.
    is_full: bool,
    is_stopping: bool,
    /// How often the poll has been asked.
    turn: u64,
}

struct Socket {
    transport: Transport,
    generation: u32,
    /// The turn in which it came: what the poll has told in it was of another one with its number.
    since: u64,
    door: DoorPlate,
    /// What it speaks is not known yet, and it stands at a door with TLS.
    is_knocking: bool,
    /// Its proxy has said whom it speaks for.
    is_announced: bool,
    /// It has said something, and who it is was told if its handshake says so.
    has_spoken: bool,
    account: Arc<Account>,
    /// Bytes that were to be written since the beginning; goes round.
    received: usize,
    /// And how many of them were taken.
    taken: usize,
    /// What the socket did not take at once; its first `gone` bytes it has taken since.
    waiting: Vec<u8>,
    gone: usize,
    /// The broker does not want to hear of it for now.
    is_resting: bool,
    /// It will say no more, and this was told.
    has_ended: bool,
    /// It can no longer be written to, and this was told.
    is_lost: bool,
    /// Stands in the list of those that may hold more.
    is_again: bool,
    /// Its place in the queue of handshakes.
    queued: Queued,
}

impl Socket {
    /// What it says from now on is for a door that is no longer there.
    fn sent_away(&mut self, at: usize, objection: Objection) -> News {
        self.has_ended = true;
        News { at: at as u32, generation: self.generation, what: What::NoLongerTaken(objection) }
    }
}

/// Whoever waits for this worker is told that it has ended, though it broke down.
struct Farewell(Arc<Mailbox>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.is_over();
    }
}

impl Pump {
    pub(super) fn new(doors: Arc<[ListenerConfig]>, core: Arc<Waker>) -> io::Result<(Self, Arc<Mailbox>)> {
        let poll = Poll::new()?;
        let mailbox = Arc::new(Mailbox::new(core, Waker::new(poll.registry(), WAKE)?));
        let pump = Self {
            poll,
            mailbox: Arc::clone(&mailbox),
            doors,
            sockets: Vec::new(),
            batch: mailbox.empty_batch(),
            words: Vec::new(),
            orders: Orders::default(),
            again: Vec::new(),
            handshakes: Handshakes::default(),
            judging: Judging::default(),
            closing: Closing::default(),
            is_full: false,
            is_stopping: false,
            turn: 0,
        };
        Ok((pump, mailbox))
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) -> io::Result<()> {
        let _farewell = Farewell(Arc::clone(&self.mailbox));
        let mut events = Events::with_capacity(1024);
        while !(self.is_stopping && self.closing.is_empty()) {
            // Without room there is nothing to go on with: the broker's thread wakes us when there is.
            let has_more = !self.again.is_empty() || !self.handshakes.is_empty() || self.judging.is_under_way();
            let patience = (has_more && !self.is_full).then_some(Duration::ZERO);
            // A millisecond more: its time must be past when we look.
            let closing = self.closing.patience(Instant::now()).map(|wait| wait + Duration::from_millis(1));
            let patience = [patience, closing].into_iter().flatten().min();
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.turn += 1;
            // Those that have more to say than two reads take have their next turn when all others had theirs.
            let again = std::mem::take(&mut self.again);
            self.obey();
            for event in &events {
                match event.token() {
                    WAKE => {}
                    Token(at) if at >= CLOSING => self.closing.ready(at - CLOSING),
                    Token(at) => {
                        let is_ending = event.is_read_closed() || event.is_error();
                        self.ready(at as u32, event.is_writable(), is_ending);
                    }
                }
            }
            for at in again {
                // Else its number went to another.
                if self.socket(at).is_some_and(|socket| std::mem::take(&mut socket.is_again)) {
                    self.read(at, true);
                }
            }
            for _ in 0..HANDSHAKES_PER_TURN_MAX {
                let Some(at) = self.handshakes.pop() else { break };
                if let Some(is_ending) = self.socket(at).and_then(|socket| socket.queued.take()) {
                    self.read(at, is_ending);
                }
            }
            self.judge();
            if !self.closing.is_idle() {
                self.closing.look(Instant::now());
            }
            let is_told = self.mailbox.tell(&mut self.words, &mut self.batch);
            self.is_full = !is_told && self.batch.room().len() < READ_ROOM_MIN;
        }
        Ok(())
    }

    fn socket(&mut self, at: u32) -> Option<&mut Socket> {
        self.sockets.get_mut(at as usize)?.as_deref_mut()
    }

    // ---- orders

    fn obey(&mut self) {
        let mut orders = std::mem::take(&mut self.orders);
        self.mailbox.take_orders(&mut orders);
        let mut begin = 0;
        for Order { at, deed } in orders.list.drain(..) {
            match deed {
                Deed::Write(count) => {
                    self.write(at, &orders.bytes[begin..begin + count]);
                    begin += count;
                }
                Deed::Open(newcomer) => self.open(at, *newcomer),
                Deed::Rest => {
                    if let Some(socket) = self.socket(at) {
                        socket.is_resting = true;
                    }
                }
                Deed::GoOn => {
                    if let Some(socket) = self.socket(at) {
                        socket.is_resting = false;
                        // What came meanwhile gave its event already.
                        self.read_again(at);
                    }
                }
                Deed::Close => {
                    // Dropping the socket takes it out of the poll.
                    if let Some(socket) = self.sockets.get_mut(at as usize).and_then(Option::take) {
                        self.closing.take(socket.transport, self.poll.registry(), Instant::now());
                    }
                }
                Deed::Doors(doors) => self.set_doors(doors),
                Deed::Stop => self.is_stopping = true,
            }
        }
        orders.empty();
        self.orders = orders;
    }

    /// New listeners count, and who would no longer be let in is told of.
    fn set_doors(&mut self, doors: Arc<[ListenerConfig]>) {
        let before = std::mem::replace(&mut self.doors, doors);
        for (at, socket) in self.sockets.iter_mut().enumerate() {
            let Some(socket) = socket else { continue };
            let number = usize::from(socket.door.listener);
            let (Some(before), Some(now)) = (before.get(number), self.doors.get(number)) else { continue };
            socket.transport.hold_to(&now.protection);
            if let Some(objection) = now.objects(before, &socket.transport, socket.is_knocking) {
                self.batch.news.push(socket.sent_away(at, objection));
            }
        }
        self.judging.begin();
    }

    /// Goes on with verifying the certificates of those who are here.
    fn judge(&mut self) {
        let Self { sockets, doors, judging, batch, .. } = self;
        let gone = judging.go_on(sockets.len(), |at| {
            let socket = sockets[at].as_deref().filter(|socket| !socket.has_ended)?;
            doors.get(usize::from(socket.door.listener))?.verify(&socket.transport)
        });
        for (at, objection) in gone {
            if let Some(socket) = &mut sockets[at] {
                batch.news.push(socket.sent_away(at, objection));
            }
        }
    }

    fn open(&mut self, at: u32, newcomer: Newcomer) {
        let Newcomer { stream, generation, door, account } = newcomer;
        let transport = Transport::Plain(stream);
        let mut transport = match self.doors.get(usize::from(door.listener)) {
            Some(config) => config.protection.dressed(transport, door.port),
            None => transport,
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = transport.register(self.poll.registry(), Token(at as usize), interest);
        let socket = Socket {
            transport,
            generation,
            since: self.turn,
            door,
            is_knocking: !door.is_plain,
            is_announced: false,
            has_spoken: false,
            account,
            received: 0,
            taken: 0,
            waiting: Vec::new(),
            gone: 0,
            is_resting: false,
            has_ended: registered.is_err(),
            is_lost: false,
            is_again: false,
            queued: None,
        };
        if self.sockets.len() <= at as usize {
            self.sockets.resize_with(at as usize + 1, || None);
        }
        self.sockets[at as usize] = Some(Box::new(socket));
        if let Err(error) = registered {
            tracing::error!(target: "error", "Error: Unable to wait for a new connection: {error}.");
            self.tell(at, generation, What::Lost);
        }
    }

    fn write(&mut self, at: u32, bytes: &[u8]) {
        let Some(socket) = self.socket(at) else { return };
        if socket.is_lost {
            return;
        }
        socket.received = socket.received.wrapping_add(bytes.len());
        socket.account.set_seen(socket.received);
        let mut taken = 0;
        let mut is_lost = false;
        // The broker hands over the next bytes when these are taken, so nothing waits in front of them.
        while taken < bytes.len() {
            match socket.transport.write(&bytes[taken..]) {
                Ok(Progress::Some(count)) => taken += count,
                Ok(Progress::Later | Progress::More) => break,
                Err(_) => {
                    is_lost = true;
                    break;
                }
            }
        }
        if taken < bytes.len() {
            socket.waiting.extend_from_slice(&bytes[taken..]);
        }
        self.wrote(at, is_lost);
    }

    /// The socket may take more.
    fn write_on(&mut self, at: u32) {
        let Some(socket) = self.socket(at) else { return };
        let mut is_lost = false;
        loop {
            let result = match &socket.waiting[socket.gone..] {
                [] => socket.transport.flush(),
                rest => socket.transport.write(rest),
            };
            match result {
                Ok(Progress::Some(count)) if socket.gone < socket.waiting.len() => socket.gone += count,
                Ok(_) => break,
                Err(_) => {
                    is_lost = true;
                    break;
                }
            }
        }
        self.wrote(at, is_lost);
    }

    /// Keeps the account of what was written.
    fn wrote(&mut self, at: u32, is_lost: bool) {
        let Some(socket) = self.socket(at) else { return };
        if is_lost {
            (socket.is_lost, socket.has_ended) = (true, true);
            let generation = socket.generation;
            self.tell(at, generation, What::Lost);
            return;
        }
        if socket.gone == socket.waiting.len() {
            (socket.waiting, socket.gone) = (Vec::new(), 0);
        }
        // What TLS still holds counts as one byte: it is not over until that has left.
        let left = socket.waiting.len() - socket.gone + usize::from(socket.transport.holds_bytes());
        // But for the words of TLS itself, which nobody waits for: what was taken stays taken.
        let left = left.min(socket.received.wrapping_sub(socket.taken));
        socket.taken = socket.received.wrapping_sub(left);
        if socket.account.set_taken(socket.taken, left == 0) {
            let place = (at, socket.generation);
            self.words.push(place);
        }
    }

    // ---- news

    fn tell(&mut self, at: u32, generation: u32, what: What) {
        self.batch.news.push(News { at, generation, what });
    }

    fn ready(&mut self, at: u32, is_writable: bool, is_ending: bool) {
        let turn = self.turn;
        let Some(socket) = self.socket(at).filter(|socket| socket.since != turn) else { return };
        if is_writable && !socket.is_lost {
            self.write_on(at);
        }
        let Some(socket) = self.sockets.get_mut(at as usize).and_then(Option::as_deref_mut) else { return };
        if socket.is_knocking || socket.transport.is_shaking_hands() {
            self.handshakes.push(at, &mut socket.queued, is_ending);
            return;
        }
        self.read(at, is_ending);
    }

    fn read_again(&mut self, at: u32) {
        if let Some(socket) = self.socket(at)
            && !std::mem::replace(&mut socket.is_again, true)
        {
            self.again.push(at);
        }
    }

    /// Whether there is room to read into, made by handing over what there is if need be.
    fn has_room(&mut self) -> bool {
        if self.batch.room().len() < READ_ROOM_MIN {
            self.mailbox.tell(&mut self.words, &mut self.batch);
        }
        self.batch.room().len() >= READ_ROOM_MIN
    }

    /// Reads what has come, as the broker's thread does it in the inline way.
    fn read(&mut self, at: u32, to_the_end: bool) {
        let Some(socket) = self.socket(at) else { return };
        if socket.is_resting || socket.has_ended || (socket.is_knocking && !self.open_door(at, to_the_end)) {
            return;
        }
        // Two reads at most: a connection that has always more to say must not keep the others waiting.
        for _ in 0..2 {
            if !self.has_room() {
                break;
            }
            let Some(socket) = self.sockets.get_mut(at as usize).and_then(Option::as_deref_mut) else { return };
            let room = self.batch.room();
            let room_bytes = room.len();
            let outcome = socket.transport.read(room);
            let generation = socket.generation;
            if let Some(address) = socket.transport.take_forwarded_for() {
                self.batch.news.push(News { at, generation, what: What::ForwardedFor(address) });
            }
            match outcome {
                Ok(Progress::Some(count)) => {
                    let is_all = !to_the_end && count < room_bytes && socket.transport.short_read_is_all();
                    let name = if std::mem::replace(&mut socket.has_spoken, true) {
                        None
                    } else {
                        self.doors[usize::from(socket.door.listener)]
                            .protection
                            .names
                            .and_then(|from| socket.transport.user_name(from))
                    };
                    self.batch.used += count;
                    if let Some(name) = name {
                        self.tell(at, generation, What::Named(name.into()));
                    }
                    self.tell(at, generation, What::Bytes(count));
                    if is_all {
                        return;
                    }
                }
                Ok(Progress::Later) => return,
                Ok(Progress::More) => break,
                Err(trouble) => {
                    let what = match door::complaint(&socket.transport, &trouble) {
                        Some(complaint) => What::Failed(Box::new(complaint)),
                        None => What::Ended,
                    };
                    socket.has_ended = true;
                    self.tell(at, generation, what);
                    return;
                }
            }
        }
        self.read_again(at);
    }

    /// Looks at the first bytes of a stranger at a TLS port; `true` if the handshake may begin.
    fn open_door(&mut self, at: u32, is_ending: bool) -> bool {
        let Some(socket) = self.sockets.get_mut(at as usize).and_then(Option::as_deref_mut) else { return false };
        let protection = &self.doors[usize::from(socket.door.listener)].protection;
        let generation = socket.generation;
        if let Some(rules) = protection.proxy.filter(|_| !socket.is_announced) {
            let what = match door::announce(&mut socket.transport, rules, is_ending) {
                Knock::Wait => return false,
                Knock::Announced(origin) => What::Announced(origin),
                Knock::Rejected(line) => What::Rejected(line),
                _ => What::Lost,
            };
            let is_announced = matches!(what, What::Announced(_));
            socket.is_announced = is_announced;
            socket.is_knocking = !is_announced || protection.speaks_tls();
            (socket.is_lost, socket.has_ended) = (!is_announced, !is_announced);
            let is_open = !socket.is_knocking;
            self.batch.news.push(News { at, generation, what });
            if !is_announced || is_open {
                return is_open;
            }
        }
        let what = match door::knock(&mut socket.transport, protection, socket.door.port, is_ending) {
            Knock::Wait => return false,
            Knock::Open => {
                socket.is_knocking = false;
                return true;
            }
            Knock::Gone | Knock::Announced(_) | Knock::Rejected(_) => What::Lost,
            Knock::Refuse(kind, what) => What::Refused(Box::new((kind, what))),
        };
        (socket.is_lost, socket.has_ended) = (true, true);
        self.tell(at, generation, what);
        false
    }
}
