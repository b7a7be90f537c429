//! What a frame does: who gets it, and what is answered. No topics, no sessions, no checks; a subscriber gets what was
//! published with the QoS that it was published with.

use super::Peer;
use super::log::{Cursor, Log};
use crate::mqtt;
use std::collections::HashMap;

/// Nobody, as a place among peers or subscribers.
pub const NOBODY: u32 = u32::MAX;

/// One who subscribed. It outlives its connection where CONNECT said so.
struct Sub {
    peer: u32,
    name: u32,
    log: usize,
    at: Cursor,
    in_flight: u32,
    next_id: u16,
    /// Stands in `Relay::to_pump`.
    due: bool,
    over: bool,
}

pub struct Relay {
    /// Each publisher has one subscriber, whose client id ends in the same number.
    pairs: bool,
    /// Messages of QoS 1 and 2 on their way to a subscriber, at most.
    window: u32,
    subs: Vec<Sub>,
    /// Of them those that are not over.
    live: usize,
    by_name: HashMap<u32, u32>,
    /// One for all, or with `pairs` one for each subscriber.
    logs: Vec<Log>,
    to_pump: Vec<u32>,
    pub published: u64,
    pub delivered: u64,
}

impl Relay {
    pub fn new(pairs: bool, window: u32) -> Relay {
        Relay {
            pairs,
            window,
            subs: Vec::new(),
            live: 0,
            by_name: HashMap::new(),
            logs: vec![Log::default()],
            to_pump: Vec::new(),
            published: 0,
            delivered: 0,
        }
    }

    /// Connections of all who get a message of QoS 0 from a publisher of this name.
    pub fn audience<'a>(&'a self, name: u32) -> impl Iterator<Item = u32> + 'a {
        let one = if self.pairs { self.by_name.get(&name).copied() } else { None };
        let subs: &[Sub] = if self.pairs { &[] } else { &self.subs };
        let all = subs.iter().chain(one.map(|s| &self.subs[s as usize]));
        all.filter(|s| !s.over && s.peer != NOBODY).map(|s| s.peer)
    }

    /// Takes a frame of the connection `i`, `p`, which is no PUBLISH of QoS 0; answers into its output.
    pub fn take(&mut self, i: u32, p: &mut Peer, whole: &[u8], body_at: usize) {
        let body = &whole[body_at..];
        let id = u16::from_be_bytes([*body.first().unwrap_or(&0), *body.get(1).unwrap_or(&0)]);
        match whole[0] & 0xF0 {
            mqtt::PUBLISH => {
                p.publisher = true;
                self.published += 1;
                let topic = usize::from(id);
                let id = u16::from_be_bytes([body[2 + topic], body[3 + topic]]);
                // QoS 2: it goes on at once, and would be known by its identifier until PUBREL (method B of the specification)
                mqtt::push_ack(&mut p.out, if whole[0] & 6 == 2 { mqtt::PUBACK } else { mqtt::PUBREC }, id);
                self.publish(p, whole);
            }
            mqtt::PUBREL => mqtt::push_ack(&mut p.out, mqtt::PUBCOMP, id),
            mqtt::PUBREC => mqtt::push_ack(&mut p.out, mqtt::PUBREL, id),
            mqtt::PUBACK | mqtt::PUBCOMP => {
                if let Some(s) = self.subs.get_mut(p.sub as usize) {
                    s.in_flight -= 1;
                    due(s, p.sub, &mut self.to_pump);
                }
            }
            mqtt::CONNECT => self.connect(i, p, body),
            mqtt::SUBSCRIBE => {
                p.out.extend_from_slice(&[mqtt::SUBACK, 3, body[0], body[1], body[body.len() - 1]]);
                self.subscribe(i, p);
            }
            0xC0 => p.out.extend_from_slice(&[0xD0, 0]),
            _ => {}
        }
    }

    fn publish(&mut self, p: &mut Peer, frame: &[u8]) {
        if !self.pairs {
            if !self.subs.is_empty() {
                self.logs[0].push(frame);
                for (k, s) in self.subs.iter_mut().enumerate() {
                    due(s, k as u32, &mut self.to_pump);
                }
            }
            return;
        }
        if p.target == NOBODY {
            p.target = self.by_name.get(&p.name).copied().unwrap_or(NOBODY);
        }
        if let Some(s) = self.subs.get_mut(p.target as usize) {
            self.logs[s.log].push(frame);
            due(s, p.target, &mut self.to_pump);
        }
    }

    fn connect(&mut self, i: u32, p: &mut Peer, body: &[u8]) {
        let id = body.get(12..).unwrap_or(&[]);
        p.name = name(id);
        p.lasts = body.get(7).is_some_and(|flags| flags & 2 == 0);
        let absent = self.by_name.get(&p.name).copied().filter(|s| self.subs[*s as usize].peer == NOBODY);
        let present = absent.filter(|_| p.lasts);
        if let Some(k) = absent {
            let s = &mut self.subs[k as usize];
            if present.is_some() {
                (s.peer, s.in_flight, p.sub) = (i, 0, k);
                due(s, k, &mut self.to_pump);
            } else {
                self.end(k);
            }
        }
        p.out.extend_from_slice(&[mqtt::CONNACK, 2, u8::from(present.is_some()), 0]);
    }

    fn subscribe(&mut self, i: u32, p: &mut Peer) {
        let k = self.subs.len() as u32;
        let log = if self.pairs { self.logs.len() } else { 0 };
        if self.pairs {
            self.logs.push(Log::default());
        }
        let at = self.logs[log].end();
        self.subs.push(Sub { peer: i, name: p.name, log, at, in_flight: 0, next_id: 0, due: false, over: false });
        self.live += 1;
        self.by_name.insert(p.name, k);
        p.sub = k;
    }

    fn end(&mut self, k: u32) {
        let s = &mut self.subs[k as usize];
        s.over = true;
        self.by_name.remove(&s.name);
        self.live -= 1;
        if self.live == 0 {
            self.subs.clear();
            self.logs.truncate(1);
        }
    }

    pub fn leave(&mut self, p: &Peer) {
        let Some(s) = self.subs.get_mut(p.sub as usize) else { return };
        s.peer = NOBODY;
        if !p.lasts {
            self.end(p.sub);
        }
    }

    /// At the end of a turn: what subscribers have room for goes into their output. `wrote` is told whose.
    pub fn pump(&mut self, peers: &mut [Option<Peer>], mut wrote: impl FnMut(u32, &mut Peer)) {
        for k in std::mem::take(&mut self.to_pump) {
            let Some(s) = self.subs.get_mut(k as usize) else { continue };
            s.due = false;
            let Some(Some(p)) = peers.get_mut(s.peer as usize) else { continue };
            let before = p.out.len();
            while s.in_flight < self.window
                && let Some(frame) = self.logs[s.log].next(&mut s.at)
            {
                let at = p.out.len();
                p.out.extend_from_slice(frame);
                s.next_id = if s.next_id == u16::MAX { 1 } else { s.next_id + 1 };
                let topic_at = at + 1 + frame[1..].iter().take_while(|b| **b & 0x80 != 0).count() + 1;
                let id_at = topic_at + 2 + usize::from(u16::from_be_bytes([p.out[topic_at], p.out[topic_at + 1]]));
                p.out[id_at..id_at + 2].copy_from_slice(&s.next_id.to_be_bytes());
                s.in_flight += 1;
                self.delivered += 1;
            }
            if p.out.len() > before {
                wrote(s.peer, p);
                let log = s.log;
                self.trim(log);
            }
        }
    }

    fn trim(&mut self, log: usize) {
        let mine = |s: &&mut Sub| s.log == log && !s.over;
        if self.pairs {
            let s = &mut self.subs[log - 1]; // logs are made with them, behind the first
            if s.at == self.logs[log].end() {
                s.at = self.logs[log].clear();
            }
            return;
        }
        let least = self.subs.iter().filter(|s| !s.over).map(|s| s.at).min();
        if let Some(least) = least {
            if least == self.logs[log].end() {
                let begin = self.logs[log].clear();
                self.subs.iter_mut().filter(mine).for_each(|s| s.at = begin);
            } else {
                self.logs[log].trim(least);
            }
        }
    }
}

fn due(s: &mut Sub, k: u32, to_pump: &mut Vec<u32>) {
    if !s.due && !s.over {
        s.due = true;
        to_pump.push(k);
    }
}

/// The number that a client id ends in; of one without, a number of its own, far from those.
fn name(id: &[u8]) -> u32 {
    let digits = id.iter().rev().take_while(|c| c.is_ascii_digit()).count();
    if digits == 0 {
        return id.iter().fold(17, |v: u32, c| v.wrapping_mul(31).wrapping_add(u32::from(*c))) | 1 << 31;
    }
    id[id.len() - digits..].iter().fold(0, |v: u32, c| v.wrapping_mul(10).wrapping_add(u32::from(*c - b'0')))
}
