//! The broker as a thing that is told things: sessions, routing, retained messages, wills, quotas.
//!
//! [`Broker`] is the whole of it. The edge tells it what happened ([`Broker::open`], [`Broker::handle`],
//! [`Broker::verdict`], [`Broker::authenticated`], [`Broker::closed`], [`Broker::drained`], [`Broker::handle_timeout`]) with the time at
//! which it happened, and it answers into an [`Outbox`]. Nothing here reads a clock, a socket or a file, nothing
//! waits, and the same history gives the same answers.
#![forbid(unsafe_code)]

mod ack;
mod alias_table;
mod authenticate;
mod broker;
mod connect;
mod control;
mod courier;
mod deliver;
mod describe;
mod filter_set;
mod frames;
mod holdings;
mod levels;
mod lifetime;
mod limits;
mod link;
mod message;
mod mount;
mod outbox;
mod publish;
mod reason_string;
mod refusing;
mod reloading;
mod retained;
mod routes;
mod rules;
mod session;
mod settings;
mod shares;
mod sharing;
mod stats;
mod store;
mod subscribe;
mod subscriptions;
mod sys;
mod taken;
mod tally;
mod time;
mod timers;
mod wanted;
mod will;

pub use authenticate::{AuthAnswer, AuthStep};
pub use broker::Broker;
pub use holdings::Holdings;
pub use limits::*;
pub use link::{Door, Trust};
pub use message::Message;
pub use outbox::{ClientFault, Credentials, EdgeCounts, End, Event, LinkId, Outbox, Refusal};
pub use rules::{ListenerRules, RuleSets, RulesOf};
pub use settings::{ListenerInfo, ListenerSettings, Settings, VersionSet};
pub use stats::{DropCause, Stats};
pub use store::{
    MemoryStore, Publisher, SessionNumber, StoreOp, StoredAway, StoredMessage, StoredSession, StoredSubscription,
    StoredTaken, StoredWill,
};
pub use time::Instant;
pub use wanted::Identifiers;
