//! Whose rules count for whom: those of the listener by which a client came in last, as in mosquitto.
//!
//! Listeners with the same file share one set, and mostly there is one set for all: then nobody is asked for a listener.
//! A session away, and a retained message, outlive the number of a listener, and even the process, so that they know it
//! by its name. When a listener is closed that had rules of its own, who came in by it keeps those (its will is to be
//! published); after a restart nobody knows them, and then, where the sets differ, nothing is allowed: so mosquitto has it.
//!
//! What the rules say is `acl`'s; nothing here reads a file.

use std::sync::Arc;

use acl::Acl;

use crate::link::{Door, Trust};

/// The rules of all listeners, as the edge gives them.
#[derive(Clone, Debug)]
pub struct RuleSets {
    /// Each set once, however many listeners have it.
    pub sets: Vec<Arc<Acl>>,
    /// Of each listener, by its number. One that is not here has no name, and its clients have rules only where all have
    /// the same.
    pub listeners: Vec<ListenerRules>,
}

/// What one listener has of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerRules {
    /// What it is called in the store: the port, or the path of a Unix socket; after a space, what tells listeners of one
    /// port from each other. Empty for a number that no listener has now.
    pub name: Arc<str>,
    /// Which of [`RuleSets::sets`].
    pub set: usize,
}

impl From<Acl> for RuleSets {
    /// The same for all.
    fn from(acl: Acl) -> Self {
        Self { sets: vec![Arc::new(acl)], listeners: Vec::new() }
    }
}

/// Those that count for somebody.
#[derive(Clone, Copy, Debug)]
pub struct RulesOf<'a> {
    /// What they say.
    pub acl: &'a Acl,
    /// Which of [`RuleSets::sets`] they are; `None`: the client came in by a listener that is no more.
    pub set: Option<usize>,
}

/// By which listener a client came in last: its name's place in the list that [`Rules`] has. The default: nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin(u16);

/// The rules that count now.
#[derive(Debug)]
pub(crate) struct Rules {
    sets: Vec<Arc<Acl>>,
    /// Listeners that are open, and those that somebody remembers. The first is nobody's, the second ours.
    known: Vec<Known>,
    /// Of each listener its name, by its number.
    origins: Vec<Origin>,
    listeners: Vec<ListenerRules>,
    /// For those whose listener nobody knows.
    nothing: Acl,
}

/// A listener that was open once.
#[derive(Debug)]
struct Known {
    name: Arc<str>,
    /// The place of its set; `None`: it is no more.
    set: Option<usize>,
    /// What it has, or had last, where not all had the same; `None`: it has what all have.
    own: Option<Arc<Acl>>,
}

/// What the store calls parts of this process; they have the rules of the first listener, for they come in by none.
const OURS: &str = "(this process)";

impl Origin {
    /// Of parts of this process.
    pub(crate) const OURS: Self = Self(1);
}

impl Rules {
    pub(crate) fn new(given: RuleSets) -> Self {
        let mut rules = Self {
            sets: Vec::new(),
            known: ["", OURS].map(|name| Known { name: Arc::from(name), set: None, own: None }).into(),
            origins: Vec::new(),
            listeners: Vec::new(),
            nothing: Acl::nothing(),
        };
        rules.change(given);
        rules
    }

    /// Others count from now on. Who came in before keeps the listener's name, and has what it has now.
    pub(crate) fn change(&mut self, given: RuleSets) {
        let one_before = self.only().cloned();
        self.sets = given.sets;
        self.listeners = given.listeners;
        self.origins = (0..self.listeners.len()).map(|at| self.origin(&Arc::clone(&self.listeners[at].name))).collect();
        let are_more = self.sets.len() > 1;
        for at in 0..self.known.len() {
            let set = self.set_of(&self.known[at].name);
            let now = set.map(|set| Arc::clone(&self.sets[set]));
            let known = &mut self.known[at];
            known.set = set;
            if now.is_some() {
                known.own = now.filter(|_| are_more);
            } else if are_more && known.own.is_none() && at != usize::from(Origin::default().0) {
                known.own.clone_from(&one_before);
            }
        }
    }

    /// What all have, if they have the same.
    const fn only(&self) -> Option<&Arc<Acl>> {
        if let [only] = self.sets.as_slice() { Some(only) } else { None }
    }

    /// Of who comes in by this door.
    pub(crate) fn origin_by(&self, door: Option<Door>) -> Origin {
        match door {
            Some(Door { listener, trust: Trust::Stranger }) => self.origin_of_listener(listener),
            _ => Origin::OURS,
        }
    }

    fn origin_of_listener(&self, listener: u16) -> Origin {
        self.origins.get(usize::from(listener)).copied().unwrap_or_default()
    }

    /// Of who came in by a listener of this name.
    pub(crate) fn origin(&mut self, name: &Arc<str>) -> Origin {
        if let Some(at) = self.known.iter().position(|known| known.name == *name) {
            return Origin(at as u16);
        }
        // Each name was once in the operator's file; there is no end to these only on paper.
        if self.known.len() > usize::from(u16::MAX) {
            return Origin::default();
        }
        let set = self.set_of(name);
        let own = set.filter(|_| self.sets.len() > 1).map(|set| Arc::clone(&self.sets[set]));
        self.known.push(Known { name: Arc::clone(name), set, own });
        Origin((self.known.len() - 1) as u16)
    }

    /// What the store is to remember.
    pub(crate) fn stored(&self, origin: Origin) -> Option<Arc<str>> {
        (origin != Origin::default()).then(|| Arc::clone(&self.known[usize::from(origin.0)].name))
    }

    /// The rules for who came in there.
    #[inline]
    pub(crate) fn of(&self, origin: Origin) -> &Acl {
        match &self.known[usize::from(origin.0)].own {
            Some(own) => own,
            None => self.only().map_or(&self.nothing, |only| only),
        }
    }

    /// The same, and which of the sets they are.
    pub(crate) fn those_of(&self, origin: Origin) -> RulesOf<'_> {
        RulesOf { acl: self.of(origin), set: self.place(origin) }
    }

    /// The place of the set that is [`Rules::of`]; `None`: its listener is no more.
    pub(crate) fn place(&self, origin: Origin) -> Option<usize> {
        let known = &self.known[usize::from(origin.0)];
        known.set.or_else(|| (known.own.is_none() && self.sets.len() == 1).then_some(0))
    }

    /// The rules for who came in by a listener of this name.
    pub(crate) fn of_name(&self, name: &str) -> &Acl {
        match self.known.iter().position(|known| *known.name == *name) {
            Some(at) => self.of(Origin(at as u16)),
            None => self.set_of(name).map(|set| &self.sets[set]).or(self.only()).map_or(&self.nothing, |acl| acl),
        }
    }

    /// That of the listener with this name; if there is none, that of the first with its port. (mosquitto remembers no more
    /// than ports, and an address may have been added since.)
    fn set_of(&self, name: &str) -> Option<usize> {
        let named = || self.listeners.iter().filter(|listener| !listener.name.is_empty());
        if name == OURS {
            return named().next().map(|first| first.set);
        }
        let same = named().find(|listener| *listener.name == *name);
        let found = same.or_else(|| named().find(|listener| port(&listener.name) == port(name)));
        found.map(|listener| listener.set).filter(|set| *set < self.sets.len())
    }
}

/// The first word of a listener's name.
fn port(name: &str) -> &str {
    name.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use acl::Client;
    use mqtt::TopicName;

    /// One set for each topic: it is all that may be read.
    fn sets(topics: &[&str], listeners: &[(&str, usize)]) -> RuleSets {
        let set = |topic: &&str| Arc::new(Acl::parse(format!("topic read {topic}\n").as_bytes()).expect("rules"));
        let listener = |(name, set): &(&str, usize)| ListenerRules { name: Arc::from(*name), set: *set };
        RuleSets { sets: topics.iter().map(set).collect(), listeners: listeners.iter().map(listener).collect() }
    }

    /// Which of these topics may be read.
    fn reads(acl: &Acl) -> String {
        let client = Client { client_id: "c", username: None };
        let may = |topic: &&str| acl.may_receive(client, TopicName::new(topic).expect("a topic")).is_some();
        ["a", "b"].into_iter().filter(may).collect()
    }

    #[test]
    fn a_name_has_the_rules_of_its_listener_or_of_its_port_or_none() {
        let listeners = [("1883", 0), ("1884 ::1", 1), ("1884 127.0.0.1", 0), ("/run/x", 1), ("", 0)];
        let mut rules = Rules::new(sets(&["a", "b"], &listeners));
        let rows = [
            ("1883", "a"),
            ("1883 192.0.2.1", "a"),
            ("1884", "b"),
            ("1884 127.0.0.1", "a"),
            ("/run/x", "b"),
            ("188", ""),
            ("", ""),
        ];
        for (name, wanted) in rows {
            let origin = rules.origin(&Arc::from(name));
            assert_eq!((reads(rules.of(origin)), reads(rules.of_name(name))), (wanted.into(), wanted.into()), "{name}");
            assert_eq!(rules.place(origin), ["a", "b"].iter().position(|topic| *topic == wanted), "{name}");
        }
        let by_number: Vec<_> = (0..6).map(|number| reads(rules.of(rules.origin_of_listener(number)))).collect();
        assert_eq!(by_number, ["a", "b", "a", "b", "", ""]);
    }

    #[test]
    fn where_there_is_one_set_it_is_everybodys() {
        for mut rules in [Rules::new(sets(&["a"], &[("1883", 0)])), Rules::new(RuleSets::from(Acl::open()))] {
            let wanted = if rules.of(Origin::default()).is_open() { "ab" } else { "a" };
            for name in ["1883", "1884", ""] {
                let origin = rules.origin(&Arc::from(name));
                assert_eq!((reads(rules.of(origin)), reads(rules.of_name(name))), (wanted.into(), wanted.into()));
                assert_eq!(rules.place(origin), Some(0));
            }
        }
    }

    #[test]
    fn who_came_in_before_a_change_has_what_its_listener_has_now() {
        let mut rules = Rules::new(sets(&["a", "b"], &[("1883", 0), ("1884", 1)]));
        let (one, two) = (rules.origin_of_listener(0), rules.origin_of_listener(1));
        // The first is closed, and its number is another's.
        rules.change(sets(&["b", "a"], &[("1885", 0), ("1884", 1)]));
        assert_eq!((reads(rules.of(one)), reads(rules.of(two))), ("a".into(), "a".into()), "those that it had last");
        assert_eq!((rules.place(one), reads(rules.of_name("1883"))), (None, "a".into()));
        let unknown = rules.origin(&Arc::from("1886"));
        assert_eq!((rules.place(unknown), reads(rules.of(unknown))), (None, String::new()));
        rules.change(sets(&["b"], &[("1884", 0)]));
        assert_eq!((reads(rules.of(one)), rules.place(one)), ("a".into(), None), "not those of who is left");
        rules.change(sets(&["a", "b"], &[("1884", 1)]));
        assert_eq!((reads(rules.of(one)), reads(rules.of(two))), ("a".into(), "b".into()));
        rules.change(sets(&["b", "a"], &[("1883", 0), ("1884", 0)]));
        assert_eq!((reads(rules.of(one)), reads(rules.of(two))), ("b".into(), "b".into()));
        assert_eq!((rules.stored(one).as_deref(), rules.stored(Origin::default())), (Some("1883"), None));
    }

    #[test]
    fn who_came_in_when_all_had_the_same_has_what_all_have_and_keeps_that_when_they_differ() {
        let mut rules = Rules::new(sets(&["a"], &[("1883", 0), ("1884", 0)]));
        let (nobody, one) = (Origin::default(), rules.origin_of_listener(0));
        rules.change(sets(&["b"], &[("1884", 0)]));
        assert_eq!((reads(rules.of(one)), rules.place(one)), ("b".into(), Some(0)), "its listener is no more");
        rules.change(sets(&["a", ""], &[("1884", 0), ("1885", 1)]));
        assert_eq!((reads(rules.of(one)), rules.place(one)), ("b".into(), None));
        assert_eq!((reads(rules.of(nobody)), reads(rules.of_name("1886"))), (String::new(), String::new()));
    }
}
