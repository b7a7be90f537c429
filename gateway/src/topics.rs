//! To which topic a message goes, at which QoS, and what is subscribed to.

use std::sync::Arc;

use gateway_core::MacAddress;
use gateway_core::batch::Kind;
use link::Subscription;
use mqtt::{QoS, TopicFilter};

/// The topics of one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topics {
    scan: Arc<str>,
    scan_qos: QoS,
    /// `None`: there is no other message than reports, and nothing comes down.
    own: Option<Own>,
}

/// Those of dialect C beside the scan's. All go at QoS 1, as Cassia's own tool subscribes to them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Own {
    status: Arc<str>,
    heartbeat: Arc<str>,
    api_reply: Arc<str>,
    /// What comes down, and at which QoS it is subscribed to.
    down: [(Box<str>, QoS); 2],
}

impl Topics {
    /// Dialect A: reports to one topic.
    pub(crate) fn one(scan: Arc<str>, scan_qos: QoS) -> Self {
        Self { scan, scan_qos, own: None }
    }

    /// Dialect C: the topics of this gateway.
    pub(crate) fn of_gateway(gateway: MacAddress, scan_qos: QoS) -> Self {
        let up = |last: &str| Arc::from(format!("up/{gateway}/{last}"));
        let down = |last: &str| format!("down/{gateway}/{last}").into();
        let down = [(down("api"), QoS::AtLeastOnce), (down("heartbeat_reply"), QoS::AtMostOnce)];
        let own = Own { status: up("gateway_status"), heartbeat: up("heartbeat"), api_reply: up("api_reply"), down };
        Self { scan: up("scan"), scan_qos, own: Some(own) }
    }

    /// Where a message of this kind goes; `None`: nowhere.
    pub(crate) fn of(&self, kind: Kind) -> Option<(Arc<str>, QoS)> {
        let own = |topic: fn(&Own) -> &Arc<str>| Some((Arc::clone(topic(self.own.as_ref()?)), QoS::AtLeastOnce));
        match kind {
            Kind::Scan => Some((Arc::clone(&self.scan), self.scan_qos)),
            Kind::GatewayStatus => own(|own| &own.status),
            Kind::Heartbeat => own(|own| &own.heartbeat),
            Kind::ApiReply => own(|own| &own.api_reply),
        }
    }

    pub(crate) fn subscriptions(&self) -> Vec<Subscription> {
        let down = self.own.iter().flat_map(|own| &own.down);
        let subscription = |(filter, qos): &(Box<str>, QoS)| {
            // An address has no wildcard, so these are always filters.
            TopicFilter::new(filter).ok().map(|filter| Subscription { filter: filter.into(), qos: *qos })
        };
        down.filter_map(subscription).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialect_c_has_its_topics_and_its_qos() {
        let topics = Topics::of_gateway("cc:1b:e0:12:34:56".parse().unwrap(), QoS::AtMostOnce);
        let rows = [
            (Kind::Scan, "up/CC:1B:E0:12:34:56/scan", QoS::AtMostOnce),
            (Kind::GatewayStatus, "up/CC:1B:E0:12:34:56/gateway_status", QoS::AtLeastOnce),
            (Kind::Heartbeat, "up/CC:1B:E0:12:34:56/heartbeat", QoS::AtLeastOnce),
            (Kind::ApiReply, "up/CC:1B:E0:12:34:56/api_reply", QoS::AtLeastOnce),
        ];
        for (kind, topic, qos) in rows {
            assert_eq!(topics.of(kind), Some((Arc::from(topic), qos)));
        }
        let down: Vec<_> = topics.subscriptions().iter().map(|s| (s.filter.as_str().to_owned(), s.qos)).collect();
        let wanted = [("api", QoS::AtLeastOnce), ("heartbeat_reply", QoS::AtMostOnce)];
        assert_eq!(down, wanted.map(|(last, qos)| (format!("down/CC:1B:E0:12:34:56/{last}"), qos)));
    }

    #[test]
    fn dialect_a_has_reports_alone() {
        let topics = Topics::one("cassia".into(), QoS::AtLeastOnce);
        assert_eq!(topics.of(Kind::Scan), Some(("cassia".into(), QoS::AtLeastOnce)));
        assert_eq!((topics.of(Kind::Heartbeat), topics.subscriptions().len()), (None, 0));
    }
}
