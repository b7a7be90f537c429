//! Other rules and other settings while clients are there: who stays, and who has to come again.
//!
//! Files are read, and password files compared, by the edge; here is what follows from settings alone.

use mqtt::ReasonCode;

use crate::link::{Door, LinkState, Trust};
use crate::rules::RuleSets;
use crate::{Broker, End, Instant, LinkId, ListenerSettings, Outbox, Refusal, Settings};

/// What a listener takes for a proof that its client has the User Name that it goes by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Nothing: the name is taken as said.
    Word,
    Password,
    /// A certificate or a pre-shared key.
    Door,
}

impl Proof {
    const fn of(listener: &ListenerSettings) -> Self {
        match listener {
            ListenerSettings { names_by_door: true, .. } => Self::Door,
            ListenerSettings { checks_passwords: true, .. } => Self::Password,
            _ => Self::Word,
        }
    }
}

impl Broker {
    /// Other rules count from now on; what is no longer allowed is no longer delivered. Those of listeners that come with
    /// other settings are told before the settings.
    pub fn set_acl(&mut self, rules: impl Into<RuleSets>, out: &mut impl Outbox) {
        self.rules.change(rules.into());
        self.routes.changed();
        let keys: Vec<u32> = self.by_client_id.values().copied().collect();
        for key in keys {
            // What waits for who came in by a listener that is no more is judged when the client comes in by another.
            if self.rules.place(self.sessions[key as usize].origin).is_some() {
                self.revoke(key, out);
            }
        }
    }

    /// Other settings count from now on. Listeners keep their numbers. Who came in by what no longer lets anybody in is
    /// sent away, and who is on the way in by what counts no longer is told to come again.
    pub fn set_settings(&mut self, now: Instant, settings: Settings, out: &mut impl Outbox) {
        let before = std::mem::replace(&mut self.settings, settings);
        self.routes.changed();
        for link in (0..self.links.len()).map(|at| LinkId(at as u32)) {
            if self.is_no_longer_let_in(link, &before) {
                self.dismiss(now, link, out);
            } else if self.waits_by_other_settings(link, &before) {
                self.put_off(link, out);
            }
        }
        self.schedule_sys(now, out);
        self.schedule_retained_look(now);
    }

    /// Lets the client of `link` go because the operator's rules no longer let it in.
    pub fn dismiss(&mut self, now: Instant, link: LinkId, out: &mut impl Outbox) {
        self.say_farewell(link, ReasonCode::NotAuthorized, out);
        self.end(now, link, End::NoLongerAllowed, out);
        out.close(link);
    }

    /// Whether `link` came in by settings that let it in, and those of now would not. (Who came in in another way, as a part
    /// of this process does, is not asked again.)
    fn is_no_longer_let_in(&self, link: LinkId, before: &Settings) -> bool {
        let Some(state) = self.links.get(link.0 as usize).and_then(Option::as_ref) else { return false };
        let Door { listener: number, trust: Trust::Stranger } = state.door else { return false };
        let number = usize::from(number);
        let Some(listener) = self.settings.listeners.get(number).filter(|listener| !listener.is_closed) else {
            return true;
        };
        let LinkState::Client(key) = &state.state else { return false };
        let Some(was) = before.listeners.get(number) else { return false };
        let session = &self.sessions[*key as usize];
        let has_name = session.username.as_deref().is_some_and(|name| !name.is_empty());
        let lets_in = |settings: &Settings, listener: &ListenerSettings| {
            let prefix = settings.client_id_prefix.as_deref().unwrap_or_default();
            let takes_name = match Proof::of(listener) {
                Proof::Word => listener.allow_anonymous,
                Proof::Password => listener.allow_anonymous || has_name,
                Proof::Door => has_name,
            };
            listener.versions.has(state.version) && session.client_id.starts_with(prefix) && takes_name
        };
        // A name that was proved in another way, or not at all, may be somebody else's.
        let is_unproved =
            session.username.is_some() && Proof::of(listener) != Proof::Word && Proof::of(listener) != Proof::of(was);
        // Its subscriptions are of another part of the topics than what it would say from now on.
        let is_elsewhere = listener.mount_point != was.mount_point;
        is_unproved || is_elsewhere || (lets_in(before, was) && !lets_in(&self.settings, listener))
    }

    /// Whether what `link` asked for in CONNECT was looked at by settings that count no longer, and is not granted yet.
    fn waits_by_other_settings(&self, link: LinkId, before: &Settings) -> bool {
        let Some(state) = self.links.get(link.0 as usize).and_then(Option::as_ref) else { return false };
        let number = usize::from(state.door.listener);
        matches!(state.state, LinkState::AwaitingVerdict(_) | LinkState::Authenticating(_))
            && (before.client_id_prefix != self.settings.client_id_prefix
                || before.listeners.get(number) != self.settings.listeners.get(number))
    }

    /// Who waits to be let in is told to come again.
    fn put_off(&mut self, link: LinkId, out: &mut impl Outbox) {
        let Some(state) = self.links.get_mut(link.0 as usize).and_then(Option::as_mut) else { return };
        if let LinkState::AwaitingVerdict(login) | LinkState::Authenticating(login) =
            std::mem::replace(&mut state.state, LinkState::New)
        {
            self.refuse(link, Refusal::Busy, &login.client_id, login.username.as_deref(), out);
        }
    }
}
