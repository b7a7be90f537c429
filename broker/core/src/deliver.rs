//! From a message to those who get it: who they are. How it reaches each of them is `courier`'s.

use std::sync::Arc;

use crate::courier::{Courier, done};
use crate::message::{Item, Message};
use crate::subscriptions::Subscriber;
use crate::{Broker, Instant, Outbox, StoreOp};
use acl::PublishGrant;

/// What became of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reach {
    /// Somebody wanted it.
    pub wanted: bool,
    /// Something was given to the store for it.
    pub kept: bool,
}

impl Broker {
    /// Hands a message to all who want it and may have it, and retains it if asked to.
    ///
    /// The rules were asked before: `_grant` is the proof. `from` is the publishing session (for No Local).
    #[allow(clippy::too_many_arguments)] // each is one thing that a delivery depends on
    pub(crate) fn route(
        &mut self,
        now: Instant,
        item: &Item<'_>,
        retain: bool,
        _grant: PublishGrant,
        from: Option<u32>,
        place: usize,
        out: &mut impl Outbox,
    ) -> Reach {
        let mut message = None;
        let mut reach = Reach::default();
        if retain && self.settings.retain_available {
            reach.kept |= self.retain(item, &mut message, out);
        }
        let Self { routes, subscriptions, sessions, acl, settings, .. } = self;
        let audience = routes.subscribers(place, |topic| {
            let mut audience = Vec::new();
            subscriptions.matches(topic, &mut |subscriber| {
                let session = &sessions[subscriber.session as usize];
                let client = acl::Client { client_id: &session.client_id, username: session.username.as_deref() };
                if acl.may_receive(client, topic).is_some() {
                    audience.push(subscriber);
                }
            });
            if !settings.allow_duplicate_messages {
                one_copy_each(&mut audience);
            }
            audience.into()
        });
        self.frames.begin();
        for to in &*audience {
            reach.wanted = true;
            if to.options.no_local && from == Some(to.session) {
                continue;
            }
            let session = &mut self.sessions[to.session as usize];
            let mut courier =
                Courier { now, settings: &self.settings, stats: &mut self.stats, frames: &mut self.frames };
            reach.kept |= courier.deliver(session, *to, item, retain, &mut message, out);
        }
        reach
    }

    fn retain(&mut self, item: &Item<'_>, message: &mut Option<Arc<Message>>, out: &mut impl Outbox) -> bool {
        if item.payload.is_empty() {
            let had = self.retained.clear(item.topic);
            if had {
                out.store(StoreOp::RetainedGone(item.topic.into()));
            }
            return had;
        }
        let message = message.get_or_insert_with(|| Message::keep(item));
        self.retained.set(Arc::clone(message));
        out.store(StoreOp::Retained(Arc::clone(message)));
        true
    }

    /// Sends what waits for a session, as far as its window and its socket have room.
    pub(crate) fn pump(&mut self, now: Instant, key: u32, out: &mut impl Outbox) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let mut courier = Courier { now, settings: &self.settings, stats: &mut self.stats, frames: &mut self.frames };
        courier.pump(session, out);
    }

    /// A session that was there is connected again: what was in flight comes again, then what waits.
    pub(crate) fn resume(&mut self, now: Instant, key: u32, out: &mut impl Outbox) {
        let Self { sessions, acl, .. } = self;
        let Some(session) = sessions.get_mut(key as usize) else { return };
        let Some(mut outgoing) = session.outgoing.take() else { return };
        let client = acl::Client { client_id: &session.client_id, username: session.username.as_deref() };
        // Whoever has come back may read less than whoever left.
        outgoing.in_flight.retain(|held| {
            let stays = held.released || acl.may_receive(client, held.queued.message.topic()).is_some();
            if !stays {
                done(session, &held.queued, out);
            }
            stays
        });
        outgoing.to_repeat = outgoing.in_flight.len();
        session.outgoing = Some(outgoing);
        self.pump(now, key, out);
    }

    /// Takes from a session's queue what its user may not read any more.
    pub(crate) fn revoke(&mut self, key: u32, out: &mut impl Outbox) {
        let Self { sessions, acl, stats, .. } = self;
        let Some(session) = sessions.get_mut(key as usize) else { return };
        let Some(mut outgoing) = session.outgoing.take() else { return };
        let client = acl::Client { client_id: &session.client_id, username: session.username.as_deref() };
        for queued in outgoing.take_waiting(|queued| acl.may_receive(client, queued.message.topic()).is_none()) {
            stats.publishes_dropped += 1;
            done(session, &queued, out);
        }
        session.outgoing = Some(outgoing);
    }
}

/// Overlapping subscriptions of one session become one, at the highest QoS [3.1.1 §3.3.5, 5.0 §3.3.4].
fn one_copy_each(audience: &mut Vec<Subscriber>) {
    audience.sort_by_key(|to| (to.session, std::cmp::Reverse(to.options.qos)));
    audience.dedup_by_key(|to| to.session);
}
