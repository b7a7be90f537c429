//! A client whose subscriptions change: what the last SUBACK or UNSUBACK said must hold after each start. It finds out
//! by publishing to every topic and hearing what comes back.

use std::collections::BTreeSet;

use mqtt::{FiltersBuf, Packet, Properties, ProtocolVersion, Publish, QoS, TopicFilter, TopicName, Unsubscribe};

use crate::client::{Broken, Client, Own, ack, broken, packet_id};
use crate::dice::Dice;
use crate::subscriber::END_TOPIC;

const TOPICS: usize = 8;
/// A topic that it is always subscribed to: what comes back last.
const LAST: &str = "changes/last";

/// No packet has this identifier.
const NOT_ASKED_YET: u16 = 0;

/// What was asked and not answered.
struct Asked {
    id: u16,
    topic: usize,
    subscribes: bool,
}

pub(crate) struct Changer {
    own: Own,
    /// By the last acknowledgement.
    is_subscribed: [bool; TOPICS],
    asked: Option<Asked>,
    is_new: bool,
    /// How often it looked: what came back of an earlier look does not count.
    looks: u64,
    heard: BTreeSet<usize>,
    is_looking: bool,
}

fn topic(at: usize) -> String {
    format!("changes/{at}")
}

impl Changer {
    pub(crate) fn new() -> Self {
        Self {
            own: Own::new("changer".to_owned(), ProtocolVersion::V311, true),
            is_subscribed: [false; TOPICS],
            asked: None,
            is_new: true,
            looks: 0,
            heard: BTreeSet::new(),
            is_looking: false,
        }
    }

    /// It has seen that all is as was promised.
    pub(crate) fn is_done(&self) -> bool {
        self.own.is_in && !self.is_looking
    }

    fn look(&mut self) {
        self.looks += 1;
        self.heard.clear();
        self.is_looking = true;
        for topic in (0..TOPICS).map(topic).chain([LAST.to_owned()]) {
            self.publish(QoS::AtLeastOnce, &topic, self.looks.to_string().as_bytes());
        }
    }

    /// The last messages of all, for the subscribers: one of each QoS, since each has an order of its own.
    pub(crate) fn say_end(&mut self) {
        self.publish(QoS::AtLeastOnce, END_TOPIC, b"end");
        self.publish(QoS::ExactlyOnce, END_TOPIC, b"end");
    }

    fn publish(&mut self, qos: QoS, topic: &str, payload: &[u8]) {
        let id = self.own.next_id(|_| false);
        self.own.say(&Packet::Publish(Publish {
            dup: false,
            qos,
            retain: false,
            topic: Some(TopicName::new(topic).expect("a topic")),
            packet_id: Some(packet_id(id)),
            properties: Properties::EMPTY,
            payload,
        }));
    }

    fn take(&mut self, publish: &Publish<'_>) -> Result<(), Broken> {
        if publish.payload != self.looks.to_string().as_bytes() {
            return Ok(());
        }
        let name = publish.topic.map(TopicName::as_str).unwrap_or_default();
        let Some(at) = name.rsplit('/').next().and_then(|at| at.parse().ok()) else {
            self.is_looking = false;
            return self.compare();
        };
        self.heard.insert(at);
        Ok(())
    }

    fn compare(&self) -> Result<(), Broken> {
        for (at, was_promised) in self.is_subscribed.iter().enumerate() {
            // What was asked and not answered may hold or not.
            let is_open = self.asked.as_ref().is_some_and(|asked| asked.topic == at);
            if !is_open && self.heard.contains(&at) != *was_promised {
                let word = if *was_promised { "SUBACK" } else { "UNSUBACK" };
                broken!("changer: after a {word} for {} it is the other way", topic(at));
            }
        }
        Ok(())
    }

    fn ask(&mut self, topic_at: usize, subscribes: bool) {
        let id = self.own.next_id(|_| false);
        let topic = topic(topic_at);
        if subscribes {
            self.own.subscribe(id, &[&topic], QoS::AtLeastOnce);
        } else {
            let mut filters = FiltersBuf::new();
            filters.push(TopicFilter::new(&topic).expect("a filter"));
            let filters = filters.as_filters();
            let (packet_id, properties) = (packet_id(id), Properties::EMPTY);
            self.own.say(&Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }));
        }
        self.asked = Some(Asked { id, topic: topic_at, subscribes });
    }

    fn answered(&mut self, id: u16) {
        if let Some(asked) = self.asked.take_if(|asked| asked.id == id) {
            self.is_subscribed[asked.topic] = asked.subscribes;
            self.own.acknowledged += 1;
        } else {
            // The answer to the first question of all.
            self.is_new = false;
            self.look();
        }
    }
}

impl Client for Changer {
    fn own(&mut self) -> &mut Own {
        &mut self.own
    }

    fn hear(&mut self, packet: Packet<'_>) -> Result<(), Broken> {
        match packet {
            Packet::ConnAck(_) => {
                self.own.come_in(&packet)?;
                if let Some(asked) = &mut self.asked {
                    asked.id = NOT_ASKED_YET;
                }
                if self.is_new {
                    let id = self.own.next_id(|_| false);
                    self.own.subscribe(id, &[LAST], QoS::AtLeastOnce);
                } else {
                    self.look();
                }
            }
            Packet::SubAck(suback) => self.answered(suback.packet_id.get()),
            Packet::UnsubAck(unsuback) => self.answered(unsuback.packet_id.get()),
            Packet::Publish(publish) => {
                let id = publish.packet_id.unwrap_or_else(|| panic!("changer: {publish:?}"));
                self.own.say(&Packet::PubAck(ack(id)));
                self.take(&publish)?;
            }
            Packet::PubRec(rec) => self.own.say(&Packet::PubRel(ack(rec.packet_id))),
            Packet::PubAck(_) | Packet::PubComp(_) => {}
            other => panic!("changer: {other:?}"),
        }
        Ok(())
    }

    fn go_on(&mut self, dice: &mut Dice) {
        if !self.is_done() || self.is_new {
            return;
        }
        match &self.asked {
            // The broker that was asked is gone.
            Some(asked) if asked.id == NOT_ASKED_YET => self.ask(asked.topic, asked.subscribes),
            Some(_) => {}
            None => {
                let at = dice.below(TOPICS);
                self.ask(at, !self.is_subscribed[at]);
            }
        }
    }
}
