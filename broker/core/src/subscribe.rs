//! SUBSCRIBE and UNSUBSCRIBE, and the retained messages that a new subscription is sent.

use std::sync::Arc;

use mqtt::{
    DecodeFault, Packet, PropertiesBuf, ReasonCode, ReasonCodes, RetainHandling, SubAck, Subscribe,
    SubscriptionOptions, TopicFilter, UnsubAck, Unsubscribe,
};

use crate::deliver::tell_denied;
use crate::limits::tree_bytes;
use crate::mount::whole_filter;
use crate::publish::is_too_deep;
use crate::retained::RetainedMessage;
use crate::session::Queued;
use crate::store::StoredSubscription;
use crate::subscriptions::Subscriber;
use crate::wanted::Identifiers;
use crate::{Broker, ClientFault, DropCause, Event, Instant, LinkId, Outbox, RETAINED_QUEUED_MAX, StoreOp};

/// What a filter costs that comes or goes, in steps of [`Broker::work`].
const FILTER_STEPS: u64 = 8;

impl Broker {
    pub(crate) fn on_subscribe(
        &mut self,
        now: Instant,
        link: LinkId,
        key: u32,
        subscribe: &Subscribe<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        let identifier = subscribe.properties.subscription_identifier().unwrap_or(0);
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        self.check_answer(key, subscribe.filters.len())?;
        let mut promises = false;
        for (filter, options) in subscribe.filters {
            let whole = self.mount(link).map(|mount| whole_filter(mount, filter));
            let filter = match &whole {
                None => filter,
                Some(Ok(whole)) => whole.as_filter(),
                Some(Err(_)) => {
                    reasons.push(ReasonCode::TopicFilterInvalid);
                    continue;
                }
            };
            check_levels(filter)?;
            self.work += FILTER_STEPS;
            // Who shares a message cannot ask not to get his own [5.0 MQTT-3.8.3-4].
            if options.no_local && filter.shared().is_some() {
                return Err(ClientFault::Unexpected("a shared subscription with No Local"));
            }
            let (reason, kept) = self.subscribe(now, link, key, filter, options, identifier, out);
            reasons.push(reason);
            promises |= kept;
        }
        if !self.version(link).is_v5() {
            // Before 5.0 there is one failure [3.1.1 MQTT-3.9.3-2]; 3.1 has none, and gets it all the same.
            for reason in reasons.iter_mut().filter(|reason| reason.is_failure()) {
                *reason = ReasonCode::UnspecifiedError;
            }
        }
        let codes: Vec<u8> = reasons.iter().map(|reason| reason.as_u8()).collect();
        let Some(reasons) = ReasonCodes::from_bytes(&codes) else { return Ok(()) };
        let properties = if reasons.iter().any(|reason| reason == ReasonCode::QuotaExceeded) {
            self.reason_string(
                link,
                "there is no room: on the disk, or in memory for the subscriptions of this session",
                codes.len(),
                false,
            )
        } else {
            PropertiesBuf::new()
        };
        let ack = SubAck { packet_id: subscribe.packet_id, properties: properties.as_properties(), reasons };
        self.acknowledge(link, &Packet::SubAck(ack), promises, out);
        self.pump(now, key, out);
        Ok(())
    }

    /// A client may ask for more in one packet than it takes an answer to: it is told so before anything is done, for the
    /// answer cannot be sent [5.0 MQTT-3.1.2-24].
    fn check_answer(&self, key: u32, codes: usize) -> Result<(), ClientFault> {
        let most = self.sessions[key as usize].on.map_or(u32::MAX, |on| on.packet_bytes_max);
        // Packet Identifier, no properties, a code for each; before them type and length.
        let remaining = 2 + 1 + codes;
        let length_bytes = match remaining {
            0..=127 => 1,
            128..=16_383 => 2,
            16_384..=2_097_151 => 3,
            _ => 4,
        };
        if 1 + length_bytes + remaining > most as usize { Err(ClientFault::AnswerTooLarge) } else { Ok(()) }
    }

    /// One filter: the reason for SUBACK, and whether the store was told.
    #[allow(clippy::too_many_arguments)] // a filter, its options and its identifier come in pieces
    fn subscribe(
        &mut self,
        now: Instant,
        link: LinkId,
        key: u32,
        filter: TopicFilter<'_>,
        options: SubscriptionOptions,
        identifier: u32,
        out: &mut impl Outbox,
    ) -> (ReasonCode, bool) {
        let session = &mut self.sessions[key as usize];
        let client = acl::Client { client_id: &session.client_id, username: session.username.as_deref() };
        if self.rules.of(session.origin).may_subscribe(client, filter).is_none() {
            out.tell(Event::SubscribeDenied { client_id: &session.client_id, filter: filter.as_str() });
            return (ReasonCode::NotAuthorized, false);
        }
        let most = self.settings.subscribed_bytes_per_session_max;
        if session.subscriptions.bytes() + tree_bytes(filter.as_str()) > most && !session.subscriptions.has(filter) {
            let count = session.subscriptions.len();
            out.tell(Event::SubscriptionsFull { client_id: &session.client_id, count });
            return (ReasonCode::QuotaExceeded, false);
        }
        if self.memory_is_full && !session.subscriptions.has(filter) {
            return (ReasonCode::QuotaExceeded, false);
        }
        if self.store_is_full && session.expiry.is_durable() && !session.subscriptions.has(filter) {
            return (ReasonCode::QuotaExceeded, false);
        }
        let listener = self.links[link.0 as usize].as_ref().map_or(0, |link| usize::from(link.door.listener));
        let mut options =
            SubscriptionOptions { qos: options.qos.min(self.settings.listeners[listener].max_qos), ..options };
        if self.links[link.0 as usize].as_ref().is_some_and(|link| link.is_bridge) {
            // A bridge before 5.0 cannot ask for these. Without the first, two brokers that bring each other the same
            // topics would do so for ever; without the second, nothing that one retains would be retained by the other.
            options.no_local = filter.shared().is_none();
            options.retain_as_published = true;
        }
        out.tell(Event::Subscribed { client_id: &session.client_id, qos: options.qos, filter: filter.as_str() });
        let is_new = self.subscriptions.insert(filter, Subscriber { session: key, options, identifier });
        if is_new {
            session.subscriptions.insert(filter.into());
        }
        self.routes.changed();
        let kept = Self::keep(session, out, |number| {
            StoreOp::Subscribed(number, StoredSubscription { filter: filter.into(), options, identifier })
        });
        let wants_retained = match options.retain_handling {
            // A shared subscription is sent none [5.0 §4.8.2].
            _ if filter.shared().is_some() => false,
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        if wants_retained {
            self.queue_retained(now, key, filter, options, identifier, out);
        }
        let granted = match options.qos {
            mqtt::QoS::AtMostOnce => ReasonCode::Success,
            mqtt::QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
            mqtt::QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
        };
        (granted, kept)
    }

    /// Lets the retained messages of `filter` wait for the session; they go out after the SUBACK.
    fn queue_retained(
        &mut self,
        now: Instant,
        key: u32,
        filter: TopicFilter<'_>,
        options: SubscriptionOptions,
        identifier: u32,
        out: &mut impl Outbox,
    ) {
        let Self { sessions, retained, rules, stats, settings, work, .. } = self;
        let session = &mut sessions[key as usize];
        let client = acl::Client { client_id: &session.client_id, username: session.username.as_deref() };
        let those = rules.those_of(session.origin);
        let acl = those.acl;
        let outlasts = session.expiry.is_durable();
        let held = &mut session.outgoing;
        retained.matches(filter, now, &mut |RetainedMessage { message, publisher }| {
            *work += 1;
            if acl.may_receive(client, message.topic()).is_none() {
                tell_denied(those, client, message.topic(), out);
                return;
            }
            if settings.check_retain_source
                && publisher.as_ref().is_some_and(|by| !by.may_still(rules, message.topic()))
            {
                return;
            }
            let outgoing = held.get_or_insert_default();
            if outgoing.queued_retained >= RETAINED_QUEUED_MAX {
                stats.dropped(DropCause::Queue);
                return;
            }
            // Numbered now, to come after a restart in the order in which it is sent.
            let entry = if outlasts { outgoing.next_entry() } else { 0 };
            let upgrades = settings.upgrade_outgoing_qos;
            let qos = if upgrades { options.qos } else { options.qos.min(message.qos()) };
            let identifiers = Identifiers::of(identifier);
            let mut queued = Queued::new(Arc::clone(message), qos, true, identifiers.as_slice(), None);
            (queued.entry, queued.is_retained) = (entry, true);
            outgoing.wait(queued);
        });
    }

    pub(crate) fn on_unsubscribe(
        &mut self,
        link: LinkId,
        key: u32,
        unsubscribe: &Unsubscribe<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        let mut codes = Vec::with_capacity(unsubscribe.filters.len());
        self.check_answer(key, unsubscribe.filters.len())?;
        let mut promises = false;
        for filter in unsubscribe.filters {
            let whole = self.mount(link).map(|mount| whole_filter(mount, filter));
            let filter = match &whole {
                None => filter,
                Some(Ok(whole)) => whole.as_filter(),
                Some(Err(_)) => {
                    codes.push(ReasonCode::TopicFilterInvalid.as_u8());
                    continue;
                }
            };
            check_levels(filter)?;
            self.work += FILTER_STEPS;
            let had = self.subscriptions.remove(filter, key);
            let session = &mut self.sessions[key as usize];
            if had {
                session.subscriptions.remove(filter);
                self.routes.changed();
                promises |= Self::keep(session, out, |number| StoreOp::Unsubscribed(number, filter.into()));
            }
            out.tell(Event::Unsubscribed { client_id: &session.client_id, filter: filter.as_str() });
            let reason = if had { ReasonCode::Success } else { ReasonCode::NoSubscriptionExisted };
            codes.push(reason.as_u8());
        }
        if !self.version(link).is_v5() {
            codes.clear(); // UNSUBACK has no payload before 5.0
        }
        let Some(reasons) = ReasonCodes::from_bytes(&codes) else { return Ok(()) };
        let ack = UnsubAck { packet_id: unsubscribe.packet_id, properties: mqtt::Properties::EMPTY, reasons };
        self.acknowledge(link, &Packet::UnsubAck(ack), promises, out);
        Ok(())
    }
}

fn check_levels(filter: TopicFilter<'_>) -> Result<(), ClientFault> {
    if is_too_deep(filter.as_str()) {
        return Err(ClientFault::Packet(DecodeFault::InvalidTopicFilter));
    }
    Ok(())
}
