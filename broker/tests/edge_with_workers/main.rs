//! The conversations of `edge`, word for word, with a broker that has I/O threads; and what only such a broker can do wrong.

#[path = "../edge/authentication.rs"]
mod authentication;
#[path = "../edge/client.rs"]
mod client;
#[path = "../edge/doors.rs"]
mod doors;
#[path = "../edge/ends.rs"]
mod ends;
#[path = "../edge/judged.rs"]
mod judged;
#[path = "../edge/keeping.rs"]
mod keeping;
#[path = "../edge/log.rs"]
mod log;
#[path = "../edge/malformed.rs"]
mod malformed;
#[path = "../edge/many.rs"]
mod many;
#[path = "../edge/overload.rs"]
mod overload;
#[path = "../edge/pieces.rs"]
mod pieces;
#[path = "../edge/proxied.rs"]
mod proxied;
#[path = "../edge/slow.rs"]
mod slow;
#[path = "../edge/turns.rs"]
mod turns;
#[path = "../edge/websocket.rs"]
mod websocket;

/// I/O threads of the brokers here: more than one, so that the two ends of a conversation are with different ones.
const IO_THREADS: usize = 2;
