//! The Topic Aliases that the broker uses towards one connection: first come, first served, as mosquitto gives
//! them [5.0 §3.3.2.3.4].

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use mqtt::TopicName;

/// How a topic is said in a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alias {
    /// By its name.
    None,
    /// By its name and an alias, which stands for it from then on.
    Introduced(NonZeroU16),
    /// By the alias alone.
    Alone(NonZeroU16),
}

/// The aliases in use towards one connection. They end with it [5.0 MQTT-3.3.2-7].
#[derive(Debug)]
pub(crate) struct AliasTable {
    /// The client's Topic Alias Maximum, or `max_topic_alias_broker` if that is less.
    max: u16,
    by_topic: BTreeMap<Box<str>, NonZeroU16>,
}

impl AliasTable {
    /// `None` for a connection that takes no aliases.
    pub(crate) fn new(max: u16) -> Option<Box<Self>> {
        (max > 0).then(|| Box::new(Self { max, by_topic: BTreeMap::new() }))
    }

    /// How to say `topic` in the next PUBLISH.
    pub(crate) fn of(&self, topic: TopicName<'_>) -> Alias {
        if let Some(alias) = self.by_topic.get(topic.as_str()) {
            return Alias::Alone(*alias);
        }
        let next = self.by_topic.len() + 1;
        let next = u16::try_from(next).ok().filter(|next| *next <= self.max).and_then(NonZeroU16::new);
        next.map_or(Alias::None, Alias::Introduced)
    }

    /// A PUBLISH that said `topic` so has been sent.
    pub(crate) fn sent(&mut self, topic: TopicName<'_>, alias: Alias) {
        if let Alias::Introduced(alias) = alias {
            self.by_topic.insert(topic.as_str().into(), alias);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_topics_get_the_aliases_and_keep_them() {
        let name = |topic| TopicName::new(topic).unwrap();
        let [one, two] = [1, 2].map(|alias| NonZeroU16::new(alias).unwrap());
        let mut table = AliasTable::new(2).unwrap();
        assert_eq!(table.of(name("a")), Alias::Introduced(one));
        assert_eq!(table.of(name("b")), Alias::Introduced(one), "the other was not sent");
        table.sent(name("b"), Alias::Introduced(one));
        table.sent(name("a"), table.of(name("a")));
        assert_eq!((table.of(name("a")), table.of(name("b"))), (Alias::Alone(two), Alias::Alone(one)));
        assert_eq!(table.of(name("c")), Alias::None);
        assert!(AliasTable::new(0).is_none());
    }
}
