//! The appliance from outside: the built program, over real sockets, with programs and clients that we did not write.

#[path = "../mosquitto/mod.rs"]
mod mosquitto;
#[path = "../plain_client/mod.rs"]
mod plain_client;

mod attacks;
mod clients;
mod folder;
mod guide;
mod harness;
mod peers;
mod ports;
#[allow(dead_code, reason = "tests/differential uses more of it")]
mod side;

mod admission;
mod air;
mod authentication;
mod commands;
mod conversations;
mod doors;
mod each_option;
mod failed_starts;
mod foreign;
mod gateway_dialect_c;
mod gateway_in_place;
mod identities;
mod listeners;
mod log_lines;
mod logs;
mod mount_point;
mod operations;
mod options;
mod radio_process;
mod refusals;
mod reload;
mod reload_doors;
mod revoked;
mod scenarios;
mod strangers;
mod sys;
mod tls_options;
mod unix_sockets;
mod web_pages;
mod websocket;
