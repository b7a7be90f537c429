//! The Will Message: kept at CONNECT, published when the client is lost.

use std::sync::Arc;
use std::time::Duration;

use crate::Message;
use crate::store::StoredWill;

/// What a client left to be published.
#[derive(Clone, Debug)]
pub(crate) struct Will {
    pub message: Arc<Message>,
    pub retain: bool,
    /// Will Delay Interval [5.0 §3.1.3.2.2].
    pub delay: Duration,
    /// Message Expiry Interval: counted from when it is published.
    pub expiry_s: Option<u32>,
}

impl Will {
    /// One that waits for the end of its delay, which the timers have.
    pub(crate) fn restored(stored: &StoredWill) -> Self {
        let StoredWill { message, retain, expiry_s, at: _ } = stored;
        Self { message: Arc::clone(message), retain: *retain, delay: Duration::ZERO, expiry_s: *expiry_s }
    }
}
