//! The appliance from outside: the built program, over real sockets, with programs and clients that we did not write.

#[path = "../mosquitto/mod.rs"]
mod mosquitto;

mod clients;
mod folder;
mod guide;
mod harness;
mod peers;

mod conversations;
mod doors;
mod gateway_in_place;
mod refusals;
mod scenarios;
