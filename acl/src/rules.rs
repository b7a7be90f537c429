//! The rules of one ACL file, and the questions they answer.
//!
//! The order is mosquitto's. First the `topic` lines of the client's user (or, for a client without
//! a user name, those before the first `user`): a `deny` that matches refuses, then an allowance that
//! matches allows. Only then the `pattern` lines, again `deny` before allowances. What nothing
//! allows is refused.

mod explain;
mod parse;
mod pattern;

use std::collections::BTreeMap;

use mqtt::{TopicFilter, TopicFilterBuf, TopicName, filter_matches};

use crate::LineFault;
pub use explain::{Asked, Because, Explanation};
use pattern::Pattern;

/// Who asks. The user name is the one that was verified (or taken from a certificate), not one that
/// was only said.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The Client Identifier, generated ones included.
    pub client_id: &'a str,
    /// `None` for an anonymous client; an empty name is none, as it is to mosquitto.
    pub username: Option<&'a str>,
}

/// Leave to publish to one topic.
///
/// Only [`Acl::may_publish`] makes one for a client, and the router takes nothing else, so no client's message can
/// be routed without the rules having been asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishGrant(());

impl PublishGrant {
    /// For a message that was let in before the process began: it was acknowledged then, and is owed.
    pub const fn given_before() -> Self {
        Self(())
    }

    /// For what the broker says itself (`$SYS`): the rules are about clients.
    pub const fn of_the_broker() -> Self {
        Self(())
    }
}

/// Leave to be sent the messages of one topic. Only [`Acl::may_receive`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliverGrant(());

/// Leave to subscribe to one filter. Only [`Acl::may_subscribe`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeGrant(());

/// The rules of one ACL file, or no rules at all: [`Acl::open`].
#[derive(Debug)]
pub struct Acl {
    /// `None` when no `acl_file` is configured.
    rules: Option<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    /// Lines before the first `user`: they are for clients without a user name, and for no others.
    anonymous: TopicRules,
    users: BTreeMap<Box<str>, TopicRules>,
    patterns: PatternRules,
    warnings: Vec<LineFault>,
}

/// Each with the line that it stands in.
#[derive(Debug, Default)]
struct TopicRules {
    denied: Vec<(u32, TopicFilterBuf)>,
    allowed: Vec<(u32, Access, TopicFilterBuf)>,
}

#[derive(Debug, Default)]
struct PatternRules {
    denied: Vec<(u32, Pattern)>,
    allowed: Vec<(u32, Access, Pattern)>,
}

/// What an allowance is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    ReadWrite,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Receive,
    Publish,
}

impl Access {
    fn covers(self, wish: Wish) -> bool {
        match self {
            Self::Read => wish == Wish::Receive,
            Self::Write => wish == Wish::Publish,
            Self::ReadWrite => true,
        }
    }
}

impl Acl {
    /// No `acl_file` is configured: every client may do everything (but see [`Acl::may_publish`] on
    /// `$SYS`).
    pub fn open() -> Self {
        Self { rules: None }
    }

    /// Nothing is allowed to anybody, as by a file without rules.
    pub fn nothing() -> Self {
        Self { rules: Some(Rules::default()) }
    }

    /// Reads an ACL file.
    ///
    /// A file without rules is one that allows nothing.
    ///
    /// # Errors
    ///
    /// All the faults of the file, at most [`crate::FAULTS_MAX`], in the order of its lines.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<LineFault>> {
        parse::rules(text).map(|rules| Self { rules: Some(rules) })
    }

    /// Whether no file restricts anything.
    pub fn is_open(&self) -> bool {
        self.rules.is_none()
    }

    /// Lines that are carried out as mosquitto does, but that hardly say what their author meant.
    pub fn warnings(&self) -> &[LineFault] {
        self.rules.as_ref().map_or(&[], |rules| &rules.warnings)
    }

    /// Whether two clients with the same user name may get different answers: so long as this is
    /// false an answer may be remembered per user name.
    pub fn depends_on_client_id(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| !rules.patterns.allowed.is_empty() || !rules.patterns.denied.is_empty())
    }

    /// Asks whether a message may be published. `None` is a refusal.
    ///
    /// Whatever the file says, and without one too, `$SYS` is the broker's own, but for the state
    /// that a bridge tells at `$SYS/broker/connection/<name>/state`, and `$share` names no topic.
    pub fn may_publish(&self, client: Client<'_>, topic: TopicName<'_>) -> Option<PublishGrant> {
        (!is_reserved(topic.as_str()) && self.allows(client, topic, Wish::Publish)).then_some(PublishGrant(()))
    }

    /// Asks whether a message may be sent to the client; asked for each topic that is delivered.
    /// `None` is a refusal.
    pub fn may_receive(&self, client: Client<'_>, topic: TopicName<'_>) -> Option<DeliverGrant> {
        self.allows(client, topic, Wish::Receive).then_some(DeliverGrant(()))
    }

    /// Asks whether a filter may be subscribed to. `None` is a refusal.
    ///
    /// mosquitto's ACL file refuses no SUBSCRIBE, not even for a filter that is denied: the client is
    /// told success, and what it may not have is not delivered ([`Acl::may_receive`]). So is it here.
    /// The question is asked so that rules of another kind find their place.
    pub fn may_subscribe(&self, _client: Client<'_>, _filter: TopicFilter<'_>) -> Option<SubscribeGrant> {
        Some(SubscribeGrant(()))
    }

    fn allows(&self, client: Client<'_>, topic: TopicName<'_>, wish: Wish) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.allow(client, topic, wish))
    }
}

impl Rules {
    fn allow(&self, client: Client<'_>, topic: TopicName<'_>, wish: Wish) -> bool {
        let client = Client { username: client.username.filter(|name| !name.is_empty()), ..client };
        let own = match client.username {
            Some(name) => self.users.get(name),
            None => Some(&self.anonymous),
        };
        own.and_then(|rules| rules.verdict(topic, wish)).unwrap_or_else(|| self.patterns.allow(client, topic, wish))
    }
}

impl TopicRules {
    /// `None` when no line says anything about it.
    fn verdict(&self, topic: TopicName<'_>, wish: Wish) -> Option<bool> {
        if self.denied.iter().any(|(_, filter)| filter_matches(filter.as_filter(), topic)) {
            return Some(false);
        }
        let allowed = |(_, access, filter): &(u32, Access, TopicFilterBuf)| {
            access.covers(wish) && filter_matches(filter.as_filter(), topic)
        };
        self.allowed.iter().any(allowed).then_some(true)
    }
}

impl PatternRules {
    fn allow(&self, client: Client<'_>, topic: TopicName<'_>, wish: Wish) -> bool {
        // mosquitto refuses such a client everything from here on, so that a name cannot be a wildcard.
        if holds_wildcard(client.client_id) || client.username.is_some_and(holds_wildcard) {
            return false;
        }
        if self.denied.iter().any(|(_, pattern)| pattern.denies(client, topic)) {
            return false;
        }
        self.allowed.iter().any(|(_, access, pattern)| access.covers(wish) && pattern.allows(client, topic))
    }
}

fn holds_wildcard(name: &str) -> bool {
    name.contains(['+', '#'])
}

/// Topics that no client publishes to, compared as mosquitto does: by their first letters.
fn is_reserved(topic: &str) -> bool {
    if topic.starts_with("$SYS") {
        return !is_bridge_state(topic);
    }
    topic.starts_with("$share")
}

/// `$SYS/broker/connection/<name>/state`
fn is_bridge_state(topic: &str) -> bool {
    topic
        .strip_prefix("$SYS/broker/connection/")
        .and_then(|rest| rest.strip_suffix("/state"))
        .is_some_and(|name| !name.contains('/'))
}

#[cfg(test)]
mod tests;
