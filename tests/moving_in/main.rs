//! Moving in from Debian's mosquitto: what it saved is imported and compared with what was done to it; and `nightjar export`
//! and `nightjar store` on stores that are whole, damaged or in use.

mod broker;
mod client;
mod importing;
mod looking;
mod program;
mod there_and_back;
