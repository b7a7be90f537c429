//! mosquitto.conf: one table that parser, errors, manual and check are made from.
//!
//! [`parse`] reads the main file and those it includes into [`Settings`], or stops at the first
//! [`ConfigError`] as mosquitto does; [`check`] finds them all. What an option is called, takes and means
//! is in [`options`]: the parser walks that table, and [`manual`] prints it.
//!
//! Nothing here opens a file: the caller passes [`Files`]. Nothing here looks at a certificate or a
//! password either: that a path was written is not that it can be read.
#![forbid(unsafe_code)]

mod bridge;
mod draft;
mod fault;
mod files;
mod lines;
mod log;
mod manual;
mod overrides;
mod place;
mod plugin;
mod read;
mod settings;
mod settle;
mod spelling;
mod table;
mod take;
mod values;

pub use fault::{ConfigError, Fault, Level, Warning};
pub use files::{Files, InMemory};
pub use lines::{LINE_BYTES_MAX, VALUE_BYTES_MAX};
pub use log::{LogSettings, LogTypes};
pub use manual::{manual, manual_of_what_cannot};
pub use overrides::Overrides;
pub use place::{Located, Place};
pub use read::{ERRORS_MAX, FILE_BYTES_MAX, FILES_MAX, check, parse};
pub use settings::{
    Certificates, Listener, Persistence, Protocol, ProtocolVersions, Proxy, Psk, Settings, SocketDomain, TlsVersion,
    UsernameFrom,
};
pub use table::{Cannot, OptionSpec, Reload, Scope, Status, Takes, Theme, find, options, themes};
