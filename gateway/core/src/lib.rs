//! Advertisements to reports: parse, filter, de-duplicate, batch, encode.
//!
//! HCI events go in, MQTT payloads come out. Where to start reading: [`Ear`], of which there is one, and [`Pipeline`],
//! of which there is one for each sink. The rooms in the order in which a packet passes through them:
//!
//! | module | from | to |
//! |---|---|---|
//! | [`btsnoop`], [`btsnoop_stream`] | the bytes of a recording, or of a live stream | HCI events and when they were heard |
//! | [`chips`] | which adapter | which of the gateway's radios |
//! | [`hci`] | an HCI event | [`hci::Report`]s, as the controller gave them |
//! | [`fragments`], in the [`Ear`] | reports | whole [`Advertisement`]s |
//! | [`filter`], [`pairs`], [`duplicates`] | advertisements | fewer of them |
//! | [`batch`], [`dialect`] | advertisements | messages as a Cassia router sends them: [`dialect_a`], [`dialect_c`] |
//! | [`station`], [`api`] | time, requests | what a gateway says of itself, and answers (dialect C) |
//!
//! Nothing here reads a clock, a socket or a file: every time is a [`Timestamp`] that the caller
//! passes in, so that a recording gives the same messages at whatever speed it is replayed.
#![forbid(unsafe_code)]

pub mod ad;
mod address;
mod advertisement;
pub mod api;
pub mod batch;
pub mod btsnoop;
pub mod btsnoop_stream;
pub mod btsnoop_writer;
pub mod chips;
pub mod dialect;
pub mod dialect_a;
pub mod dialect_b;
pub mod dialect_c;
pub mod duplicates;
pub mod duty;
mod ear;
mod fault;
pub mod filter;
pub mod fragments;
pub mod hci;
pub mod hci_command;
mod json;
pub mod keeper;
pub mod mgmt;
pub mod monitor;
pub mod pace;
pub mod pairs;
mod pipeline;
pub mod radio_counts;
pub mod scan;
pub mod station;
mod time;
mod uuid;
pub mod watchdog;

pub use address::{AddressKind, DeviceAddress, MacAddress, NotAnAddress};
pub use advertisement::{Advertisement, EventType, Extended, Phy};
pub use ear::{Ear, Heard};
pub use fault::AdvertisementFault;
pub use pipeline::{Counts, Pipeline};
pub use time::Timestamp;
pub use uuid::{NotAUuid, Uuid};
