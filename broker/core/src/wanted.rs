//! How one session wants one message: what is left of a subscription, or of several that overlap, once a message
//! has found them.

use std::sync::Arc;

use mqtt::{QoS, SubscriptionOptions};

use crate::subscriptions::Subscriber;

/// The Subscription Identifiers that a message carries to a client [5.0 §3.3.2.3.8]: none, one, or, where overlapping
/// subscriptions give one copy, those of all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identifiers(Few);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Few {
    #[default]
    None,
    One(u32),
    More(Arc<[u32]>),
}

impl Identifiers {
    /// None.
    pub(crate) const NONE: Self = Self(Few::None);

    /// 0 is none.
    pub(crate) const fn of(identifier: u32) -> Self {
        Self(if identifier == 0 { Few::None } else { Few::One(identifier) })
    }

    /// All of them, each from 1 to 268,435,455.
    pub fn as_slice(&self) -> &[u32] {
        match &self.0 {
            Few::None => &[],
            Few::One(one) => std::slice::from_ref(one),
            Few::More(more) => more,
        }
    }
}

impl From<&[u32]> for Identifiers {
    fn from(identifiers: &[u32]) -> Self {
        match identifiers {
            [] => Self::NONE,
            [one] => Self::of(*one),
            more => Self(Few::More(more.into())),
        }
    }
}

/// How a session wants a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// At most.
    pub qos: QoS,
    pub retain_as_published: bool,
    /// Subscription Identifiers.
    pub identifiers: &'a [u32],
    /// The whole filter of the shared subscription that the session was chosen from.
    pub share: Option<&'a Arc<str>>,
}

impl<'a> Wanted<'a> {
    #[inline]
    pub(crate) fn by(subscriber: &'a Subscriber) -> Self {
        let SubscriptionOptions { qos, retain_as_published, .. } = subscriber.options;
        Self { qos, retain_as_published, identifiers: subscriber.identifiers(), share: None }
    }

    /// One copy for several subscriptions of one session: at their highest QoS [3.1.1 MQTT-3.3.5-1,
    /// 5.0 MQTT-3.3.4-2], with the identifiers of all [5.0 MQTT-3.3.4-4], for which `identifiers` has room. `None`
    /// where no subscription is left.
    pub(crate) fn by_all<'s>(
        subscribers: impl Iterator<Item = &'s Subscriber>,
        identifiers: &'a mut Vec<u32>,
    ) -> Option<Self> {
        identifiers.clear();
        let mut merged: Option<(QoS, bool)> = None;
        for subscriber in subscribers {
            identifiers.extend_from_slice(subscriber.identifiers());
            let SubscriptionOptions { qos, retain_as_published, .. } = subscriber.options;
            let (before_qos, before_retain) = merged.unwrap_or_default();
            merged = Some((before_qos.max(qos), before_retain | retain_as_published));
        }
        let (qos, retain_as_published) = merged?;
        Some(Self { qos, retain_as_published, identifiers, share: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_subscriptions_become_one_with_what_all_of_them_ask_for() {
        let subscriber = |qos, retain_as_published, identifier| Subscriber {
            session: 1,
            options: SubscriptionOptions { qos, retain_as_published, ..SubscriptionOptions::default() },
            identifier,
        };
        let all = [
            subscriber(QoS::AtMostOnce, true, 7),
            subscriber(QoS::ExactlyOnce, false, 0),
            subscriber(QoS::AtLeastOnce, false, 9),
        ];
        let mut identifiers = Vec::new();
        let merged = Wanted::by_all(all.iter(), &mut identifiers).unwrap();
        assert_eq!((merged.qos, merged.retain_as_published), (QoS::ExactlyOnce, true));
        assert_eq!(merged.identifiers, [7, 9]);
        assert!(Wanted::by_all([].iter(), &mut identifiers).is_none());
        assert_eq!(Wanted::by_all(all[1..2].iter(), &mut identifiers).unwrap().identifiers, [] as [u32; 0]);
        assert_eq!(Wanted::by(&all[2]).identifiers, [9]);
    }
}
