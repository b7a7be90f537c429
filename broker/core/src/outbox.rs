//! Where the core's answers go, and the words for them. The edge carries them out; nothing is carried out here.

use std::fmt;

use mqtt::{DecodeFault, ProtocolVersion, QoS};

use crate::{AuthStep, DropCause, Message, RulesOf, StoreOp};

/// One connection, numbered by the edge. The edge may use a number again once the core was told
/// [`crate::Broker::closed`] or has said [`Outbox::close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// Takes the core's answers.
///
/// The methods that run once per delivered message (`send`, `backlog_bytes`) are on the hot path:
/// the edge's implementation appends to the connection's own buffer and no more.
pub trait Outbox {
    /// One whole packet for `link`. Packets leave in the order they were given.
    fn send(&mut self, link: LinkId, packet: &[u8]);

    /// One step of an acknowledgement for `link` (a QoS 2 PUBLISH or PUBREL of a durable session is one too). With
    /// `promises` it says that something is kept, and must not leave before every [`StoreOp`] given so far is; those
    /// of one link never overtake each other [3.1.1 §4.6, 5.0 §4.6]. Nothing that is sent overtakes a CONNACK.
    fn acknowledge(&mut self, link: LinkId, packet: &[u8], promises: bool);

    /// Bytes given for `link` that its socket has not taken.
    fn backlog_bytes(&self, link: LinkId) -> usize;

    /// The same for all links together.
    fn backlogs_bytes(&self) -> usize {
        0
    }

    /// Asks for one call of [`crate::Broker::drained`] when the backlog of `link` is gone.
    fn tell_when_drained(&mut self, link: LinkId);

    /// Something that must outlive the process.
    fn store(&mut self, op: StoreOp);

    /// Asks whether `credentials` are right; the answer is [`crate::Broker::verdict`]. Until then nothing
    /// more from `link` may be handled.
    fn verify(&mut self, link: LinkId, credentials: Credentials<'_>);

    /// Asks what a client's step of enhanced authentication comes to; the answer is [`crate::Broker::authenticated`].
    fn authenticate(&mut self, link: LinkId, step: AuthStep<'_>);

    /// Who the client of `link` is by its certificate or its pre-shared key; `None`: it has none that says so. Asked at
    /// CONNECT where [`crate::ListenerSettings::names_by_door`] is set.
    fn identity(&mut self, _link: LinkId) -> Option<String> {
        None
    }

    /// The link is over for the core: let leave what was sent, then close it.
    fn close(&mut self, link: LinkId);

    /// Something that the operator may want to read.
    fn tell(&mut self, event: Event<'_>);

    /// What the edge has counted; asked for once in `sys_interval`.
    fn counts(&self) -> EdgeCounts;

    /// Sixteen bytes that were never given before; a Client Identifier is made of them.
    fn unique(&mut self) -> [u8; 16];
}

/// What only the edge can count, for `$SYS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeCounts {
    /// Bytes that came from clients since the start, after decryption.
    pub bytes_received: u64,
    /// Bytes that went to clients since the start, before encryption.
    pub bytes_sent: u64,
    /// Connections taken since the start.
    pub sockets_opened: u64,
    /// Connections there are.
    pub sockets: u64,
    /// Packets that wait for their sockets.
    pub waiting_packets: u64,
    /// Bytes that wait for their sockets.
    pub waiting_bytes: u64,
    /// Connections whose sockets have not taken all that waits for them.
    pub behind: u64,
    /// Connections closed because their sockets took nothing for too long.
    pub stalled: u64,
    /// How often a connection had said more than is dealt with in one turn, and waited until others had theirs.
    pub turns_cut: u64,
    /// How often a connection was not read from because it did not read its answers.
    pub unheard: u64,
    /// Bytes of memory in use.
    pub heap_bytes: u64,
    /// The most that were ever in use.
    pub heap_bytes_most: u64,
}

/// A user name and what was said to prove it.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// User Name of the CONNECT.
    pub username: &'a str,
    /// Password of the CONNECT; `None` if there was none.
    pub password: Option<&'a [u8]>,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// What happened, for the log.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A client was let in.
    Connected {
        /// Its link.
        link: LinkId,
        /// Its Client Identifier, ours if it had none.
        client_id: &'a str,
        /// What it speaks.
        version: ProtocolVersion,
        /// Clean Session or Clean Start.
        clean: bool,
        /// The keep-alive that counts, in seconds.
        keep_alive_s: u16,
        /// User Name.
        username: Option<&'a str>,
        /// Its will, and whether that is to be retained.
        will: Option<(&'a Message, bool)>,
    },
    /// A client was not let in.
    Refused {
        /// Its link.
        link: LinkId,
        /// Client Identifier as sent.
        client_id: &'a str,
        /// User Name as sent.
        username: Option<&'a str>,
        /// Why.
        why: Refusal,
    },
    /// A client's connection is over.
    Disconnected {
        /// Its link.
        link: LinkId,
        /// Whose.
        client_id: &'a str,
        /// User Name.
        username: Option<&'a str>,
        /// Why.
        why: End,
    },
    /// A connection is over that was neither let in nor refused.
    Left {
        /// Its link.
        link: LinkId,
        /// Why.
        why: End,
    },
    /// The same Client Identifier came in again; the older connection goes.
    TakenOver {
        /// Whose.
        client_id: &'a str,
    },
    /// The rules do not let a client publish there.
    PublishDenied {
        /// Who.
        client_id: &'a str,
        /// Its user name.
        username: Option<&'a str>,
        /// The rules, for who wants to know which line decided.
        rules: RulesOf<'a>,
        /// Where.
        topic: &'a str,
        /// How.
        qos: QoS,
        /// Its size.
        payload_bytes: usize,
    },
    /// The payload of a message is above `message_size_limit`: it goes to nobody.
    PublishTooLarge {
        /// Who sent it.
        client_id: &'a str,
    },
    /// The rules do not let a client be sent a message. Told when it is found out who gets the messages of a topic, which
    /// is remembered, and for retained messages; so not for each message.
    ReadDenied {
        /// Who.
        client_id: &'a str,
        /// Its user name.
        username: Option<&'a str>,
        /// The rules, for who wants to know which line decided.
        rules: RulesOf<'a>,
        /// Of which topic.
        topic: &'a str,
    },
    /// The rules do not let a client subscribe.
    SubscribeDenied {
        /// Who.
        client_id: &'a str,
        /// To what.
        filter: &'a str,
    },
    /// A client has subscribed.
    Subscribed {
        /// Who.
        client_id: &'a str,
        /// The QoS that it is given.
        qos: QoS,
        /// To what.
        filter: &'a str,
    },
    /// A client has unsubscribed.
    Unsubscribed {
        /// Who.
        client_id: &'a str,
        /// From what.
        filter: &'a str,
    },
    /// The queue of a client that is slow or away is full: told at the first message dropped, and again
    /// after the queue has been empty.
    QueueFull {
        /// Whose.
        client_id: &'a str,
    },
    /// A message did not reach a client that is connected: told for each, so the edge is to add them up.
    Dropped {
        /// Its link.
        link: LinkId,
        /// Whose.
        client_id: &'a str,
        /// Why.
        why: DropCause,
    },
    /// A message was not retained because those that are take so much memory.
    RetainedFull {
        /// As much as they may.
        bytes_max: usize,
    },
    /// A subscription was refused because those of the session take so much memory.
    SubscriptionsFull {
        /// Whose.
        client_id: &'a str,
        /// How many it has.
        count: usize,
    },
    /// A client asks something of the broker itself.
    Command {
        /// Who.
        client_id: &'a str,
        /// Its user name.
        username: Option<&'a str>,
        /// What.
        command: &'static str,
    },
    /// A durable session came to its end.
    SessionExpired {
        /// Whose.
        client_id: &'a str,
    },
}

/// Why a client was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It gave no user name.
    #[error("no user name, and anonymous clients are not allowed")]
    Anonymous,
    /// User name or password are wrong.
    #[error("bad user name or password")]
    Password,
    /// The door found out no name for it.
    #[error("no certificate or pre-shared key that says who it is")]
    Identity,
    /// It gave no user name, which would be its Client Identifier.
    #[error("no user name, which takes the place of the client identifier here (use_username_as_clientid)")]
    NoUsername,
    /// Too many logins wait to be checked.
    #[error("too many logins are being checked")]
    Busy,
    /// The listener does not speak its version.
    #[error("its MQTT version is not accepted by this listener")]
    Version,
    /// An empty Client Identifier where none may be, or one too long.
    #[error("its client identifier is not accepted")]
    ClientId,
    /// Its keep-alive is longer than `max_keepalive`.
    #[error("its keep-alive is longer than max_keepalive")]
    KeepAlive,
    /// Its will asks for a QoS above `max_qos`.
    #[error("its will asks for a QoS that is not available")]
    WillQoS,
    /// Its will is to be retained, and `retain_available` is false.
    #[error("its will asks to be retained, which is not available")]
    WillRetain,
    /// Its will is above `message_size_limit`.
    #[error("its will is larger than message_size_limit")]
    WillSize,
    /// It asks for enhanced authentication by a method that we do not have.
    #[error("its authentication method is not supported")]
    Method,
    /// Its Maximum Packet Size is below our CONNACK.
    #[error("its maximum packet size has no room for our answer")]
    AnswerSize,
    /// What it says in enhanced authentication is not what the method wants, or too much.
    #[error("its authentication data cannot be used: {0}")]
    AuthenticationData(&'static str),
    /// Its enhanced authentication was not over in time.
    #[error("its authentication took too long")]
    Slow,
    /// It asks for a session that would have to be kept, and there is no room for it.
    #[error("the disk has no room for its session")]
    StoreFull,
    /// It asks for a session, and there is no memory for one.
    #[error("the memory that may be used is used up")]
    MemoryFull,
    /// There are as many sessions as may be.
    #[error("there are as many clients as global_max_clients allows")]
    Full,
    /// Its Client Identifier does not begin as `clientid_prefixes` says.
    #[error("its client identifier does not begin as clientid_prefixes says")]
    Prefix,
    /// It broke the protocol in enhanced authentication.
    #[error("{0}")]
    Exchange(ClientFault),
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// The client said DISCONNECT.
    #[error("disconnected")]
    Farewell,
    /// The client closed the connection without DISCONNECT, or the network did.
    #[error("connection closed by client")]
    Closed,
    /// The client broke the protocol.
    #[error("{0}")]
    Fault(ClientFault),
    /// The same Client Identifier came in again.
    #[error("session taken over")]
    TakenOver,
    /// Its socket took nothing of what waited for it for too long.
    #[error("it reads nothing")]
    Stalled,
    /// Others need its place.
    #[error("too many connections that have not logged in")]
    GivenUp,
    /// The broker stops.
    #[error("broker shutting down")]
    Shutdown,
    /// The operator's rules no longer let it in.
    #[error("administrative action")]
    NoLongerAllowed,
    /// It wanted to prove anew who it is, and could not.
    #[error("not authorised")]
    NotAuthenticated,
}

/// The client broke the protocol: its connection closes, and no other client notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientFault {
    /// A packet that is not MQTT.
    #[error("malformed packet: {0}")]
    Packet(#[from] DecodeFault),
    /// The client was silent for one and a half keep-alive periods [3.1.1 MQTT-3.1.2-24, 5.0 MQTT-3.1.2-22].
    #[error("exceeded timeout")]
    KeepAliveExpired,
    /// No complete CONNECT in time.
    #[error("no CONNECT in time")]
    SlowLogin,
    /// A packet that has no business here: a second CONNECT, a packet only servers send, anything before CONNECT.
    #[error("protocol error: {0}")]
    Unexpected(&'static str),
    /// More QoS 2 messages unfinished than our Receive Maximum allows [5.0 §3.3.4].
    #[error("receive maximum exceeded")]
    ReceiveMaximum,
    /// Messages of QoS 2 that it does not release take all the memory that they may.
    #[error("too many QoS 2 messages without PUBREL")]
    Unreleased,
    /// It publishes what would have to be kept, and there is no room for it.
    #[error("the disk has no room for its message")]
    StoreFull,
    /// It publishes what would have to be kept, and there is no memory for it.
    #[error("the memory that may be used is used up")]
    MemoryFull,
    /// A Topic Alias of 0 or above our maximum [5.0 MQTT-3.3.2-8, MQTT-3.3.2-9].
    #[error("topic alias invalid")]
    TopicAlias,
    /// It asks for so much at once that the answer would be above its Maximum Packet Size [5.0 MQTT-3.1.2-24].
    #[error("more asked for than it takes an answer to")]
    AnswerTooLarge,
    /// A QoS above what CONNACK said is available [5.0 §3.2.2.3.4].
    #[error("QoS not supported")]
    QoSNotSupported,
    /// RETAIN where CONNACK said that it is not available [5.0 §3.2.2.3.5].
    #[error("retain not supported")]
    RetainNotSupported,
}

impl ClientFault {
    /// What a 5.0 client is told in DISCONNECT.
    pub const fn reason(self) -> mqtt::ReasonCode {
        use mqtt::ReasonCode;
        match self {
            Self::Packet(fault) => fault.reason_code(),
            Self::KeepAliveExpired => ReasonCode::KeepAliveTimeout,
            Self::SlowLogin | Self::Unexpected(_) => ReasonCode::ProtocolError,
            Self::ReceiveMaximum => ReasonCode::ReceiveMaximumExceeded,
            Self::Unreleased | Self::StoreFull | Self::MemoryFull => ReasonCode::QuotaExceeded,
            Self::TopicAlias => ReasonCode::TopicAliasInvalid,
            Self::AnswerTooLarge => ReasonCode::PacketTooLarge,
            Self::QoSNotSupported => ReasonCode::QoSNotSupported,
            Self::RetainNotSupported => ReasonCode::RetainNotSupported,
        }
    }
}
