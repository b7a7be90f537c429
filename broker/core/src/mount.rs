//! `mount_point`: the words in front of all topics of a listener's clients. A client says and hears topics without
//! them; everywhere else in the broker topics are whole. What a client does not see is what does not begin with them.
//!
//! Properties are not looked at: a Response Topic is as its client wrote it, and right for those of the same listener.

use mqtt::{DecodeFault, TopicFilter, TopicFilterBuf, TopicName, TopicNameBuf};

use crate::link::{Link, Trust};
use crate::message::Item;
use crate::session::{Online, Outgoing, Session};
use crate::{Broker, ClientFault, LinkId, Settings};

/// The words in front of the topics of `link`, if there are any. Parts of this process see topics whole.
pub(crate) fn of_link<'a>(settings: &'a Settings, links: &[Option<Link>], link: LinkId) -> Option<&'a str> {
    let door = links.get(link.0 as usize)?.as_ref()?.door;
    let listener = settings.listeners.get(usize::from(door.listener)).filter(|_| door.trust == Trust::Stranger)?;
    listener.mount_point.as_deref()
}

/// The whole topic of what a client publishes to `topic`.
///
/// # Errors
/// A topic that is too long with `mount` in front of it.
pub(crate) fn whole_name(mount: &str, topic: TopicName<'_>) -> Result<TopicNameBuf, ClientFault> {
    let whole = [mount, topic.as_str()].concat();
    TopicName::new(&whole).map(TopicNameBuf::from).map_err(ClientFault::Packet)
}

/// The whole filter of what a client subscribes to. That of a shared subscription has `mount` within, for the group is
/// not a part of the topic.
///
/// # Errors
/// A filter that is none with `mount` in front of it: it is too long, or `mount` does not end with `/` and a wildcard
/// follows.
pub(crate) fn whole_filter(mount: &str, filter: TopicFilter<'_>) -> Result<TopicFilterBuf, DecodeFault> {
    let whole = match filter.shared() {
        Some((group, inner)) => ["$share/", group, "/", mount, inner.as_str()].concat(),
        None => [mount, filter.as_str()].concat(),
    };
    TopicFilter::new(&whole).map(TopicFilterBuf::from)
}

/// `topic` as a client sees it; `None`: it does not.
pub(crate) fn seen_name<'a>(mount: &str, topic: TopicName<'a>) -> Option<TopicName<'a>> {
    TopicName::new(topic.as_str().strip_prefix(mount)?).ok()
}

/// `item` as the client of `on` sees it; `None`: it does not.
#[inline]
pub(crate) fn seen<'a>(settings: &Settings, links: &[Option<Link>], on: Online, item: &Item<'a>) -> Option<Item<'a>> {
    if !on.is_mounted {
        return Some(*item);
    }
    let mount = of_link(settings, links, on.link)?;
    Some(Item { topic: seen_name(mount, item.topic)?, ..*item })
}

/// Whether the client of a session sees `topic`. One that is away sees everything: where it comes back is not known.
pub(crate) fn sees(settings: &Settings, links: &[Option<Link>], session: &Session, topic: TopicName<'_>) -> bool {
    let Some(on) = session.on.filter(|on| on.is_mounted) else { return true };
    of_link(settings, links, on.link).is_some_and(|mount| seen_name(mount, topic).is_some())
}

impl Broker {
    /// The words in front of the topics of `link`, if there are any.
    pub(crate) fn mount(&self, link: LinkId) -> Option<&str> {
        of_link(&self.settings, &self.links, link)
    }

    /// Whether the client of `link` would see, and could end, all that a session has.
    pub(crate) fn is_all_seen(&self, link: LinkId, key: u32) -> bool {
        let Some(mount) = self.mount(link) else { return true };
        let session = &self.sessions[key as usize];
        let is_within = |filter: TopicFilter<'_>| {
            let inner = filter.shared().map_or(filter, |(_, inner)| inner);
            inner.as_str().starts_with(mount)
        };
        let has_begun = |outgoing: &Outgoing| {
            let in_flight = outgoing.in_flight.iter().map(|held| &held.queued);
            let mut all = in_flight.chain(&outgoing.queue).map(|queued| queued.message.topic());
            all.all(|topic| topic.as_str().starts_with(mount))
        };
        session.subscriptions.iter().all(is_within) && session.outgoing.as_deref().is_none_or(has_begun)
    }

    /// Whether any listener has words in front of its clients' topics.
    pub(crate) fn has_mounts(&self) -> bool {
        self.settings.listeners.iter().any(|listener| listener.mount_point.is_some())
    }
}
