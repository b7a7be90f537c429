//! The edge over real sockets: what it does with bytes that come and go in unkind ways. No test waits for time to
//! pass; a reply to something said later shows that what was said before has been dealt with.
//!
//! Here the broker runs inline; in `edge_with_workers` all of it once more with I/O threads.

mod authentication;
mod client;
mod doors;
mod ends;
mod judged;
mod keeping;
mod log;
mod malformed;
mod many;
mod overload;
mod pieces;
mod proxied;
mod slow;
mod turns;
mod websocket;

/// I/O threads of the brokers here.
const IO_THREADS: usize = 0;
