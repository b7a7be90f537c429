//! Plays a conversation against both brokers in lock step, and holds what comes back side by side.
//!
//! After each step every connection is heard until the answer to a question that was asked behind it. First the one
//! that spoke, then, when it has been answered, all: by then both brokers have written what the step caused, on each
//! connection, and nothing need be waited for. (Ours lets acknowledgements that promise something go at the end of a
//! turn, behind the answers of that turn; so the one that spoke is asked twice.)

use std::collections::BTreeMap;

use mqtt::{Packet, ProtocolVersion, Publish, TopicName, next_frame};

use crate::accepted;
use crate::brokers::Pair;
use crate::bytes::{CONNACK, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBSCRIBE, id_of, packet, split};
use crate::conversation::{Conversation, PLACES, Step};
use crate::keeper;
use crate::scene::Scene;
use crate::wire::{End, Heard, Mark, Wire};

/// How a conversation went.
#[derive(Clone)]
pub(crate) struct Outcome {
    /// Steps that were played.
    pub steps: usize,
    /// Packets from ours that were compared.
    pub packets: usize,
    /// How often each accepted difference was met.
    pub accepted: Vec<usize>,
    /// What is not accepted, in words.
    pub difference: Option<String>,
    /// The step in which it was.
    pub step: usize,
}

impl Outcome {
    pub(crate) fn new() -> Self {
        Self { steps: 0, packets: 0, accepted: vec![0; accepted::all().count()], difference: None, step: 0 }
    }
}

/// A connection to each broker, and what the client has to answer.
struct Talk {
    version: ProtocolVersion,
    ours: Wire,
    theirs: Wire,
    awaiting: Vec<Awaiting>,
    /// What was said first; nothing yet.
    hello: Vec<u8>,
    /// Its client was here before.
    is_resumed: bool,
    /// Topics that ours has given an alias: alias and topic.
    aliases: BTreeMap<u16, Vec<u8>>,
}

/// A message that came and waits for an answer: the first byte of the answer, and the identifier.
struct Awaiting {
    answer: u8,
    id: [u8; 2],
}

pub(crate) struct Stage<'a> {
    pair: &'a Pair,
    places: [Option<Talk>; PLACES],
    /// Every CONNECT that was said, and what came back.
    connects: Vec<keeper::Connected>,
    /// The CONNECT by which each place was last let in.
    hellos: [Option<(ProtocolVersion, Vec<u8>)>; PLACES],
    somebody_is_away: bool,
    /// SUBSCRIBE packets with a shared subscription.
    shared: usize,
    /// Those who left a will with a delay.
    delayed_wills: Vec<keeper::Connected>,
    outcome: Outcome,
}

/// Whether the conversation can go on.
enum Flow {
    On,
    Over,
}

/// Plays it from the first step to the last, and clears away what it leaves.
pub(crate) fn play(pair: &Pair, conversation: &Conversation) -> Outcome {
    let mut stage = Stage {
        pair,
        places: [const { None }; PLACES],
        connects: Vec::new(),
        hellos: [const { None }; PLACES],
        somebody_is_away: false,
        shared: 0,
        delayed_wills: Vec::new(),
        outcome: Outcome::new(),
    };
    let mut flow = Flow::On;
    for (number, step) in conversation.steps.iter().enumerate() {
        stage.outcome.step = number;
        flow = stage.step(step);
        if matches!(flow, Flow::Over) {
            break;
        }
    }
    if matches!(flow, Flow::On) {
        stage.outcome.step = conversation.steps.len();
        flow = stage.leave_all();
    }
    drop(std::mem::take(&mut stage.places));
    let left = keeper::clear(pair, &stage.connects);
    if let (Flow::On, None, Some(difference)) = (flow, &stage.outcome.difference, left) {
        stage.outcome.difference = Some(difference);
        stage.outcome.step = conversation.steps.len();
    }
    stage.outcome
}

impl Stage<'_> {
    fn step(&mut self, step: &Step) -> Flow {
        let at = step.at();
        // Whoever has lost a connection that it once had comes back before it says more.
        if let (None, Step::Say { .. } | Step::Answer { .. }) = (&self.places[at], step)
            && let Some((version, hello)) = self.hellos[at].take()
            && let Flow::Over = self.step(&Step::Connect { at, version, bytes: hello })
        {
            return Flow::Over;
        }
        let bytes = match step {
            Step::Connect { version, bytes, .. } => {
                if self.places[at].is_some()
                    && let Flow::Over = self.said(at, &[], Mark::Finish)
                {
                    return Flow::Over;
                }
                self.places[at] = Some(Talk {
                    version: *version,
                    ours: Wire::open(self.pair.ours),
                    theirs: Wire::open(self.pair.theirs),
                    awaiting: Vec::new(),
                    hello: Vec::new(),
                    is_resumed: false,
                    aliases: BTreeMap::new(),
                });
                bytes.clone()
            }
            Step::Say { bytes, .. } => bytes.clone(),
            Step::Leave { .. } => return self.said(at, &[], Mark::Finish),
            Step::Answer { nth, reason, .. } => {
                let Some(bytes) = self.answer(at, *nth, *reason) else { return Flow::On };
                bytes
            }
        };
        self.said(at, &bytes, Mark::after(&bytes))
    }

    /// The answer to one of the messages that wait for one.
    fn answer(&mut self, at: usize, nth: usize, reason: Option<u8>) -> Option<Vec<u8>> {
        let talk = self.places[at].as_mut()?;
        if talk.awaiting.is_empty() {
            return None;
        }
        let Awaiting { answer, id } = talk.awaiting.remove(nth % talk.awaiting.len());
        let reason = reason.filter(|_| talk.version.is_v5() && answer != PUBCOMP);
        let body = match reason {
            Some(reason) => vec![id[0], id[1], reason],
            None => id.to_vec(),
        };
        Some(packet(answer, &body))
    }

    /// One connection says something; all are heard and compared.
    fn said(&mut self, at: usize, bytes: &[u8], mark: Mark) -> Flow {
        let mut heard: [Option<(Heard, Heard)>; PLACES] = [const { None }; PLACES];
        let Some(talk) = self.places[at].as_mut() else { return Flow::On };
        self.outcome.steps += 1;
        let is_new = talk.hello.is_empty();
        if is_new {
            talk.hello = bytes.to_vec();
            let connected = keeper::Connected::of(bytes);
            talk.is_resumed = connected.is_some_and(|connected| self.connects.contains(&connected));
        }
        talk.ours.say(bytes, mark);
        talk.theirs.say(bytes, mark);
        heard[at] = Some((talk.ours.hear(mark), talk.theirs.hear(mark)));
        let again = Mark::Ping(1);
        let is_open = |heard: &Option<(Heard, Heard)>, side: fn(&(Heard, Heard)) -> &Heard| {
            heard.as_ref().is_none_or(|heard| side(heard).end == End::Open)
        };
        for (place, talk) in self.places.iter_mut().enumerate() {
            let Some(talk) = talk else { continue };
            if is_open(&heard[place], |(ours, _)| ours) {
                talk.ours.say(&[], again);
            }
            if is_open(&heard[place], |(_, theirs)| theirs) {
                talk.theirs.say(&[], again);
            }
        }
        for (place, talk) in self.places.iter_mut().enumerate() {
            let Some(talk) = talk else { continue };
            let (ours, theirs) = heard[place].get_or_insert_default();
            for (so_far, wire) in [(ours, &mut talk.ours), (theirs, &mut talk.theirs)] {
                if so_far.end == End::Open {
                    let more = wire.hear(again);
                    so_far.packets.extend(more.packets);
                    so_far.end = more.end;
                }
            }
        }
        if let (Some((ours, theirs)), Some(keeper)) = (&heard[at], keeper::Connected::of(bytes)) {
            self.connects.push(keeper.answered(ours, theirs));
        }
        let connected = keeper::Connected::of(bytes).filter(|_| is_new);
        let meets_delayed_will = connected.as_ref().is_some_and(|connected| {
            let is_there = |talk: &Talk| {
                says_delayed_will(&talk.hello) && keeper::Connected::of(&talk.hello).as_ref() == Some(connected)
            };
            self.delayed_wills.contains(connected)
                || self
                    .places
                    .iter()
                    .enumerate()
                    .any(|(place, talk)| place != at && talk.as_ref().is_some_and(is_there))
        });
        let said = split(bytes).0;
        self.shared += said
            .iter()
            .filter(|packet| packet[0] & 0xF0 == SUBSCRIBE & 0xF0 && packet.windows(7).any(|part| part == b"$share/"))
            .count();
        let mut difference = None;
        let mut is_apart = false;
        for (place, heard) in heard.iter_mut().enumerate() {
            let (Some((ours, theirs)), Some(talk)) = (heard, self.places[place].as_mut()) else { continue };
            ours.packets.iter_mut().for_each(|packet| name_topic(packet, talk.version, &mut talk.aliases));
            let (ours, theirs) = (&*ours, &*theirs);
            self.outcome.packets += ours.packets.len();
            let scene = Scene {
                configuration: self.pair.configuration.name,
                version: talk.version,
                is_speaker: place == at,
                is_first: is_new && place == at,
                hello: &talk.hello,
                is_resumed: talk.is_resumed,
                in_flight: talk.awaiting.len(),
                has_groups: self.shared > 1 || self.shared > 0 && self.somebody_is_away,
                meets_delayed_will: is_new && place == at && meets_delayed_will,
                said: bytes,
                ours,
                theirs,
            };
            if scene.is_first
                && ours.packets.first().is_some_and(|packet| packet[0] == CONNACK && packet.get(3) == Some(&0))
            {
                self.hellos[at] = Some((talk.version, bytes.to_vec()));
            }
            match accepted::judge(&scene) {
                Some(judgement) => {
                    judgement.met.iter().for_each(|met| self.outcome.accepted[*met] += 1);
                    is_apart |= !judgement.goes_on;
                }
                None => difference = difference.or_else(|| Some(scene.to_string())),
            }
            talk.awaiting.extend(ours.packets.iter().filter_map(|packet| awaiting(packet)));
            if ours.end != End::Open || theirs.end != End::Open {
                self.somebody_is_away |= accepted::lasts(&talk.hello);
                if says_delayed_will(&talk.hello) {
                    self.delayed_wills.extend(keeper::Connected::of(&talk.hello));
                }
                self.places[place] = None;
            }
        }
        if is_apart || difference.is_some() {
            self.outcome.difference = difference.filter(|_| !is_apart);
            return Flow::Over;
        }
        Flow::On
    }

    /// Everybody leaves, one after the other: the wills of each are still heard by the next.
    fn leave_all(&mut self) -> Flow {
        for at in 0..PLACES {
            if let Flow::Over = self.said(at, &[], Mark::Finish) {
                return Flow::Over;
            }
        }
        Flow::On
    }
}

/// Puts the topic where ours says an alias alone, so that each PUBLISH stands for itself.
fn name_topic(packet: &mut Vec<u8>, version: ProtocolVersion, aliases: &mut BTreeMap<u16, Vec<u8>>) {
    let Ok(Some(frame)) = next_frame(packet, 0) else { return };
    let Ok(publish) = Publish::decode(version, frame) else { return };
    let Some(alias) = publish.properties.topic_alias() else { return };
    match publish.topic {
        Some(topic) => {
            aliases.insert(alias, topic.as_str().as_bytes().to_vec());
        }
        None => {
            let topic = aliases.get(&alias).and_then(|topic| std::str::from_utf8(topic).ok());
            let topic = topic.and_then(|topic| TopicName::new(topic).ok());
            let mut bytes = Vec::new();
            if Packet::Publish(Publish { topic, ..publish }).encode(version, &mut bytes).is_ok() {
                *packet = bytes;
            }
        }
    }
}

/// Whether a CONNECT has a will that waits.
fn says_delayed_will(hello: &[u8]) -> bool {
    let Ok(Some(frame)) = next_frame(hello, 0) else { return false };
    let Ok(Packet::Connect(connect)) = Packet::decode(ProtocolVersion::V5, frame) else { return false };
    connect.will.is_some_and(|will| will.properties.will_delay_interval().unwrap_or(0) > 0)
}

/// What the client of `packet` has to answer.
fn awaiting(packet: &[u8]) -> Option<Awaiting> {
    match packet[0] {
        PUBREL => Some(Awaiting { answer: PUBCOMP, id: [*packet.get(2)?, *packet.get(3)?] }),
        first if first & 0xF0 == PUBLISH && first & 0x06 != 0 => {
            let answer = if first & 0x06 == 0x02 { PUBACK } else { PUBREC };
            Some(Awaiting { answer, id: id_of(packet)? })
        }
        _ => None,
    }
}
