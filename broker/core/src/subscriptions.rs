//! Who wants which topic: a tree of filter levels. Nothing is delivered here.

use std::collections::BTreeMap;

use mqtt::{SubscriptionOptions, TopicFilter, TopicName};

use crate::levels::Levels;
use crate::shares::Shares;

/// One session's wish for the filter it stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub session: u32,
    pub options: SubscriptionOptions,
    /// Subscription Identifier [5.0 §3.8.2.1.2]; 0 for none.
    pub identifier: u32,
}

impl Subscriber {
    /// Its Subscription Identifier, if it has one.
    #[inline]
    pub(crate) fn identifiers(&self) -> &[u32] {
        if self.identifier == 0 { &[] } else { std::slice::from_ref(&self.identifier) }
    }
}

/// All subscriptions. A node is a level; `+` and `#` are levels like others and are asked for by name.
#[derive(Debug, Default)]
pub(crate) struct SubscriptionTree {
    root: Node,
    count: usize,
    pub shares: Shares,
}

#[derive(Debug, Default)]
struct Node {
    children: Levels<Node>,
    subscribers: Subscribers,
    /// The groups that share this filter, by Share Name.
    #[allow(clippy::box_collection)] // a pointer for the many that have none
    groups: Option<Box<BTreeMap<Box<str>, u32>>>,
}

/// Those who have a filter. Most filters have one subscriber: it needs no list.
#[derive(Debug, Default)]
enum Subscribers {
    #[default]
    None,
    One(Subscriber),
    /// By session: a filter that every client has must not make each of them look through all the others.
    More(Vec<Subscriber>),
}

/// What a topic finds in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A subscription of one session.
    One(Subscriber),
    /// A group, of which one member gets the message.
    Group(u32),
}

/// The place of a session in a list that is sorted by sessions.
pub(crate) fn place_of(subscribers: &[Subscriber], session: u32) -> Result<usize, usize> {
    subscribers.binary_search_by_key(&session, |held| held.session)
}

impl SubscriptionTree {
    /// Adds or replaces; `true` if the session did not have this filter.
    pub(crate) fn insert(&mut self, filter: TopicFilter<'_>, subscriber: Subscriber) -> bool {
        let (share_name, inner) = unshared(filter);
        let node = inner.as_str().split('/').fold(&mut self.root, |node, level| node.children.get_or_grow(level));
        if let Some(name) = share_name {
            let groups = node.groups.get_or_insert_default();
            let group = match groups.get(name) {
                Some(group) => *group,
                None => {
                    let group = self.shares.found(filter);
                    groups.insert(name.into(), group);
                    group
                }
            };
            return self.shares.join(group, subscriber);
        }
        let is_new = node.subscribers.insert(subscriber);
        self.count += usize::from(is_new);
        is_new
    }

    /// Takes out; `true` if it was there. Levels that nobody needs any more go with it.
    pub(crate) fn remove(&mut self, filter: TopicFilter<'_>, session: u32) -> bool {
        let (share_name, inner) = unshared(filter);
        let leaving = Leaving { session, share_name };
        let removed = self.root.remove(inner.as_str().split('/'), leaving, &mut self.shares);
        self.count -= usize::from(removed && share_name.is_none());
        removed
    }

    /// Calls `found` for every subscription that `topic` matches [5.0 §4.7].
    pub(crate) fn matches(&self, topic: TopicName<'_>, found: &mut impl FnMut(Found)) {
        let levels = topic.as_str();
        // A wildcard at the first level does not match `$`-topics [3.1.1 MQTT-4.7.2-1, 5.0 MQTT-4.7.2-1].
        self.root.matches(Some(levels), !levels.starts_with('$'), found);
    }

    /// The group of a shared subscription's filter, while it has members.
    pub(crate) fn group(&self, filter: TopicFilter<'_>) -> Option<u32> {
        let (share_name, inner) = unshared(filter);
        let mut node = &self.root;
        for level in inner.as_str().split('/') {
            node = node.children.get(level)?;
        }
        node.groups.as_deref()?.get(share_name?).copied()
    }

    /// Calls `seen` for every level, parents before children, with its depth, those who have subscribed there, and those
    /// who share a subscription there.
    pub(crate) fn walk(&self, seen: &mut impl FnMut(usize, &str, &[Subscriber], &[Subscriber])) {
        self.root.walk(0, &self.shares, seen);
    }

    /// Levels in the tree, without its root.
    pub(crate) fn level_count(&self) -> usize {
        self.root.level_count()
    }

    /// Subscriptions that are not shared.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }
}

/// The Share Name, if there is one, and the filter that topics are held against.
fn unshared(filter: TopicFilter<'_>) -> (Option<&str>, TopicFilter<'_>) {
    filter.shared().map_or((None, filter), |(name, inner)| (Some(name), inner))
}

/// Whose subscription is taken out.
#[derive(Clone, Copy)]
struct Leaving<'a> {
    session: u32,
    share_name: Option<&'a str>,
}

impl Subscribers {
    fn as_slice(&self) -> &[Subscriber] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }

    /// Adds or replaces; `true` if the session was not among them.
    fn insert(&mut self, subscriber: Subscriber) -> bool {
        let place = place_of(self.as_slice(), subscriber.session);
        match (&mut *self, place) {
            (Self::None, _) => *self = Self::One(subscriber),
            (Self::One(one), Ok(_)) => *one = subscriber,
            (Self::One(one), Err(0)) => *self = Self::More(vec![subscriber, *one]),
            (Self::One(one), Err(_)) => *self = Self::More(vec![*one, subscriber]),
            (Self::More(more), Ok(at)) => more[at] = subscriber,
            (Self::More(more), Err(at)) => more.insert(at, subscriber),
        }
        place.is_err()
    }

    /// Takes out; `true` if the session was among them.
    fn remove(&mut self, session: u32) -> bool {
        let Ok(at) = place_of(self.as_slice(), session) else { return false };
        match self {
            Self::More(more) => {
                more.remove(at);
                if more.len() < more.capacity() / 4 {
                    more.shrink_to(more.len() * 2);
                }
                if let [one] = more[..] {
                    *self = Self::One(one);
                }
            }
            Self::None | Self::One(_) => *self = Self::None,
        }
        true
    }
}

impl Node {
    fn walk(&self, depth: usize, shares: &Shares, seen: &mut impl FnMut(usize, &str, &[Subscriber], &[Subscriber])) {
        for (level, child) in self.children.iter() {
            let groups = child.groups.iter().flat_map(|groups| groups.values());
            let shared: Vec<Subscriber> = groups.flat_map(|group| shares.members(*group).iter().copied()).collect();
            seen(depth, level, child.subscribers.as_slice(), &shared);
            child.walk(depth + 1, shares, seen);
        }
    }

    fn level_count(&self) -> usize {
        self.children.iter().map(|(_, child)| 1 + child.level_count()).sum()
    }

    fn remove<'a>(
        &mut self,
        mut levels: impl Iterator<Item = &'a str>,
        leaving: Leaving<'_>,
        shares: &mut Shares,
    ) -> bool {
        let Some(level) = levels.next() else { return self.take_out(leaving, shares) };
        let Some(child) = self.children.get_mut(level) else { return false };
        let removed = child.remove(levels, leaving, shares);
        if child.children.is_empty() && child.subscribers.as_slice().is_empty() && child.groups.is_none() {
            self.children.remove(level);
        }
        removed
    }

    fn take_out(&mut self, Leaving { session, share_name }: Leaving<'_>, shares: &mut Shares) -> bool {
        let Some(name) = share_name else { return self.subscribers.remove(session) };
        let Some(groups) = &mut self.groups else { return false };
        let Some(group) = groups.get(name).copied() else { return false };
        let had = shares.leave(group, session);
        if shares.dissolve_if_empty(group) {
            groups.remove(name);
            if groups.is_empty() {
                self.groups = None;
            }
        }
        had
    }

    fn matches(&self, rest: Option<&str>, wildcards: bool, found: &mut impl FnMut(Found)) {
        // `#` stands for the parent level too [5.0 §4.7.1.2].
        if wildcards && let Some(all) = self.children.get("#") {
            all.give(found);
        }
        let Some(rest) = rest else {
            self.give(found);
            return;
        };
        let (level, below) = match rest.split_once('/') {
            Some((level, below)) => (level, Some(below)),
            None => (rest, None),
        };
        if let Some(child) = self.children.get(level) {
            child.matches(below, true, found);
        }
        if wildcards && let Some(child) = self.children.get("+") {
            child.matches(below, true, found);
        }
    }

    fn give(&self, found: &mut impl FnMut(Found)) {
        self.subscribers.as_slice().iter().copied().map(Found::One).for_each(&mut *found);
        let groups = self.groups.iter().flat_map(|groups| groups.values());
        groups.copied().map(Found::Group).for_each(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(session: u32) -> Subscriber {
        Subscriber { session, options: SubscriptionOptions::default(), identifier: 0 }
    }

    fn matched(tree: &SubscriptionTree, topic: &str) -> Vec<u32> {
        let mut found = Vec::new();
        tree.matches(TopicName::new(topic).unwrap(), &mut |s| match s {
            Found::One(subscriber) => found.push(subscriber.session),
            Found::Group(group) => found.extend(tree.shares.members(group).iter().map(|member| member.session)),
        });
        found.sort_unstable();
        found
    }

    #[test]
    fn a_topic_finds_the_filters_that_match_it() {
        const ROWS: &[(&str, &str, &str, bool)] = &[
            // source            filter             topic                wanted
            ("5.0 §4.7.1.2", "sport/#", "sport", true),
            ("5.0 §4.7.1.2", "sport/#", "sport/tennis/player", true),
            ("5.0 §4.7.1.2", "#", "sport", true),
            ("5.0 §4.7.1.3", "sport/+", "sport", false),
            ("5.0 §4.7.1.3", "sport/+", "sport/", true),
            ("5.0 §4.7.1.3", "+/+", "/finance", true),
            ("5.0 §4.7.1.3", "/+", "/finance", true),
            ("5.0 §4.7.1.3", "+", "/finance", false),
            ("5.0 MQTT-4.7.2-1", "#", "$SYS/uptime", false),
            ("5.0 MQTT-4.7.2-1", "+/uptime", "$SYS/uptime", false),
            ("5.0 §4.7.2", "$SYS/#", "$SYS/uptime", true),
            ("5.0 §4.7.2", "$SYS/+", "$SYS/uptime", true),
            ("5.0 §4.7.3", "ACCOUNTS", "accounts", false),
        ];
        for (source, filter, topic, wanted) in ROWS {
            let mut tree = SubscriptionTree::default();
            tree.insert(TopicFilter::new(filter).unwrap(), subscriber(1));
            assert_eq!(!matched(&tree, topic).is_empty(), *wanted, "{source}: {filter} {topic}");
        }
    }

    #[test]
    fn what_was_taken_out_leaves_nothing_behind() {
        let mut tree = SubscriptionTree::default();
        let filter = TopicFilter::new("a/b/+/#").unwrap();
        assert!(tree.insert(filter, subscriber(1)));
        assert!(!tree.insert(filter, subscriber(1)), "the same filter again replaces");
        assert!(tree.insert(filter, subscriber(2)));
        assert_eq!(tree.len(), 2);
        assert!(tree.remove(filter, 1));
        assert_eq!(matched(&tree, "a/b/c"), [2]);
        assert!(tree.remove(filter, 2));
        assert!(!tree.remove(filter, 2));
        assert!(tree.root.children.is_empty());
        assert_eq!(tree.len(), 0);
    }

    #[test]
    fn a_shared_filter_stands_where_the_filter_inside_stands_and_leaves_nothing_behind() {
        let mut tree = SubscriptionTree::default();
        let [g, h] = ["$share/g/a/+", "$share/h/a/+"].map(|filter| TopicFilter::new(filter).unwrap());
        assert!(tree.insert(g, subscriber(1)) && tree.insert(g, subscriber(2)) && tree.insert(h, subscriber(1)));
        assert!(tree.insert(TopicFilter::new("a/+").unwrap(), subscriber(3)));
        assert_eq!(matched(&tree, "a/b"), [1, 1, 2, 3]);
        assert_eq!(matched(&tree, "$share/g/a/b"), [] as [u32; 0]);
        assert_eq!((tree.len(), tree.shares.member_count()), (1, 3));
        assert!(tree.group(g).is_some() && tree.group(g) != tree.group(h));
        assert!(tree.remove(g, 1) && !tree.remove(g, 1) && tree.remove(g, 2) && tree.remove(h, 1));
        assert_eq!((tree.group(g), matched(&tree, "a/b")), (None, vec![3]));
        assert!(tree.remove(TopicFilter::new("a/+").unwrap(), 3));
        assert!(tree.root.children.is_empty());
    }
}
