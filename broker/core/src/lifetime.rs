//! How long a session lasts: what becomes of it when its client leaves, its will, its end, and its coming back
//! out of the store.

use std::sync::Arc;
use std::time::Duration;

use crate::publish::is_command;
use crate::rules::Origin;
use crate::session::{Expiry, InFlight, Outgoing, Queued, Session};
use crate::sharing::inheritance;
use crate::store::{SessionNumber, StoredSession, StoredWill};
use crate::subscriptions::Subscriber;
use crate::timers::Due;
use crate::will::Will;
use crate::{Broker, Event, Instant, Outbox, StoreOp};

impl Broker {
    /// What `persistent_client_expiration` leaves of a wish.
    pub(crate) fn lasting(&self, wish: Expiry) -> Expiry {
        let Some(limit) = self.settings.persistent_client_expiration_s else { return wish };
        let limit = u32::try_from(limit).unwrap_or(u32::MAX - 1);
        match wish {
            Expiry::AtDisconnect => wish,
            Expiry::After(seconds) => Expiry::After(seconds.min(limit)),
            Expiry::Never => Expiry::After(limit),
        }
    }

    /// How long the session lasts from now on; `is_news`: something else of it has changed that is stored with it.
    pub(crate) fn set_expiry(&mut self, key: u32, wish: Expiry, is_news: bool, out: &mut impl Outbox) {
        let expiry = self.lasting(wish);
        let session = &mut self.sessions[key as usize];
        let (was, number) = (session.expiry, session.number);
        session.expiry = expiry;
        match (was.is_durable(), expiry) {
            (_, Expiry::After(_) | Expiry::Never) if was != expiry || is_news => {
                let expiry_s = if let Expiry::After(seconds) = expiry { seconds } else { u32::MAX };
                let (client_id, username) = (Arc::clone(&session.client_id), session.username.clone());
                let listener = self.rules.stored(session.origin);
                out.store(StoreOp::Session { number, client_id, username, listener, expiry_s });
            }
            (true, Expiry::AtDisconnect) => out.store(StoreOp::SessionGone(number)),
            _ => {}
        }
    }

    /// The client of a session is gone: its will, and how long the session stays.
    pub(crate) fn leave(&mut self, now: Instant, key: u32, out: &mut impl Outbox) {
        let session = &mut self.sessions[key as usize];
        let lasts = match session.expiry {
            Expiry::AtDisconnect => Some(Duration::ZERO),
            Expiry::After(seconds) => Some(Duration::from_secs(seconds.into())),
            Expiry::Never => None,
        };
        if let Some(will) = &session.will {
            // A will comes no later than the end of its session [5.0 §3.1.3.2.2].
            let delay = lasts.map_or(will.delay, |lasts| lasts.min(will.delay));
            if delay.is_zero() {
                self.publish_will(now, key, out);
            } else {
                session.will_at = Some(now + delay);
                self.timers.set(now + delay, Due::Will(key));
            }
        }
        match lasts {
            Some(Duration::ZERO) => return self.forget(now, key, out),
            Some(lasts) => {
                self.sessions[key as usize].ends_at = Some(now + lasts);
                self.timers.set(now + lasts, Due::SessionEnd(key));
            }
            None => {}
        }
        self.keep_away(key, out);
        self.hand_on_waiting(now, key, out);
    }

    /// The store is told what is due of a session whose client is away, if anything is.
    fn keep_away(&self, key: u32, out: &mut impl Outbox) {
        let session = &self.sessions[key as usize];
        let will = session.will.as_ref().zip(session.will_at).map(|(will, at)| StoredWill {
            message: Arc::clone(&will.message),
            retain: will.retain,
            expiry_s: will.expiry_s,
            at,
        });
        let ends_at = session.ends_at;
        if ends_at.is_some() || will.is_some() {
            Self::keep(session, out, |session| StoreOp::Away { session, ends_at, will });
        }
    }

    /// The client is back: nothing is due any more.
    pub(crate) fn keep_back(&mut self, key: u32, out: &mut impl Outbox) {
        let session = &mut self.sessions[key as usize];
        let (ends_at, will_at) = (session.ends_at.take(), session.will_at.take());
        if ends_at.is_some() || will_at.is_some() {
            Self::keep(session, out, |session| StoreOp::Away { session, ends_at: None, will: None });
        }
        self.timers.unset(ends_at, Due::SessionEnd(key));
        self.timers.unset(will_at, Due::Will(key));
    }

    /// The Will Delay Interval of a client that is away has passed.
    pub(crate) fn will_is_due(&mut self, now: Instant, key: u32, out: &mut impl Outbox) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        session.will_at = None;
        let ends_at = session.ends_at;
        Self::keep(session, out, |session| StoreOp::Away { session, ends_at, will: None });
        self.publish_will(now, key, out);
    }

    /// A session that was away came to its end.
    pub(crate) fn expire(&mut self, now: Instant, key: u32, out: &mut impl Outbox) {
        self.publish_will(now, key, out);
        let Some(session) = self.sessions.get(key as usize) else { return };
        out.tell(Event::SessionExpired { client_id: &session.client_id });
        self.stats.sessions_expired += 1;
        self.forget(now, key, out);
    }

    /// Forgets a session and all that was kept for it, but for what others of its groups may have.
    pub(crate) fn forget(&mut self, now: Instant, key: u32, out: &mut impl Outbox) {
        let Some(mut session) = self.sessions.try_remove(key as usize) else { return };
        self.timers.unset(session.ends_at, Due::SessionEnd(key));
        self.timers.unset(session.will_at, Due::Will(key));
        for filter in session.subscriptions.iter() {
            self.subscriptions.remove(filter, key);
        }
        if !session.subscriptions.is_empty() {
            self.routes.changed();
        }
        self.by_client_id.remove(&session.client_id);
        Self::keep(&session, out, StoreOp::SessionGone);
        if let Some(outgoing) = session.outgoing.take() {
            self.hand_on(now, inheritance(*outgoing), out);
        }
    }

    pub(crate) fn publish_will(&mut self, now: Instant, key: u32, out: &mut impl Outbox) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let Some(will) = session.will.take() else { return };
        let client = acl::Client { client_id: &session.client_id, username: session.username.as_deref() };
        let topic = will.message.topic();
        let acl = self.rules.of(session.origin);
        // The right is asked for when the will is published: it may have been taken away since CONNECT. And a will is no
        // way round to where a PUBLISH may not go.
        let grant = if is_command(topic.as_str()) { None } else { acl.may_publish(client, topic) };
        let Some(grant) = grant else {
            self.tell_denied(key, topic, will.message.qos(), will.message.payload().len(), out);
            return;
        };
        let mut item = will.message.item();
        item.expires_at = will.expiry_s.map(|seconds| now + Duration::from_secs(seconds.into()));
        let place = self.routes.place(topic, None);
        self.route(now, &item, will.retain, grant, Some(key), place, None, out);
    }

    /// All was restored. Of sessions whose connections ended with the process nobody knows when that was: their time
    /// runs from now on, and the store is told so, or it would begin again with every start.
    pub fn restored(&mut self, out: &mut impl Outbox) {
        for key in std::mem::take(&mut self.lost) {
            self.keep_away(key, out);
        }
    }

    /// Remembers one session, as [`Broker::restore`] does with all. They come in the order of their numbers.
    pub fn restore_session(&mut self, now: Instant, number: SessionNumber, stored: &StoredSession) {
        self.last_number = self.last_number.max(number);
        let expiry = Expiry::from_interval(stored.expiry_s);
        let mut outgoing = Outgoing::default();
        for held in stored.messages.values() {
            outgoing.last_entry = held.entry;
            held.message.count_in(&self.kept);
            let (message, identifiers) = (Arc::clone(&held.message), held.identifiers.as_slice());
            let mut queued = Queued::new(message, held.qos, held.retain, identifiers, held.share.as_ref());
            (queued.entry, queued.is_stored) = (held.entry, true);
            match held.sent_as {
                Some(id) => {
                    outgoing.fly(InFlight { id, issue: 0, released: held.released, queued });
                    // More than a circle after issue 0: new identifiers are looked up among those restored,
                    // and go on after the last of them.
                    outgoing.issued = outgoing.issued.max(2 * mqtt::PacketId::COUNT + u64::from(id.get()));
                }
                None => outgoing.wait(queued),
            }
        }
        for held in stored.taken.values() {
            held.message.count_in(&self.kept);
        }
        let (ends_at, will) = match &stored.away {
            Some(away) => (away.ends_at, away.will.as_ref()),
            None => {
                let lasts = if let Expiry::After(seconds) = expiry { Some(seconds) } else { None };
                (lasts.map(|seconds| now + Duration::from_secs(seconds.into())), None)
            }
        };
        let will_at = will.map(|will| will.at);
        let session = Session {
            client_id: Arc::clone(&stored.client_id),
            username: stored.username.clone(),
            origin: stored.listener.as_ref().map_or_else(Origin::default, |name| self.rules.origin(name)),
            number,
            on: None,
            expiry,
            ends_at,
            will: will.map(|will| Box::new(Will::restored(will))),
            will_at,
            subscriptions: stored.subscriptions.values().map(|s| s.filter.clone()).collect(),
            taken: stored.taken.iter().collect(),
            outgoing: (!stored.messages.is_empty()).then(|| Box::new(outgoing)),
            aliases: None,
            as_publisher: None,
        };
        let key = self.sessions.insert(session) as u32;
        if stored.away.is_none() {
            self.lost.push(key);
        }
        self.by_client_id.insert(Arc::clone(&stored.client_id), key);
        for held in stored.subscriptions.values() {
            let subscriber = Subscriber { session: key, options: held.options, identifier: held.identifier };
            self.subscriptions.insert(held.filter.as_filter(), subscriber);
        }
        if let Some(at) = ends_at {
            self.timers.set(at, Due::SessionEnd(key));
        }
        if let Some(at) = will_at {
            self.timers.set(at, Due::Will(key));
        }
        self.routes.changed();
    }
}
