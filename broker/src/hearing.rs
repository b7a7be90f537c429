//! What the loop hears: bytes of one connection become packets, and the core is told. Here is how much of it is heard in one turn
//! and what has to wait; when a turn is, and what is written in it, is the `reactor`'s.

use broker_core::{LinkId, Outbox as _};
use mqtt::{Frame, Packet, ProtocolVersion, TopicName, next_frame};

use crate::connection::Stage;
use crate::door::{self, Knock};
use crate::reactor::Reactor;
use crate::transport::Progress;
use crate::turn::Turn;
use crate::{STRANGER_PACKET_BYTES_MAX, STRANGERS_BYTES_MAX};

/// The first byte of a CONNECT: its type, and no flags [3.1.1 §3.1.1, 5.0 §3.1.1].
const CONNECT: u8 = 0x10;

impl Reactor {
    /// The socket of a connection has news; `is_ending`: the other side will say no more.
    pub(crate) fn ready(&mut self, at: u32, is_writable: bool, is_ending: bool) {
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return };
        if is_writable {
            if !connection.out.is_empty() {
                self.desk.set_dirty(at);
            } else if connection.transport.flush().is_err() {
                self.lost(at);
                return;
            }
        }
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return };
        if connection.is_shaking_hands() {
            self.handshakes.push(at, &mut connection.queued, is_ending);
            return;
        }
        self.read(at, is_ending);
    }

    /// Reads what has come. A read that does not fill the buffer has emptied a plain socket, so it is not asked
    /// again, but `to_the_end`: after an end of the stream, or a rest from reading, the poll has nothing more to tell.
    pub(crate) fn read(&mut self, at: u32, to_the_end: bool) {
        let Some(connection) = self.desk.connections.get(at as usize) else { return };
        let stage = connection.stage;
        if connection.is_remote() {
            return self.hear_again(at);
        }
        if stage == Stage::Leaving || (stage.is_knocking() && !self.open_door(at, to_the_end)) {
            return;
        }
        // Two reads at most, and so much work: a connection that has always more to say must not keep the others waiting.
        if !self.begin_turn(at) {
            self.again.push(at);
            return;
        }
        self.read_on(at, to_the_end);
        self.end_turn(at);
    }

    /// `false`: the connection owes what it took beyond the measure in turns before.
    pub(crate) fn begin_turn(&mut self, at: u32) -> bool {
        let (work, dirty) = (self.core.work(), self.desk.dirty.len());
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return true };
        let turn = Turn::begin(connection, work, dirty);
        self.turn = turn.unwrap_or_default();
        turn.is_some()
    }

    pub(crate) fn end_turn(&mut self, at: u32) {
        let beyond = self.turn.beyond(self.core.work(), self.desk.dirty.len());
        if let Some(connection) = self.desk.connections.get_mut(at as usize)
            && let Some(steps) = beyond
        {
            connection.debt = u32::try_from(steps).unwrap_or(u32::MAX);
        }
    }

    /// Whether what it said waits for its next turn.
    pub(crate) fn is_cut(&self, at: u32) -> bool {
        self.desk.connections.get(at as usize).is_some_and(|connection| connection.is_cut)
    }

    fn read_on(&mut self, at: u32, to_the_end: bool) {
        for _ in 0..2 {
            if !self.may_hear(at) {
                return;
            }
            let Some(connection) = self.desk.connections.get_mut(at as usize) else { return };
            if std::mem::take(&mut connection.is_cut) {
                // What it said before comes before what it says now; more is not read from it meanwhile.
                let rest = self.desk.take_unfinished(at);
                self.take_bytes(at, rest);
                if self.is_cut(at) {
                    break;
                }
                continue;
            }
            let mut scratch = std::mem::take(&mut self.scratch);
            let outcome = connection.transport.read(&mut scratch);
            if let Some(address) = connection.transport.take_forwarded_for() {
                connection.comes_from(address);
            }
            match outcome {
                Ok(Progress::Some(count)) => {
                    self.desk.bytes_received += count as u64;
                    let is_all = !to_the_end && count < scratch.len() && connection.transport.short_read_is_all();
                    self.take_read(at, &scratch[..count]);
                    self.scratch = scratch;
                    if self.is_cut(at) {
                        break;
                    }
                    if is_all {
                        return;
                    }
                }
                Ok(Progress::Later) => {
                    self.scratch = scratch;
                    return;
                }
                Ok(Progress::More) => {
                    self.scratch = scratch;
                    break;
                }
                Err(trouble) => {
                    self.scratch = scratch;
                    let said = door::complaint(&connection.transport, &trouble);
                    let is_stranger = connection.stage != Stage::Client;
                    if let Some((kind, what)) = said
                        && is_stranger
                    {
                        self.desk.complain(at, kind, &what);
                        self.core.astray(self.now(), LinkId(at), "it does not get through the door", &mut self.desk);
                    }
                    self.ended(at);
                    return;
                }
            }
        }
        self.again.push(at);
    }

    /// Whether a connection may be read from now. If not, it is seen to that it goes on when it may.
    pub(crate) fn may_hear(&mut self, at: u32) -> bool {
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return false };
        if connection.stage == Stage::Leaving || connection.is_paused {
            return false;
        }
        if connection.stage == Stage::Client
            && self.desk.keeper.as_ref().is_some_and(|keeper| keeper.slows(self.desk.now))
        {
            if !std::mem::replace(&mut connection.is_slowed, true) {
                self.desk.slowed.push(at);
            }
            return false;
        }
        if connection.has_too_many_replies() {
            self.desk.bytes_sent += connection.settle(self.desk.now, &mut self.desk.spares) as u64;
            if connection.has_too_many_replies() {
                connection.is_unheard = true;
                self.desk.unheard += 1;
                if connection.is_remote() {
                    self.desk.set_dirty(at); // its worker is asked for word
                }
                let what = "asks faster than it reads the answers: it is not read from until it does";
                self.desk.complain(at, "replies", what);
                return false;
            }
        }
        true
    }

    /// Looks at the first bytes of a stranger at a TLS port; `true` if the handshake may begin.
    fn open_door(&mut self, at: u32, is_ending: bool) -> bool {
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return false };
        let listener = usize::from(connection.listener);
        let port = self.sockets.iter().find(|s| usize::from(s.listener) == listener).map_or(0, |s| s.port);
        let protection = &self.listeners[listener].protection;
        if connection.stage == Stage::Knocking
            && let Some(rules) = protection.proxy
        {
            match door::announce(&mut connection.transport, rules, is_ending) {
                Knock::Wait => return false,
                Knock::Announced(origin) => {
                    let is_open = !protection.speaks_tls();
                    connection.stage = if is_open { Stage::Stranger } else { Stage::Announced };
                    self.desk.announced(at, *origin);
                    if is_open {
                        return true;
                    }
                }
                other => {
                    if let Knock::Rejected(line) = other {
                        self.desk.reject(at, &line);
                        self.astray(at, "a proxy's header that cannot be used");
                    } else {
                        self.lost(at);
                    }
                    return false;
                }
            }
        }
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return false };
        match door::knock(&mut connection.transport, &self.listeners[listener].protection, port, is_ending) {
            Knock::Wait => return false,
            Knock::Open => {
                connection.stage = Stage::Stranger;
                return true;
            }
            // The latter two are a proxy's, who has spoken.
            Knock::Gone | Knock::Announced(_) | Knock::Rejected(_) => self.lost(at),
            Knock::Refuse(kind, what) => {
                self.desk.complain(at, kind, &what);
                self.astray(at, "it has come to the wrong door");
            }
        }
        false
    }

    /// Bytes of one read, in the loop's own buffer.
    pub(crate) fn take_read(&mut self, at: u32, bytes: &[u8]) {
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return };
        if connection.unfinished.is_empty() {
            let used = self.handle(at, bytes);
            self.keep_rest(at, &bytes[used.min(bytes.len())..]);
        } else {
            let mut whole = self.desk.take_unfinished(at);
            whole.extend_from_slice(bytes);
            self.take_bytes(at, whole);
        }
    }

    /// Bytes that lay in the connection's own buffer.
    pub(crate) fn take_bytes(&mut self, at: u32, mut bytes: Vec<u8>) {
        let used = self.handle(at, &bytes);
        if used < bytes.len() / 2 {
            bytes.drain(..used);
            self.keep(at, bytes);
        } else {
            self.keep_rest(at, &bytes[used.min(bytes.len())..]);
        }
    }

    fn keep_rest(&mut self, at: u32, rest: &[u8]) {
        if !rest.is_empty() {
            self.keep(at, rest.to_vec());
        }
    }

    pub(crate) fn keep(&mut self, at: u32, bytes: Vec<u8>) {
        if !self.desk.keep_unfinished(at, bytes) {
            self.desk.say_seldom("bytes", |more| {
                tracing::warn!(target: "warning", "Warning: connections that have not logged in send long packets in \
                    pieces, {STRANGERS_BYTES_MAX} bytes by now: more are not taken ({more} were closed since this \
                    was said last).");
            });
            self.core.given_up(self.now(), LinkId(at), &mut self.desk);
            self.lost(at);
        }
    }

    /// Tells the core every whole packet in `bytes`; answers how many bytes were used.
    fn handle(&mut self, at: u32, bytes: &[u8]) -> usize {
        let (link, now) = (LinkId(at), self.now());
        let stranger_limit = self.stranger_limit();
        let mut used = 0;
        self.heard += 1;
        while used < bytes.len() {
            let Some(connection) = self.desk.connections.get_mut(at as usize) else { return used };
            if connection.stage == Stage::Leaving || connection.is_paused {
                return used;
            }
            if self.turn.beyond(self.core.work(), self.desk.dirty.len()).is_some() {
                connection.is_cut = true;
                self.desk.turns_cut += 1;
                return used;
            }
            if connection.has_too_many_replies() {
                connection.is_cut = true;
                return used;
            }
            let is_stranger = connection.stage != Stage::Client;
            if is_stranger && bytes[used] != CONNECT && !self.desk.logins.is_authenticating(link) {
                // Told at once: HTTP and TLS look like the beginning of a long packet, which would be waited for.
                self.complain_of(at, &bytes[used..], "its first packet is not CONNECT");
                self.desk.not_connect(at, bytes[used]);
                self.astray(at, "its first packet is not CONNECT");
                return bytes.len();
            }
            let limit = if is_stranger { stranger_limit } else { self.packet_bytes_max };
            let version = connection.version;
            let mut last_bytes = 0;
            let decoded = match next_frame(&bytes[used..], limit) {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    used += frame.len;
                    last_bytes = frame.len;
                    if self.desk.packets.is_some() {
                        // Of the bytes, not of the packet: that need not lie in memory for anybody else.
                        self.log_received(link, version, frame);
                    }
                    Packet::decode(version, frame)
                }
                Err(fault) => Err(fault),
            };
            match decoded {
                Ok(packet) => {
                    self.handled += 1;
                    if let Packet::Connect(connect) = &packet {
                        if let Some(connection) = self.desk.connections.get_mut(at as usize) {
                            connection.version = connect.version;
                        }
                        self.desk.connect_bytes = last_bytes;
                    }
                    self.core.handle(now, link, packet, &mut self.desk);
                }
                Err(fault) => {
                    if is_stranger {
                        self.complain_of(at, bytes, &fault.to_string());
                        self.desk.wrong_protocol(at, fault, &bytes[used - last_bytes..]);
                    }
                    self.core.broken(now, link, fault, &mut self.desk);
                    return bytes.len();
                }
            }
            for (link, verdict) in std::mem::take(&mut self.desk.verdicts) {
                if let Some(connection) = self.desk.get(link) {
                    connection.is_paused = false;
                }
                self.core.verdict(now, link, verdict, &mut self.desk);
            }
            for (link, answer) in std::mem::take(&mut self.desk.answers) {
                self.core.authenticated(now, link, answer.as_answer(), &mut self.desk);
            }
        }
        used
    }

    /// A line for a packet that came, where it is wanted.
    #[cold]
    #[inline(never)]
    fn log_received(&mut self, link: LinkId, version: ProtocolVersion, frame: Frame<'_>) {
        let Some(packets) = &mut self.desk.packets else { return };
        let Some(connection) = self.desk.connections.get(link.0 as usize) else { return };
        let Ok(packet) = Packet::decode(version, frame) else {
            return packets.received_wrong(link, &connection.peer, frame.packet_type());
        };
        let topic = match &packet {
            Packet::Publish(publish) if publish.topic.is_none() => {
                publish.properties.topic_alias().and_then(|alias| self.core.aliased(link, alias))
            }
            _ => None,
        };
        packets.received(link, &connection.peer, &packet, topic.map(TopicName::as_str));
    }

    fn stranger_limit(&self) -> u32 {
        if self.packet_bytes_max == 0 {
            return STRANGER_PACKET_BYTES_MAX;
        }
        self.packet_bytes_max.min(STRANGER_PACKET_BYTES_MAX)
    }

    /// A stranger whose first words are not MQTT.
    fn complain_of(&mut self, at: u32, first_bytes: &[u8], fault: &str) {
        let Some(connection) = self.desk.connections.get(at as usize) else { return };
        let listener = connection.listener;
        let port = self.sockets.iter().find(|s| s.listener == listener).map_or(0, |s| s.port);
        match door::wrong_at_plain(first_bytes, port) {
            Some((kind, what)) if connection.transport.is_plain() => self.desk.complain(at, kind, &what),
            _ => self.desk.complain(at, "malformed", &format!("does not speak MQTT as it should: {fault}")),
        }
    }

    /// The other side will say no more. What it is still owed (the answers to its last words) leaves first, if
    /// the socket takes it.
    pub(crate) fn ended(&mut self, at: u32) {
        let now = self.now();
        self.core.closed(now, LinkId(at), &mut self.desk);
        self.desk.close(LinkId(at));
    }

    /// It has come to the wrong door.
    pub(crate) fn astray(&mut self, at: u32, what: &'static str) {
        self.core.astray(self.now(), LinkId(at), what, &mut self.desk);
        self.lost(at);
    }

    /// The connection can no longer be used.
    pub(crate) fn lost(&mut self, at: u32) {
        let now = self.now();
        self.core.closed(now, LinkId(at), &mut self.desk);
        self.remove(at);
    }
}
