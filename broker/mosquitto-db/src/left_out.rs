//! What does not come over, counted by the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why something was left out, or not taken as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The session's time is over, or it was to end with its connection.
    SessionEnded,
    /// The message's time is over.
    MessageExpired,
    /// Of a session only what it has is left: it was taken as one that has no user and does not end.
    SessionUnknown,
    /// mosquitto wrote the user of another session to it, or it may have: it was taken as one that has no user.
    UserUnclear,
    /// The message itself is not in the file.
    MessageMissing,
    /// What mosquitto says about itself; it would be wrong here.
    AboutTheBroker,
    /// QoS, topic name, topic filter, options or properties that MQTT does not have.
    NotMqtt,
}

/// How much was left out for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// So many sessions, messages or subscriptions.
    pub count: usize,
    /// Client Identifiers of the first of those concerned.
    pub clients: BTreeSet<Box<str>>,
}

/// All that was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(pub BTreeMap<Reason, Tally>);

impl LeftOut {
    /// Names for an operator to know what it is about; who wants all of them has the file.
    const CLIENTS_MAX: usize = 10;

    pub(crate) fn count(&mut self, reason: Reason, client: Option<&str>) {
        let tally = self.0.entry(reason).or_default();
        tally.count += 1;
        if let Some(client) = client
            && tally.clients.len() < Self::CLIENTS_MAX
        {
            tally.clients.insert(client.into());
        }
    }

    /// How many there are for this reason.
    pub fn of(&self, reason: Reason) -> usize {
        self.0.get(&reason).map_or(0, |tally| tally.count)
    }
}

impl Reason {
    /// Whether each that is counted is a client of its own.
    pub fn counts_clients(self) -> bool {
        matches!(self, Self::SessionEnded | Self::SessionUnknown | Self::UserUnclear)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SessionEnded => "sessions left out: their time is over",
            Self::MessageExpired => "messages left out: their time is over",
            Self::SessionUnknown => "sessions taken without user and end: their own record is not there",
            Self::UserUnclear => {
                "sessions taken without user: mosquitto 2.0 may have saved another's; the client's next login sets it right"
            }
            Self::MessageMissing => "messages left out: what they said is not there",
            Self::AboutTheBroker => "retained messages left out: $SYS is what mosquitto said about itself",
            Self::NotMqtt => "records left out: not what MQTT allows",
        })
    }
}
