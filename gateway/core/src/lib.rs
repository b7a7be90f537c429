//! Advertisements to reports: parse, filter, de-duplicate, batch, encode.
//!
//! HCI events go in, MQTT payloads come out. Where to start reading: [`Pipeline`], which joins the
//! rooms in the order in which a packet passes through them:
//!
//! | module | from | to |
//! |---|---|---|
//! | [`btsnoop`] | the bytes of a recording | HCI events and when they were heard |
//! | [`hci`] | an HCI event | [`hci::Report`]s, as the controller gave them |
//! | [`fragments`] | reports | whole [`Advertisement`]s |
//! | [`filter`], [`duplicates`] | advertisements | fewer of them |
//! | [`batch`], [`dialect_a`] | advertisements | messages: JSON arrays as a Cassia router sends them |
//!
//! Nothing here reads a clock, a socket or a file: every time is a [`Timestamp`] that the caller
//! passes in, so that a recording gives the same messages at whatever speed it is replayed.
#![forbid(unsafe_code)]

pub mod ad;
mod address;
mod advertisement;
pub mod batch;
pub mod btsnoop;
pub mod btsnoop_writer;
pub mod dialect_a;
pub mod duplicates;
mod fault;
pub mod filter;
pub mod fragments;
pub mod hci;
pub mod hci_command;
pub mod keeper;
pub mod mgmt;
pub mod monitor;
mod pipeline;
pub mod radio_counts;
pub mod scan;
mod time;
mod uuid;
pub mod watchdog;

pub use address::{AddressKind, DeviceAddress, MacAddress, NotAnAddress};
pub use advertisement::{Advertisement, EventType, Extended, Phy};
pub use fault::AdvertisementFault;
pub use pipeline::{Counts, Pipeline};
pub use time::Timestamp;
pub use uuid::{NotAUuid, Uuid};
