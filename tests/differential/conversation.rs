//! A conversation: up to four clients at one broker, step by step, from a seed.

use mqtt::ProtocolVersion::{self, V5, V31, V311};

use crate::brokers::{CONFIGURATIONS, Configuration};
use crate::bytes::{PUBREL, packet};
use crate::dice::Dice;
use crate::speech::Speaker;

/// How many connections there are at most.
pub(crate) const PLACES: usize = 4;
const STEPS_MAX: usize = 50;
/// How many conversations have nothing strange in them.
const SOUND_PERCENT: usize = 75;

#[derive(Clone)]
pub(crate) struct Conversation {
    pub seed: u64,
    pub configuration: &'static Configuration,
    pub steps: Vec<Step>,
}

/// What happens next, at one of the places where a connection may be.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A new connection, and what is said first.
    Connect { at: usize, version: ProtocolVersion, bytes: Vec<u8> },
    /// One packet or several, in one piece.
    Say { at: usize, bytes: Vec<u8> },
    /// The right answer, or one with a reason, to the `nth` message that waits for one.
    Answer { at: usize, nth: usize, reason: Option<u8> },
    /// The client's end of the connection closes.
    Leave { at: usize },
}

impl Step {
    pub(crate) const fn at(&self) -> usize {
        match self {
            Self::Connect { at, .. } | Self::Say { at, .. } | Self::Answer { at, .. } | Self::Leave { at } => *at,
        }
    }
}

impl Conversation {
    pub(crate) fn from_seed(seed: u64) -> Self {
        let configuration = &CONFIGURATIONS[(seed % CONFIGURATIONS.len() as u64) as usize];
        let mut dice = Dice::new(seed);
        let strange = if dice.below(100) < SOUND_PERCENT { 0 } else { 3 + dice.below(6) };
        let mut writing = Writing {
            versions: [V5; PLACES].map(|_| dice.pick(&[V31, V311, V5, V5])),
            places: 1 + dice.below(PLACES),
            said_hello: [false; PLACES],
            last_id: 0,
            unreleased: None,
            speaker: Speaker::new(dice, configuration, strange),
        };
        let count = 3 + writing.speaker.dice.below(STEPS_MAX - 2);
        let steps = (0..count).map(|_| writing.step()).collect();
        Self { seed, configuration, steps }
    }
}

struct Writing {
    speaker: Speaker,
    versions: [ProtocolVersion; PLACES],
    places: usize,
    said_hello: [bool; PLACES],
    last_id: u16,
    /// The last QoS 2 message that has no PUBREL yet: whose it is, its identifier, its packet.
    unreleased: Option<(usize, u16, Vec<u8>)>,
}

/// The same packet with DUP.
fn repeated(mut packet: Vec<u8>) -> Vec<u8> {
    packet[0] |= 0x08;
    packet
}

impl Writing {
    fn step(&mut self) -> Step {
        let at = self.speaker.dice.below(self.places);
        if !self.said_hello[at] {
            return self.hello(at);
        }
        let version = self.versions[at];
        let bytes = match self.speaker.dice.below(40) {
            0..=3 => return self.hello(at),
            4 => return Step::Leave { at },
            5 => self.speaker.disconnect(version),
            6..=12 => {
                let reason = (self.speaker.dice.one_in(6)).then(|| self.speaker.dice.pick(&[0x10, 0x80, 0x87, 0x97]));
                return Step::Answer { at, nth: self.speaker.dice.below(3), reason };
            }
            13..=14 => self.speaker.unasked(version),
            15 => self.speaker.ping(),
            16..=17 if self.speaker.strange > 0 => self.speaker.forbidden(version),
            18 => {
                let id = self.next_id();
                self.speaker.unsubscribe(version, id)
            }
            19..=25 => {
                let id = self.next_id();
                self.speaker.subscribe(version, id)
            }
            26 => {
                // Several messages in one piece.
                let count = 2 + self.speaker.dice.below(4);
                (0..count).flat_map(|_| self.publish(at)).collect()
            }
            _ => self.publish(at),
        };
        Step::Say { at, bytes }
    }

    fn hello(&mut self, at: usize) -> Step {
        // Now and then a client forgets to say it.
        if self.speaker.strange > 0 && self.speaker.dice.one_in(30) {
            let version = self.versions[at];
            return Step::Connect { at, version, bytes: self.speaker.forbidden(version) };
        }
        self.said_hello[at] = true;
        if self.speaker.dice.one_in(6) {
            self.versions[at] = self.speaker.dice.pick(&[V31, V311, V5]);
        }
        let version = self.versions[at];
        Step::Connect { at, version, bytes: self.speaker.connect(version) }
    }

    /// A PUBLISH. At QoS 2 its PUBREL comes right behind it, or later, perhaps behind a repeat.
    fn publish(&mut self, at: usize) -> Vec<u8> {
        let version = self.versions[at];
        let comes_again = self.speaker.dice.one_in(5);
        if let Some((_, id, bytes)) = self.unreleased.take_if(|(place, ..)| comes_again && *place == at) {
            return [repeated(bytes), packet(PUBREL, &id.to_be_bytes())].concat();
        }
        // The identifier of the one before, if it is over.
        let is_over = self.last_id > 0 && self.unreleased.as_ref().is_none_or(|(_, id, _)| *id != self.last_id);
        let id = if comes_again && is_over { self.last_id } else { self.next_id() };
        let mut bytes = self.speaker.publish(version, id);
        if bytes[0] & 0x06 == 0x04 {
            // Of what is beyond the window of 3.1 and 3.1.1, 2.0.11 loses some.
            let is_narrow = self.speaker.configuration.is_narrow;
            let goes_beyond = is_narrow && version.is_v5() && self.speaker.dice.one_in(8);
            let is_open = self.unreleased.is_none() && !is_narrow && self.speaker.dice.one_in(3);
            if !goes_beyond && !is_open {
                bytes.extend(packet(PUBREL, &id.to_be_bytes()));
            } else {
                self.unreleased = Some((at, id, bytes.clone()));
            }
        }
        bytes
    }

    const fn next_id(&mut self) -> u16 {
        self.last_id += 1;
        self.last_id
    }
}
