//! How a message of a shared subscription gets to one member, and on to another when that one is lost
//! [5.0 §4.8.2].

use std::sync::Arc;

use mqtt::{QoS, TopicFilter};

use crate::courier::done;
use crate::message::{Item, Message};
use crate::mount::sees;
use crate::routes::SharedRoute;
use crate::session::{Outgoing, Queued, Session};
use crate::shares::Fitness;
use crate::subscriptions::Subscriber;
use crate::wanted::Wanted;
use crate::{Broker, DropCause, Instant, Outbox, Settings};

impl Broker {
    /// Gives a message to one member of a group. `true` if the store was told.
    pub(crate) fn share(
        &mut self,
        now: Instant,
        shared: &SharedRoute,
        item: &Item<'_>,
        retain: bool,
        message: &mut Option<Arc<Message>>,
        out: &mut impl Outbox,
    ) -> bool {
        let Self { subscriptions, sessions, settings, .. } = self;
        let chosen = subscriptions.shares.choose(shared.group, &shared.members, |member| {
            fitness(&sessions[member.session as usize], member, item.qos, settings, out)
        });
        let Some(chosen) = chosen else {
            // All of them are away, and QoS 0 waits for nobody.
            self.stats.dropped(DropCause::Queue);
            return false;
        };
        let filter = self.subscriptions.shares.filter(shared.group).cloned();
        let wanted = Wanted { share: filter.as_ref(), ..Wanted::by(&chosen) };
        self.hand(now, chosen.session, wanted, item, retain, message, out)
    }

    /// A member is away: what waits for it and was never sent goes to members who are there. What was sent is its own
    /// until its session ends: it may have it already.
    pub(crate) fn hand_on_waiting(&mut self, now: Instant, key: u32, out: &mut impl Outbox) {
        let Self { sessions, subscriptions, .. } = self;
        let Some(session) = sessions.get_mut(key as usize) else { return };
        let Some(mut outgoing) = session.outgoing.take() else { return };
        let is_somebody_there = |share: &Arc<str>| {
            let group = TopicFilter::new(share).ok().and_then(|filter| subscriptions.group(filter));
            let members = group.map_or(&[][..], |group| subscriptions.shares.members(group));
            // Not this session: it is being looked at, and away.
            let mut others = members.iter().filter(|member| member.session != key);
            others.any(|member| sessions.get(member.session as usize).is_some_and(|other| other.on.is_some()))
        };
        let taken = if outgoing.queue.iter().any(|queued| queued.share().is_some()) {
            outgoing.take_waiting(|queued| queued.share().is_some_and(is_somebody_there))
        } else {
            Vec::new()
        };
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        for queued in &taken {
            done(session, queued, out);
        }
        session.outgoing = Some(outgoing);
        self.hand_on(now, taken, out);
    }

    /// Gives messages that were for a member of a group to others of it, in their order.
    pub(crate) fn hand_on(&mut self, now: Instant, messages: Vec<Queued>, out: &mut impl Outbox) {
        for queued in messages {
            if queued.message.expires_at().is_some_and(|at| at <= now) {
                self.stats.publishes_expired += 1;
                continue;
            }
            let topic = queued.message.topic();
            let Some(share) = queued.share().and_then(|share| TopicFilter::new(share).ok()) else { continue };
            let Some(group) = self.subscriptions.group(share) else { continue };
            let members = self.subscriptions.shares.members(group).iter().copied();
            let may = |member: &Subscriber| {
                let session = &self.sessions[member.session as usize];
                sees(&self.settings, &self.links, session, topic)
                    && self.rules.of(session.origin).may_receive(session.as_client(), topic).is_some()
            };
            let shared = SharedRoute { group, members: members.filter(may).collect() };
            self.frames.begin();
            let message = Arc::clone(&queued.message);
            self.share(now, &shared, &queued.message.item(), queued.retain, &mut Some(message), out);
        }
    }
}

/// What other members of its groups may have of a session that is over: what was never sent, and what of QoS 1 was
/// not acknowledged. A QoS 2 message whose delivery has begun goes to nobody else [5.0 MQTT-4.8.2-5].
pub(crate) fn inheritance(mut outgoing: Outgoing) -> Vec<Queued> {
    let sent = outgoing.take_all_in_flight(|held| held.queued.qos == QoS::AtLeastOnce);
    let all = sent.into_iter().map(|held| held.queued).chain(outgoing.queue);
    all.filter(|queued| queued.share().is_some()).collect()
}

fn fitness(session: &Session, member: &Subscriber, qos: QoS, settings: &Settings, out: &impl Outbox) -> Fitness {
    let qos = if settings.upgrade_outgoing_qos { member.options.qos } else { member.options.qos.min(qos) };
    let Some(on) = session.on else {
        let is_kept = qos > QoS::AtMostOnce || settings.queue_qos0_messages;
        return if is_kept { Fitness::Away } else { Fitness::Unfit };
    };
    let is_ready = out.backlog_bytes(on.link) <= settings.backlog_bytes_max(out.backlogs_bytes())
        && session.outgoing.as_deref().is_none_or(|outgoing| {
            outgoing.queue.is_empty()
                && (qos == QoS::AtMostOnce || outgoing.has_window(on.window, settings.max_inflight_bytes))
        });
    if is_ready { Fitness::Ready } else { Fitness::Busy }
}
