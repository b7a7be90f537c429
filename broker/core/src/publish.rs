//! PUBLISH from a client: checked, allowed or not, routed, acknowledged.

use std::sync::Arc;
use std::time::Duration;

use acl::PublishGrant;
use mqtt::{Ack, DecodeFault, Packet, PacketId, PropertiesBuf, Publish, QoS, ReasonCode, TopicName, TopicNameBuf};

use crate::link::LastRoute;
use crate::message::{Item, Message};
use crate::mount::whole_name;
use crate::subscriptions::Subscriber;
use crate::taken::Taken;
use crate::{Broker, ClientFault, DropCause, Event, Instant, LinkId, Outbox, StoreOp, StoredTaken, TOPIC_LEVELS_MAX};

impl Broker {
    pub(crate) fn on_publish(
        &mut self,
        now: Instant,
        link: LinkId,
        key: u32,
        publish: Publish<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        let whole;
        let mut said = publish.topic;
        if self.sessions[key as usize].on.is_some_and(|on| on.is_mounted)
            && let Some((topic, mount)) = publish.topic.zip(self.mount(link))
        {
            whole = whole_name(mount, topic)?;
            said = Some(whole.as_name());
        }
        self.stats.publishes_received += 1;
        self.stats.publish_bytes_received += publish.payload.len() as u64;
        self.check_available(link, &publish)?;
        let aliased;
        let topic = match publish.properties.topic_alias() {
            None => said.ok_or(ClientFault::Packet(DecodeFault::MissingTopic))?,
            Some(alias) => {
                // Learnt from a repeat too: it may be the first packet of its connection.
                aliased = self.unalias(link, alias, said)?;
                aliased.as_name()
            }
        };
        if let (QoS::ExactlyOnce, Some(id)) = (publish.qos, publish.packet_id)
            && self.is_repeat(key, id)
        {
            // A repeat of a message we hold is acknowledged, not routed again [5.0 MQTT-4.3.3-10].
            self.answer(link, publish.qos, publish.packet_id, ReasonCode::Success, true, out);
            return Ok(());
        }
        self.check_receive_maximum(link, publish.qos)?;
        let place = self.place(link, topic);
        let (reason, promises) = match self.judge(link, key, &publish, topic, place, out)? {
            Err(refused) => (refused, false),
            Ok(grant) => {
                let expiry = publish.properties.message_expiry_interval();
                let item = Item {
                    topic,
                    payload: publish.payload,
                    properties: publish.properties,
                    expires_at: expiry.map(|seconds| now + Duration::from_secs(seconds.into())),
                    qos: publish.qos,
                };
                match (publish.qos, publish.packet_id) {
                    _ if self.takes_commands(topic.as_str()) => {
                        self.control(now, key, publish.payload, out);
                        (ReasonCode::Success, false)
                    }
                    // It goes on when it is released.
                    (QoS::ExactlyOnce, Some(id)) => {
                        (ReasonCode::Success, self.take(link, key, id, &item, publish.retain, grant, place, out))
                    }
                    _ => {
                        let reach = self.route(now, &item, publish.retain, grant, Some(key), place, None, out);
                        let reason = if reach.wanted { ReasonCode::Success } else { ReasonCode::NoMatchingSubscribers };
                        (reason, reach.kept)
                    }
                }
            }
        };
        self.answer(link, publish.qos, publish.packet_id, reason, promises, out);
        Ok(())
    }

    /// The place of a topic's route; that of the last topic of this link is tried first.
    fn place(&mut self, link: LinkId, topic: TopicName<'_>) -> usize {
        let last = self.links[link.0 as usize].as_ref().and_then(|link| link.last_route);
        self.routes.place(topic, last.map(|last| last.route))
    }

    /// Leave to publish, if topic and size may be and the rules allow it; or the reason why not.
    fn judge(
        &mut self,
        link: LinkId,
        key: u32,
        publish: &Publish<'_>,
        topic: TopicName<'_>,
        place: usize,
        out: &mut impl Outbox,
    ) -> Result<Result<PublishGrant, ReasonCode>, ClientFault> {
        let last = self.links[link.0 as usize].as_ref().and_then(|link| link.last_route);
        let grant = match last {
            Some(last) if last.route == place && last.generation == self.routes.generation() => last.grant,
            _ => {
                let grant = self.may_publish(key, topic)?;
                let generation = self.routes.generation();
                if let Some(state) = self.links[link.0 as usize].as_mut() {
                    state.last_route = Some(LastRoute { route: place, generation, grant });
                }
                grant
            }
        };
        let Some(grant) = grant else {
            self.tell_denied(key, topic, publish.qos, publish.payload.len(), out);
            return Ok(Err(ReasonCode::NotAuthorized));
        };
        let limit = self.settings.message_size_limit;
        if limit > 0 && publish.payload.len() > limit as usize {
            self.stats.dropped(DropCause::Refused);
            out.tell(Event::PublishTooLarge { client_id: &self.sessions[key as usize].client_id });
            return Ok(Err(ReasonCode::ImplementationSpecificError));
        }
        if publish.retain && !publish.payload.is_empty() && self.is_retained_full(topic, publish.payload.len(), out) {
            self.stats.dropped(DropCause::Refused);
            return Ok(Err(ReasonCode::QuotaExceeded));
        }
        if publish.qos == QoS::ExactlyOnce && !self.sessions[key as usize].taken.has_room(publish.payload.len()) {
            self.stats.dropped(DropCause::Refused);
            return self.has_no_room(link, publish.qos, ClientFault::Unreleased);
        }
        let takes_memory = publish.qos > QoS::AtMostOnce || (publish.retain && !publish.payload.is_empty());
        if self.memory_is_full && takes_memory {
            self.stats.dropped(DropCause::Refused);
            return self.has_no_room(link, publish.qos, ClientFault::MemoryFull);
        }
        if self.store_is_full && self.would_be_kept(key, publish, place, out) {
            self.stats.dropped(DropCause::Refused);
            return self.has_no_room(link, publish.qos, ClientFault::StoreFull);
        }
        Ok(Ok(grant))
    }

    /// The operator is told that a client may not publish.
    #[cold]
    pub(crate) fn tell_denied(
        &self,
        key: u32,
        topic: TopicName<'_>,
        qos: QoS,
        payload_bytes: usize,
        out: &mut impl Outbox,
    ) {
        let session = &self.sessions[key as usize];
        out.tell(Event::PublishDenied {
            client_id: &session.client_id,
            username: session.username.as_deref(),
            rules: self.rules.those_of(session.origin),
            topic: topic.as_str(),
            qos,
            payload_bytes,
        });
    }

    /// Before 5.0 there is no word for it: what cannot be acknowledged ends the connection, and comes again.
    fn has_no_room(
        &self,
        link: LinkId,
        qos: QoS,
        fault: ClientFault,
    ) -> Result<Result<PublishGrant, ReasonCode>, ClientFault> {
        if self.version(link).is_v5() || qos == QoS::AtMostOnce {
            Ok(Err(ReasonCode::QuotaExceeded))
        } else {
            Err(fault)
        }
    }

    /// Whether the store would be given something for a message: asked only while it has no room.
    #[cold]
    fn would_be_kept(&mut self, key: u32, publish: &Publish<'_>, place: usize, out: &mut impl Outbox) -> bool {
        if publish.retain {
            // One that takes a retained message away makes room.
            return !publish.payload.is_empty();
        }
        if publish.qos == QoS::ExactlyOnce && self.sessions[key as usize].expiry.is_durable() {
            return true;
        }
        let audience = self.audience(place, out);
        let keeps = |to: &Subscriber| {
            let session = &self.sessions[to.session as usize];
            let qos = if self.settings.upgrade_outgoing_qos { to.options.qos } else { to.options.qos.min(publish.qos) };
            let outlasts = qos > QoS::AtMostOnce || (self.settings.queue_qos0_messages && session.on.is_none());
            outlasts && session.expiry.is_durable()
        };
        audience.each.iter().any(keeps) || audience.groups.iter().any(|group| group.members.iter().any(keeps))
    }

    /// Asks the rules, for a topic that this link did not publish to before.
    fn may_publish(&self, key: u32, topic: TopicName<'_>) -> Result<Option<PublishGrant>, ClientFault> {
        let name = topic.as_str();
        if is_too_deep(name) {
            return Err(ClientFault::Unexpected("a topic name of too many levels"));
        }
        if is_command(name) && !self.takes_commands(name) {
            return Ok(None);
        }
        let session = &self.sessions[key as usize];
        let client = acl::Client { client_id: &session.client_id, username: session.username.as_deref() };
        Ok(self.rules.of(session.origin).may_publish(client, topic))
    }

    fn check_available(&self, link: LinkId, publish: &Publish<'_>) -> Result<(), ClientFault> {
        let listener = self.links[link.0 as usize].as_ref().map_or(0, |link| usize::from(link.door.listener));
        if publish.qos > self.settings.listeners[listener].max_qos {
            return Err(ClientFault::QoSNotSupported);
        }
        // [5.0 MQTT-3.3.4-6]
        if !publish.properties.is_empty() && publish.properties.subscription_identifier().is_some() {
            return Err(ClientFault::Unexpected("a subscription identifier from a client"));
        }
        if publish.retain && !self.settings.retain_available {
            return Err(ClientFault::RetainNotSupported);
        }
        Ok(())
    }

    /// Our Receive Maximum, which only 5.0 clients were told [5.0 §3.3.4].
    fn check_receive_maximum(&self, link: LinkId, qos: QoS) -> Result<(), ClientFault> {
        let limit = self.settings.max_inflight_messages;
        let too_many = qos != QoS::AtMostOnce
            && limit > 0
            && self.links[link.0 as usize].as_ref().is_some_and(|state| state.qos2_open >= limit)
            && self.version(link).is_v5();
        if too_many { Err(ClientFault::ReceiveMaximum) } else { Ok(()) }
    }

    fn is_repeat(&self, key: u32, id: PacketId) -> bool {
        self.sessions[key as usize].taken.has(id)
    }

    /// Keeps a QoS 2 message until its PUBREL. `true` if the store was told.
    #[allow(clippy::too_many_arguments)] // each is one thing that is kept
    fn take(
        &mut self,
        link: LinkId,
        key: u32,
        id: PacketId,
        item: &Item<'_>,
        retain: bool,
        grant: PublishGrant,
        place: usize,
        out: &mut impl Outbox,
    ) -> bool {
        if let Some(state) = self.links[link.0 as usize].as_mut() {
            state.qos2_open = state.qos2_open.saturating_add(1);
        }
        let topic = self.routes.topic(place).clone();
        let message = Message::keep_with(topic, item, self.kept.count(item.payload.len()));
        let session = &mut self.sessions[key as usize];
        session.taken.insert(Taken { id, message: Arc::clone(&message), retain, grant });
        Self::keep(session, out, |number| StoreOp::Taken(number, id, StoredTaken { message, retain }))
    }

    /// The client has released a message: it goes on. `true` if the store was told.
    pub(crate) fn release(&mut self, now: Instant, key: u32, taken: &Taken, out: &mut impl Outbox) -> bool {
        let item = taken.message.item();
        if item.expires_at.is_some_and(|at| at <= now) {
            self.stats.publishes_expired += 1;
            return false;
        }
        let place = self.routes.place(item.topic, None);
        let message = Arc::clone(&taken.message);
        self.route(now, &item, taken.retain, taken.grant, Some(key), place, Some(message), out).kept
    }

    /// The topic of an alias, introduced now (`topic` is there) or before [5.0 §3.3.2.3.4].
    fn unalias(&mut self, link: LinkId, alias: u16, topic: Option<TopicName<'_>>) -> Result<TopicNameBuf, ClientFault> {
        let Some(state) = self.links[link.0 as usize].as_mut() else { return Err(ClientFault::TopicAlias) };
        let limit = self.settings.listeners[usize::from(state.door.listener)].max_topic_alias;
        if alias == 0 || alias > limit {
            return Err(ClientFault::TopicAlias);
        }
        let place = usize::from(alias) - 1;
        let aliases = state.aliases.get_or_insert_default();
        if let Some(topic) = topic {
            if aliases.len() <= place {
                aliases.resize(place + 1, None);
            }
            let topic = TopicNameBuf::from(topic);
            aliases[place] = Some(topic.clone());
            return Ok(topic);
        }
        // Without a topic, and without a mapping to find it by: a Protocol Error, not an invalid alias.
        aliases.get(place).cloned().flatten().ok_or(ClientFault::Unexpected("a topic alias that was not introduced"))
    }

    /// PUBACK or PUBREC, as the QoS wants it.
    fn answer(
        &mut self,
        link: LinkId,
        qos: QoS,
        id: Option<PacketId>,
        reason: ReasonCode,
        promises: bool,
        out: &mut impl Outbox,
    ) {
        let Some(packet_id) = id else { return };
        let why = match reason {
            ReasonCode::NotAuthorized => "the rules do not let this client publish to this topic",
            ReasonCode::ImplementationSpecificError => "the payload is larger than message_size_limit",
            ReasonCode::QuotaExceeded => {
                "there is no room: on the disk, in memory, or for retained messages, or for those that wait for PUBREL"
            }
            _ => "",
        };
        let properties = if why.is_empty() { PropertiesBuf::new() } else { self.reason_string(link, why, 0, false) };
        let ack = Ack { packet_id, reason, properties: properties.as_properties() };
        match qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.acknowledge(link, &Packet::PubAck(ack), promises, out),
            QoS::ExactlyOnce => self.acknowledge(link, &Packet::PubRec(ack), promises, out),
        }
    }
}

/// Whether a topic name is that of a command to the broker. `$SYS` and `$share` are the
/// rules' own exceptions.
pub(crate) fn is_command(topic: &str) -> bool {
    topic.starts_with("$CONTROL/")
}

/// Whether a topic name or filter has more levels than the broker goes into.
pub(crate) fn is_too_deep(topic: &str) -> bool {
    topic.split('/').nth(TOPIC_LEVELS_MAX).is_some()
}
