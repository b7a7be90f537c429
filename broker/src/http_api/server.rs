//! The thread of the `http_api`: sockets in, one answer each, and the end. Bounded in connections, bytes and time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use certs::{Sniffed, sniff};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use web::{HeadFault, HeadReader};

use super::answer::{Answer, Stranger, answer, no_request};
use super::{Figures, HttpAccess, HttpFate, Order};
use crate::appliance::Command;
use crate::aside::Owner;
use crate::door::{self, Knock};
use crate::knocks::Knocks;
use crate::listener::Listening;
use crate::peer::Peer;
use crate::transport::{Progress, Transport};
use crate::{ACCEPT_REST, HTTP_CONNECTIONS_MAX, HTTP_FIGURES_FRESH, HTTP_TIME_MAX};

const WAKE: Token = Token(usize::MAX);
/// Listeners have the tokens from here, connections those from 0.
const LISTENERS: usize = usize::MAX - 1024;
/// Bytes that are read or written at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// How long the broker's loop may take for its figures.
const FIGURES_PATIENCE: Duration = Duration::from_secs(5);

/// Brings a question to the broker's loop.
type Ask = Box<dyn Fn(Command) + Send>;

pub(super) struct Server {
    /// Ours as well: a waker that is dropped takes along what it has not told yet, which may be that this is the end.
    _waker: Arc<Waker>,
    poll: Poll,
    orders: Receiver<Order>,
    /// Listeners' sockets, by their numbers in `access`.
    sockets: Vec<Listening>,
    access: Arc<HttpAccess>,
    ask: Ask,
    connections: Slab<Connection>,
    /// In the order in which they came, and so in that in which their time is up.
    order: VecDeque<(usize, u32, Instant)>,
    generation: u32,
    knocks: Knocks,
    /// The last figures, and when they came.
    figures: Option<(Instant, Figures)>,
    piece: Vec<u8>,
}

struct Connection {
    transport: Transport,
    /// What counted when it knocked.
    access: Arc<HttpAccess>,
    peer: Peer,
    listener: usize,
    port: u16,
    generation: u32,
    stage: Stage,
}

enum Stage {
    /// It stands at a door with TLS.
    Knocking,
    Reading(HeadReader),
    Writing(Writing),
    /// It has its answer. Its end is waited for: to close on what it still says could cost it the answer.
    Leaving,
}

struct Writing {
    bytes: Vec<u8>,
    gone: usize,
    file: Option<(File, u64)>,
}

/// What became of a step.
enum Step {
    /// Another may follow at once.
    On,
    /// The socket has to be waited for.
    Wait,
    Over,
}

impl Server {
    pub(super) fn new(orders: Receiver<Order>, ask: Ask) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let server = Self {
            _waker: Arc::clone(&waker),
            poll,
            orders,
            sockets: Vec::new(),
            access: Arc::new(HttpAccess::nothing()),
            ask,
            connections: Slab::new(),
            order: VecDeque::new(),
            generation: 0,
            knocks: Knocks::default(),
            figures: None,
            piece: vec![0; PIECE_BYTES],
        };
        Ok((server, waker))
    }

    /// Runs until nobody is left to give orders.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(128);
        loop {
            let now = Instant::now();
            let rest = self.sockets.iter().filter_map(|socket| socket.rests_until).min();
            let first = self.order.front().map(|(.., until)| *until);
            let patience = [rest, first].into_iter().flatten().min().map(|at| at.saturating_duration_since(now));
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                if let Token(at) = event.token()
                    && at < LISTENERS
                {
                    self.go_on(at, event.is_read_closed() || event.is_error());
                }
            }
            // Connections come in after that: they get the numbers of those that go, and no event of this turn is theirs. And
            // before sockets have other places.
            for event in &events {
                if let Token(at) = event.token()
                    && at >= LISTENERS
                    && at != WAKE.0
                {
                    self.accept(at - LISTENERS);
                }
            }
            if !self.obey()? {
                return Ok(());
            }
            self.look_at_the_time();
        }
    }

    /// Carries out what was ordered. `false`: there will be no more orders.
    fn obey(&mut self) -> io::Result<bool> {
        loop {
            match self.orders.try_recv() {
                Ok(Order::TakeOver(access, listeners, _done)) => self.take_over(access, listeners)?,
                Ok(Order::Protect(protections, _waited)) => {
                    let mut access = HttpAccess::clone(&self.access);
                    for (door, protection) in access.doors.iter_mut().zip(protections) {
                        door.protection = protection;
                    }
                    self.access = Arc::new(access);
                }
                Ok(Order::Lend(to)) => {
                    let lent = self.sockets.iter().filter_map(|socket| {
                        let owner = Owner::Http(usize::from(socket.listener));
                        socket.lend(owner).ok().flatten()
                    });
                    let _ = to.send(lent.collect());
                }
                Err(TryRecvError::Empty) => return Ok(true),
                Err(TryRecvError::Disconnected) => return Ok(false),
            }
        }
    }

    /// The listeners are these from now on. Who is being answered is answered.
    fn take_over(&mut self, access: HttpAccess, listeners: Vec<HttpFate>) -> io::Result<()> {
        self.access = Arc::new(access);
        let mut before = std::mem::take(&mut self.sockets);
        for (number, fate) in listeners.into_iter().enumerate() {
            let sockets = match fate {
                HttpFate::Stays(was) => {
                    before.extract_if(.., |socket| usize::from(socket.listener) == was).collect::<Vec<_>>()
                }
                HttpFate::Opened(opened) => {
                    for socket in &opened.sockets {
                        tracing::info!(target: "information", "Opening http api listen socket on port {}.", socket.port);
                    }
                    opened.sockets
                }
            };
            for mut socket in sockets {
                socket.listener = number as u16;
                self.sockets.push(socket);
            }
        }
        for socket in &before {
            tracing::info!(target: "information", "Closing http api listen socket on port {}.", socket.port);
        }
        drop(before);
        // A socket's token is its place, and places have changed.
        for (at, socket) in self.sockets.iter_mut().enumerate() {
            socket.register_again(self.poll.registry(), Token(LISTENERS + at))?;
        }
        // Whoever came between the two.
        for at in 0..self.sockets.len() {
            self.accept(at);
        }
        Ok(())
    }

    fn look_at_the_time(&mut self) {
        let now = Instant::now();
        for at in 0..self.sockets.len() {
            if self.sockets[at].rests_until.is_some_and(|until| until <= now) {
                self.sockets[at].rests_until = None;
                self.accept(at);
            }
        }
        while self.order.front().is_some_and(|(.., until)| *until <= now) {
            self.close_oldest();
        }
    }

    fn close_oldest(&mut self) {
        if let Some((at, generation, _)) = self.order.pop_front()
            && self.connections.get(at).is_some_and(|connection| connection.generation == generation)
        {
            self.connections.remove(at);
        }
    }

    fn accept(&mut self, at: usize) {
        loop {
            let Some(socket) = self.sockets.get_mut(at) else { return };
            match socket.accept() {
                Ok((stream, peer)) => {
                    let (listener, port) = (usize::from(socket.listener), socket.port);
                    self.take_in(Transport::Plain(stream), peer, listener, port);
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    // The broker's own listeners say it.
                    socket.rests_until = Some(Instant::now() + ACCEPT_REST);
                    return;
                }
            }
        }
    }

    fn take_in(&mut self, mut transport: Transport, peer: Peer, listener: usize, port: u16) {
        while self.connections.len() >= HTTP_CONNECTIONS_MAX {
            self.close_oldest();
        }
        let access = Arc::clone(&self.access);
        let stage = if access.doors[listener].protection.is_plain() {
            Stage::Reading(HeadReader::new(access.head_bytes_max))
        } else {
            Stage::Knocking
        };
        let entry = self.connections.vacant_entry();
        let at = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        if transport.register(self.poll.registry(), Token(at), interest).is_err() {
            return;
        }
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        entry.insert(Connection { transport, access, peer, listener, port, generation, stage });
        self.order.push_back((at, generation, Instant::now() + HTTP_TIME_MAX));
        self.go_on(at, false);
    }

    /// Goes on with a connection as far as its socket lets it.
    fn go_on(&mut self, at: usize, is_ending: bool) {
        loop {
            let Some(connection) = self.connections.get_mut(at) else { return };
            let step = match &mut connection.stage {
                Stage::Knocking => self.knock(at, is_ending),
                Stage::Reading(_) => self.read(at),
                Stage::Writing(writing) => match write(&mut connection.transport, writing, &mut self.piece) {
                    Step::Over => {
                        connection.transport.end_writing();
                        connection.stage = Stage::Leaving;
                        Step::On
                    }
                    other => other,
                },
                Stage::Leaving => match connection.transport.read(&mut self.piece) {
                    Ok(Progress::Some(_) | Progress::More) => Step::On,
                    Ok(Progress::Later) => {
                        let _ = connection.transport.flush();
                        Step::Wait
                    }
                    Err(_) => Step::Over,
                },
            };
            match step {
                Step::On => {}
                Step::Wait => return,
                Step::Over => {
                    self.connections.remove(at);
                    return;
                }
            }
        }
    }

    fn knock(&mut self, at: usize, is_ending: bool) -> Step {
        let Some(connection) = self.connections.get_mut(at) else { return Step::Wait };
        let protection = &connection.access.doors[connection.listener].protection;
        match door::knock(&mut connection.transport, protection, connection.port, is_ending) {
            Knock::Wait => Step::Wait,
            Knock::Gone | Knock::Announced(_) | Knock::Rejected(_) => Step::Over,
            Knock::Open => {
                connection.stage = Stage::Reading(HeadReader::new(connection.access.head_bytes_max));
                Step::On
            }
            Knock::Refuse(..) => {
                let port = connection.port;
                self.complain(
                    at,
                    "tls",
                    &format!("does not speak HTTP over TLS to the http_api port {port}: use https://"),
                );
                Step::Over
            }
        }
    }

    fn read(&mut self, at: usize) -> Step {
        let Some(connection) = self.connections.get_mut(at) else { return Step::Wait };
        let Stage::Reading(reader) = &mut connection.stage else { return Step::On };
        let count = match connection.transport.read(&mut self.piece) {
            Ok(Progress::Some(count)) => count,
            Ok(Progress::Later) => return Step::Wait,
            Ok(Progress::More) => return Step::On,
            Err(trouble) => {
                if let Some((kind, what)) = door::complaint(&connection.transport, &trouble) {
                    self.complain(at, kind, &what);
                }
                return Step::Over;
            }
        };
        let result = match reader.take(&self.piece[..count]) {
            Ok(None) => return Step::On,
            Ok(Some(_)) => self.answer(at),
            Err(HeadFault::NotHttp) => {
                let (port, said) = (connection.port, sniff(&self.piece[..count]));
                let (kind, what) = match said {
                    Sniffed::MqttConnect => ("mqtt", "speaks MQTT"),
                    _ => ("other", "does not speak HTTP"),
                };
                self.complain(at, kind, &format!("{what} to the http_api port {port}: point it to another port"));
                return Step::Over;
            }
            Err(fault) => no_request(fault),
        };
        let Some(connection) = self.connections.get_mut(at) else { return Step::Wait };
        connection.stage = Stage::Writing(Writing { bytes: result.bytes, gone: 0, file: result.file });
        if let Some(Stranger(user)) = result.refused {
            let who = user.map_or_else(String::new, |user| format!(" (user name '{}')", web::shown(user.as_bytes())));
            let port = self.connections[at].port;
            self.complain(at, "password", &format!("may not read what it asks the http_api port {port} for{who}"));
        }
        Step::On
    }

    fn answer(&mut self, at: usize) -> Answer {
        let connection = &self.connections[at];
        let Stage::Reading(reader) = &connection.stage else { return no_request(HeadFault::Malformed) };
        let (ask, fresh) = (&self.ask, &mut self.figures);
        match reader.head() {
            Ok(head) => answer(&head, &connection.access, connection.listener, || figures(ask, fresh)),
            Err(fault) => no_request(fault),
        }
    }

    fn complain(&mut self, at: usize, kind: &'static str, what: &str) {
        let connection = &self.connections[at];
        let (ip, listener) = (connection.peer.ip(), connection.listener as u16);
        if self.knocks.tell(Instant::now(), ip, listener, kind).is_some() {
            tracing::warn!(target: "warning", "{ip} {what}");
        }
    }
}

/// The broker's figures: those of just now, or new ones.
fn figures(ask: &Ask, fresh: &mut Option<(Instant, Figures)>) -> Option<Figures> {
    let now = Instant::now();
    if let Some((_, figures)) = fresh.as_ref().filter(|(at, _)| now.duration_since(*at) < HTTP_FIGURES_FRESH) {
        return Some(figures.clone());
    }
    let (answer, figures) = channel();
    ask(Command::Figures(answer));
    let figures = figures.recv_timeout(FIGURES_PATIENCE).ok()?;
    *fresh = Some((now, figures.clone()));
    Some(figures)
}

/// Writes an answer as far as the socket takes it.
fn write(transport: &mut Transport, writing: &mut Writing, piece: &mut [u8]) -> Step {
    loop {
        while writing.gone < writing.bytes.len() {
            match transport.write(&writing.bytes[writing.gone..]) {
                Ok(Progress::Some(count)) => writing.gone += count,
                Ok(Progress::Later | Progress::More) => return Step::Wait,
                Err(_) => {
                    // Nobody is left to be answered; what is left of it is not sent.
                    *writing = Writing { bytes: Vec::new(), gone: 0, file: None };
                    return Step::Over;
                }
            }
        }
        let Some((file, left)) = writing.file.as_mut().filter(|(_, left)| *left > 0) else { break };
        let wanted = piece.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        match file.read(&mut piece[..wanted]) {
            Ok(count) if count > 0 => {
                *left -= count as u64;
                (writing.bytes, writing.gone) = (piece[..count].to_vec(), 0);
            }
            // It became shorter: the client sees that something is missing.
            _ => writing.file = None,
        }
    }
    match transport.flush() {
        Ok(Progress::Later) if transport.holds_bytes() => Step::Wait,
        _ => Step::Over,
    }
}
