//! An outgoing MQTT connection over any transport: dial, resume, spool.
//!
//! [`open`] gives a [`Link`], a handle that is cheap to clone and never waits, and the future that
//! does the work: spawn it. A message given to [`Link::publish`] lies in the spool until the far
//! server is there and its socket takes bytes; the spool has limits, and past them the oldest message
//! is dropped and counted. What comes by [`LinkSettings::subscriptions`] waits, within limits of its own, for
//! [`Link::inbound`].
//!
//! # What is promised
//!
//! * QoS 0: sent at most once. A message whose frame the socket had not taken whole when the
//!   connection broke goes back to the head of the spool.
//! * QoS 1 and 2: once a message has left the spool it is kept until its last acknowledgement, over any
//!   number of reconnects. Where the far session was kept, the delivery goes on where it stood (same
//!   packet identifiers, DUP set, old order; PUBREL where PUBREC was had), so QoS 2 is exactly once.
//! * Where the far session is gone (always with `clean_session`), unacknowledged messages are sent again
//!   as new ones. Nothing is lost, but a message of which only the acknowledgement was missing arrives
//!   twice, **at QoS 2 too**: no client can know which of the two happened.
//! * What is subscribed to is subscribed to anew after each CONNACK. A message that comes is acknowledged when it is in
//!   the queue for the owner, who sees it once at QoS 2 as long as the far session lives.
//! * One hole is the standard's own: when the server forgets a session, and the CONNACK that says so is lost,
//!   the next CONNACK speaks of a session again. A QoS 2 message whose PUBREC was had is then released to a
//!   server that may not have it. It takes both faults at once, and the answer to be in those milliseconds.
//!
//! # Where to read
//!
//! `session` is the protocol and is pure: it is told things (a packet came, a deadline passed) and
//! answers into an `Outbox`. `spool` and `backoff` are pure too. `driver` is the loop, `dial` opens
//! transports. `session/inbound` is the way back: what was subscribed to, and what came, which waits in `inbox` for the
//! owner of the link. A QoS 1 or 2 message that nobody asked for is acknowledged all the same.
#![forbid(unsafe_code)]

mod backoff;
mod dial;
mod driver;
mod fault;
mod handle;
mod ids;
mod inbox;
mod outbox;
mod server;
mod session;
mod settings;
mod spool;

pub use backoff::Backoff;
pub use dial::{BoxFuture, BoxedStream, ByteStream};
pub use handle::{Counts, Link, Refused, State, open};
pub use inbox::{Inbound, Received};
pub use settings::{ConnectionKind, LinkSettings, Message, Subscription, Transport};
pub use spool::SpoolLimits;
