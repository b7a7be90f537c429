//! From a message to those who get it: who they are. How it reaches each of them is `courier`'s.

use std::sync::Arc;
use std::time::Duration;

use acl::PublishGrant;
use mqtt::TopicName;

use crate::courier::{Courier, done};
use crate::message::{Item, Message};
use crate::mount::sees;
use crate::routes::{Audience, SharedRoute};
use crate::rules::{Rules, RulesOf};
use crate::session::{InFlight, Session};
use crate::subscriptions::{Found, Subscriber};
use crate::timers::Due;
use crate::wanted::Wanted;
use crate::{Broker, DropCause, Event, Instant, Outbox, StoreOp};

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
    /// The rules were asked before: `_grant` is the proof. `from` is the publishing session (for No Local); `message` the
    /// same as `item`, where it is kept already.
    #[allow(clippy::too_many_arguments)] // each is one thing that a delivery depends on
    pub(crate) fn route(
        &mut self,
        now: Instant,
        item: &Item<'_>,
        retain: bool,
        _grant: PublishGrant,
        from: Option<u32>,
        place: usize,
        mut message: Option<Arc<Message>>,
        out: &mut impl Outbox,
    ) -> Reach {
        let mut reach = Reach::default();
        if retain && self.settings.retain_available {
            reach.kept |= self.retain(item, from, &mut message, out);
        }
        let audience = self.audience(place, out);
        self.work += (audience.each.len() + audience.groups.len()) as u64 * (1 + item.payload.len() as u64 / 1024);
        self.frames.begin();
        reach.wanted = !audience.each.is_empty() || !audience.groups.is_empty();
        let mine = |to: &Subscriber| to.options.no_local && from == Some(to.session);
        let Self { sessions, links, settings, stats, frames, kept, routes, .. } = self;
        let mut courier = Courier { now, settings, links, stats, frames, kept, topic: Some(routes.topic(place)) };
        if settings.allow_duplicate_messages {
            for to in audience.each.iter().filter(|to| !mine(to)) {
                let session = &mut sessions[to.session as usize];
                reach.kept |= courier.deliver(session, Wanted::by(to), item, retain, &mut message, out);
            }
        } else {
            let mut identifiers = Vec::new();
            for same in audience.each.chunk_by(|one, other| one.session == other.session) {
                if let Some(wanted) = Wanted::by_all(same.iter().filter(|to| !mine(to)), &mut identifiers) {
                    let session = &mut sessions[same[0].session as usize];
                    reach.kept |= courier.deliver(session, wanted, item, retain, &mut message, out);
                }
            }
        }
        for shared in &audience.groups {
            reach.kept |= self.share(now, shared, item, retain, &mut message, out);
        }
        reach
    }

    /// Who gets the messages of the topic at `place`. Where that is found out anew, who wants them and may not have them is
    /// told of; what is remembered costs nothing.
    pub(crate) fn audience(&mut self, place: usize, out: &mut impl Outbox) -> Arc<Audience> {
        let Self { routes, subscriptions, sessions, links, rules, settings, work, .. } = self;
        routes.audience(place, |topic| {
            let mut may = |subscriber: &Subscriber| {
                let session = &sessions[subscriber.session as usize];
                sees(settings, links, session, topic) && may_receive(rules, session, topic, out)
            };
            let (mut each, mut groups) = (Vec::new(), Vec::new());
            subscriptions.matches(topic, &mut |found| match found {
                Found::One(subscriber) if may(&subscriber) => each.push(subscriber),
                Found::One(_) => {}
                Found::Group(group) => {
                    let members = subscriptions.shares.members(group).iter().copied().filter(&mut may).collect();
                    groups.push(SharedRoute { group, members });
                }
            });
            groups.retain(|group| !group.members.is_empty());
            if !settings.allow_duplicate_messages {
                each.sort_by_key(|to| to.session);
            }
            let made = Audience { each: each.into(), groups: groups.into() };
            *work += 1 + made.size() as u64;
            made
        })
    }

    /// Brings a message to one session. `true` if the store was told.
    #[allow(clippy::too_many_arguments)] // as `route`
    pub(crate) fn hand(
        &mut self,
        now: Instant,
        key: u32,
        wanted: Wanted<'_>,
        item: &Item<'_>,
        retain: bool,
        message: &mut Option<Arc<Message>>,
        out: &mut impl Outbox,
    ) -> bool {
        let session = &mut self.sessions[key as usize];
        let Self { settings, links, stats, frames, kept, .. } = self;
        Courier { now, settings, links, stats, frames, kept, topic: None }
            .deliver(session, wanted, item, retain, message, out)
    }

    /// Whether no message of this size may be retained for `topic`; the operator is told then.
    pub(crate) fn is_retained_full(&self, topic: TopicName<'_>, payload_bytes: usize, out: &mut impl Outbox) -> bool {
        let most = self.settings.retained_bytes_max;
        let is_full = self.retained.bytes() + payload_bytes > most && !self.retained.has(topic);
        if is_full {
            out.tell(Event::RetainedFull { bytes_max: most });
        }
        is_full
    }

    /// `true` if the store was told. What the broker says itself (`from` nobody) is not for the store.
    fn retain(
        &mut self,
        item: &Item<'_>,
        from: Option<u32>,
        message: &mut Option<Arc<Message>>,
        out: &mut impl Outbox,
    ) -> bool {
        if item.payload.is_empty() {
            let had = self.retained.clear(item.topic);
            if had {
                out.store(StoreOp::RetainedGone(item.topic.into()));
            }
            return had;
        }
        if from.is_some() && self.is_retained_full(item.topic, item.payload.len(), out) {
            return false; // a will: there is nobody to refuse
        }
        let message = message.get_or_insert_with(|| Message::keep(item, self.kept.count(item.payload.len())));
        let publisher = from.map(|key| self.sessions[key as usize].as_publisher(&self.rules));
        self.retained.set(Arc::clone(message), publisher.clone());
        let Some(publisher) = publisher else { return false };
        out.store(StoreOp::Retained(Arc::clone(message), publisher));
        true
    }

    /// Other settings count: the next look for expired retained messages comes after the new interval.
    pub(crate) fn schedule_retained_look(&mut self, now: Instant) {
        self.timers.unset(self.retained_look_at.take(), Due::RetainedExpiry);
        if let Some(seconds) = self.settings.retain_expiry_s {
            let at = now + Duration::from_secs(seconds);
            self.retained_look_at = Some(at);
            self.timers.set(at, Due::RetainedExpiry);
        }
    }

    /// Forgets the retained messages that have expired.
    pub(crate) fn forget_expired(&mut self, now: Instant, out: &mut impl Outbox) {
        for topic in self.retained.expired(now) {
            if self.retained.clear(topic.as_name()) {
                out.store(StoreOp::RetainedGone(topic));
            }
        }
        self.work += self.retained.len() as u64;
        self.schedule_retained_look(now);
    }

    /// Sends what waits for a session, as far as its window and its socket have room.
    pub(crate) fn pump(&mut self, now: Instant, key: u32, out: &mut impl Outbox) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let Self { settings, links, stats, frames, kept, .. } = self;
        let before = stats.publishes_sent;
        Courier { now, settings, links, stats, frames, kept, topic: None }.pump(session, out);
        self.work += self.stats.publishes_sent - before;
    }

    /// A session that was there is connected again: what was in flight comes again, then what waits.
    pub(crate) fn resume(&mut self, now: Instant, key: u32, out: &mut impl Outbox) {
        let Self { sessions, rules, .. } = self;
        let Some(session) = sessions.get_mut(key as usize) else { return };
        let Some(mut outgoing) = session.outgoing.take() else { return };
        let (client, acl) = (session.as_client(), rules.of(session.origin));
        // Whoever has come back may read less than whoever left.
        let gone = |held: &InFlight| !held.released && acl.may_receive(client, held.queued.message.topic()).is_none();
        for held in outgoing.take_all_in_flight(gone) {
            done(session, &held.queued, out);
        }
        session.outgoing = Some(outgoing);
        self.pump(now, key, out);
    }

    /// Takes from a session what its user may not read any more: what waits, and what is still to be sent again.
    pub(crate) fn revoke(&mut self, key: u32, out: &mut impl Outbox) {
        let Self { sessions, rules, stats, .. } = self;
        let Some(session) = sessions.get_mut(key as usize) else { return };
        let Some(mut outgoing) = session.outgoing.take() else { return };
        let (client, acl) = (session.as_client(), rules.of(session.origin));
        let mut repeated = outgoing.in_flight.len() - outgoing.to_repeat;
        while let Some(held) = outgoing.in_flight.get(repeated).filter(|_| session.on.is_some()) {
            if held.released || acl.may_receive(client, held.queued.message.topic()).is_some() {
                repeated += 1;
            } else if let Some(held) = outgoing.take_in_flight(repeated) {
                done(session, &held.queued, out);
            }
        }
        for queued in outgoing.take_waiting(|queued| acl.may_receive(client, queued.message.topic()).is_none()) {
            tell_denied(rules.those_of(session.origin), client, queued.message.topic(), out);
            stats.dropped(DropCause::Rules);
            done(session, &queued, out);
        }
        session.outgoing = Some(outgoing);
    }
}

/// Whether the rules let a session be sent messages of `topic`; if not, it is told of.
fn may_receive(rules: &Rules, session: &Session, topic: TopicName<'_>, out: &mut impl Outbox) -> bool {
    let may = rules.of(session.origin).may_receive(session.as_client(), topic).is_some();
    if !may {
        tell_denied(rules.those_of(session.origin), session.as_client(), topic, out);
    }
    may
}

#[cold]
pub(crate) fn tell_denied(rules: RulesOf<'_>, client: acl::Client<'_>, topic: TopicName<'_>, out: &mut impl Outbox) {
    let acl::Client { client_id, username } = client;
    out.tell(Event::ReadDenied { client_id, username, rules, topic: topic.as_str() });
}
