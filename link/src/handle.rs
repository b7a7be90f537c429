//! The handle: what the owner of a link holds, and what it shares with the driver.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mqtt::{REMAINING_LENGTH_MAX, TopicName};
use tokio::sync::{Notify, watch};

use crate::inbox::{Inbound, Inbox};
use crate::spool::{Spool, message_bytes};
use crate::{LinkSettings, Message, driver};

/// Opens a link: the handle, and the future that does the work. Spawn the future; nothing is dialled before.
///
/// The future ends after [`Link::close`], or when the last handle was dropped, which does the same.
pub fn open(settings: LinkSettings) -> (Link, impl Future<Output = ()> + Send) {
    let (state_sender, state) = watch::channel(State::Idle);
    let (settled_sender, settled) = watch::channel(0);
    let shared = Arc::new(Shared::new(&settings));
    let link = Link(Arc::new(Handle { shared: Arc::clone(&shared), state, settled }));
    (link, driver::run(settings, shared, state_sender, settled_sender))
}

/// A handle to a link. Cheap to clone; when the last one is dropped the link closes.
#[derive(Clone, Debug)]
pub struct Link(Arc<Handle>);

impl Link {
    /// Gives a message to the link. Never waits: it lies in the spool until it can be sent, and past the
    /// spool's limits the oldest message is dropped and counted.
    pub fn publish(&self, message: Message) -> Result<(), Refused> {
        TopicName::new(&message.topic).map_err(|_| Refused::InvalidTopicName)?;
        let bytes = message_bytes(&message);
        if bytes > PUBLISH_BYTES_MAX {
            return Err(Refused::TooLarge { bytes, bytes_max: PUBLISH_BYTES_MAX });
        }
        let mut inner = self.0.shared.lock();
        if inner.closing.is_some() {
            return Err(Refused::Closed);
        }
        inner.spool.push(message).map_err(|bytes_max| Refused::TooLarge { bytes, bytes_max })?;
        drop(inner);
        self.0.shared.changed.notify_one();
        Ok(())
    }

    /// Waits until everything that was accepted before this call has been acknowledged (QoS 1, 2), handed
    /// to the socket (QoS 0) or dropped. Returns at once when the driver is gone.
    pub async fn flushed(&self) {
        let accepted = self.0.shared.lock().spool.next_ordinal();
        let mut settled = self.0.settled.clone();
        // An error is a driver that is gone: there is nothing more to wait for.
        let _ = settled.wait_for(|ordinal| *ordinal >= accepted).await;
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        let inner = self.0.shared.lock();
        Counts {
            published: inner.spool.next_ordinal(),
            queued: inner.spool.len(),
            queued_bytes: inner.spool.bytes(),
            dropped: inner.counts.dropped + inner.spool.dropped(),
            inbound_dropped: inner.counts.inbound_dropped + inner.inbox.dropped(),
            ..inner.counts
        }
    }

    /// How the connection is, now and as it changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.0.state.clone()
    }

    /// Waits for what the link has to tell: that it is connected or no more, or a message that came by a subscription.
    /// One at a time may wait; for ever, once the link is closed and all was told. Nothing is lost when it is dropped
    /// while it waits.
    pub async fn inbound(&self) -> Inbound {
        std::future::poll_fn(|context| self.poll_inbound(context)).await
    }

    /// As [`Link::inbound`], for who waits by hand.
    pub fn poll_inbound(&self, context: &Context<'_>) -> Poll<Inbound> {
        self.0.shared.lock().inbox.poll(context)
    }

    /// Takes no more messages, goes on delivering for at most `close_timeout`, then says DISCONNECT.
    /// What is left after that counts as dropped. Other handles refuse from now on.
    pub async fn close(self) {
        self.0.shared.close();
        let mut state = self.0.state.clone();
        let _ = state.wait_for(|state| *state == State::Closed).await;
    }
}

/// The largest topic and payload of one PUBLISH, with room for the rest of the packet.
const PUBLISH_BYTES_MAX: usize = REMAINING_LENGTH_MAX as usize - 64;

/// Why a message was not accepted: the caller's to mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Empty, longer than 65,535 bytes, or with a wildcard or U+0000.
    #[error("not a topic name: it must have 1 to 65535 bytes and neither + nor # nor U+0000")]
    InvalidTopicName,
    /// Larger than the whole spool may be, or than MQTT can say.
    #[error("a message of {bytes} bytes (topic and payload), but {bytes_max} is the most")]
    TooLarge {
        /// Topic and payload.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The link was closed.
    #[error("the link is closed")]
    Closed,
}

/// What has happened to the messages of a link. All but `queued`, `queued_bytes` and `in_flight` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accepted by [`Link::publish`].
    pub published: u64,
    /// QoS 1 and 2: acknowledged to the end by the server.
    pub acknowledged: u64,
    /// QoS 0: handed to the socket whole.
    pub sent: u64,
    /// Dropped because the spool was full, or left over at the close.
    pub dropped: u64,
    /// Dropped because the server takes no packet of that size (5.0 Maximum Packet Size).
    pub too_large: u64,
    /// Answered by the server with a failure (5.0 Reason Code of PUBACK or PUBREC); not sent again.
    pub refused: u64,
    /// Messages that the server sent without being asked: acknowledged and thrown away.
    pub unasked: u64,
    /// Messages that came by a subscription.
    pub received: u64,
    /// Of what came, thrown away: nobody took it in time, or it was larger than is taken (256 KiB).
    pub inbound_dropped: u64,
    /// CONNACKs with success.
    pub connects: u64,
    /// Connections that ended without our wish, and tries that failed.
    pub failures: u64,
    /// In the spool now.
    pub queued: usize,
    /// In the spool now: bytes of topics and payloads.
    pub queued_bytes: usize,
    /// Out of the spool and not yet acknowledged to the end (QoS 1, 2), now.
    pub in_flight: usize,
}

impl Counts {
    /// Connections made after the first.
    pub fn reconnects(&self) -> u64 {
        self.connects.saturating_sub(1)
    }
}

/// How the connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not started, or a short connection with nothing to send.
    Idle,
    /// Dialling, shaking hands, or waiting for CONNACK.
    Connecting,
    /// The server has accepted us.
    Up {
        /// When its CONNACK came.
        since: Instant,
    },
    /// The connection was lost or refused; the next try comes by itself.
    Down {
        /// The cause and, where it can be known, the mend: for the operator.
        why: Arc<str>,
        /// From the moment of this state.
        retry_in: Duration,
    },
    /// Closed for good.
    Closed,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    state: watch::Receiver<State>,
    settled: watch::Receiver<u64>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Where handles and driver meet. The lock is held for a few instructions, never across an await.
#[derive(Debug)]
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    /// A message came, or the wish to close. Only the driver waits for it.
    pub(crate) changed: Notify,
    /// The same as `closing`, to be waited for.
    closing: watch::Sender<Option<tokio::time::Instant>>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) spool: Spool,
    pub(crate) inbox: Inbox,
    /// Those that are not the spool's.
    pub(crate) counts: Counts,
    /// Since when the link should close.
    pub(crate) closing: Option<tokio::time::Instant>,
}

impl Shared {
    fn new(settings: &LinkSettings) -> Self {
        let inner = Inner {
            spool: Spool::new(settings.limits),
            inbox: Inbox::default(),
            counts: Counts::default(),
            closing: None,
        };
        Self { inner: Mutex::new(inner), changed: Notify::new(), closing: watch::Sender::new(None) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here is left half done by a panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let since = *self.lock().closing.get_or_insert_with(tokio::time::Instant::now);
        self.closing.send_replace(Some(since));
        self.changed.notify_one();
    }

    /// Waits for the wish to close; gives when it came.
    pub(crate) async fn closing(&self) -> tokio::time::Instant {
        let mut closing = self.closing.subscribe();
        match closing.wait_for(Option::is_some).await.map(|since| *since) {
            Ok(Some(since)) => since,
            // The sender is ours: there is always one.
            _ => std::future::pending().await,
        }
    }
}
