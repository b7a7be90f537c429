//! Where messages go.

use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_core::MacAddress;
use gateway_core::batch::Kind;
use link::{Inbound, Link, Message};

use crate::SinkPlan;
use crate::topics::Topics;

/// Takes the messages of a gateway. Each has a queue of its own, so one that is slow does not hold up the others.
pub trait Sink: Send + Sync {
    /// Takes one message, JSON. Never waits: past the limits of its queue the sink drops the oldest and counts it.
    fn publish(&self, kind: Kind, payload: Bytes);

    /// What the far side has to tell: that it is there, that it is gone, or a request (dialect C). Only the context of
    /// the last call is woken. Nothing, where this is left out.
    fn poll_inbound(&self, context: &Context<'_>) -> Poll<Inbound> {
        let _ = context;
        Poll::Pending
    }

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
    topics: Topics,
}

impl LinkSink {
    /// Publishes over `link`, which was opened with [`SinkPlan::link_settings`] of this plan and address.
    pub fn new(link: Link, plan: &SinkPlan, address: MacAddress) -> Self {
        Self { link, topics: plan.topics(address) }
    }
}

impl Sink for LinkSink {
    fn publish(&self, kind: Kind, payload: Bytes) {
        let Some((topic, qos)) = self.topics.of(kind) else { return };
        let message = Message { topic, payload, qos, retain: false };
        // The plan has a valid topic and room for the largest message, so only a closed link refuses: we are
        // going down, and nobody is there to be told.
        if let Err(refused) = self.link.publish(message) {
            tracing::debug!(?kind, %refused, "a message was not taken");
        }
    }

    fn poll_inbound(&self, context: &Context<'_>) -> Poll<Inbound> {
        self.link.poll_inbound(context)
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
    use std::sync::Arc;
    use std::time::Duration;

    use gateway_core::dialect_a::Style;
    use gateway_core::duplicates::DuplicateRule;
    use gateway_core::filter::Filters;
    use link::{SpoolLimits, Transport};
    use mqtt::QoS;

    use super::*;
    use crate::{DialectPlan, ReportPlan, SinkKind};

    const NOBODY: MacAddress = MacAddress([0; 6]);

    #[test]
    fn a_message_goes_into_the_queue_of_its_link_and_the_oldest_out() {
        let reports = ReportPlan {
            filters: Filters::default(),
            pairs: false,
            duplicates: DuplicateRule::Off,
            report_interval: Duration::ZERO,
            dialect: DialectPlan::A { style: Style::Spaced, gateway_key: None },
            gateway: None,
        };
        let plan = SinkPlan {
            kind: SinkKind::Embedded,
            reports,
            topic: Arc::from("cassia"),
            qos: QoS::AtLeastOnce,
            client_id: None,
            username: Some("u".to_owned()),
            password: None,
            queue: SpoolLimits { messages_max: 2, ..SpoolLimits::default() },
        };
        let transport = Transport::Custom(Arc::new(|| Box::pin(std::future::pending())));
        let settings = plan.link_settings(transport, "made-up", NOBODY);
        assert_eq!((settings.client_id.as_str(), settings.username.as_deref()), ("made-up", Some("u")));
        // The future that would dial is not driven: everything stays in the queue.
        let (link, _driver) = link::open(settings);
        let sink = LinkSink::new(link.clone(), &plan, NOBODY);
        for payload in [&b"[1]"[..], b"[2]", b"[3]"] {
            sink.publish(Kind::Scan, Bytes::from_static(payload));
        }
        // Dialect A has nothing else to say.
        sink.publish(Kind::Heartbeat, Bytes::from_static(b"{}"));
        let counts = link.counts();
        assert_eq!((counts.published, counts.queued, counts.queued_bytes), (3, 2, 2 * "cassia[1]".len()));
        assert_eq!(sink.counts(), SinkCounts { published: 0, dropped: 1 });
    }
}
