//! Listeners, TLS and PSK doors, and the loop that joins sockets to the core.
//!
//! [`Appliance`] is a running broker: one thread that owns the core, and reads the sockets if no others do that for it.
//! Everything else (files read again, shutdown, a part of the process that wants to be a client) reaches it by [`Handle`].

mod appliance;
mod arriving;
mod aside;
mod closing;
mod complaints;
mod connection;
mod desk;
mod door;
mod gather;
mod handshakes;
mod hearing;
mod http_api;
mod judging;
mod keeper;
mod knocks;
mod lag;
mod limits;
mod lines;
mod listener;
mod login;
mod login_queue;
mod out_queue;
mod packet_log;
mod peer;
pub mod proxy_header;
mod reactor;
mod refusals;
mod reloading;
mod scram;
mod strangers;
mod stream;
mod transport;
mod turn;
mod websocket;
mod workers;

pub use appliance::{Appliance, Handle, Heartbeat, Reloaded, ReloadedListener, StartError};
pub use aside::{Aside, Owner};
pub use http_api::{HttpAccess, HttpApi, HttpDoor, HttpFate, HttpListener, HttpThread, OpenHttp, ReloadedHttp};
pub use keeper::{Autosave, Durability, Keeping};
pub use limits::*;
pub use listener::{ListenerConfig, OpenListener, Protection, ProxyRules};
pub use websocket::WebSocketRules;
pub use workers::io_threads_for;
