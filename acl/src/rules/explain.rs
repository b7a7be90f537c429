//! Why the rules answer as they do: the line that decided.

use std::fmt;

use mqtt::{TopicFilter, TopicName, filter_matches};

use super::{Acl, Client, Rules, Wish, holds_wildcard, is_reserved};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// Be sent the messages of a topic.
    Read(TopicName<'a>),
    /// Publish to a topic.
    Write(TopicName<'a>),
    /// Subscribe to a filter.
    Subscribe(TopicFilter<'a>),
}

/// An answer, and what it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whether it may be.
    pub is_allowed: bool,
    /// What decided.
    pub because: Because,
}

/// What decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// A line of the file, counted from 1.
    Line(u32),
    /// There is no file, and so everything is allowed.
    NoRules,
    /// No line says anything about it: what nothing allows is refused.
    NothingSaid,
    /// Clients do not publish to `$SYS` and `$share`, whatever the file says.
    Reserved,
    /// The Client Identifier or the user name holds `+` or `#`: no pattern is for such a client.
    Wildcard,
    /// A SUBSCRIBE is never refused: what may not be read is not delivered.
    Subscribe,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Line(line) => return write!(f, "line {line}"),
            Self::NoRules => "there is no acl_file, so everything is allowed",
            Self::NothingSaid => "no line of it is about this user and topic, and what nothing allows is refused",
            Self::Reserved => "clients do not publish to $SYS and $share, whatever the file says",
            Self::Wildcard => "the client identifier or the user name holds + or #: no pattern is for such a client",
            Self::Subscribe => "a SUBSCRIBE is never refused: what the client may not read is not delivered to it",
        })
    }
}

impl Acl {
    /// The answer to the same question that [`Acl::may_publish`] and its like are asked, with what decided.
    pub fn explain(&self, client: Client<'_>, asked: Asked<'_>) -> Explanation {
        let (topic, wish) = match asked {
            Asked::Read(topic) => (topic, Wish::Receive),
            Asked::Write(topic) if is_reserved(topic.as_str()) => {
                return Explanation { is_allowed: false, because: Because::Reserved };
            }
            Asked::Write(topic) => (topic, Wish::Publish),
            Asked::Subscribe(_) => return Explanation { is_allowed: true, because: Because::Subscribe },
        };
        match &self.rules {
            None => Explanation { is_allowed: true, because: Because::NoRules },
            Some(rules) => rules.explain(client, topic, wish),
        }
    }
}

impl Rules {
    /// In the order in which [`Rules::allow`] asks.
    fn explain(&self, client: Client<'_>, topic: TopicName<'_>, wish: Wish) -> Explanation {
        let client = Client { username: client.username.filter(|name| !name.is_empty()), ..client };
        let own = match client.username {
            Some(name) => self.users.get(name),
            None => Some(&self.anonymous),
        };
        let by = |is_allowed, line| Explanation { is_allowed, because: Because::Line(line) };
        if let Some(own) = own {
            if let Some((line, _)) = own.denied.iter().find(|(_, filter)| filter_matches(filter.as_filter(), topic)) {
                return by(false, *line);
            }
            let allows = own
                .allowed
                .iter()
                .find(|(_, access, filter)| access.covers(wish) && filter_matches(filter.as_filter(), topic));
            if let Some((line, ..)) = allows {
                return by(true, *line);
            }
        }
        let refused = |because| Explanation { is_allowed: false, because };
        let patterns = &self.patterns;
        if holds_wildcard(client.client_id) || client.username.is_some_and(holds_wildcard) {
            let has_patterns = !patterns.allowed.is_empty() || !patterns.denied.is_empty();
            return refused(if has_patterns { Because::Wildcard } else { Because::NothingSaid });
        }
        if let Some((line, _)) = patterns.denied.iter().find(|(_, pattern)| pattern.denies(client, topic)) {
            return by(false, *line);
        }
        let allows = patterns.allowed.iter();
        let mut allows = allows.filter(|(_, access, pattern)| access.covers(wish) && pattern.allows(client, topic));
        allows.next().map_or(refused(Because::NothingSaid), |(line, ..)| by(true, *line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "topic read news/#\n\nuser roger\n# a comment\ntopic deny a/secret\ntopic a/#\ntopic write w\n\
        pattern deny dev/%c/x\npattern read dev/%c/#\n";

    #[test]
    fn the_line_that_decides_is_named_and_the_answer_is_the_one_that_counts() {
        let acl = Acl::parse(FILE.as_bytes()).unwrap();
        let line = |is_allowed, line| Explanation { is_allowed, because: Because::Line(line) };
        let no = |because| Explanation { is_allowed: false, because };
        // user, client id, topic, what reading and writing come to
        let rows = [
            (None, "c", "news/a", line(true, 1), no(Because::NothingSaid)),
            (Some(""), "c", "news/a", line(true, 1), no(Because::NothingSaid)),
            (Some("roger"), "c", "news/a", no(Because::NothingSaid), no(Because::NothingSaid)),
            (Some("roger"), "c", "a/secret", line(false, 5), line(false, 5)),
            (Some("roger"), "c", "a/b", line(true, 6), line(true, 6)),
            (Some("roger"), "c", "w", no(Because::NothingSaid), line(true, 7)),
            (Some("anna"), "c", "dev/c/x", line(false, 8), line(false, 8)),
            (Some("anna"), "c", "dev/c/y", line(true, 9), no(Because::NothingSaid)),
            (Some("anna"), "+", "dev/+/y", no(Because::Wildcard), no(Because::Wildcard)),
            (Some("roger"), "c", "$SYS/x", no(Because::NothingSaid), no(Because::Reserved)),
        ];
        for (username, client_id, topic, reading, writing) in rows {
            let client = Client { client_id, username };
            let Ok(name) = TopicName::new(topic) else { continue };
            for (asked, wanted, may) in [
                (Asked::Read(name), reading, acl.may_receive(client, name).is_some()),
                (Asked::Write(name), writing, acl.may_publish(client, name).is_some()),
            ] {
                let found = acl.explain(client, asked);
                assert_eq!((found, found.is_allowed), (wanted, may), "{username:?} {client_id} {asked:?}");
            }
        }
        let client = Client { client_id: "c", username: None };
        let filter = TopicFilter::new("a/#").unwrap();
        assert_eq!(acl.explain(client, Asked::Subscribe(filter)).because, Because::Subscribe);
        let open = Acl::open().explain(client, Asked::Read(TopicName::new("x").unwrap()));
        assert_eq!(open, Explanation { is_allowed: true, because: Because::NoRules });
    }
}
