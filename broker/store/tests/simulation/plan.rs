//! What a seed decides before its history begins: the settings, and which kinds of mishap occur in it.

use broker_core::Settings;

use crate::rng::Rng;

/// What a history is mostly about. Other mishaps come in too, each in a part of the histories: faults hide where
/// everything happens at once no less than where only one thing does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    /// Connections break at any byte, sockets clog, packets are said twice.
    Network,
    /// Commits are late or never come, the process dies.
    Store,
    /// The disk fills up and fails, power goes, bits change.
    Disk,
    /// Time passes, runs or jumps: wills, expiry, keep-alives.
    Clock,
    /// Rules and user names change.
    Rights,
    /// Narrow windows, short queues, small packets.
    Limits,
    /// All of it.
    Everything,
}

pub(crate) const THEMES: [Theme; 7] =
    [Theme::Network, Theme::Store, Theme::Disk, Theme::Clock, Theme::Rights, Theme::Limits, Theme::Everything];

/// What may happen in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Connect,
    TakeOver,
    Lose,
    Leave,
    Publish,
    Ask,
    Hear,
    Listen,
    Ping,
    Clog,
    Misbehave,
    Reap,
    Judge,
    LetCommitsWait,
    Commit,
    FillDisk,
    FailSync,
    Die,
    Pass,
    Jump,
    ChangeRules,
}

#[derive(Debug)]
pub(crate) struct Plan {
    pub settings: Settings,
    pub steps: usize,
    /// Percent of acknowledgements and messages that are said again at once.
    pub repeats: usize,
    /// Percent of messages with much payload.
    pub large: usize,
    /// Percent of messages that expire.
    pub expiring: usize,
    /// Percent of connections with a will.
    pub wills: usize,
    /// Clients may announce a Maximum Packet Size that some messages do not fit into.
    pub narrow: bool,
    pub has_rules: bool,
    /// Clients subscribe in groups. What waits for whom cannot be seen from outside then: queues have no limit.
    pub has_shares: bool,
    /// A client does not always come with the same user name.
    pub changes_users: bool,
    /// At each death it is looked what a changed bit would do.
    pub is_rotten: bool,
    weights: Vec<(usize, Step)>,
    total: usize,
}

impl Plan {
    pub(crate) fn of(theme: Theme, rng: &mut Rng) -> Self {
        let mut on = |main: Theme| theme == main || theme == Theme::Everything || rng.one_in(4);
        let (network, store, disk) = (on(Theme::Network), on(Theme::Store), on(Theme::Disk));
        let (clock, rights, limits) = (on(Theme::Clock), on(Theme::Rights), on(Theme::Limits));
        let has_shares = rng.one_in(3);
        let mut settings = Settings {
            allow_duplicate_messages: rng.one_in(2),
            max_inflight_messages: if limits { rng.pick(&[1, 2, 3]) } else { rng.pick(&[2, 20, 0]) },
            max_inflight_bytes: if limits { rng.pick(&[0, 0, 5, 150]) } else { 0 },
            max_queued_messages: if limits && !has_shares { rng.pick(&[0, 1, 3, 8]) } else { 0 },
            max_queued_bytes: if limits && !has_shares { rng.pick(&[0, 0, 120, 300]) } else { 0 },
            queue_qos0_messages: rng.one_in(2),
            upgrade_outgoing_qos: rng.one_in(8),
            check_retain_source: rng.one_in(2),
            ..Settings::default()
        };
        settings.listeners[0].allow_anonymous = true;
        settings.listeners[0].checks_passwords = rng.one_in(3);
        let some = |is_on: bool, weight: usize| if is_on { weight } else { 0 };
        let weights = vec![
            (150, Step::Connect),
            (some(network, 25), Step::TakeOver),
            (some(network, 40) + 8, Step::Lose),
            (15, Step::Leave),
            (180, Step::Publish),
            (100, Step::Ask),
            (240, Step::Hear),
            (210, Step::Listen),
            (10, Step::Ping),
            (some(network, 12), Step::Clog),
            (some(network, 4), Step::Misbehave),
            (10, Step::Reap),
            (20, Step::Judge),
            (some(store || disk, 12), Step::LetCommitsWait),
            (some(store || disk, 15), Step::Commit),
            (some(disk, 8), Step::FillDisk),
            (some(disk, 8), Step::FailSync),
            (some(store || disk, 4), Step::Die),
            (some(clock, 25) + 2, Step::Pass),
            (some(clock, 4), Step::Jump),
            (some(rights, 6), Step::ChangeRules),
        ];
        Self {
            settings,
            steps: 500,
            repeats: some(network, 10),
            large: some(limits, 20),
            expiring: some(clock, 30),
            wills: if clock { 60 } else { 10 },
            narrow: limits,
            has_rules: rights,
            has_shares,
            changes_users: rights && rng.one_in(2),
            is_rotten: disk,
            total: weights.iter().map(|(weight, _)| weight).sum(),
            weights,
        }
    }

    pub(crate) fn step(&self, rng: &mut Rng) -> Step {
        let mut at = rng.below(self.total);
        for (weight, step) in &self.weights {
            if at < *weight {
                return *step;
            }
            at -= weight;
        }
        unreachable!("the weights add up")
    }
}
