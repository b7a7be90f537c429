//! What clients see of the broker, scenario by scenario; and histories made from seeds.
#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::option_map_unit_fn)] // `x.map(|x| push(x))`: a line for each property of a packet

mod acknowledging;
mod aliases;
mod authenticating;
mod clauses_answers;
mod clauses_connect;
mod clauses_deliver;
mod clauses_qos;
mod clauses_session;
mod clauses_subscribe;
mod connecting;
mod delivering;
mod full_store;
mod keeping;
mod limits;
mod listeners;
mod mounting;
mod overload;
mod publishing;
mod reason_strings;
mod reloading;
mod retaining;
mod sharing;
mod subscribing;
mod sys;
mod wills;
mod words;
mod world;
