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

use crate::ROUTES_MAX;
use crate::subscriptions::Subscriber;

#[derive(Debug)]
pub(crate) struct Routes {
    places: HashMap<Box<str>, usize, SeedableRandomState>,
    routes: Vec<Route>,
    generation: u64,
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
        Self { places: HashMap::with_hasher(state), routes: Vec::new(), generation: 0 }
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
        if self.routes.len() >= ROUTES_MAX {
            self.places.clear();
            self.routes.clear();
            self.generation += 1;
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
        if route.generation != self.generation {
            route.subscribers = make(route.topic.as_name());
            route.generation = self.generation;
        }
        Arc::clone(&route.subscribers)
    }
}
