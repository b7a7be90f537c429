//! Words and packets of MQTT 3.1, 3.1.1 and 5.0: bytes in, bytes out.
//!
//! Decoding borrows: a [`Packet`] points into the frame that it was read from, and nothing is
//! allocated for a length that was only announced. Encoding appends to a buffer of the caller's.
//! Nothing here reads a socket, a clock or a file, and nothing here remembers anything.
#![forbid(unsafe_code)]

mod decode;
mod encode;
mod fault;
mod frame;
mod lists;
mod matching;
mod packet;
mod property;
mod reader;
mod reason;
mod words;

pub use encode::PublishLayout;
pub use fault::{DecodeFault, EncodeFault};
pub use frame::{Frame, PacketType, next_frame};
pub use lists::{
    FiltersBuf, FiltersIter, FiltersWithOptionsBuf, FiltersWithOptionsIter, ReasonCodesBuf, ReasonCodesIter,
};
pub use matching::filter_matches;
pub use packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Filters, FiltersWithOptions, Packet, Publish, ReasonCodes, SubAck,
    Subscribe, UnsubAck, Unsubscribe, Will,
};
pub use property::{Properties, PropertiesBuf, PropertiesIter, Property};
pub use reader::check_text;
pub use reason::ReasonCode;
pub use words::{
    PacketId, ProtocolVersion, QoS, RetainHandling, SubscriptionOptions, TopicFilter, TopicFilterBuf, TopicName,
    TopicNameBuf,
};

/// The longest Remaining Length that four bytes can say [3.1.1 §2.2.3, 5.0 §1.5.5].
pub const REMAINING_LENGTH_MAX: u32 = 268_435_455;
