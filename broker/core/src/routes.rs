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
}

#[derive(Debug)]
pub(crate) struct Route {
    pub topic: TopicNameBuf,
    generation: u64,
    subscribers: Arc<[Subscriber]>,
}

impl Routes {
    /// `seed` keeps strangers from choosing topics that fall on one place; it is never iterated over,
    /// so that the same history gives the same answers whatever it is.
    pub(crate) fn new(seed: u64) -> Self {
        let state = SeedableRandomState::with_seed(seed, SharedSeed::global_fixed());
        Self { places: HashMap::with_hasher(state), routes: Vec::new(), generation: 0, topic_bytes: 0, subscribers: 0 }
    }

    /// Forgets what was remembered: an answer may have changed.
    pub(crate) const fn changed(&mut self) {
        self.generation += 1;
    }

    pub(crate) const fn generation(&self) -> u64 {
        self.generation
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
        self.routes.push(Route { topic: topic.into(), generation: u64::MAX, subscribers: Arc::new([]) });
        at
    }

    /// The subscribers of the topic at `place`, made by `make` if what is remembered is too old.
    pub(crate) fn subscribers(
        &mut self,
        place: usize,
        make: impl FnOnce(TopicName<'_>) -> Arc<[Subscriber]>,
    ) -> Arc<[Subscriber]> {
        let route = &mut self.routes[place];
        if route.generation == self.generation {
            return Arc::clone(&route.subscribers);
        }
        let made = make(route.topic.as_name());
        self.subscribers -= route.subscribers.len();
        route.subscribers = Arc::clone(&made);
        route.generation = self.generation;
        self.subscribers += made.len();
        if self.subscribers > ROUTED_SUBSCRIBERS_MAX {
            self.forget_subscribers();
        }
        made
    }

    /// The topics keep their places: one of them is about to be delivered to.
    fn forget_subscribers(&mut self) {
        let nobody: Arc<[Subscriber]> = Arc::new([]);
        for route in &mut self.routes {
            route.subscribers = Arc::clone(&nobody);
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

    fn audience(size: usize) -> Arc<[Subscriber]> {
        vec![Subscriber { session: 7, options: mqtt::SubscriptionOptions::default(), identifier: 0 }; size].into()
    }

    #[test]
    fn a_route_is_made_once_until_something_changes() {
        let mut routes = Routes::new(1);
        let a = routes.place(topic("a"), None);
        assert_eq!(routes.place(topic("a"), Some(a + 1)), a);
        assert_eq!(routes.subscribers(a, |_| audience(2)).len(), 2);
        assert_eq!(routes.subscribers(a, |_| panic!("it is remembered")).len(), 2);
        routes.changed();
        assert_eq!(routes.subscribers(a, |_| audience(0)).len(), 0);
        assert_eq!(routes.subscribers, 0);
    }

    #[test]
    fn topics_of_any_length_and_audiences_of_any_size_take_no_more_than_their_limits() {
        let mut routes = Routes::new(1);
        let long = "x".repeat(60_000);
        for n in 0..200 {
            let place = routes.place(topic(&format!("{long}{n}")), None);
            routes.subscribers(place, |_| audience(50_000));
            let topic_bytes: usize = routes.routes.iter().map(|route| route.topic.as_str().len()).sum();
            let subscribers: usize = routes.routes.iter().map(|route| route.subscribers.len()).sum();
            assert!(topic_bytes <= ROUTED_TOPIC_BYTES_MAX && routes.topic_bytes == topic_bytes, "{n}: {topic_bytes}");
            assert!(subscribers <= ROUTED_SUBSCRIBERS_MAX && routes.subscribers == subscribers, "{n}: {subscribers}");
        }
    }
}
