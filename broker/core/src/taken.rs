//! The QoS 2 messages of one client between their PUBREC and their PUBREL. They go on when they are released, as with
//! mosquitto; with a session that ends they are over, and its client was never told that they are complete.

use std::sync::Arc;

use acl::PublishGrant;
use mqtt::PacketId;

use crate::store::StoredTaken;
use crate::{Message, UNRELEASED_BYTES_MAX};

/// A message that is not released.
#[derive(Debug)]
pub(crate) struct Taken {
    pub id: PacketId,
    pub message: Arc<Message>,
    pub retain: bool,
    pub grant: PublishGrant,
}

/// All of one session, by identifier.
#[derive(Debug, Default)]
pub(crate) struct Unreleased {
    messages: Vec<Taken>,
    /// Memory that they take, reckoned.
    bytes: usize,
}

impl Unreleased {
    pub(crate) fn has(&self, id: PacketId) -> bool {
        self.place(id).is_ok()
    }

    /// Whether a message with so many bytes of payload may be taken too.
    pub(crate) fn has_room(&self, payload_bytes: usize) -> bool {
        self.bytes + payload_bytes <= UNRELEASED_BYTES_MAX
    }

    /// Takes a message whose identifier is not among them.
    pub(crate) fn insert(&mut self, taken: Taken) {
        if let Err(at) = self.place(taken.id) {
            self.bytes += taken.message.kept_bytes();
            self.messages.insert(at, taken);
        }
    }

    pub(crate) fn remove(&mut self, id: PacketId) -> Option<Taken> {
        let taken = self.messages.remove(self.place(id).ok()?);
        self.bytes -= taken.message.kept_bytes();
        Some(taken)
    }

    fn place(&self, id: PacketId) -> Result<usize, usize> {
        self.messages.binary_search_by_key(&id, |taken| taken.id)
    }
}

impl<'a> FromIterator<(&'a PacketId, &'a StoredTaken)> for Unreleased {
    fn from_iter<I: IntoIterator<Item = (&'a PacketId, &'a StoredTaken)>>(stored: I) -> Self {
        let mut all = Self::default();
        for (id, stored) in stored {
            let (message, retain) = (Arc::clone(&stored.message), stored.retain);
            all.insert(Taken { id: *id, message, retain, grant: PublishGrant::given_before() });
        }
        all
    }
}
