//! The far ends: clients that keep their half of the session, say things again, and take note of what they hear.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::LinkId;
use mqtt::{
    Ack, Connect, Disconnect, FiltersBuf, FiltersWithOptionsBuf, Packet, PacketId, Properties, PropertiesBuf, Property,
    ProtocolVersion, Publish, QoS, ReasonCode, RetainHandling, Subscribe, SubscriptionOptions, TopicFilter, TopicName,
    Unsubscribe, next_frame,
};

use crate::edge::{Greeting, Parcel, Phase, Will};
use crate::history::History;
use crate::model::Owed;
use crate::rights::user_name;
use crate::words::{
    FILTERS, FIRST_SHARED, FIRST_WILL_TOPIC, Message, NARROW_PACKET_BYTES, PUBLIC_TOPICS, Size, TOPICS,
};

/// One message of a client's, from its PUBLISH to its last acknowledgement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub id: u16,
    pub message: u32,
    pub released: bool,
    /// It was said again on this connection: where the first is refused, the second may be taken.
    pub comes_twice: bool,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub version: ProtocolVersion,
    pub is_durable: bool,
    /// Seconds that it asks its session to be kept; 5.0 only.
    pub lasts_s: u32,
    pub link: Option<LinkId>,
    /// CONNACK came.
    pub is_in: bool,
    /// It has thrown its half of the session away, and asks for a clean start until it is let in.
    pub begins_anew: bool,
    /// When its session will be over, if it does not come back before.
    pub ends_at: Option<u64>,
    /// Seconds that its session outlives the connection.
    lasts_now_s: u32,
    pub sent: Vec<Sent>,
    last_id: u16,
    /// QoS 2 messages it holds until PUBREL: identifier to delivery.
    pub holds: BTreeMap<u16, u32>,
    /// Topics that have an alias on this connection; the place is the alias minus one.
    aliases: Vec<usize>,
    // What it has taken in its present session.
    /// By publisher, topic and QoS: the delivery that came last for the first time.
    latest: BTreeMap<(usize, usize, u8), u32>,
    once: BTreeSet<u32>,
    /// Messages of QoS 2 from end to end, whatever the model takes for a delivery.
    exactly_once: BTreeSet<u32>,
    refused: BTreeSet<u32>,
}

/// Other subscriptions have smaller ones, or none.
const SHARED_IDENTIFIER: u32 = 400;

impl Client {
    pub(crate) fn new(version: ProtocolVersion, is_durable: bool, lasts_s: u32) -> Self {
        Self {
            version,
            is_durable,
            lasts_s,
            link: None,
            is_in: false,
            begins_anew: false,
            ends_at: None,
            lasts_now_s: 0,
            sent: Vec::new(),
            last_id: 0,
            holds: BTreeMap::new(),
            aliases: Vec::new(),
            latest: BTreeMap::new(),
            once: BTreeSet::new(),
            exactly_once: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    pub(crate) fn throw_away(&mut self) {
        self.sent.clear();
        self.holds.clear();
        self.latest.clear();
        self.once.clear();
        self.exactly_once.clear();
    }

    fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id % 40 + 1;
            if self.sent.iter().all(|sent| sent.id != self.last_id) {
                return self.last_id;
            }
        }
    }
}

const fn ack(id: PacketId, reason: ReasonCode) -> Ack<'static> {
    Ack { packet_id: id, reason, properties: Properties::EMPTY }
}

fn packet_id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

impl Client {
    /// Its connection is over.
    pub(crate) fn parted(&mut self, now: u64) {
        let ends_at = (self.lasts_now_s < u32::MAX).then(|| now + u64::from(self.lasts_now_s) * 1000);
        // Until it was let in again, what the connection before has left of it counts too.
        let before = self.ends_at.filter(|_| !self.is_in);
        self.ends_at = before.into_iter().chain(ends_at).min();
        self.is_in = false;
    }
}

impl History {
    // ---- what clients say

    fn say(&mut self, c: usize, packet: &Packet<'_>) {
        let Some(link) = self.clients[c].link else { return };
        let line = self.edge.line_mut(link);
        let mut bytes = Vec::new();
        packet.encode(line.greeting.version, &mut bytes).unwrap();
        line.up.extend(bytes);
    }

    /// Says an acknowledgement, and perhaps says it again.
    fn say_ack(&mut self, c: usize, packet: &Packet<'_>) {
        self.say(c, packet);
        if self.rng.percent(self.plan.repeats) {
            self.say(c, packet);
        }
    }

    /// CONNECT on a new line. An older line of the same client is left to itself.
    pub(crate) fn connect(&mut self, c: usize) {
        self.let_go(c);
        // A session that may have come to its end is not gone on with, even if a new one has begun unseen.
        let client = &mut self.clients[c];
        client.begins_anew |= client.ends_at.is_some_and(|at| at <= self.model.now);
        let greeting = self.greeting(c);
        let client = &mut self.clients[c];
        client.begins_anew = greeting.clean;
        client.lasts_now_s = greeting.lasts_s;
        if greeting.clean {
            client.throw_away();
        }
        client.is_in = false;
        client.aliases.clear();
        let link = self.open(greeting);
        self.clients[c].link = Some(link);
        self.greet(c, &greeting);
        if !self.rng.one_in(4) {
            self.hear(link);
        }
    }

    fn greeting(&mut self, c: usize) -> Greeting {
        let rng = &mut self.rng;
        let client = &self.clients[c];
        let version = client.version;
        let clean = !client.is_durable || client.begins_anew || rng.one_in(12);
        let lasts_s = match (version.is_v5(), clean) {
            (true, _) if client.is_durable && !rng.one_in(10) => client.lasts_s,
            (false, false) => u32::MAX,
            _ => 0,
        };
        let narrow = version.is_v5() && self.plan.narrow && rng.one_in(2);
        let user = 2 * c + usize::from(self.plan.changes_users && rng.one_in(4));
        let will = rng.percent(self.plan.wills).then(|| rng.pick(&[0, 0, 3, 15, 4000]));
        let greeting = Greeting {
            client: c,
            version,
            clean,
            keep_alive_s: rng.pick(&[0, 0, 10, 60]),
            lasts_s,
            user,
            is_right: !rng.one_in(15),
            window: if version.is_v5() { rng.pick(&[1, 3, u16::MAX]) } else { u16::MAX },
            packet_bytes_max: if narrow { NARROW_PACKET_BYTES } else { u32::MAX },
            will: None,
            aliases_max: if version.is_v5() { rng.pick(&[0, 0, 2, 8]) } else { 0 },
        };
        let checks = self.plan.settings.listeners[0].checks_passwords;
        let is_right = greeting.is_right || !checks;
        let will = will.map(|delay_s| {
            let (qos, retain) = (self.rng.below(3) as u8, self.rng.one_in(3));
            let topic = FIRST_WILL_TOPIC + c;
            let message = Message { publisher: c, topic, qos, retain, size: Size::Small, expiry_s: None };
            let message = self.write(message);
            Will { message, delay_s: if version.is_v5() { delay_s } else { 0 } }
        });
        Greeting { is_right, will, ..greeting }
    }

    fn greet(&mut self, c: usize, greeting: &Greeting) {
        let mut properties = PropertiesBuf::new();
        let mut will_properties = PropertiesBuf::new();
        if greeting.version.is_v5() {
            properties.push(Property::SessionExpiryInterval(greeting.lasts_s));
            properties.push(Property::ReceiveMaximum(greeting.window));
            if greeting.packet_bytes_max < u32::MAX {
                properties.push(Property::MaximumPacketSize(greeting.packet_bytes_max));
            }
            if greeting.aliases_max > 0 {
                properties.push(Property::TopicAliasMaximum(greeting.aliases_max));
            }
            if let Some(will) = greeting.will {
                will_properties.push(Property::WillDelayInterval(will.delay_s));
            }
        }
        let payload = greeting.will.map(|will| self.model.messages[will.message as usize].payload(will.message));
        let will = greeting.will.zip(payload.as_deref()).map(|(will, payload)| {
            let message = self.model.messages[will.message as usize];
            mqtt::Will {
                topic: TopicName::new(TOPICS[message.topic]).unwrap(),
                payload,
                qos: QoS::from_u8(message.qos).unwrap(),
                retain: message.retain,
                properties: will_properties.as_properties(),
            }
        });
        self.say(
            c,
            &Packet::Connect(Connect {
                version: greeting.version,
                is_bridge: false,
                clean_start: greeting.clean,
                keep_alive_s: greeting.keep_alive_s,
                client_id: &format!("c{c}"),
                will,
                username: Some(&user_name(greeting.user)),
                password: Some(if greeting.is_right { b"right" } else { b"wrong" }),
                properties: properties.as_properties(),
            }),
        );
    }

    pub(crate) fn write(&mut self, message: Message) -> u32 {
        self.model.messages.push(message);
        self.acknowledged.push(false);
        self.model.messages.len() as u32 - 1
    }

    pub(crate) fn publish(&mut self, c: usize) {
        let client = &self.clients[c];
        let limit = usize::from(self.plan.settings.max_inflight_messages);
        if !client.is_in || client.sent.len() >= if limit == 0 { 10 } else { limit.min(10) } {
            return;
        }
        let is_v5 = client.version.is_v5();
        let rng = &mut self.rng;
        let retain = rng.one_in(8);
        let message = Message {
            publisher: c,
            topic: rng.below(PUBLIC_TOPICS),
            qos: rng.below(3) as u8,
            retain,
            size: match rng.percent(self.plan.large) {
                _ if retain && rng.one_in(4) => Size::Empty,
                true => Size::Large,
                false => Size::Small,
            },
            expiry_s: (is_v5 && rng.percent(self.plan.expiring)).then(|| rng.pick(&[1, 10, 3600])),
        };
        let number = self.write(message);
        let mut id = 0;
        if message.qos > 0 {
            let client = &mut self.clients[c];
            id = client.next_id();
            client.sent.push(Sent { id, message: number, released: false, comes_twice: false });
        }
        self.say_publish(c, number, id, false);
        if message.qos > 0 && self.rng.percent(self.plan.repeats) {
            if let Some(sent) = self.clients[c].sent.last_mut() {
                sent.comes_twice = true;
            }
            self.say_publish(c, number, id, true);
        }
    }

    pub(crate) fn say_publish(&mut self, c: usize, number: u32, id: u16, dup: bool) {
        let message = self.model.messages[number as usize];
        let mut properties = message.properties();
        let mut topic = Some(TopicName::new(TOPICS[message.topic]).unwrap());
        let client = &mut self.clients[c];
        if client.version.is_v5() && self.rng.one_in(2) {
            let known = client.aliases.iter().position(|aliased| *aliased == message.topic);
            if known.is_some() && self.rng.one_in(2) {
                topic = None;
            } else if known.is_none() {
                client.aliases.push(message.topic);
            }
            let alias = known.unwrap_or(client.aliases.len() - 1) + 1;
            properties.push(Property::TopicAlias(alias as u16));
        }
        if let Some(link) = client.link {
            self.edge.line_mut(link).up_messages.push_back(number);
        }
        self.say(
            c,
            &Packet::Publish(Publish {
                dup,
                qos: QoS::from_u8(message.qos).unwrap(),
                retain: message.retain,
                topic,
                packet_id: PacketId::new(id),
                properties: properties.as_properties(),
                payload: &message.payload(number),
            }),
        );
    }

    /// SUBSCRIBE or UNSUBSCRIBE.
    pub(crate) fn ask(&mut self, c: usize) {
        if !self.clients[c].is_in {
            return;
        }
        let rng = &mut self.rng;
        let id = packet_id(100 + rng.below(100) as u16);
        let count = 1 + usize::from(rng.one_in(4));
        let is_v5 = self.clients[c].version.is_v5();
        // What comes from a group must be told from what comes otherwise: by its identifier, or because a client has
        // either the one or the other.
        let shares = self.plan.has_shares && if is_v5 { rng.one_in(3) } else { c % 2 == 1 };
        let filters_known = if shares { &FILTERS[FIRST_SHARED..] } else { &FILTERS[..FIRST_SHARED] };
        if rng.one_in(4) {
            let mut filters = FiltersBuf::new();
            (0..count).for_each(|_| filters.push(TopicFilter::new(rng.pick(filters_known)).unwrap()));
            let filters = filters.as_filters();
            self.say(c, &Packet::Unsubscribe(Unsubscribe { packet_id: id, properties: Properties::EMPTY, filters }));
            return;
        }
        let mut properties = PropertiesBuf::new();
        if is_v5 && shares {
            properties.push(Property::SubscriptionIdentifier(SHARED_IDENTIFIER));
        } else if is_v5 && rng.one_in(2) {
            properties.push(Property::SubscriptionIdentifier(1 + rng.below(300) as u32));
        }
        let mut filters = FiltersWithOptionsBuf::new();
        for _ in 0..count {
            let filter = TopicFilter::new(rng.pick(filters_known)).unwrap();
            let options = SubscriptionOptions {
                qos: QoS::from_u8(rng.below(3) as u8).unwrap(),
                no_local: is_v5 && filter.shared().is_none() && rng.one_in(4),
                retain_as_published: is_v5 && rng.one_in(2),
                retain_handling: if is_v5 {
                    rng.pick(&[RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend])
                } else {
                    RetainHandling::Send
                },
            };
            filters.push(filter, options);
        }
        let (properties, filters) = (properties.as_properties(), filters.as_filters());
        self.say(c, &Packet::Subscribe(Subscribe { packet_id: id, properties, filters }));
    }

    pub(crate) fn ping(&mut self, c: usize) {
        if self.clients[c].is_in {
            self.say(c, &Packet::PingReq);
        }
    }

    /// DISCONNECT, and the client goes.
    pub(crate) fn leave(&mut self, c: usize) {
        let Some(link) = self.clients[c].link.filter(|_| self.clients[c].is_in) else { return };
        let client = &self.clients[c];
        let (mut reason, mut properties) = (ReasonCode::Success, PropertiesBuf::new());
        let mut is_over = !client.is_durable;
        if client.version.is_v5() {
            if self.rng.one_in(3) {
                reason = ReasonCode::DisconnectWithWill;
            }
            if self.edge.line(link).greeting.lasts_s > 0 && self.rng.one_in(3) {
                let lasts_s = self.rng.pick(&[0, 5, 60]);
                is_over |= lasts_s == 0;
                properties.push(Property::SessionExpiryInterval(lasts_s));
            }
        }
        self.say(c, &Packet::Disconnect(Disconnect { reason, properties: properties.as_properties() }));
        self.hear_all(link);
        if is_over {
            self.clients[c].begins_anew = true;
        } else if let Some(lasts_s) = properties.as_properties().session_expiry_interval() {
            self.clients[c].lasts_now_s = lasts_s;
        }
        self.let_go(c);
    }

    /// Something that no client may say here.
    pub(crate) fn misbehave(&mut self, c: usize) {
        if self.clients[c].is_in {
            self.say(c, &Packet::PingResp);
        }
    }

    // ---- what clients hear

    /// A client reads the next packet that has come; or finds that no more will.
    pub(crate) fn listen(&mut self, c: usize) {
        let Some(link) = self.clients[c].link else { return };
        let line = self.edge.line_mut(link);
        match line.down.pop_front() {
            Some(parcel) => self.read(c, link, &parcel),
            None if line.phase == Phase::Over => self.let_go(c),
            None => {}
        }
    }

    fn read(&mut self, c: usize, link: LinkId, parcel: &Parcel) {
        let version = self.edge.line(link).greeting.version;
        let packet = Packet::decode(version, next_frame(&parcel.bytes, u32::MAX).unwrap().unwrap()).unwrap();
        assert_eq!(self.clients[c].is_in, !matches!(packet, Packet::ConnAck(_)), "c{c}: CONNACK comes first");
        match packet {
            Packet::ConnAck(ack) if ack.reason == ReasonCode::Success => self.come_in(c, parcel.owed.is_some()),
            Packet::Publish(publish) => {
                let owed = parcel.owed.unwrap();
                let topic = self.edge.line_mut(link).topic_of(&publish, true);
                assert_eq!(topic, self.model.topic_of(owed), "c{c} takes {publish:?} for another topic");
                self.take(c, &publish, owed);
            }
            Packet::PubAck(ack) => self.finished(c, ack.packet_id.get(), false),
            Packet::PubRec(ack) => self.finished(c, ack.packet_id.get(), !ack.reason.is_failure()),
            Packet::PubComp(ack) => self.clients[c].sent.retain(|sent| sent.id != ack.packet_id.get()),
            Packet::PubRel(release) => {
                self.clients[c].holds.remove(&release.packet_id.get());
                self.say_ack(c, &Packet::PubComp(ack(release.packet_id, ReasonCode::Success)));
            }
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp | Packet::Disconnect(_) => {
            }
            other => panic!("c{c} is told {other:?}"),
        }
    }

    /// What was not acknowledged is said again, in its old order.
    fn come_in(&mut self, c: usize, is_present: bool) {
        let client = &mut self.clients[c];
        client.is_in = true;
        client.begins_anew = false;
        client.ends_at = None;
        if !is_present {
            client.throw_away();
        }
        client.sent.iter_mut().for_each(|sent| sent.comes_twice = false);
        for sent in self.clients[c].sent.clone() {
            if sent.released {
                self.say_ack(c, &Packet::PubRel(ack(packet_id(sent.id), ReasonCode::Success)));
            } else {
                self.say_publish(c, sent.message, sent.id, true);
            }
        }
    }

    fn finished(&mut self, c: usize, id: u16, releases: bool) {
        let client = &mut self.clients[c];
        let Some(place) = client.sent.iter().position(|sent| sent.id == id) else {
            // A repeat was taken where the first was refused: PUBREL all the same [5.0 MQTT-4.3.3-4].
            if releases {
                self.say_ack(c, &Packet::PubRel(ack(packet_id(id), ReasonCode::Success)));
            }
            return;
        };
        let sent = &mut client.sent[place];
        let message = sent.message;
        if !releases && std::mem::take(&mut sent.comes_twice) {
            // The other answer counts. (What was refused twice is over then; PUBACK may come twice for nothing.)
            return;
        }
        if releases {
            sent.released = true;
            self.say_ack(c, &Packet::PubRel(ack(packet_id(id), ReasonCode::Success)));
        } else {
            client.sent.remove(place);
        }
        assert!(self.heard.contains(&message), "c{c}: {message} is acknowledged and was never heard");
        self.acknowledged[message as usize] = true;
    }

    /// A message came to its subscriber.
    fn take(&mut self, c: usize, publish: &Publish<'_>, owed: u32) {
        self.deliveries += 1;
        if self.is_told {
            eprintln!("{:>9} c{c} takes delivery {owed}: {:?}", self.model.now, self.model.owed[owed as usize]);
        }
        let packet_id = publish.packet_id;
        let id = packet_id.map_or(0, PacketId::get);
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.say_ack(c, &Packet::PubAck(ack(packet_id.unwrap(), ReasonCode::Success))),
            QoS::ExactlyOnce => {
                let is_v5 = self.clients[c].version.is_v5();
                let held = self.clients[c].holds.get(&id).copied();
                let refused = self.clients[c].refused.contains(&owed);
                if refused || (held.is_none() && is_v5 && self.rng.one_in(20)) {
                    // It does not want the message, whenever it comes: no PUBREL follows.
                    self.clients[c].refused.insert(owed);
                    self.say(c, &Packet::PubRec(ack(packet_id.unwrap(), ReasonCode::QuotaExceeded)));
                    return;
                }
                self.say_ack(c, &Packet::PubRec(ack(packet_id.unwrap(), ReasonCode::Success)));
                if held == Some(owed) {
                    return;
                }
                let is_free = held.is_none_or(|held| self.model.given_up.contains(&held));
                assert!(is_free, "c{c}: identifier {id} of {held:?} is given to {owed}");
                self.clients[c].holds.insert(id, owed);
            }
        }
        let (message, qos) = (self.model.owed[owed as usize].message, self.model.owed[owed as usize].qos);
        let Message { publisher, topic, .. } = self.model.messages[message as usize];
        let client = &mut self.clients[c];
        let is_first = client.once.insert(owed);
        // QoS 0 does not wait for the commit: after a death it may be taken from the queue again.
        let may_repeat = qos == 1 || (qos == 0 && self.deaths > 0);
        assert!(is_first || may_repeat, "c{c}: {message} comes a second time at QoS {qos}");
        let Owed { is_asked, share, .. } = self.model.owed[owed as usize];
        let is_one_copy = !is_asked && share.is_none() && !self.plan.settings.allow_duplicate_messages;
        if is_first && is_one_copy && qos == 2 && self.model.messages[message as usize].qos == 2 {
            let is_new = client.exactly_once.insert(message);
            assert!(is_new, "c{c}: {message} comes twice, at QoS 2 from end to end");
        }
        let has_order = self.model.owed[owed as usize].has_order() && !self.model.given_up.contains(&owed);
        if is_first && has_order {
            let latest = client.latest.entry((publisher, topic, qos)).or_default();
            let (last, this) = (&self.model.owed[*latest as usize], &self.model.owed[owed as usize]);
            assert!(
                *latest <= owed || last.message == message,
                "c{c} takes {this:?} after a later one of its topic: {last:?}"
            );
            *latest = owed;
        }
    }
}
