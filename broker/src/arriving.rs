//! Connections begin: listeners are asked for them, limits are held, and each gets its door. What it says then is heard in
//! `hearing.rs`.

use std::io;

use broker_core::{Door, LinkId, Trust};
use mio::{Interest, Token};

use crate::connection::{Connection, Stage};
use crate::peer::Peer;
use crate::reactor::Reactor;
use crate::stream::Stream;
use crate::transport::Transport;
use crate::workers::DoorPlate;
use crate::{ACCEPT_REST, ACCEPTS_PER_TURN_MAX, lines};

impl Reactor {
    pub(crate) fn accept(&mut self, at: usize) {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            let Some(socket) = self.sockets.get_mut(at) else { return }; // none: the broker stops
            socket.has_more = false;
            match socket.accept() {
                Ok((stream, peer)) => {
                    let (listener, port) = (socket.listener, socket.port);
                    let config = &self.listeners[usize::from(listener)];
                    let is_full =
                        config.max_connections.is_some_and(|most| self.connected[usize::from(listener)] >= most);
                    let is_all_full =
                        self.connections_max.is_some_and(|most| self.connected.iter().sum::<u32>() >= most);
                    if is_full || is_all_full {
                        self.desk.knocks.tell(self.desk.now, peer.ip(), listener, "full").inspect(|_| {
                            tracing::info!(target: "notice",
                                "Client connection from {} denied: max_connections exceeded.", peer.host());
                        });
                        continue;
                    }
                    // Of a proxy's client it is not known yet who came; mosquitto says nothing then.
                    if self.desk.tells_connections && config.protection.proxy.is_none() {
                        lines::new_connection(&peer, port);
                    }
                    self.take_in(stream, peer, listener, Trust::Stranger);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The client went away while it waited.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {
                }
                Err(error) => {
                    socket.rests_until = Some(self.desk.now + ACCEPT_REST);
                    let port = socket.port;
                    self.desk.say_seldom("accept", |_| {
                        tracing::error!(target: "error", "Error: Unable to accept new connection on port {port}: \
                            {error}. If this goes on, raise the limit of open files (LimitNOFILE, ulimit -n).");
                    });
                    return;
                }
            }
        }
        self.sockets[at].has_more = true;
    }

    pub(crate) fn take_in(&mut self, stream: Stream, peer: Peer, listener: u16, trust: Trust) {
        self.generation = self.generation.wrapping_add(1);
        let protection = &self.listeners[usize::from(listener)].protection;
        let is_plain = trust == Trust::Ours || protection.is_plain();
        let entry = self.desk.connections.vacant_entry();
        let at = entry.key();
        let is_outside = peer.is_outside();
        let port = self.sockets.iter().find(|s| s.listener == listener).map_or(0, |s| s.port);
        let transport = if is_outside && !self.workers.is_inline() {
            let place = (at as u32, self.generation);
            let door = DoorPlate { listener, port, is_plain, is_bare: is_plain && protection.websocket.is_none() };
            Transport::Remote(Box::new(self.workers.take_on(place, stream, door)))
        } else if is_outside {
            protection.dressed(Transport::Plain(stream), port)
        } else {
            Transport::Plain(stream)
        };
        // The worker looks at the door.
        let is_plain = is_plain || matches!(transport, Transport::Remote(_));
        let stage = if is_plain { Stage::Stranger } else { Stage::Knocking };
        let connection = entry.insert(Connection::new(transport, peer, listener, stage, self.generation));
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = connection.transport.register(self.poll.registry(), Token(at), interest) {
            tracing::error!(target: "error", "Error: Unable to wait for a new connection: {error}.");
            self.desk.connections.remove(at);
            return;
        }
        self.desk.sockets_opened += 1;
        self.connected[usize::from(listener)] += u32::from(is_outside);
        let (now, at) = (self.now(), at as u32);
        self.core.open(now, LinkId(at), Door { listener, trust });
        if is_outside {
            self.desk.greet((at, self.generation));
            self.make_room();
        }
    }

    /// Sends the oldest stranger away when there are too many.
    fn make_room(&mut self) {
        while self.desk.strangers.count > self.strangers_max {
            let Some(oldest) = self.desk.oldest_stranger() else { return };
            self.desk.say_seldom("strangers", |more| {
                tracing::warn!(target: "warning", "Warning: more than {} connections have not logged in: the oldest are \
                    closed ({more} were since this was said last).", self.strangers_max);
            });
            self.core.given_up(self.now(), LinkId(oldest), &mut self.desk);
            self.lost(oldest);
        }
    }
}
