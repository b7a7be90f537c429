//! `pattern` lines: filters with the client's own names in them.

use mqtt::{TopicFilter, TopicName, filter_matches};

use super::Client;

/// A filter with `%c` (client id) and `%u` (user name) to be filled in.
#[derive(Debug)]
pub(super) struct Pattern {
    parts: Box<[Part]>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    ClientId,
    Username,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, part, after)) = next_placeholder(rest) {
            push_text(&mut parts, before);
            parts.push(part);
            rest = after;
        }
        push_text(&mut parts, rest);
        Self { parts: parts.into() }
    }

    /// Whether there is anything to fill in.
    pub(super) fn names_the_client(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part, Part::Text(_)))
    }

    /// Whether an allowing pattern covers the topic.
    ///
    /// A name with `/` would reach into the topics of another client, and an empty one into those of
    /// none, so such a name is not filled in. (mosquitto 2.0 fills in the `/`; a client whose name
    /// holds `+` or `#` has been refused before this is asked.)
    pub(super) fn allows(&self, client: Client<'_>, topic: TopicName<'_>) -> bool {
        self.matches(client, topic, |name| !name.is_empty() && !name.contains('/'))
    }

    /// Whether a denying pattern covers the topic: with any name, for it takes away and does not give.
    pub(super) fn denies(&self, client: Client<'_>, topic: TopicName<'_>) -> bool {
        self.matches(client, topic, |_| true)
    }

    fn matches(&self, client: Client<'_>, topic: TopicName<'_>, fits: impl Fn(&str) -> bool) -> bool {
        let mut filled_in = String::new();
        for part in &self.parts {
            let name = match part {
                Part::Text(text) => {
                    filled_in.push_str(text);
                    continue;
                }
                Part::ClientId => Some(client.client_id),
                Part::Username => client.username,
            };
            match name {
                Some(name) if fits(name) => filled_in.push_str(name),
                _ => return false,
            }
        }
        TopicFilter::new(&filled_in).is_ok_and(|filter| filter_matches(filter, topic))
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.into()));
    }
}

/// What is before the first placeholder, the placeholder, and what is after it.
fn next_placeholder(text: &str) -> Option<(&str, Part, &str)> {
    let (at, part) = [("%c", Part::ClientId), ("%u", Part::Username)]
        .into_iter()
        .filter_map(|(sign, part)| text.find(sign).map(|at| (at, part)))
        .min_by_key(|(at, _)| *at)?;
    Some((&text[..at], part, &text[at + 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_cut_at_its_placeholders() {
        let text = |text: &str| Part::Text(text.into());
        let rows: [(&str, Vec<Part>); 5] = [
            ("a/%c/b", vec![text("a/"), Part::ClientId, text("/b")]),
            ("%u%c", vec![Part::Username, Part::ClientId]),
            ("x%u/%u", vec![text("x"), Part::Username, text("/"), Part::Username]),
            ("%%c%", vec![text("%"), Part::ClientId, text("%")]),
            ("plain/%d", vec![text("plain/%d")]),
        ];
        for (pattern, wanted) in rows {
            assert_eq!(Pattern::new(pattern).parts.as_ref(), wanted, "{pattern}");
        }
    }

    #[test]
    fn a_name_is_filled_in_once_and_not_read_again() {
        let client = Client { client_id: "%u", username: Some("secret") };
        let pattern = Pattern::new("a/%c");
        let topic = |name| TopicName::new(name).expect("a topic");
        assert!(pattern.allows(client, topic("a/%u")));
        assert!(!pattern.allows(client, topic("a/secret")));
    }
}
