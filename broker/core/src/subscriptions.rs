//! Who wants which topic: a tree of filter levels. Nothing is delivered here.

use std::collections::BTreeMap;

use mqtt::{SubscriptionOptions, TopicFilter, TopicName};

/// One session's wish for the filter it stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub session: u32,
    pub options: SubscriptionOptions,
    /// Subscription Identifier [5.0 §3.8.2.1.2]; 0 for none.
    pub identifier: u32,
}

/// All subscriptions. A node is a level; `+` and `#` are levels like others and are asked for by name.
#[derive(Debug, Default)]
pub(crate) struct SubscriptionTree {
    root: Node,
    count: usize,
}

#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<Box<str>, Node>,
    /// By session: a filter that every client has must not make each of them look through all the others.
    subscribers: Vec<Subscriber>,
}

impl SubscriptionTree {
    /// Adds or replaces; `true` if the session did not have this filter.
    pub(crate) fn insert(&mut self, filter: TopicFilter<'_>, subscriber: Subscriber) -> bool {
        let mut node = &mut self.root;
        for level in filter.as_str().split('/') {
            // Looked up first: an entry would need a level of its own even where there is one.
            if !node.children.contains_key(level) {
                node.children.insert(level.into(), Node::default());
            }
            node = match node.children.get_mut(level) {
                Some(child) => child,
                None => return false, // was inserted above
            };
        }
        match node.subscribers.binary_search_by_key(&subscriber.session, |held| held.session) {
            Ok(at) => {
                node.subscribers[at] = subscriber;
                false
            }
            Err(at) => {
                // Most filters have one subscriber: a Vec would begin with room for four.
                if node.subscribers.is_empty() {
                    node.subscribers.reserve_exact(1);
                }
                node.subscribers.insert(at, subscriber);
                self.count += 1;
                true
            }
        }
    }

    /// Takes out; `true` if it was there. Levels that nobody needs any more go with it.
    pub(crate) fn remove(&mut self, filter: TopicFilter<'_>, session: u32) -> bool {
        let removed = self.root.remove(filter.as_str().split('/'), session);
        self.count -= usize::from(removed);
        removed
    }

    /// Calls `found` for every subscription that `topic` matches [5.0 §4.7].
    pub(crate) fn matches(&self, topic: TopicName<'_>, found: &mut impl FnMut(Subscriber)) {
        let levels = topic.as_str();
        // A wildcard at the first level does not match `$`-topics [3.1.1 MQTT-4.7.2-1, 5.0 MQTT-4.7.2-1].
        self.root.matches(Some(levels), !levels.starts_with('$'), found);
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }
}

impl Node {
    fn remove<'a>(&mut self, mut levels: impl Iterator<Item = &'a str>, session: u32) -> bool {
        let Some(level) = levels.next() else {
            let place = self.subscribers.binary_search_by_key(&session, |held| held.session);
            return place.map(|at| self.subscribers.remove(at)).is_ok();
        };
        let Some(child) = self.children.get_mut(level) else { return false };
        let removed = child.remove(levels, session);
        if child.children.is_empty() && child.subscribers.is_empty() {
            self.children.remove(level);
        }
        removed
    }

    fn matches(&self, rest: Option<&str>, wildcards: bool, found: &mut impl FnMut(Subscriber)) {
        // `#` stands for the parent level too [5.0 §4.7.1.2].
        if wildcards && let Some(all) = self.children.get("#") {
            all.subscribers.iter().copied().for_each(&mut *found);
        }
        let Some(rest) = rest else {
            self.subscribers.iter().copied().for_each(found);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(session: u32) -> Subscriber {
        Subscriber { session, options: SubscriptionOptions::default(), identifier: 0 }
    }

    fn matched(tree: &SubscriptionTree, topic: &str) -> Vec<u32> {
        let mut found = Vec::new();
        tree.matches(TopicName::new(topic).unwrap(), &mut |s| found.push(s.session));
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
}
