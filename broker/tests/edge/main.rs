//! The edge over real sockets: what it does with bytes that come and go in unkind ways. No test waits for time to
//! pass; a reply to something said later shows that what was said before has been dealt with.

mod authentication;
mod client;
mod ends;
mod keeping;
mod log;
mod malformed;
mod overload;
mod pieces;
mod slow;
