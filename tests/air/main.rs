//! The gateway on a real kernel beside a real bluetoothd: only the controllers and the air are made up (tests/blevm).
//!
//! A boot takes seconds, so there are few tests, and each tries several things in one VM.

#[path = "../appliance/clients.rs"]
#[allow(dead_code, reason = "shared with the appliance's tests")]
mod clients;
#[path = "../appliance/folder.rs"]
#[allow(dead_code, reason = "shared with the appliance's tests")]
mod folder;
#[path = "../appliance/harness.rs"]
#[allow(dead_code, reason = "shared with the appliance's tests")]
mod harness;
#[path = "../appliance/ports.rs"]
mod ports;

mod beside_btmon;
mod by_hand;
mod chain;
mod packets;
mod privileges;
mod vm;
mod weather;
