//! One history: the real core, and beside it the model; what happens to both, step by step.

use std::collections::BTreeSet;

use broker_core::{Broker, Door, Instant, LinkId, Trust};
use mqtt::ProtocolVersion::{V5, V31, V311};
use mqtt::{Packet, next_frame};

use crate::client::Client;
use crate::edge::{Edge, Greeting, Phase};
use crate::lives::Due;
use crate::model::Model;
use crate::plan::{Plan, Step, Theme};
use crate::rights::Rights;
use crate::rng::Rng;
use crate::words::CLIENTS;

pub(crate) struct History {
    pub rng: Rng,
    pub plan: Plan,
    pub broker: Broker,
    pub edge: Edge,
    pub model: Model,
    pub clients: Vec<Client>,
    /// Messages that the broker has heard, and those of which their publisher knows it.
    pub heard: BTreeSet<u32>,
    pub acknowledged: Vec<bool>,
    pub deliveries: u64,
    /// Calls of the broker.
    pub calls: u64,
    pub deaths: u64,
    /// All that happens is written down: for one history that is looked at.
    pub is_told: bool,
    /// The process is not there: what nobody has stored is lost.
    pub has_died: bool,
}

/// Deadlines of different clients never fall on one instant: what is done for a client is done in a millisecond of
/// its own out of so many, and all that is waited for is a multiple of them.
const MILLIS_APART: u64 = 8;

/// What is told in one step takes no longer.
const STEP_MILLIS_MAX: u64 = 20 * MILLIS_APART;

impl History {
    pub(crate) fn new(seed: u64, theme: Theme) -> Self {
        let mut rng = Rng::of(seed);
        let plan = Plan::of(theme, &mut rng);
        let clients = (0..CLIENTS).map(|_| {
            let version = rng.pick(&[V31, V311, V5, V5]);
            Client::new(version, !rng.one_in(3), rng.pick(&[5, 20, 4000, u32::MAX, u32::MAX]))
        });
        let clients = clients.collect();
        let mut model = Model::new(plan.settings.clone(), CLIENTS, plan.has_shares);
        if plan.has_rules {
            model.rights = Rights::some(&mut rng);
        }
        Self {
            broker: Broker::new(plan.settings.clone(), model.rights.acl(), 1),
            edge: Edge::new(seed),
            rng,
            plan,
            model,
            clients,
            heard: BTreeSet::new(),
            acknowledged: Vec::new(),
            deliveries: 0,
            calls: 0,
            deaths: 0,
            is_told: false,
            has_died: false,
        }
    }

    pub(crate) fn run(&mut self) {
        for c in 0..CLIENTS {
            self.connect(c);
            self.judge();
            self.listen(c);
            (0..2).for_each(|_| self.ask(c));
        }
        for _ in 0..self.plan.steps {
            let step = self.plan.step(&mut self.rng);
            if self.is_told {
                eprintln!("{:>9} {step:?}", self.model.now);
            }
            self.let_silences_end();
            self.step(step);
        }
        self.heal();
        self.part();
    }

    /// Two connections that become due within one step would end in one call: what one was given before it ended could
    /// not be told from what it was given after.
    fn let_silences_end(&mut self) {
        let soon = self.model.now + STEP_MILLIS_MAX;
        if self.silences().filter(|(at, _)| *at <= soon).count() > 1 {
            self.pass(STEP_MILLIS_MAX);
        }
    }

    fn step(&mut self, step: Step) {
        let c = self.rng.below(CLIENTS);
        match step {
            Step::Connect if self.clients[c].link.is_none() => self.connect(c),
            Step::Connect => {}
            Step::TakeOver => {
                self.cut(c);
                self.connect(c);
            }
            Step::Lose => self.lose(c),
            Step::Leave => self.leave(c),
            Step::Publish => self.publish(c),
            Step::Ask => self.ask(c),
            Step::Hear => (0..4).for_each(|_| self.hear_client(c)),
            Step::Listen => (0..4).for_each(|_| self.listen(c)),
            Step::Ping => self.ping(c),
            Step::Clog => self.clog(c),
            Step::Misbehave => self.misbehave(c),
            Step::Reap => self.reap(),
            Step::Judge => self.judge(),
            Step::LetCommitsWait => self.edge.commits_wait = self.rng.one_in(2),
            Step::Commit => {
                let batches = self.rng.below(self.edge.waiting_batches() + 1);
                self.edge.commit(batches);
                self.model.committed(self.edge.committed);
            }
            Step::FillDisk => {
                let room = self.rng.one_in(2).then(|| self.rng.below(6_000));
                self.edge.kept.disk.set_room(room);
            }
            Step::FailSync => self.edge.kept.disk.fail_syncs(1 + self.rng.below(2)),
            Step::Die => self.die(),
            Step::Pass => {
                let millis = self.rng.next() % 30_000;
                self.pass(millis);
            }
            Step::Jump => self.jump(),
            Step::ChangeRules => self.change_rules(),
        }
    }

    // ---- telling the broker

    /// Time goes on a little: to the next millisecond of `c`.
    fn tick(&mut self, c: usize) {
        let next = self.model.now + 1;
        self.model.now = next + (c as u64 + MILLIS_APART - next % MILLIS_APART) % MILLIS_APART;
        self.edge.calls += 1;
        self.model.call = self.edge.calls;
    }

    /// The broker is told something that the model was told before, and its answers are held against the model's.
    fn tell(&mut self, what: impl FnOnce(&mut Broker, Instant, &mut Edge)) {
        self.tell_alone(what);
        if !self.plan.settings.listeners[0].checks_passwords || self.rng.one_in(2) {
            self.judge();
        }
    }

    /// The same, and no verdict is given yet.
    fn tell_alone(&mut self, what: impl FnOnce(&mut Broker, Instant, &mut Edge)) {
        self.calls += 1;
        what(&mut self.broker, Instant::from_millis(self.model.now), &mut self.edge);
        for given in std::mem::take(&mut self.edge.given) {
            if self.is_told {
                let Greeting { client, version, .. } = self.edge.line(given.link).greeting;
                let packet = Packet::decode(version, next_frame(&given.bytes, u32::MAX).unwrap().unwrap());
                eprintln!("{:>9} c{client} {:?} < {:?}", self.model.now, given.link, packet.unwrap());
            }
            let mut owed = self.model.check_given(given.link, self.edge.line_mut(given.link), &given.bytes);
            if given.bytes[0] == 0x20 {
                // 3.1 has no Session Present: for its clients' sake it is put beside the packet.
                owed = self.model.has_resumed.then_some(0);
            }
            self.edge.put(given, owed);
        }
        self.model.check_end_of_call(self.broker.stats(), &self.edge.closed, &mut self.edge.expired);
        self.edge.end_turn(self.model.now);
        self.model.committed(self.edge.committed);
    }

    pub(crate) fn open(&mut self, greeting: Greeting) -> LinkId {
        self.tick(greeting.client);
        let link = self.edge.open(greeting, self.model.now);
        self.tell(|broker, now, _| broker.open(now, link, Door { listener: 0, trust: Trust::Stranger }));
        link
    }

    // ---- what reaches the broker

    pub(crate) fn hear_client(&mut self, c: usize) {
        if let Some(link) = self.clients[c].link {
            self.hear(link);
        }
    }

    pub(crate) fn hear_all(&mut self, link: LinkId) {
        while self.hear(link) {}
    }

    /// The broker hears the next whole packet of a line. `false` if there is none.
    pub(crate) fn hear(&mut self, link: LinkId) -> bool {
        let line = self.edge.line_mut(link);
        let Greeting { client, version, .. } = line.greeting;
        if matches!(line.phase, Phase::Judged | Phase::Over) {
            return false;
        }
        let Some(frame) = next_frame(&line.up, u32::MAX).unwrap() else { return false };
        let len = frame.len;
        let bytes: Vec<u8> = line.up.drain(..len).collect();
        let packet = Packet::decode(version, next_frame(&bytes, u32::MAX).unwrap().unwrap()).unwrap();
        self.tick(client);
        if self.is_told {
            eprintln!("{:>9} c{client} {link:?} > {packet:?}", self.model.now);
        }
        let line = self.edge.line_mut(link);
        line.heard_at = self.model.now;
        if line.phase == Phase::In {
            self.model.hear(line, link, &packet, &mut self.heard);
        } else if self.plan.settings.listeners[0].checks_passwords {
            line.phase = Phase::Judged;
        } else {
            line.phase = Phase::In;
            let greeting = line.greeting;
            self.model.admit(link, &greeting, true);
        }
        self.tell(|broker, now, edge| broker.handle(now, link, packet, edge));
        true
    }

    /// Verdicts that are there are given.
    pub(crate) fn judge(&mut self) {
        for (link, verdict) in std::mem::take(&mut self.edge.verdicts) {
            let line = self.edge.line_mut(link);
            let greeting = line.greeting;
            self.tick(greeting.client);
            let now = self.model.now;
            let line = self.edge.line_mut(link);
            if line.phase == Phase::Judged {
                line.phase = Phase::In;
                // Its keep-alive begins when it is let in.
                line.heard_at = now;
                self.model.admit(link, &greeting, verdict.is_ok());
            }
            self.tell(|broker, now, edge| broker.verdict(now, link, verdict, edge));
        }
    }

    // ---- mishaps

    /// The connection of a client breaks: what is before some byte has come, in both directions, the rest never will.
    fn cut(&mut self, c: usize) {
        let Some(link) = self.clients[c].link else { return };
        let line = self.edge.line_mut(link);
        let bytes = self.rng.below(line.up.len() + 1);
        line.up.truncate(bytes);
        self.hear_all(link);
        for _ in 0..self.rng.below(self.edge.line(link).down.len() + 1) {
            self.listen(c);
        }
        self.edge.line_mut(link).lose_up();
    }

    fn lose(&mut self, c: usize) {
        self.cut(c);
        if let Some(link) = self.clients[c].link {
            self.close(link);
            self.let_go(c);
        }
    }

    /// The client turns away from its line, whatever the broker knows of it.
    pub(crate) fn let_go(&mut self, c: usize) {
        let client = &mut self.clients[c];
        if let Some(link) = client.link.take() {
            let line = self.edge.line_mut(link);
            client.parted(line.over_at.unwrap_or(self.model.now));
            line.is_attached = false;
            line.down.clear();
        }
    }

    /// The broker is told that a line is gone.
    fn close(&mut self, link: LinkId) {
        let line = self.edge.line(link);
        let (phase, client) = (line.phase, line.greeting.client);
        if phase == Phase::Over {
            return;
        }
        self.tick(client);
        if phase == Phase::In {
            self.model.leave(client);
        }
        let line = self.edge.line_mut(link);
        line.phase = Phase::Over;
        line.lose_up();
        self.tell(|broker, now, edge| broker.closed(now, link, edge));
    }

    /// A line that its client has left is found to be gone; some of what was said on it comes before that.
    pub(crate) fn reap(&mut self) {
        let left = self.edge.lines.iter().position(|line| line.phase != Phase::Over && !line.is_attached);
        let Some(link) = left.map(|place| LinkId(place as u32)) else { return };
        let line = self.edge.line_mut(link);
        let bytes = self.rng.below(line.up.len() + 1);
        line.up.truncate(bytes);
        self.hear_all(link);
        self.close(link);
    }

    pub(crate) fn clog(&mut self, c: usize) {
        let Some(on) = self.model.sessions[c].as_mut().and_then(|session| session.on.as_mut()) else { return };
        let link = on.link;
        on.is_clogged = !on.is_clogged;
        if on.is_clogged {
            self.edge.line_mut(link).is_clogged = true;
        } else if self.edge.drain(link) {
            self.model.session(c).is_stuck = false;
            self.tick(c);
            self.tell(|broker, now, edge| broker.drained(now, link, edge));
        }
    }

    fn change_rules(&mut self) {
        let rights = if self.rng.one_in(4) { Rights::open() } else { Rights::some(&mut self.rng) };
        self.set_rights(rights);
    }

    pub(crate) fn set_rights(&mut self, rights: Rights) {
        self.tick(0);
        let acl = rights.acl();
        self.model.set_rights(rights);
        self.tell(|broker, _, edge| broker.set_acl(acl, edge));
    }

    // ---- time

    /// Time goes by; what is due on the way is done when it is due.
    fn pass(&mut self, millis: u64) {
        let end = self.model.now + millis;
        loop {
            let next = self.broker.next_deadline().map(Instant::as_millis);
            let due = self.model.next_due(self.silences());
            assert!(due.is_none() || next <= due, "something is due at {due:?}, and the broker sleeps until {next:?}");
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.model.now = self.model.now.max(at);
            self.do_what_is_due();
        }
        self.model.now = end;
    }

    /// The clock jumps, as when a machine wakes up.
    fn jump(&mut self) {
        let end = self.model.now + self.rng.next() % 10_000_000;
        loop {
            let due = self.model.due_by(end, self.silences());
            // A connection that ends takes a call of its own: what it was given before could not be told from what it
            // was given after.
            let first_silence = due.iter().position(|(_, due)| matches!(due, Due::Silence(..)));
            let Some(stop) = first_silence.and_then(|place| due.get(place.max(1))) else { break };
            self.model.now = self.model.now.max(due[0].0).max(stop.0 - 1);
            self.do_what_is_due();
        }
        self.model.now = end;
        self.do_what_is_due();
    }

    fn do_what_is_due(&mut self) {
        self.edge.calls += 1;
        self.model.call = self.edge.calls;
        self.model.be_due(silences(&self.edge));
        self.tell_alone(Broker::handle_timeout);
    }

    fn silences(&self) -> impl Iterator<Item = (u64, Due)> {
        silences(&self.edge)
    }
}

/// When each line will have been silent for too long.
fn silences(edge: &Edge) -> impl Iterator<Item = (u64, Due)> {
    edge.lines.iter().enumerate().filter_map(|(place, line)| {
        let keep_alive_s = u64::from(line.greeting.keep_alive_s);
        let link = place as u32;
        match line.phase {
            Phase::In if keep_alive_s == 0 => None,
            Phase::In => Some((line.heard_at + keep_alive_s * 1500, Due::Silence(link, Some(line.greeting.client)))),
            Phase::New | Phase::Judged => Some((line.heard_at + LOGIN_MILLIS_MAX, Due::Silence(link, None))),
            Phase::Over => None,
        }
    })
}

const LOGIN_MILLIS_MAX: u64 = 20_000;
