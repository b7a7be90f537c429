//! Connections whose session is over and whose WebSocket is not: we have said Close, and the other side's Close is waited for
//! [RFC 6455 §7.1.1]. A socket that is dropped on what has not been read from it resets the connection, and with it goes
//! what the other side has not read of ours: its last messages, and the reason.
//!
//! They are connections to nobody any more: they have no number in the core, no limit counts them, and what they say is
//! thrown away. Bounded in number, time and bytes. Whoever has the sockets has one of these: the loop, or an I/O thread.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mio::{Registry, Token};
use slab::Slab;

use crate::transport::{Progress, Transport};
use crate::{WEBSOCKET_CLOSE_BYTES_MAX, WEBSOCKET_CLOSE_TIME_MAX, WEBSOCKETS_CLOSING_MAX};

/// They have the tokens from here; connections have those from 0, listeners those from `usize::MAX - 1024`.
pub(crate) const CLOSING: usize = usize::MAX / 2;

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 16 * 1024;

pub(crate) struct Closing {
    all: Slab<One>,
    /// So many of them.
    most: usize,
    /// In the order in which they came, and so in that in which their time is up; twice `most` of them, for those that have
    /// answered stay in it for a while.
    order: VecDeque<(usize, u32, Instant)>,
    generation: u32,
    /// Those that may have more to throw away.
    again: Vec<usize>,
}

impl Default for Closing {
    fn default() -> Self {
        let most = WEBSOCKETS_CLOSING_MAX;
        Self { all: Slab::new(), most, order: VecDeque::new(), generation: 0, again: Vec::new() }
    }
}

struct One {
    transport: Transport,
    generation: u32,
    bytes_left: usize,
}

impl Closing {
    /// Says goodbye, and waits for the other side's where there is any to come.
    pub(crate) fn take(&mut self, mut transport: Transport, registry: &Registry, now: Instant) {
        if !transport.begin_close() {
            transport.close();
            return;
        }
        while self.all.len() >= self.most {
            self.close_oldest();
        }
        let entry = self.all.vacant_entry();
        let at = entry.key();
        if transport.register_again(registry, Token(CLOSING + at)).is_err() {
            transport.close();
            return;
        }
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        entry.insert(One { transport, generation, bytes_left: WEBSOCKET_CLOSE_BYTES_MAX });
        if self.order.len() >= 2 * self.most {
            let all = &self.all;
            self.order.retain(|(at, of, _)| all.get(*at).is_some_and(|one| one.generation == *of));
        }
        self.order.push_back((at, generation, now + WEBSOCKET_CLOSE_TIME_MAX));
        // It may have said it already.
        self.ready(at);
    }

    /// The socket of one has news.
    pub(crate) fn ready(&mut self, at: usize) {
        let Some(one) = self.all.get_mut(at) else { return };
        let mut piece = [0; PIECE_BYTES];
        match one.transport.read_close(&mut piece) {
            Ok(Progress::Later) => return,
            Ok(Progress::Some(count)) if one.bytes_left > count => {
                one.bytes_left -= count;
                self.again.push(at);
                return;
            }
            // Others first, though it brought nothing.
            Ok(Progress::More) => {
                self.again.push(at);
                return;
            }
            Ok(Progress::Some(_)) | Err(_) => {}
        }
        self.all.remove(at).transport.close();
    }

    /// Goes on with those that had more, and closes those whose time is up.
    pub(crate) fn look(&mut self, now: Instant) {
        for at in std::mem::take(&mut self.again) {
            self.ready(at);
        }
        while let Some((at, generation, until)) = self.order.front() {
            let is_there = self.all.get(*at).is_some_and(|one| one.generation == *generation);
            if is_there && *until > now {
                return;
            }
            self.close_oldest();
        }
    }

    fn close_oldest(&mut self) {
        if let Some((at, generation, _)) = self.order.pop_front()
            && self.all.get(at).is_some_and(|one| one.generation == generation)
        {
            self.all.remove(at).transport.close();
        }
    }

    /// How long until there is something to do though no socket has news; `None`: for ever.
    pub(crate) fn patience(&self, now: Instant) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        self.order.front().map(|(.., until)| until.saturating_duration_since(now))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// There is nothing to look at.
    pub(crate) fn is_idle(&self) -> bool {
        self.order.is_empty() && self.again.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::{WebSocket, WebSocketRules};
    use mio::Poll;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: \
        dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    /// A client's Close with status 1000, and a frame of 1000 bytes.
    const CLOSE: &[u8] = &[0x88, 0x82, 0, 0, 0, 0, 3, 0xE8];

    fn data() -> Vec<u8> {
        [&[0x82, 0xFE, 3, 0xE8, 0, 0, 0, 0][..], &[7; 1000]].concat()
    }

    /// A client whose handshake is done, and its connection.
    fn open(poll: &Poll) -> (UnixStream, Transport) {
        let (mut client, ours) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("it does not block");
        let rules = Arc::new(WebSocketRules { head_bytes_max: 4096, origins: Vec::new() });
        let stream = Transport::Plain(mio::net::UnixStream::from_std(ours).into());
        let mut transport = Transport::Web(Box::new(WebSocket::new(stream, rules, 1)));
        let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
        transport.register(poll.registry(), Token(0), interest).expect("it is registered");
        client.write_all(ASK).expect("it is taken");
        assert!(matches!(transport.read(&mut [0; 4096]), Ok(Progress::Later)));
        let mut answer = [0; 4096];
        let count = client.read(&mut answer).expect("an answer");
        assert!(answer[..count].starts_with(b"HTTP/1.1 101 ") && answer[..count].ends_with(b"\r\n\r\n"));
        (client, transport)
    }

    fn hears_close_and_the_end(mut client: UnixStream) {
        let mut said = Vec::new();
        // What it said and nobody read resets it, behind what was said to it.
        let _ = client.read_to_end(&mut said);
        assert_eq!(said, [0x88, 2, 3, 0xE8]);
    }

    #[test]
    fn who_answers_is_closed_at_once_and_what_it_says_before_is_thrown_away() {
        let poll = Poll::new().expect("a poll");
        let (mut closing, now) = (Closing::default(), Instant::now());
        let (mut client, transport) = open(&poll);
        closing.take(transport, poll.registry(), now);
        assert!(!closing.is_empty() && closing.patience(now) == Some(WEBSOCKET_CLOSE_TIME_MAX));
        client.write_all(&[data(), CLOSE.to_vec()].concat()).expect("it is taken");
        closing.ready(0);
        assert!(closing.is_empty());
        hears_close_and_the_end(client);
        closing.look(now);
        assert!(closing.is_idle(), "nothing is left to look at");
    }

    #[test]
    fn who_does_not_answer_is_closed_when_its_time_is_up_and_not_before() {
        let poll = Poll::new().expect("a poll");
        let (mut closing, now) = (Closing::default(), Instant::now());
        let (client, transport) = open(&poll);
        closing.take(transport, poll.registry(), now);
        closing.look(now + WEBSOCKET_CLOSE_TIME_MAX / 2);
        assert!(!closing.is_empty());
        closing.look(now + WEBSOCKET_CLOSE_TIME_MAX);
        assert!(closing.is_empty() && closing.is_idle());
        hears_close_and_the_end(client);
    }

    #[test]
    fn when_there_are_too_many_the_oldest_is_closed() {
        let poll = Poll::new().expect("a poll");
        let (mut closing, now) = (Closing::default(), Instant::now());
        assert_eq!(closing.most, WEBSOCKETS_CLOSING_MAX);
        closing.most = 3; // each takes two files, and a test may have 1024 of them
        let (first, transport) = open(&poll);
        closing.take(transport, poll.registry(), now);
        let _others = [(); 3].map(|()| {
            let (client, transport) = open(&poll);
            closing.take(transport, poll.registry(), now);
            client
        });
        assert_eq!(closing.all.len(), 3);
        hears_close_and_the_end(first);
    }

    #[test]
    fn those_that_answer_while_one_does_not_take_no_memory() {
        let poll = Poll::new().expect("a poll");
        let (mut closing, now) = (Closing::default(), Instant::now());
        closing.most = 3;
        let (_silent, transport) = open(&poll);
        closing.take(transport, poll.registry(), now);
        for _ in 0..20 {
            let (mut client, transport) = open(&poll);
            client.write_all(CLOSE).expect("it is taken");
            closing.take(transport, poll.registry(), now);
            assert!(closing.all.len() == 1 && closing.order.len() <= 6, "{}", closing.order.len());
        }
    }

    #[test]
    fn who_talks_on_instead_of_answering_is_closed_when_it_has_said_too_much() {
        let poll = Poll::new().expect("a poll");
        let (mut closing, now) = (Closing::default(), Instant::now());
        let (mut client, transport) = open(&poll);
        closing.take(transport, poll.registry(), now);
        let (mut said, data) = (0, data());
        while !closing.is_empty() {
            assert!(said < WEBSOCKET_CLOSE_BYTES_MAX + data.len(), "{said}");
            client.write_all(&data).expect("it is taken");
            said += data.len();
            closing.ready(0);
        }
        assert!(said >= WEBSOCKET_CLOSE_BYTES_MAX, "{said}");
        hears_close_and_the_end(client);
    }
}
