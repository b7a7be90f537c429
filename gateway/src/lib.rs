//! Recordings, or what a radio hears, in; reports out to sinks.
//!
//! The edge around `gateway-core`: it finds out what time it is and waits; what a packet becomes is decided
//! there. In the order in which they are used:
//!
//! 1. [`GatewaySettings`]: `[gateway]` of nightjar.toml as it is written; [`GatewaySettings::check`] makes a
//!    [`Plan`] of it, or tells all that is wrong with it.
//! 2. [`Gateway::open`] reads the recording whole, so that a broken one is told before anything starts; or takes
//!    the [`Live`] stream of whoever has the radio.
//! 3. [`Gateway::address`] is what the links of some sinks need to know.
//! 4. [`Gateway::run`] hears, once for all, and gives each [`Sink`] what its plan says, until the source ends or it
//!    is told to. After the end of a live stream it goes on with another, given to [`Gateway::listen_to`].
//!
//! Nothing here dials or knows the broker, nor any radio: who calls opens a `link` for each [`SinkPlan`] and wraps it
//! in a [`LinkSink`]. Sinks never make the radio wait: their queues are bounded and drop the oldest.
#![forbid(unsafe_code)]

mod fault;
mod live;
mod plan;
mod recording;
mod run;
mod settings;
mod sink;
mod source;
mod surroundings;
mod topics;
mod voice;

pub use gateway_core::MacAddress;

pub use fault::{GatewayError, SettingFault};
pub use live::Live;
pub use plan::{DialectPlan, Encryption, Plan, ReportPlan, Secret, SinkKind, SinkPlan, SourcePlan, Speed};
pub use recording::RECORDING_BYTES_MAX;
pub use run::{Counts, Ended, Gateway};
pub use settings::{GatewaySettings, RadioSettings, SinkSettings};
pub use sink::{LinkSink, Sink, SinkCounts};
