//! What groups are owed. Which member it will be is the broker's choice and shows only when it is sent: until then the
//! message lies in a pool, with all whom it may be sent to.

use mqtt::Publish;

use crate::model::{Model, On, Owed, State, Undo, identifiers};
use crate::words::{FILTERS, FIRST_SHARED, Size, fits, number};

/// A message that some member of a group is owed.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub message: u32,
    /// By the place of its filter.
    pub group: usize,
    /// One of them, as each would get it.
    pub members: Vec<Owed>,
    /// The last who could have had it may have taken it along.
    pub may_be_gone: bool,
}

/// Of what is one client's alone.
pub(crate) const NO_GROUP: usize = FILTERS.len();

impl Model {
    /// A message was accepted: each group that wants it is owed it once. `true` if there is one.
    pub(crate) fn share(&mut self, message: u32, expires_at: Option<u64>) -> bool {
        let topic = self.messages[message as usize].topic;
        let mut is_wanted = false;
        for group in FIRST_SHARED..FILTERS.len() {
            if fits(group, topic) && self.readers(group, topic).next().is_some() {
                is_wanted = true;
                let members = self.fittest(group, message, expires_at, false);
                if !members.is_empty() {
                    self.pour(Shared { message, group, members, may_be_gone: false });
                }
            }
        }
        is_wanted
    }

    fn pour(&mut self, shared: Shared) {
        let number = self.owed.len() as u32;
        self.owed.push(shared.members[0].clone());
        self.pool.insert(number, shared);
        self.note(Undo::Pool(number, None));
    }

    /// The members of a group that may read a topic.
    fn readers(&self, group: usize, topic: usize) -> impl Iterator<Item = usize> {
        self.sessions.iter().enumerate().filter_map(move |(client, session)| {
            let session = session.as_ref()?;
            (session.wants.contains_key(&group) && self.rights.may_read(session.user, topic)).then_some(client)
        })
    }

    /// Whom a message may be given to: those who are connected, or if there are none, those for whom it can wait.
    fn fittest(&self, group: usize, message: u32, expires_at: Option<u64>, is_handed_on: bool) -> Vec<Owed> {
        let published = self.messages[message as usize];
        let readers: Vec<_> = self.readers(group, published.topic).collect();
        let is_on = |client: &usize| self.sessions[*client].as_ref().is_some_and(|session| session.on.is_some());
        let somebody_is_on = readers.iter().any(is_on);
        let fit = readers.iter().filter(|client| is_on(client) == somebody_is_on).map(|client| {
            let wish = self.sessions[*client].as_ref().unwrap().wants[&group];
            let retain = published.retain && wish.retain_as_published;
            Owed {
                client: *client,
                message,
                qos: self.granted(wish.qos, published.qos),
                retain: (!is_handed_on || !retain).then_some(retain),
                identifiers: identifiers([wish.identifier].into_iter()),
                is_asked: false,
                share: Some(group),
                expires_at,
            }
        });
        fit.filter(|owed| somebody_is_on || owed.qos > 0 || self.settings.queue_qos0_messages).collect()
    }

    /// What was sent for no other reason is somebody's share.
    pub(crate) fn take_from_pool(&mut self, client: usize, on: On, topic: usize, publish: &Publish<'_>) -> Option<u32> {
        let sent = number(publish.payload);
        let seen = identifiers(publish.properties.iter().map(|property| match property {
            mqtt::Property::SubscriptionIdentifier(identifier) => identifier,
            _ => 0,
        }));
        let left_s = publish.properties.message_expiry_interval();
        let is_it = |member: &Owed| {
            member.client == client
                && member.expires_at.is_none_or(|at| at > self.now)
                && member.qos == publish.qos.as_u8()
                && member.retain.is_none_or(|retain| retain == publish.retain)
                && (!on.version.is_v5() || (member.identifiers == seen && self.left_s(member) == left_s))
        };
        let is_message = |shared: &Shared| match sent {
            Some(sent) => shared.message == sent,
            None => {
                let message = self.messages[shared.message as usize];
                message.size == Size::Empty && message.topic == topic
            }
        };
        let mut pool = self.pool.iter().filter(|(_, shared)| is_message(shared));
        let (number, member) =
            pool.find_map(|(number, shared)| Some((*number, shared.members.iter().find(|it| is_it(it))?.clone())))?;
        let old = self.pool.remove(&number);
        let taken = old.clone();
        self.note(Undo::Pool(number, old));
        if let Some(taken) = &taken {
            self.may_have_been_another(taken);
        }
        // The delivery begins now, and has a number of its own: an earlier one of the same message may be another's.
        let owed = self.owed.len() as u32;
        self.owed.push(member);
        self.set(owed, Some(State::Waiting));
        Some(owed)
    }

    /// A message may have been accepted more than once: which of them a delivery was, nobody can tell.
    fn may_have_been_another(&mut self, taken: &Shared) {
        let is_twin = |it: &Shared| it.group == taken.group && self.look_alike(it.message, taken.message);
        let twins = self.pool.iter().filter(|(_, it)| is_twin(it)).map(|(number, it)| (*number, it.clone()));
        for (number, old) in twins.collect::<Vec<_>>() {
            let mut twin = old.clone();
            // Of two that expire at different times, the one that is left may be the one that has.
            twin.may_be_gone |= taken.may_be_gone || taken.members[0].expires_at != old.members[0].expires_at;
            let expires_at = taken.members[0].expires_at;
            let mixed = old.members.iter().map(|member| Owed { expires_at, ..member.clone() });
            let new = taken.members.iter().cloned().chain(mixed).filter(|member| !old.members.contains(member));
            twin.members.extend(new.collect::<Vec<_>>());
            self.pool.insert(number, twin);
            self.note(Undo::Pool(number, Some(old)));
        }
    }

    /// A delivery comes or not: what stands before it in the queue is a group's, and nobody can tell whose.
    pub(crate) fn let_be_lost(&mut self, owed: u32) {
        let member = Owed { share: Some(NO_GROUP), ..self.owed[owed as usize].clone() };
        let shared = Shared { message: member.message, group: NO_GROUP, members: vec![member], may_be_gone: true };
        self.set(owed, None);
        self.pour(shared);
    }

    /// A member may not read a topic any more: what waits for it there is dropped, if it waits for that member.
    pub(crate) fn revoke_shared(&mut self, client: usize, user: usize) {
        for number in self.pool_of(client) {
            let old = self.pool[&number].clone();
            if !self.rights.may_read(user, self.messages[old.message as usize].topic) {
                self.pool.insert(number, Shared { may_be_gone: true, ..old.clone() });
                self.note(Undo::Pool(number, Some(old)));
            }
        }
    }

    /// Whether two messages cannot be told from each other by what is sent.
    pub(crate) fn look_alike(&self, one: u32, other: u32) -> bool {
        let (a, b) = (self.messages[one as usize], self.messages[other as usize]);
        one == other || (a.size == Size::Empty && b.size == Size::Empty && a.topic == b.topic)
    }

    /// Whether a delivery that looks like this one was given up without certainty.
    pub(crate) fn has_loose(&self, client: usize, owed: u32) -> bool {
        let message = self.owed[owed as usize].message;
        let mut loose = self.pool.values().filter(|shared| shared.group == NO_GROUP);
        loose.any(|shared| shared.members[0].client == client && self.look_alike(shared.message, message))
    }

    pub(crate) fn has_a_share(&self, client: usize) -> bool {
        self.pool.values().flat_map(|shared| &shared.members).any(|member| member.client == client)
    }

    pub(crate) fn pool_has_qos0(&self, client: usize) -> bool {
        let mut members = self.pool.values().flat_map(|shared| &shared.members);
        members.any(|member| member.client == client && member.qos == 0)
    }

    /// A member is away: what waits for it goes to those of its groups who are there, if there are any.
    pub(crate) fn hand_waiting_on(&mut self, client: usize) {
        for number in self.pool_of(client) {
            let group = self.pool[&number].group;
            if group == NO_GROUP {
                continue;
            }
            let is_there = |(other, session): (usize, &Option<Box<crate::model::Session>>)| {
                let session = session.as_ref().filter(|_| other != client);
                session.is_some_and(|session| session.on.is_some() && session.wants.contains_key(&group))
            };
            if self.sessions.iter().enumerate().any(is_there) {
                self.hand_on(number, client);
            }
        }
    }

    /// A session is over: others of its groups have what waited for it, and what of QoS 1 was not acknowledged.
    pub(crate) fn hand_all_on(&mut self, client: usize, in_flight: &[u32]) {
        for number in self.pool_of(client) {
            if self.pool[&number].group == NO_GROUP {
                let old = self.pool.remove(&number);
                self.note(Undo::Pool(number, old));
            } else {
                self.hand_on(number, client);
            }
        }
        for owed in in_flight {
            let Owed { message, qos, share, expires_at, .. } = self.owed[*owed as usize];
            let Some(group) = share.filter(|_| qos == 1) else { continue };
            let members = self.fittest(group, message, expires_at, true);
            if !members.is_empty() {
                self.pour(Shared { message, group, members, may_be_gone: false });
            }
        }
    }

    fn pool_of(&self, client: usize) -> Vec<u32> {
        let is_his = |shared: &Shared| shared.members.iter().any(|member| member.client == client);
        self.pool.iter().filter(|(_, shared)| is_his(shared)).map(|(number, _)| *number).collect()
    }

    /// What a client may have had waits for others of the group. If it was another's, nothing changes.
    fn hand_on(&mut self, number: u32, client: usize) {
        let old = self.pool[&number].clone();
        let expiries: std::collections::BTreeSet<_> = old.members.iter().map(|member| member.expires_at).collect();
        let fittest = expiries.iter().flat_map(|at| self.fittest(old.group, old.message, *at, true));
        let mut fittest: Vec<_> = fittest.collect();
        let mut shared = old.clone();
        shared.members.retain(|member| member.client != client);
        // Of QoS 0 it may have been dropped by the one who had it.
        shared.may_be_gone |= fittest.is_empty() || old.members.iter().any(|member| member.qos == 0);
        fittest.retain(|fit| !shared.members.contains(fit));
        shared.members.extend(fittest);
        if shared.members.is_empty() {
            self.pool.remove(&number);
        } else {
            self.pool.insert(number, shared);
        }
        self.note(Undo::Pool(number, Some(old)));
    }

    /// Whether nobody need ever be sent a message of the pool.
    pub(crate) fn may_be_missing(&self, shared: &Shared) -> bool {
        let size = self.messages[shared.message as usize].size;
        shared.may_be_gone
            || size == Size::Large
            || shared.members.iter().any(|member| member.qos == 0 || member.expires_at.is_some_and(|at| at <= self.now))
    }
}
