//! What the core remembers of a connection; it ends with the socket. What outlives it is a session.

use mqtt::{ProtocolVersion, TopicNameBuf};

use crate::Instant;

/// How a client came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// Which of [`crate::Settings::listeners`].
    pub listener: u16,
    /// Whether its CONNECT must prove anything.
    pub trust: Trust,
}

/// Who vouches for a client before it has said anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nobody: the listener's rules count.
    Stranger,
    /// This very process: a part of the appliance. Its user name is taken as said, and the rules of the first listener
    /// hold for it as for anyone.
    Ours,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub door: Door,
    pub state: LinkState,
    /// When its last packet came; in an exchange before CONNACK, when CONNECT came.
    pub heard_at: Instant,
    /// Where its silence stands in the timers.
    pub silence_at: Option<Instant>,
    /// One and a half keep-alives in milliseconds; 0: may be silent for ever.
    pub silence_ms_max: u32,
    pub version: ProtocolVersion,
    /// Request Problem Information of its CONNECT [5.0 §3.1.2.11.7].
    pub wants_problem_information: bool,
    /// Largest packet it takes.
    pub packet_bytes_max: u32,
    /// It says that it is another broker [mosquitto's bit 0x80 in the Protocol Level, before 5.0].
    pub is_bridge: bool,
    /// The route of the topic it published to last, with the generation in which the rules allowed it.
    pub last_route: Option<LastRoute>,
    /// QoS 2 messages taken from this connection and not released. Those of earlier connections do not count against
    /// our Receive Maximum: the quota is not kept across connections [5.0 §4.9].
    pub qos2_open: u16,
    /// Only where CONNECT named an Authentication Method.
    pub authentication: Option<Box<crate::authenticate::Authentication>>,
    /// Topic Aliases it introduced; the place is the alias minus one.
    #[allow(clippy::box_collection)] // a pointer for the many who have none
    pub aliases: Option<Box<Vec<Option<TopicNameBuf>>>>,
}

/// Where a link stands between socket and session.
#[derive(Debug)]
pub(crate) enum LinkState {
    /// No CONNECT yet.
    New,
    /// Its credentials are being checked.
    AwaitingVerdict(Box<crate::connect::Login>),
    /// It is asked to prove who it is by a method of its choice.
    Authenticating(Box<crate::connect::Login>),
    /// It is a client: the session's key.
    Client(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct LastRoute {
    pub route: usize,
    pub generation: u64,
    pub grant: Option<acl::PublishGrant>,
}
