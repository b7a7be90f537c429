//! What a broker needs of the web: heads of HTTP/1.1 requests, the upgrade to WebSocket and its frames (RFC 6455).
//!
//! Bytes in, bytes out. [`HeadReader`] gathers a request head with a bound and [`Head`] is what it says; [`accept`] judges it as a
//! wish to speak MQTT over WebSocket; [`FrameReader`] takes the frames off what came, in place; [`FrameHeader`] goes in front of
//! what is sent. What is never here: a socket, a clock, a packet of MQTT, an allocation for a data frame.
#![forbid(unsafe_code)]

mod frame;
mod head;
mod upgrade;

pub use frame::{CONTROL_BYTES_MAX, End, FrameFault, FrameHeader, FrameReader, Taken, close_frame};
pub use head::{HEADERS_MAX, Head, HeadFault, HeadReader, Percent, percent_decoded, shown};
pub use upgrade::{Accepted, Refused, accept};
