//! A publisher: it numbers its messages, and keeps each until the broker has acknowledged it.

use std::collections::BTreeMap;

use mqtt::{Ack, Packet, Properties, ProtocolVersion, Publish, QoS, ReasonCode, TopicName};

use crate::client::{Broken, Client, Own, ack, broken, packet_id};
use crate::dice::Dice;

/// Messages that a publisher has in flight. Fewer than a broker's Receive Maximum.
const IN_FLIGHT_MAX: usize = 12;

/// Topic and QoS of a series of messages: for each its order is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lane {
    Event1,
    Event2,
    State1,
    State2,
}

impl Lane {
    pub(crate) const ALL: [Self; 4] = [Self::Event1, Self::Event2, Self::State1, Self::State2];

    /// Retained: each message takes the place of the one before.
    pub(crate) const fn is_state(self) -> bool {
        matches!(self, Self::State1 | Self::State2)
    }

    pub(crate) const fn qos(self) -> QoS {
        match self {
            Self::Event1 | Self::State1 => QoS::AtLeastOnce,
            Self::Event2 | Self::State2 => QoS::ExactlyOnce,
        }
    }

    fn topic(self, publisher: usize) -> String {
        let first = if self.is_state() { "state" } else { "cassia" };
        let address = format!("cc1b:e0e0:00{publisher:02x}").replace(':', "");
        let last = if self.is_state() { format!("/{}", self.qos().as_u8()) } else { String::new() };
        format!("{first}/{address}{last}")
    }
}

/// Which message a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Series {
    pub publisher: usize,
    pub lane: Lane,
}

/// The payload of message `number` of a series: who it is, and bytes that make it `len` long.
fn payload(series: Series, number: u64, len: usize) -> Vec<u8> {
    let mut bytes = format!("{} {} {number} ", series.publisher, series.lane as usize).into_bytes();
    bytes.resize(bytes.len().max(len), b'a' + (number % 26) as u8);
    bytes
}

/// Reads what [`payload`] wrote, to the last byte.
pub(crate) fn read_payload(bytes: &[u8]) -> Result<(Series, u64), Broken> {
    let text = String::from_utf8_lossy(bytes);
    let mut words = text.split(' ');
    let mut word = || words.next().and_then(|word| word.parse::<u64>().ok());
    let (Some(publisher), Some(lane), Some(number)) = (word(), word(), word()) else {
        broken!("a message that nobody sent: {text:.60}");
    };
    let Some(&lane) = Lane::ALL.get(lane as usize) else { broken!("a message that nobody sent: {text:.60}") };
    let series = Series { publisher: publisher as usize, lane };
    if payload(series, number, bytes.len()) != bytes {
        broken!("message {number} of {series:?} has changed");
    }
    Ok((series, number))
}

struct InFlight {
    id: u16,
    lane: Lane,
    number: u64,
    payload: Vec<u8>,
    /// PUBREC came: the broker has it, and PUBREL is said.
    is_released: bool,
}

pub(crate) struct Publisher {
    own: Own,
    index: usize,
    /// In the order in which they were sent first.
    in_flight: BTreeMap<u64, InFlight>,
    sent: u64,
    /// The number of the last message of each lane.
    pub last: [u64; 4],
    /// The highest number that was acknowledged, of each lane.
    pub acknowledged: [u64; 4],
    /// No more new messages.
    pub is_finishing: bool,
}

impl Publisher {
    pub(crate) fn new(index: usize) -> Self {
        let version = if index.is_multiple_of(2) { ProtocolVersion::V311 } else { ProtocolVersion::V5 };
        Self {
            own: Own::new(format!("publisher-{index}"), version, true),
            index,
            in_flight: BTreeMap::new(),
            sent: 0,
            last: [0; 4],
            acknowledged: [0; 4],
            is_finishing: false,
        }
    }

    /// Everything it sent was acknowledged.
    pub(crate) fn is_done(&self) -> bool {
        self.own.is_in && self.in_flight.is_empty()
    }

    fn publish(&mut self, dice: &mut Dice) {
        let lane = dice.pick(&[
            Lane::Event1,
            Lane::Event1,
            Lane::Event1,
            Lane::Event2,
            Lane::Event2,
            Lane::Event2,
            Lane::State1,
            Lane::State2,
        ]);
        let number = self.last[lane as usize] + 1;
        self.last[lane as usize] = number;
        let len = if dice.one_in(100) { dice.below(100_000) } else { dice.below(600) };
        let payload = payload(Series { publisher: self.index, lane }, number, len);
        let id = self.own.next_id(|id| self.in_flight.values().any(|message| message.id == id));
        self.sent += 1;
        self.in_flight.insert(self.sent, InFlight { id, lane, number, payload, is_released: false });
        self.say(self.sent, false);
    }

    fn say(&mut self, at: u64, dup: bool) {
        let message = &self.in_flight[&at];
        let topic = message.lane.topic(self.index);
        let publish = Publish {
            dup,
            qos: message.lane.qos(),
            retain: message.lane.is_state(),
            topic: Some(TopicName::new(&topic).expect("a topic")),
            packet_id: Some(packet_id(message.id)),
            properties: Properties::EMPTY,
            payload: &message.payload,
        };
        self.own.say(&Packet::Publish(publish));
    }

    /// Says again what the broker may not have: messages, and releases, in their first order [3.1.1 MQTT-4.4.0-1,
    /// 3.1.1 MQTT-4.6.0-1].
    fn say_again(&mut self) {
        for at in self.in_flight.keys().copied().collect::<Vec<_>>() {
            let message = &self.in_flight[&at];
            if message.is_released {
                self.own.say(&Packet::PubRel(ack(packet_id(message.id))));
            } else {
                self.say(at, true);
            }
        }
    }

    fn at(&self, ack: &Ack<'_>) -> u64 {
        let found = self.in_flight.iter().find(|(_, message)| message.id == ack.packet_id.get());
        *found.unwrap_or_else(|| panic!("{}: {ack:?} for nothing in flight", self.own.client_id)).0
    }

    fn finish(&mut self, ack: &Ack<'_>) -> Result<(), Broken> {
        if ack.reason.is_failure() && ack.reason != ReasonCode::PacketIdentifierNotFound {
            broken!("{}: refused with {:?}", self.own.client_id, ack.reason);
        }
        let at = self.at(ack);
        if let Some(done) = self.in_flight.remove(&at) {
            let highest = &mut self.acknowledged[done.lane as usize];
            *highest = done.number.max(*highest);
        }
        self.own.acknowledged += 1;
        Ok(())
    }
}

impl Client for Publisher {
    fn own(&mut self) -> &mut Own {
        &mut self.own
    }

    fn hear(&mut self, packet: Packet<'_>) -> Result<(), Broken> {
        match packet {
            Packet::ConnAck(_) => {
                self.own.come_in(&packet)?;
                self.say_again();
            }
            Packet::PubAck(ack) => self.finish(&ack)?,
            Packet::PubRec(rec) => {
                let at = self.at(&rec);
                if rec.reason.is_failure() {
                    broken!("{}: refused with {:?}", self.own.client_id, rec.reason);
                }
                self.own.acknowledged += 1;
                self.own.say(&Packet::PubRel(ack(rec.packet_id)));
                if let Some(message) = self.in_flight.get_mut(&at) {
                    message.is_released = true;
                    // The broker has it: nobody needs to say it again.
                    message.payload = Vec::new();
                }
            }
            Packet::PubComp(comp) => self.finish(&comp)?,
            other => panic!("{}: {other:?}", self.own.client_id),
        }
        Ok(())
    }

    fn go_on(&mut self, dice: &mut Dice) {
        while self.own.is_in && !self.is_finishing && self.in_flight.len() < IN_FLIGHT_MAX {
            self.publish(dice);
        }
    }
}
