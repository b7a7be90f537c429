//! Recordings in, reports out to sinks.
//!
//! The edge around `gateway-core`: it finds out what time it is and waits; what a packet becomes is decided
//! there. In the order in which they are used:
//!
//! 1. [`GatewaySettings`]: `[gateway]` of nightjar.toml as it is written; [`GatewaySettings::check`] makes a
//!    [`Plan`] of it, or tells all that is wrong with it.
//! 2. [`Gateway::open`] reads the recording whole, so that a broken one is told before anything starts.
//! 3. [`Gateway::run`] replays it through the pipeline into [`Sink`]s, until it ends or is told to.
//!
//! Nothing here dials or knows the broker: who calls opens a `link` for each [`SinkPlan`] and wraps it in a
//! [`LinkSink`]. Sinks never make the radio wait: their queues are bounded and drop the oldest.
#![forbid(unsafe_code)]

mod fault;
mod plan;
mod recording;
mod run;
mod settings;
mod sink;
mod source;

pub use fault::{GatewayError, SettingFault};
pub use plan::{Encryption, Plan, Secret, SinkKind, SinkPlan, SourcePlan, Speed};
pub use recording::RECORDING_BYTES_MAX;
pub use run::{Counts, Gateway, run};
pub use settings::{GatewaySettings, SinkSettings};
pub use sink::{LinkSink, Sink, SinkCounts};
