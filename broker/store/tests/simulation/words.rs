//! The topics and filters of the world, which filter means which topic, and messages.

use std::fmt::Write as _;
use std::sync::LazyLock;

use mqtt::{PropertiesBuf, Property};

pub(crate) const CLIENTS: usize = 5;

/// In the order in which a tree of levels gives them. `w/n` is where the will of client n goes.
pub(crate) const TOPICS: [&str; 9] = ["$d/x", "t/0", "t/1", "u", "w/0", "w/1", "w/2", "w/3", "w/4"];
/// Clients publish to so many of them.
pub(crate) const PUBLIC_TOPICS: usize = 4;
pub(crate) const FIRST_WILL_TOPIC: usize = 4;
/// In the order in which a topic finds them: it tells which of two copies of a message finds the last place in a queue.
pub(crate) const FILTERS: [&str; 12] =
    ["#", "$d/#", "t/0", "t/+", "u/#", "u", "w/+", "+/#", "+/0", "$share/g/t/+", "$share/h/u", "$share/g/$d/#"];
/// From here on they are shared; no topic has two groups, so that it can be told for whom a message was sent.
pub(crate) const FIRST_SHARED: usize = 9;

static FITS: LazyLock<[[bool; TOPICS.len()]; FILTERS.len()]> =
    LazyLock::new(|| FILTERS.map(|filter| TOPICS.map(|topic| means(unshared(filter), topic))));

/// What comes behind `$share/name/`.
fn unshared(filter: &str) -> &str {
    filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')).map_or(filter, |(_, inner)| inner)
}

/// Whether a filter means a topic, both by their places.
pub(crate) fn fits(filter: usize, topic: usize) -> bool {
    FITS[filter][topic]
}

/// The rule in its plainest words [5.0 §4.7]; what the broker does is not asked.
fn means(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let topic: Vec<_> = topic.split('/').collect();
    let filter: Vec<_> = filter.split('/').collect();
    match filter.split_last() {
        Some((&"#", parents)) => topic.len() >= parents.len() && alike(parents, &topic[..parents.len()]),
        _ => filter.len() == topic.len() && alike(&filter, &topic),
    }
}

fn alike(filter: &[&str], topic: &[&str]) -> bool {
    filter.iter().zip(topic).all(|(wanted, level)| *wanted == "+" || wanted == level)
}

pub(crate) fn topic_place(name: &str) -> usize {
    TOPICS.iter().position(|topic| *topic == name).unwrap_or_else(|| panic!("{name} is no topic of this world"))
}

pub(crate) fn filter_place(name: &str) -> usize {
    FILTERS.iter().position(|filter| *filter == name).unwrap_or_else(|| panic!("{name} is no filter of this world"))
}

/// One message, wherever it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub publisher: usize,
    pub topic: usize,
    pub qos: u8,
    pub retain: bool,
    pub size: Size,
    pub expiry_s: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// No payload: with RETAIN it clears its topic.
    Empty,
    Small,
    /// Larger than the smaller ones of the Maximum Packet Sizes that clients announce.
    Large,
}

/// A client that announces this takes all packets but the large messages.
pub(crate) const NARROW_PACKET_BYTES: u32 = 80;
const LARGE_PAYLOAD_BYTES: usize = 100;

impl Message {
    /// Its number, which is how it is known again, and perhaps ballast.
    pub(crate) fn payload(&self, number: u32) -> Vec<u8> {
        let mut payload = String::new();
        if self.size != Size::Empty {
            let _ = write!(payload, "{number} ");
        }
        if self.size == Size::Large {
            payload.extend(std::iter::repeat_n('.', LARGE_PAYLOAD_BYTES));
        }
        payload.into_bytes()
    }

    pub(crate) fn payload_bytes(&self, number: u32) -> usize {
        match self.size {
            Size::Empty => 0,
            Size::Small => number.to_string().len() + 1,
            Size::Large => number.to_string().len() + 1 + LARGE_PAYLOAD_BYTES,
        }
    }

    pub(crate) fn properties(&self) -> PropertiesBuf {
        let mut properties = PropertiesBuf::new();
        if let Some(seconds) = self.expiry_s {
            properties.push(Property::MessageExpiryInterval(seconds));
        }
        properties
    }
}

/// The number of a message that has a payload.
pub(crate) fn number(payload: &[u8]) -> Option<u32> {
    let digits = payload.split(|byte| *byte == b' ').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
