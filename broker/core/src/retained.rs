//! The last message of each topic that was published with RETAIN: a tree of topic levels, parents before children.

use std::sync::Arc;

use mqtt::{TopicFilter, TopicName, TopicNameBuf};

use crate::levels::Levels;
use crate::{Instant, Message, Publisher};

/// All retained messages.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    root: Node,
    count: usize,
    /// Memory that all of them take, reckoned.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Node {
    children: Levels<Node>,
    message: Option<RetainedMessage>,
}

/// What a topic has.
#[derive(Debug)]
pub(crate) struct RetainedMessage {
    pub message: Arc<Message>,
    /// Who left it; `None`: the broker.
    pub publisher: Option<Arc<Publisher>>,
}

impl Retained {
    /// Takes the place of what the topic had.
    pub(crate) fn set(&mut self, message: Arc<Message>, publisher: Option<Arc<Publisher>>) {
        let mut node = &mut self.root;
        for level in message.topic().as_str().split('/') {
            node = node.children.get_or_grow(level);
        }
        let bytes = message.kept_bytes();
        let before = node.message.replace(RetainedMessage { message, publisher });
        self.count += usize::from(before.is_none());
        self.bytes += bytes;
        self.bytes -= before.map_or(0, |before| before.message.kept_bytes());
    }

    /// Forgets what the topic had [3.1.1 MQTT-3.3.1-10, 5.0 MQTT-3.3.1-6]; `true` if it had something.
    pub(crate) fn clear(&mut self, topic: TopicName<'_>) -> bool {
        let removed = self.root.clear(topic.as_str().split('/'));
        self.count -= usize::from(removed.is_some());
        self.bytes -= removed.as_ref().map_or(0, |removed| removed.message.kept_bytes());
        removed.is_some()
    }

    /// Calls `found` for each message that `filter` matches and that has not expired at `now`.
    pub(crate) fn matches(&self, filter: TopicFilter<'_>, now: Instant, found: &mut impl FnMut(&RetainedMessage)) {
        self.root.matches(Some(filter.as_str()), true, now, found);
    }

    /// The topics whose messages have expired at `now`.
    pub(crate) fn expired(&self, now: Instant) -> Vec<TopicNameBuf> {
        let mut topics = Vec::new();
        self.root.expired(now, &mut topics);
        topics
    }

    /// Whether the topic has a message, expired or not.
    pub(crate) fn has(&self, topic: TopicName<'_>) -> bool {
        let mut levels = topic.as_str().split('/');
        let node = levels.try_fold(&self.root, |node, level| node.children.get(level));
        node.is_some_and(|node| node.message.is_some())
    }

    /// Memory that all of them take, reckoned from above.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Calls `seen` for every level, parents before children, with its depth and the bytes of payload retained there.
    pub(crate) fn walk(&self, seen: &mut impl FnMut(usize, &str, Option<usize>)) {
        self.root.walk(0, seen);
    }

    /// Levels in the tree, without its root.
    pub(crate) fn level_count(&self) -> usize {
        self.root.level_count()
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }
}

impl Node {
    fn walk(&self, depth: usize, seen: &mut impl FnMut(usize, &str, Option<usize>)) {
        for (level, child) in self.children.iter() {
            seen(depth, level, child.message.as_ref().map(|held| held.message.payload().len()));
            child.walk(depth + 1, seen);
        }
    }

    fn level_count(&self) -> usize {
        self.children.iter().map(|(_, child)| 1 + child.level_count()).sum()
    }

    fn expired(&self, now: Instant, topics: &mut Vec<TopicNameBuf>) {
        if let Some(held) = self.message.as_ref().filter(|held| held.message.expires_at().is_some_and(|at| at <= now)) {
            topics.push(held.message.topic().into());
        }
        for (_, child) in self.children.iter() {
            child.expired(now, topics);
        }
    }

    fn clear<'a>(&mut self, mut levels: impl Iterator<Item = &'a str>) -> Option<RetainedMessage> {
        let Some(level) = levels.next() else { return self.message.take() };
        let child = self.children.get_mut(level)?;
        let removed = child.clear(levels);
        if child.children.is_empty() && child.message.is_none() {
            self.children.remove(level);
        }
        removed
    }

    fn matches(&self, rest: Option<&str>, at_root: bool, now: Instant, found: &mut impl FnMut(&RetainedMessage)) {
        let Some(rest) = rest else {
            self.give(now, found);
            return;
        };
        let (level, below) = match rest.split_once('/') {
            Some((level, below)) => (level, Some(below)),
            None => (rest, None),
        };
        match level {
            "#" => {
                if !at_root {
                    self.give(now, found);
                }
                for (_, child) in self.visible(at_root) {
                    child.matches(Some("#"), false, now, found);
                }
            }
            "+" => {
                for (_, child) in self.visible(at_root) {
                    // `a/#` includes `a` itself, so does `+/#`.
                    child.matches(below, false, now, found);
                }
            }
            _ => {
                if let Some(child) = self.children.get(level) {
                    child.matches(below, false, now, found);
                }
            }
        }
    }

    /// The children that a wildcard stands for: not `$`-topics at the first level [3.1.1 and 5.0 MQTT-4.7.2-1].
    fn visible(&self, at_root: bool) -> impl Iterator<Item = (&str, &Node)> {
        self.children.iter().filter(move |(level, _)| !(at_root && level.starts_with('$')))
    }

    fn give(&self, now: Instant, found: &mut impl FnMut(&RetainedMessage)) {
        if let Some(held) = &self.message
            && held.message.expires_at().is_none_or(|at| at > now)
        {
            found(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Item;
    use crate::tally::Counted;
    use mqtt::{Properties, QoS};

    fn message(topic: &str, expires_at: Option<Instant>) -> Arc<Message> {
        let topic = TopicName::new(topic).unwrap();
        let item = Item { topic, payload: b"x", properties: Properties::EMPTY, expires_at, qos: QoS::AtMostOnce };
        Message::keep(&item, Counted::not(0))
    }

    fn found(retained: &Retained, filter: &str, now: Instant) -> Vec<String> {
        let mut topics = Vec::new();
        retained.matches(TopicFilter::new(filter).unwrap(), now, &mut |held| {
            topics.push(held.message.topic().as_str().to_owned());
        });
        topics
    }

    const ROWS: &[(&str, &[&str])] = &[
        ("#", &["/", "a", "a/b", "a/b/c", "d"]),
        ("a/#", &["a", "a/b", "a/b/c"]),
        ("a/+", &["a/b"]),
        ("+", &["a", "d"]),
        ("+/#", &["/", "a", "a/b", "a/b/c", "d"]),
        ("+/+", &["/", "a/b"]),
        ("$SYS/#", &["$SYS/x"]),
        ("a/b/c/d", &[]),
    ];

    #[test]
    fn a_filter_finds_the_retained_messages_it_matches_parents_first() {
        let mut retained = Retained::default();
        for topic in ["a", "a/b", "a/b/c", "d", "/", "$SYS/x"] {
            retained.set(message(topic, None), None);
        }
        let now = Instant::default();
        for (filter, wanted) in ROWS {
            assert_eq!(found(&retained, filter, now), *wanted, "{filter}");
        }
    }

    #[test]
    fn an_expired_message_is_not_given_and_a_cleared_one_leaves_nothing() {
        let mut retained = Retained::default();
        retained.set(message("a/b", Some(Instant::from_millis(5))), None);
        assert_eq!(found(&retained, "#", Instant::from_millis(4)), ["a/b"]);
        assert_eq!(found(&retained, "#", Instant::from_millis(5)), [] as [&str; 0]);
        assert!(retained.clear(TopicName::new("a/b").unwrap()));
        assert!(!retained.clear(TopicName::new("a/b").unwrap()));
        assert!(retained.root.children.is_empty());
        assert_eq!((retained.len(), retained.bytes()), (0, 0));
    }
}
