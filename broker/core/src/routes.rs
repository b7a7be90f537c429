//! From a topic to those who get it, remembered: publishers repeat their topics.
//!
//! A route holds only subscribers whom the rules let read the topic, so a delivery asks nothing any more. Whatever
//! may change an answer (a subscription, a session's user, the rules) begins a new generation,
//! and routes of older ones are made anew when they are next wanted.

use std::sync::Arc;

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use hashbrown::HashMap;
use mqtt::{TopicName, TopicNameBuf};

use crate::subscriptions::Subscriber;
use crate::{ROUTED_SUBSCRIBERS_MAX, ROUTED_TOPIC_BYTES_MAX, ROUTES_MAX};

#[derive(Debug)]
pub(crate) struct Routes {
    places: HashMap<Box<str>, usize, SeedableRandomState>,
    routes: Vec<Route>,
    generation: u64,
    /// Bytes of all topics in `routes`.
    topic_bytes: usize,
    /// Subscribers in all `routes`, each as often as it is there.
    subscribers: usize,
    /// The audience of a route that was not asked for yet.
    nobody: Arc<Audience>,
}

#[derive(Debug)]
pub(crate) struct Route {
    pub topic: TopicNameBuf,
    generation: u64,
    audience: Arc<Audience>,
}

/// Those who get the messages of a topic.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    /// Each of these does.
    pub each: Box<[Subscriber]>,
    /// One of each group does.
    pub groups: Box<[SharedRoute]>,
}

/// A group, and those of its members whom the rules let read the topic.
#[derive(Debug)]
pub(crate) struct SharedRoute {
    pub group: u32,
    pub members: Box<[Subscriber]>,
}

impl Audience {
    pub(crate) fn size(&self) -> usize {
        self.each.len() + self.groups.iter().map(|group| 1 + group.members.len()).sum::<usize>()
    }
}

impl Routes {
    /// `seed` keeps strangers from choosing topics that fall on one place; it is never iterated over,
    /// so that the same history gives the same answers whatever it is.
    pub(crate) fn new(seed: u64) -> Self {
        let state = SeedableRandomState::with_seed(seed, SharedSeed::global_fixed());
        Self {
            places: HashMap::with_hasher(state),
            routes: Vec::new(),
            generation: 0,
            topic_bytes: 0,
            subscribers: 0,
            nobody: Arc::default(),
        }
    }

    /// Forgets what was remembered: an answer may have changed.
    pub(crate) const fn changed(&mut self) {
        self.generation += 1;
    }

    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Topics that are remembered.
    pub(crate) const fn len(&self) -> usize {
        self.routes.len()
    }

    /// The place of `topic`; `hint` is tried first.
    pub(crate) fn place(&mut self, topic: TopicName<'_>, hint: Option<usize>) -> usize {
        if let Some(at) = hint
            && self.routes.get(at).is_some_and(|route| route.topic.as_str() == topic.as_str())
        {
            return at;
        }
        if let Some(at) = self.places.get(topic.as_str()) {
            return *at;
        }
        self.topic_bytes += topic.as_str().len();
        if self.routes.len() >= ROUTES_MAX || self.topic_bytes > ROUTED_TOPIC_BYTES_MAX {
            self.places.clear();
            self.routes.clear();
            self.generation += 1;
            self.topic_bytes = topic.as_str().len();
            self.subscribers = 0;
        }
        let at = self.routes.len();
        self.places.insert(topic.as_str().into(), at);
        // No generation is u64::MAX: the route is made when it is first wanted.
        let audience = Arc::clone(&self.nobody);
        self.routes.push(Route { topic: topic.into(), generation: u64::MAX, audience });
        at
    }

    /// The topic at `place`: what is kept of a message shares it.
    pub(crate) fn topic(&self, place: usize) -> &TopicNameBuf {
        &self.routes[place].topic
    }

    /// The audience of the topic at `place`, made by `make` if what is remembered is too old.
    pub(crate) fn audience(&mut self, place: usize, make: impl FnOnce(TopicName<'_>) -> Audience) -> Arc<Audience> {
        let route = &mut self.routes[place];
        if route.generation == self.generation {
            return Arc::clone(&route.audience);
        }
        let made = Arc::new(make(route.topic.as_name()));
        self.subscribers -= route.audience.size();
        route.audience = Arc::clone(&made);
        route.generation = self.generation;
        self.subscribers += made.size();
        if self.subscribers > ROUTED_SUBSCRIBERS_MAX {
            self.forget_subscribers();
        }
        made
    }

    /// The topics keep their places: one of them is about to be delivered to.
    fn forget_subscribers(&mut self) {
        for route in &mut self.routes {
            route.audience = Arc::clone(&self.nobody);
            route.generation = u64::MAX;
        }
        self.subscribers = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> TopicName<'_> {
        TopicName::new(name).unwrap()
    }

    fn audience(size: usize) -> Audience {
        let subscriber = Subscriber { session: 7, options: mqtt::SubscriptionOptions::default(), identifier: 0 };
        let shared = SharedRoute { group: 3, members: vec![subscriber; size / 2].into() };
        Audience { each: vec![subscriber; size - size / 2].into(), groups: vec![shared].into() }
    }

    #[test]
    fn a_route_is_made_once_until_something_changes() {
        let mut routes = Routes::new(1);
        let a = routes.place(topic("a"), None);
        assert_eq!(routes.place(topic("a"), Some(a + 1)), a);
        assert_eq!(routes.audience(a, |_| audience(2)).size(), 3);
        assert_eq!(routes.audience(a, |_| panic!("it is remembered")).size(), 3);
        routes.changed();
        assert_eq!(routes.audience(a, |_| Audience::default()).size(), 0);
        assert_eq!(routes.subscribers, 0);
    }

    #[test]
    fn topics_of_any_length_and_audiences_of_any_size_take_no_more_than_their_limits() {
        let mut routes = Routes::new(1);
        let long = "x".repeat(60_000);
        for n in 0..200 {
            let place = routes.place(topic(&format!("{long}{n}")), None);
            routes.audience(place, |_| audience(50_000));
            let topic_bytes: usize = routes.routes.iter().map(|route| route.topic.as_str().len()).sum();
            let subscribers: usize = routes.routes.iter().map(|route| route.audience.size()).sum();
            assert!(topic_bytes <= ROUTED_TOPIC_BYTES_MAX && routes.topic_bytes == topic_bytes, "{n}: {topic_bytes}");
            assert!(subscribers <= ROUTED_SUBSCRIBERS_MAX && routes.subscribers == subscribers, "{n}: {subscribers}");
        }
    }
}
