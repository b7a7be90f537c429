//! Shared subscriptions: groups of sessions of which one gets each message [5.0 §4.8.2]. Who it is this time is
//! chosen here; nothing is delivered.

use std::sync::Arc;

use mqtt::TopicFilter;
use slab::Slab;

use crate::subscriptions::{Subscriber, place_of};

/// How well a member could take one more message, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fitness {
    /// It is connected and nothing waits for it.
    Ready,
    /// It is connected, and has not caught up with what it was sent.
    Busy,
    /// It is away, and the message would be kept for it.
    Away,
    /// It would not get the message.
    Unfit,
}

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    groups: Slab<Group>,
    members: usize,
}

#[derive(Debug)]
struct Group {
    /// The whole filter, `$share/name/filter`: by it a waiting message knows for whom it is.
    filter: Arc<str>,
    /// By session, as in the tree.
    members: Vec<Subscriber>,
    /// The session that is asked first next time, or the one after it: messages go round.
    turn: u32,
}

impl Shares {
    /// A group without members.
    pub(crate) fn found(&mut self, filter: TopicFilter<'_>) -> u32 {
        self.groups.insert(Group { filter: filter.as_str().into(), members: Vec::new(), turn: 0 }) as u32
    }

    /// Adds or replaces; `true` if the session was not in the group.
    pub(crate) fn join(&mut self, group: u32, member: Subscriber) -> bool {
        let Some(group) = self.groups.get_mut(group as usize) else { return false };
        match place_of(&group.members, member.session) {
            Ok(at) => {
                group.members[at] = member;
                false
            }
            Err(at) => {
                group.members.insert(at, member);
                self.members += 1;
                true
            }
        }
    }

    /// Takes out; `true` if the session was in the group.
    pub(crate) fn leave(&mut self, group: u32, session: u32) -> bool {
        let Some(group) = self.groups.get_mut(group as usize) else { return false };
        let Ok(at) = place_of(&group.members, session) else { return false };
        group.members.remove(at);
        self.members -= 1;
        true
    }

    /// Forgets the group if nobody is left in it.
    pub(crate) fn dissolve_if_empty(&mut self, group: u32) -> bool {
        let is_empty = self.groups.get(group as usize).is_some_and(|group| group.members.is_empty());
        if is_empty {
            self.groups.remove(group as usize);
        }
        is_empty
    }

    pub(crate) fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// Members of all groups.
    pub(crate) const fn member_count(&self) -> usize {
        self.members
    }

    pub(crate) fn members(&self, group: u32) -> &[Subscriber] {
        self.groups.get(group as usize).map_or(&[], |group| &group.members)
    }

    /// The whole filter of a group.
    pub(crate) fn filter(&self, group: u32) -> Option<&Arc<str>> {
        self.groups.get(group as usize).map(|group| &group.filter)
    }

    /// Chooses who gets the next message: the first of the fittest after the one who got the last. `members` are those
    /// of the group whom the rules allow it, by session; `fitness` is asked of each until one is ready.
    pub(crate) fn choose(
        &mut self,
        group: u32,
        members: &[Subscriber],
        mut fitness: impl FnMut(&Subscriber) -> Fitness,
    ) -> Option<Subscriber> {
        let group = self.groups.get_mut(group as usize)?;
        let start = match place_of(members, group.turn) {
            Ok(at) | Err(at) => at,
        };
        let (before, after) = members.split_at(start);
        let mut best: Option<(Fitness, Subscriber)> = None;
        for member in after.iter().chain(before) {
            let fit = fitness(member);
            if fit < best.map_or(Fitness::Unfit, |(best, _)| best) {
                best = Some((fit, *member));
            }
            if fit == Fitness::Ready {
                break;
            }
        }
        let (_, chosen) = best?;
        group.turn = chosen.session.wrapping_add(1);
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(session: u32) -> Subscriber {
        Subscriber { session, options: mqtt::SubscriptionOptions::default(), identifier: 0 }
    }

    fn group_of(sessions: &[u32]) -> (Shares, u32) {
        let mut shares = Shares::default();
        let group = shares.found(TopicFilter::new("$share/g/t").unwrap());
        for session in sessions {
            assert!(shares.join(group, member(*session)));
        }
        (shares, group)
    }

    fn chosen(shares: &mut Shares, group: u32, fitness: impl Fn(u32) -> Fitness) -> Option<u32> {
        let members = shares.members(group).to_vec();
        shares.choose(group, &members, |member| fitness(member.session)).map(|member| member.session)
    }

    #[test]
    fn messages_go_round_among_those_who_are_ready() {
        let (mut shares, group) = group_of(&[7, 2, 5]);
        let mut round = |fitness: fn(u32) -> Fitness| [(); 4].map(|()| chosen(&mut shares, group, fitness).unwrap());
        assert_eq!(round(|_| Fitness::Ready), [2, 5, 7, 2]);
        assert_eq!(round(|session| if session == 5 { Fitness::Busy } else { Fitness::Ready }), [7, 2, 7, 2]);
        assert_eq!(round(|session| if session == 5 { Fitness::Busy } else { Fitness::Away }), [5; 4]);
    }

    #[test]
    fn whom_a_message_would_not_reach_is_not_chosen() {
        let (mut shares, group) = group_of(&[1, 2]);
        assert_eq!(chosen(&mut shares, group, |_| Fitness::Unfit), None);
        assert_eq!(
            chosen(&mut shares, group, |session| [Fitness::Away, Fitness::Unfit][session as usize - 1]),
            Some(1)
        );
    }

    #[test]
    fn a_group_ends_with_its_last_member() {
        let (mut shares, group) = group_of(&[1, 2]);
        assert!(!shares.join(group, member(2)), "it was in");
        assert!(shares.leave(group, 1) && !shares.leave(group, 1));
        assert!(!shares.dissolve_if_empty(group));
        assert!(shares.leave(group, 2));
        assert!(shares.dissolve_if_empty(group));
        assert_eq!((shares.member_count(), shares.filter(group)), (0, None));
    }
}
