//! Where messages go.

use std::sync::Arc;

use bytes::Bytes;
use link::{Link, Message};
use mqtt::QoS;

use crate::SinkPlan;

/// Takes the messages of a gateway. Each has a queue of its own, so one that is slow does not hold up the others.
pub trait Sink: Send + Sync {
    /// Takes one message, a JSON array of reports. Never waits: past the limits of its queue the sink drops
    /// the oldest and counts it.
    fn publish(&self, payload: Bytes);

    /// What has become of its messages.
    fn counts(&self) -> SinkCounts;
}

/// What has become of the messages of a sink; each only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkCounts {
    /// Delivered: acknowledged to the end (QoS 1, 2) or handed to the socket (QoS 0).
    pub published: u64,
    /// Given up: the queue was full, or the broker would not have them.
    pub dropped: u64,
}

/// A sink that publishes over a link, to the embedded broker or to any other.
#[derive(Debug)]
pub struct LinkSink {
    link: Link,
    topic: Arc<str>,
    qos: QoS,
}

impl LinkSink {
    /// Publishes over `link`, which was opened with [`SinkPlan::link_settings`] of this plan.
    pub fn new(link: Link, plan: &SinkPlan) -> Self {
        Self { link, topic: Arc::clone(&plan.topic), qos: plan.qos }
    }
}

impl Sink for LinkSink {
    fn publish(&self, payload: Bytes) {
        let message = Message { topic: Arc::clone(&self.topic), payload, qos: self.qos, retain: false };
        // The plan has a valid topic and room for the largest message, so only a closed link refuses: we are
        // going down, and nobody is there to be told.
        if let Err(refused) = self.link.publish(message) {
            tracing::debug!(topic = &*self.topic, %refused, "a message was not taken");
        }
    }

    fn counts(&self) -> SinkCounts {
        let counts = self.link.counts();
        SinkCounts {
            published: counts.acknowledged + counts.sent,
            dropped: counts.dropped + counts.too_large + counts.refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SinkKind;
    use link::{SpoolLimits, Transport};

    #[test]
    fn a_message_goes_into_the_queue_of_its_link_and_the_oldest_out() {
        let plan = SinkPlan {
            kind: SinkKind::Embedded,
            topic: Arc::from("cassia"),
            qos: QoS::AtLeastOnce,
            client_id: None,
            username: Some("u".to_owned()),
            password: None,
            queue: SpoolLimits { messages_max: 2, ..SpoolLimits::default() },
        };
        let transport = Transport::Custom(Arc::new(|| Box::pin(std::future::pending())));
        let settings = plan.link_settings(transport, "made-up");
        assert_eq!((settings.client_id.as_str(), settings.username.as_deref()), ("made-up", Some("u")));
        // The future that would dial is not driven: everything stays in the queue.
        let (link, _driver) = link::open(settings);
        let sink = LinkSink::new(link.clone(), &plan);
        for payload in [&b"[1]"[..], b"[2]", b"[3]"] {
            sink.publish(Bytes::from_static(payload));
        }
        let counts = link.counts();
        assert_eq!((counts.published, counts.queued, counts.queued_bytes), (3, 2, 2 * "cassia[1]".len()));
        assert_eq!(sink.counts(), SinkCounts { published: 0, dropped: 1 });
    }
}
