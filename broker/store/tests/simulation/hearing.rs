//! What each packet of a client means, by the model.

use std::collections::BTreeSet;

use broker_core::LinkId;
use mqtt::{Packet, Publish, ReasonCode, RetainHandling, Subscribe, TopicFilter, TopicName};

use crate::edge::Line;
use crate::model::{Model, Reply, State, Wish};
use crate::words::{filter_place, topic_place};

impl Model {
    /// A packet of a client that is in.
    pub(crate) fn hear(&mut self, line: &mut Line, link: LinkId, packet: &Packet<'_>, heard: &mut BTreeSet<u32>) {
        let client = line.greeting.client;
        let is_v5 = line.greeting.version.is_v5();
        match packet {
            Packet::Publish(publish) => {
                self.counts.received += 1;
                let message = line.up_messages.pop_front().expect("every PUBLISH has its number beside it");
                self.check_alias(line, publish, message);
                heard.insert(message);
                self.hear_publish(client, link, is_v5, publish, message);
            }
            Packet::PubAck(ack) | Packet::PubComp(ack) => self.over(client, ack.packet_id.get()),
            Packet::PubRec(ack) if ack.reason.is_failure() => self.over(client, ack.packet_id.get()),
            Packet::PubRec(ack) => {
                let id = ack.packet_id.get();
                if let Some(owed) = self.in_flight(client, id)
                    && let State::InFlight { turn, .. } = self.session(client).owed[&owed]
                {
                    self.set(owed, Some(State::InFlight { id, released: true, is_here: true, turn }));
                }
                self.reply(link, Reply::PubRel(id));
            }
            Packet::PubRel(ack) => {
                // What was taken goes on now, if it has not expired meanwhile.
                match self.set_taken(client, ack.packet_id.get(), None) {
                    Some((_, Some(at))) if at <= self.now => self.counts.expired += 1,
                    Some((message, expires_at)) => {
                        self.route(message, client, expires_at);
                    }
                    None => {}
                }
                self.reply(link, Reply::PubComp(ack.packet_id.get()));
            }
            Packet::Subscribe(subscribe) => self.hear_subscribe(client, link, subscribe),
            Packet::Unsubscribe(unsubscribe) => {
                let mut codes = Vec::new();
                for filter in unsubscribe.filters {
                    let had = self.unsubscribe(client, filter_place(filter.as_str()));
                    codes.push(if had { 0 } else { 0x11 });
                }
                codes.retain(|_| is_v5);
                self.reply(link, Reply::UnsubAck(unsubscribe.packet_id.get(), codes));
            }
            Packet::PingReq => self.reply(link, Reply::PingResp),
            Packet::Disconnect(farewell) => {
                let lasts_s = farewell.properties.session_expiry_interval();
                self.farewell(client, link, farewell.reason != ReasonCode::Success, lasts_s);
            }
            _ => {
                let on = self.session(client).on.unwrap();
                self.part(client, on, ReasonCode::ProtocolError);
            }
        }
    }

    fn check_alias(&mut self, line: &mut Line, publish: &Publish<'_>, message: u32) {
        let alias = publish.properties.topic_alias().map(|alias| usize::from(alias) - 1);
        let topic = publish.topic.map(|topic| topic_place(TopicName::as_str(topic)));
        if let (Some(alias), Some(topic)) = (alias, topic) {
            line.aliases[alias] = Some(topic);
        }
        let topic = topic.or_else(|| line.aliases[alias?]);
        assert_eq!(topic, Some(self.messages[message as usize].topic), "the network itself is at fault");
    }

    fn hear_publish(&mut self, client: usize, link: LinkId, is_v5: bool, publish: &Publish<'_>, message: u32) {
        let id = publish.packet_id.map_or(0, mqtt::PacketId::get);
        let (qos, topic) = (publish.qos.as_u8(), self.messages[message as usize].topic);
        let user = self.session(client).user;
        let expiry_s = self.messages[message as usize].expiry_s;
        let expires_at = expiry_s.map(|seconds| self.now + u64::from(seconds) * 1000);
        let reason = if qos == 2 && self.session(client).taken.contains_key(&id) {
            // A repeat: acknowledged, and not routed again [5.0 MQTT-4.3.3-10].
            ReasonCode::Success
        } else if !self.rights.may_publish(user, topic) {
            ReasonCode::NotAuthorized
        } else if qos == 2 {
            self.set_taken(client, id, Some((message, expires_at)));
            ReasonCode::Success
        } else if self.route(message, client, expires_at) {
            ReasonCode::Success
        } else {
            ReasonCode::NoMatchingSubscribers
        };
        let reason = if is_v5 { reason } else { ReasonCode::Success };
        match qos {
            1 => self.reply(link, Reply::PubAck(id, reason)),
            2 => self.reply(link, Reply::PubRec(id, reason)),
            _ => {}
        }
    }

    fn hear_subscribe(&mut self, client: usize, link: LinkId, subscribe: &Subscribe<'_>) {
        let identifier = subscribe.properties.subscription_identifier().unwrap_or(0);
        let mut codes = Vec::new();
        for (filter, options) in subscribe.filters {
            let wish = Wish {
                qos: options.qos.as_u8(),
                no_local: options.no_local,
                retain_as_published: options.retain_as_published,
                identifier,
            };
            let retain_handling = match options.retain_handling {
                RetainHandling::Send => 0,
                RetainHandling::SendIfNew => 1,
                RetainHandling::DoNotSend => 2,
            };
            self.subscribe(client, filter_place(TopicFilter::as_str(filter)), wish, retain_handling);
            codes.push(wish.qos);
        }
        self.reply(link, Reply::SubAck(subscribe.packet_id.get(), codes));
        self.session(client).is_stuck = false;
    }

    /// The last acknowledgement of a delivery came. For an identifier that is not in flight it is passed over.
    fn over(&mut self, client: usize, id: u16) {
        if let Some(owed) = self.in_flight(client, id) {
            self.set(owed, None);
            self.session(client).is_stuck = false;
        }
    }
}
