//! The driver: many clients, a broker that is killed again and again, and a note of everything it acknowledged.
//!
//! One thread, one store, many rounds. In each round the clients come, do their half of the protocol for what the
//! round before left open, and go on; after so many acknowledgements, by chance, the broker is killed. What a client
//! reads off its socket after that counts: the broker said it.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt::{Packet, QoS};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::changer::Changer;
use crate::client::{Broken, Client, broken};
use crate::dice::Dice;
use crate::folder::Folder;
use crate::harness::PATIENCE;
use crate::line::first_packet;
use crate::onlooker::Onlooker;
use crate::power::{Deaf, Power};
use crate::program::{Program, Running};
use crate::publisher::{Lane, Publisher, Series};
use crate::subscriber::{Habit, Subscriber};

const PUBLISHERS: usize = 6;
/// Acknowledgements of a round, at most.
const ROUND_MAX: usize = 500;

/// How a broker ends at the end of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// SIGTERM.
    Asked,
    /// SIGKILL.
    Killed,
    /// SIGKILL, and in most rounds a power cut behind it. This is the layer that takes away what was not synced.
    PowerCut(Deaf),
}

/// What is done to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub program: Program,
    pub ending: Ending,
    pub rounds: usize,
}

/// What was done, when nothing was broken.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub acknowledged: usize,
    pub messages: u64,
    pub power_cuts: usize,
    /// Power cuts that took something: where none does, the layer takes nothing.
    pub losses: usize,
}

/// Plays the whole history of `seed`.
pub(crate) fn drive(seed: u64, plan: Plan) -> Result<Done, Broken> {
    let mut drive = Drive::new(seed, plan);
    drive.set_up()?;
    for _ in 0..plan.rounds {
        drive.round()?;
    }
    drive.finish()
}

struct Drive {
    dice: Dice,
    plan: Plan,
    /// Before the folder: it must have ended when that is removed.
    broker: Option<Running>,
    folder: Folder,
    power: Option<Power>,
    port: u16,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    changer: Changer,
    onlooker: Option<Onlooker>,
    done: Done,
    /// The broker was told to end, or has been killed.
    is_ending: bool,
}

impl Drive {
    fn new(seed: u64, plan: Plan) -> Self {
        let folder = Folder::new();
        let power = if let Ending::PowerCut(deaf) = plan.ending { Some(Power::new(&folder, deaf)) } else { None };
        let subscribers = [
            (QoS::AtLeastOnce, Habit::Stays),
            (QoS::ExactlyOnce, Habit::Stays),
            (QoS::AtLeastOnce, Habit::Reconnects(150)),
            (QoS::ExactlyOnce, Habit::Visits(4)),
            (QoS::ExactlyOnce, Habit::ComesLast),
        ];
        // mosquitto 2.0.11 says PUBLISH again after PUBREL when it has been started anew [3.1.1 MQTT-4.3.3-1].
        let qos_max = if plan.program == Program::Mosquitto { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
        let subscriber = |(at, (qos, habit))| Subscriber::new(at, qos_max.min(qos), habit);
        Self {
            dice: Dice::new(seed),
            plan,
            folder,
            power,
            broker: None,
            port: 0,
            publishers: (0..PUBLISHERS).map(Publisher::new).collect(),
            subscribers: subscribers.into_iter().enumerate().map(subscriber).collect(),
            changer: Changer::new(),
            onlooker: None,
            done: Done::default(),
            is_ending: false,
        }
    }

    /// Everybody subscribes before anybody publishes.
    fn set_up(&mut self) -> Result<(), Broken> {
        self.start();
        for subscriber in &mut self.subscribers {
            subscriber.own().connect(self.port);
        }
        self.talk_until(|drive| drive.subscribers.iter().all(|subscriber| subscriber.is_subscribed))?;
        for subscriber in &mut self.subscribers {
            subscriber.own().line = None;
        }
        Ok(())
    }

    /// Clients come to the running broker, which is ended after so many acknowledgements and started again.
    fn round(&mut self) -> Result<(), Broken> {
        self.come(false);
        let dice = &mut self.dice;
        let enough = if dice.one_in(5) { dice.below(20) } else { dice.below(ROUND_MAX) };
        self.talk_until(|drive| drive.acknowledged() >= enough)?;
        self.end()?;
        if self.dice.one_in(8) && self.plan.ending != Ending::Asked {
            // Another end, in the middle of a start.
            let broker = self.spawn();
            let _first_line = broker.log.wait(|lines| lines.first().map(|_| ()));
            broker.signal(Signal::SIGKILL);
            broker.wait();
            self.cut_power();
        }
        self.start();
        Ok(())
    }

    /// No more kills: what is open comes to its end, and everything must be there.
    fn finish(mut self) -> Result<Done, Broken> {
        self.publishers.iter_mut().for_each(|publisher| publisher.is_finishing = true);
        self.come(true);
        self.talk_until(|drive| drive.publishers.iter().all(Publisher::is_done) && drive.changer.is_done())?;
        self.onlook();
        self.changer.say_end();
        self.talk_until(|drive| drive.subscribers.iter().all(Subscriber::is_done) && drive.onlooker.is_none())?;
        self.count();
        for subscriber in &mut self.subscribers {
            for (at, publisher) in self.publishers.iter().enumerate() {
                for lane in Lane::ALL {
                    let (series, last) = (Series { publisher: at, lane }, publisher.last[lane as usize]);
                    let heard = subscriber.heard(series);
                    if heard != last {
                        let name = &subscriber.own().client_id;
                        broken!("{name}: of {series:?} message {heard} came last, and {last} were acknowledged");
                    }
                }
            }
        }
        self.done.messages = self.publishers.iter().flat_map(|publisher| publisher.last).sum();
        Ok(self.done)
    }

    // ---- the broker

    fn environment(&self) -> &[(String, String)] {
        self.power.as_ref().map(|power| &power.environment[..]).unwrap_or_default()
    }

    fn spawn(&self) -> Running {
        Running::spawn(self.plan.program, &self.folder, self.environment())
    }

    fn start(&mut self) {
        let broker = Running::start(self.plan.program, &self.folder, self.environment());
        self.port = broker.port;
        self.broker = Some(broker);
        self.is_ending = false;
    }

    fn end(&mut self) -> Result<(), Broken> {
        let Some(broker) = self.broker.take() else { panic!("it runs") };
        self.is_ending = true;
        broker.signal(if self.plan.ending == Ending::Asked { Signal::SIGTERM } else { Signal::SIGKILL });
        // Everything that it said is still heard; then its sockets are closed.
        let spoke = self.talk_until(|drive| drive.clients().all(|client| client.own().line.is_none()));
        broker.wait();
        spoke?;
        self.onlooker = None;
        self.count();
        self.cut_power();
        Ok(())
    }

    /// In most rounds: what a start finds in the system's memory is not on the disk yet either.
    fn cut_power(&mut self) {
        let Some(power) = &self.power else { return };
        if self.dice.below(4) > 0 {
            let cut = power.cut(&mut self.dice);
            self.done.power_cuts += 1;
            self.done.losses += usize::from(cut.names + cut.bytes > 0);
        }
    }

    // ---- the clients

    fn clients(&mut self) -> impl Iterator<Item = &mut dyn Client> {
        let publishers = self.publishers.iter_mut().map(|client| client as &mut dyn Client);
        let subscribers = self.subscribers.iter_mut().map(|client| client as &mut dyn Client);
        let changer = std::iter::once(&mut self.changer as &mut dyn Client);
        let onlooker = self.onlooker.iter_mut().map(|client| client as &mut dyn Client);
        publishers.chain(subscribers).chain(changer).chain(onlooker)
    }

    /// Those come whose habit it is.
    fn come(&mut self, is_last: bool) {
        self.onlook();
        let (port, dice) = (self.port, &mut self.dice);
        for subscriber in &mut self.subscribers {
            let comes = match subscriber.habit {
                Habit::Stays | Habit::Reconnects(_) => true,
                Habit::Visits(one_in) => is_last || dice.one_in(one_in),
                Habit::ComesLast => is_last,
            };
            if comes {
                subscriber.own().connect(port);
            }
        }
        self.publishers.iter_mut().for_each(|publisher| publisher.own().connect(port));
        self.changer.own().connect(port);
    }

    fn onlook(&mut self) {
        let mut promised = BTreeMap::new();
        for (at, publisher) in self.publishers.iter().enumerate() {
            for lane in Lane::ALL.into_iter().filter(|lane| lane.is_state()) {
                let number = publisher.acknowledged[lane as usize];
                if number > 0 {
                    promised.insert(Series { publisher: at, lane }, number);
                }
            }
        }
        let mut onlooker = Onlooker::new(promised);
        onlooker.own().connect(self.port);
        self.onlooker = Some(onlooker);
    }

    /// Acknowledgements of this round.
    fn acknowledged(&mut self) -> usize {
        self.clients().map(|client| client.own().acknowledged).sum()
    }

    fn count(&mut self) {
        self.done.acknowledged += self.acknowledged();
        self.clients().for_each(|client| client.own().acknowledged = 0);
    }

    /// Lets everybody speak and hear until it is enough.
    fn talk_until(&mut self, mut is_enough: impl FnMut(&mut Self) -> bool) -> Result<(), Broken> {
        while !is_enough(self) {
            if !self.is_ending {
                self.speak();
            }
            let ready = self.wait()?;
            for (at, client) in self.clients_on_line().into_iter().enumerate() {
                if ready[at] {
                    hear(client)?;
                }
            }
            let is_over: Vec<String> = self.close_ended();
            assert!(self.is_ending || is_over.is_empty(), "the broker closed the connection of {is_over:?}");
            self.come_and_go();
        }
        Ok(())
    }

    fn clients_on_line(&mut self) -> Vec<&mut dyn Client> {
        let mut clients: Vec<_> = self.clients().collect();
        clients.retain_mut(|client| client.own().line.is_some());
        clients
    }

    fn speak(&mut self) {
        let mut dice = std::mem::replace(&mut self.dice, Dice::new(0));
        for client in self.clients_on_line() {
            client.go_on(&mut dice);
            if let Some(line) = &mut client.own().line {
                line.flush();
            }
        }
        self.dice = dice;
    }

    /// Waits until a socket has something; which, in the order of [`Drive::clients_on_line`].
    fn wait(&mut self) -> Result<Vec<bool>, Broken> {
        let mut clients = self.clients_on_line();
        let lines = clients.iter_mut().filter_map(|client| client.own().line.as_ref());
        let mut fds: Vec<PollFd> = lines
            .map(|line| {
                let out = if line.has_unsent() { PollFlags::POLLOUT } else { PollFlags::empty() };
                PollFd::new(line.fd(), PollFlags::POLLIN | out)
            })
            .collect();
        let patience = PollTimeout::try_from(PATIENCE).expect("not too long");
        let count = poll(&mut fds, patience).expect("it waits");
        if count == 0 {
            broken!("nothing came for {} s", Duration::as_secs(&PATIENCE));
        }
        Ok(fds.iter().map(|fd| fd.any().unwrap_or(true)).collect())
    }

    fn close_ended(&mut self) -> Vec<String> {
        let mut ended = Vec::new();
        for client in self.clients_on_line() {
            let own = client.own();
            if own.line.as_ref().is_some_and(|line| line.is_over) {
                own.line = None;
                own.is_in = false;
                ended.push(own.client_id.clone());
            }
        }
        ended
    }

    fn come_and_go(&mut self) {
        if self.onlooker.as_ref().is_some_and(|onlooker| onlooker.is_done) {
            self.onlooker = None;
        }
        if self.is_ending {
            return;
        }
        for subscriber in &mut self.subscribers {
            if subscriber.wants_to_reconnect() && subscriber.own().is_in {
                subscriber.own().connect(self.port);
            }
        }
    }
}

/// Reads what came and tells the client.
fn hear(client: &mut dyn Client) -> Result<(), Broken> {
    let version = client.own().version;
    let Some(line) = &mut client.own().line else { return Ok(()) };
    line.read();
    let bytes = line.take_unread();
    let mut read = 0;
    while let Some((packet, len)) = first_packet(version, &bytes[read..]) {
        read += len;
        // A farewell: the end of the connection is what counts.
        if !matches!(packet, Packet::Disconnect(_)) {
            client.hear(packet)?;
        }
    }
    if let Some(line) = &mut client.own().line {
        line.give_back(bytes, read);
    }
    Ok(())
}
