//! A durable subscriber: it notes which message of each series came last, so that a message that is missing, or comes
//! out of its order, is found when the next one comes.

use std::collections::{BTreeMap, BTreeSet};

use mqtt::{Packet, ProtocolVersion, Publish, QoS};

use crate::client::{Broken, Client, Own, ack, broken};
use crate::dice::Dice;
use crate::publisher::{Series, read_payload};

/// The last message of all, to everybody.
pub(crate) const END_TOPIC: &str = "cassia/end";
const FILTERS: [&str; 2] = ["cassia/#", "state/#"];

/// When a subscriber is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Always.
    Stays,
    /// Whenever it has heard so many messages, it goes and comes back at once.
    Reconnects(usize),
    /// Once in so many rounds; what was published meanwhile waits for it.
    Visits(usize),
    /// When all is over.
    ComesLast,
}

pub(crate) struct Subscriber {
    own: Own,
    pub habit: Habit,
    qos: QoS,
    /// The number of the last message of each series.
    heard: BTreeMap<Series, u64>,
    /// Messages heard on this connection.
    count: usize,
    /// QoS 2 messages that came and were not released.
    unreleased: BTreeSet<u16>,
    pub is_subscribed: bool,
    /// The last message of each QoS.
    ends: usize,
}

impl Subscriber {
    pub(crate) fn new(index: usize, qos: QoS, habit: Habit) -> Self {
        let version = if index.is_multiple_of(2) { ProtocolVersion::V5 } else { ProtocolVersion::V311 };
        Self {
            own: Own::new(format!("subscriber-{index}-{habit:?}"), version, true),
            habit,
            qos,
            heard: BTreeMap::new(),
            count: 0,
            unreleased: BTreeSet::new(),
            is_subscribed: false,
            ends: 0,
        }
    }

    /// The last message of `series` that it has heard; 0 for none.
    pub(crate) fn heard(&self, series: Series) -> u64 {
        self.heard.get(&series).copied().unwrap_or(0)
    }

    /// Everything has come.
    pub(crate) fn is_done(&self) -> bool {
        self.ends >= 2
    }

    pub(crate) fn wants_to_reconnect(&self) -> bool {
        matches!(self.habit, Habit::Reconnects(after) if self.count >= after)
    }

    fn take(&mut self, publish: &Publish<'_>) -> Result<(), Broken> {
        self.count += 1;
        if publish.topic.is_some_and(|topic| topic.as_str() == END_TOPIC) {
            self.ends += 1;
            return Ok(());
        }
        let (series, number) = read_payload(publish.payload)?;
        let name = &self.own.client_id;
        let wanted = series.lane.qos().min(self.qos);
        if publish.qos != wanted {
            broken!("{name}: message {number} of {series:?} came at {:?}", publish.qos);
        }
        let last = self.heard.entry(series).or_default();
        if number > *last + 1 {
            broken!("{name}: message {number} of {series:?} came after {last}: one is lost, or out of order");
        }
        if number <= *last && wanted == QoS::ExactlyOnce {
            broken!("{name}: message {number} of {series:?} came at QoS 2 again, after {last}");
        }
        *last = number.max(*last);
        Ok(())
    }
}

impl Client for Subscriber {
    fn own(&mut self) -> &mut Own {
        &mut self.own
    }

    fn hear(&mut self, packet: Packet<'_>) -> Result<(), Broken> {
        match packet {
            Packet::ConnAck(_) => {
                self.own.come_in(&packet)?;
                self.count = 0;
                if !self.is_subscribed {
                    self.own.subscribe(1, &FILTERS, self.qos);
                }
            }
            Packet::SubAck(suback) => {
                assert!(suback.reasons.iter().all(|reason| !reason.is_failure()), "{suback:?}");
                self.is_subscribed = true;
            }
            Packet::Publish(publish) => {
                let id = publish.packet_id.unwrap_or_else(|| panic!("{}: {publish:?}", self.own.client_id));
                if publish.qos == QoS::AtLeastOnce {
                    self.take(&publish)?;
                    self.own.say(&Packet::PubAck(ack(id)));
                } else {
                    // A repeat before its release is the same message [3.1.1 §4.3.3, method A].
                    if self.unreleased.insert(id.get()) {
                        self.take(&publish)?;
                    }
                    self.own.say(&Packet::PubRec(ack(id)));
                }
            }
            Packet::PubRel(rel) => {
                self.unreleased.remove(&rel.packet_id.get());
                self.own.say(&Packet::PubComp(ack(rel.packet_id)));
            }
            other => panic!("{}: {other:?}", self.own.client_id),
        }
        Ok(())
    }

    fn go_on(&mut self, _dice: &mut Dice) {}
}
