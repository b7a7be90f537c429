//! Which records count, and in which file each lies. What they say is on the disk and in the core; here is only what
//! tells a record that counts from one that does not, when a file is cleaned away.
//!
//! A [`Mark`] has the file at its lowest: a record lies in the file of its mark or, if writing had to begin anew in
//! another, in a later one. An older record with the same key may lie in the marked file then: the checksum tells them apart.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use broker_core::{Message, SessionNumber};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use mqtt::{PacketId, TopicNameBuf};

use crate::frame::record_sum;
use crate::record::{Body, Record};
use crate::recovered::remove_of;

/// Where a record lies, how long it is with its frame, and its checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub file: u64,
    pub bytes: u32,
    sum: u32,
}

impl Mark {
    /// Of a record with its frame, in the file of this number.
    pub(crate) fn new(file: u64, frame: &[u8]) -> Self {
        Self { file, bytes: frame.len() as u32, sum: record_sum(frame) }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    sessions: HashMap<SessionNumber, SessionMarks, RandomState>,
    subscriptions: BTreeMap<(SessionNumber, Box<str>), Mark>,
    retained: HashMap<TopicNameBuf, Mark, RandomState>,
    bodies: HashMap<u64, BodyMark, RandomState>,
    /// Bodies by the message that they are of; it is held, so its address is nobody else's.
    by_message: HashMap<usize, u64, RandomState>,
    last_body: u64,
    /// Bytes of all records that count.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct SessionMarks {
    mark: Mark,
    /// Of what is due while its client is away; without bytes: nothing is.
    away: Mark,
    /// By entry.
    messages: VecDeque<MessageMark>,
    taken: Vec<(PacketId, Mark)>,
}

#[derive(Clone, Copy, Debug)]
struct MessageMark {
    entry: u64,
    mark: Mark,
    /// 0: it lies beside.
    body: u64,
    sent: Option<(PacketId, bool)>,
}

#[derive(Debug)]
struct BodyMark {
    mark: Mark,
    sessions: u32,
    message: Arc<Message>,
}

impl Index {
    pub(crate) fn has_session(&self, number: SessionNumber) -> bool {
        self.sessions.contains_key(&number)
    }

    /// The number of the body that is kept of this message.
    pub(crate) fn body_of(&self, message: &Arc<Message>) -> Option<u64> {
        self.by_message.get(&address(message)).copied()
    }

    /// A number for a body.
    pub(crate) fn next_body(&mut self) -> u64 {
        self.last_body += 1;
        self.last_body
    }

    /// A record was written, or read. Whether it counts: what speaks of something that is not there does not.
    pub(crate) fn note(&mut self, record: &Record, mark: Mark) -> bool {
        match record {
            Record::Session { number, .. } => {
                let session = self.sessions.entry(*number).or_default();
                self.bytes += u64::from(mark.bytes);
                self.bytes -= u64::from(std::mem::replace(&mut session.mark, mark).bytes);
                true
            }
            Record::SessionGone(number) => self.forget_session(*number),
            Record::Retained(message, _) => {
                self.bytes += u64::from(mark.bytes);
                let old = self.retained.insert(message.topic().into(), mark);
                self.bytes -= old.map_or(0, |old| old.bytes.into());
                true
            }
            Record::RetainedGone(topic) => {
                let old = self.retained.remove(topic);
                self.bytes -= old.map_or(0, |old| old.bytes.into());
                old.is_some()
            }
            Record::Body(number, message) => {
                self.bytes += u64::from(mark.bytes);
                self.last_body = self.last_body.max(*number);
                self.by_message.insert(address(message), *number);
                self.bodies.insert(*number, BodyMark { mark, sessions: 0, message: Arc::clone(message) });
                true
            }
            Record::Told { .. } => true,
            Record::Away(number, _)
            | Record::Subscribed(number, ..)
            | Record::Unsubscribed(number, _)
            | Record::Queued(number, _)
            | Record::Sent { session: number, .. }
            | Record::Done(number, _)
            | Record::Taken(number, ..)
            | Record::Released(number, _) => self.note_of_session(*number, record, mark),
        }
    }

    fn note_of_session(&mut self, number: SessionNumber, record: &Record, mark: Mark) -> bool {
        let Some(session) = self.sessions.get_mut(&number) else { return false };
        let (added, removed) = match record {
            Record::Away(_, away) => {
                let is_due = away.ends_at.is_some() || away.will.is_some();
                let old = std::mem::replace(&mut session.away, if is_due { mark } else { Mark::default() });
                (session.away.bytes, (is_due || old.bytes > 0).then_some(old.bytes))
            }
            Record::Subscribed(_, subscription) => {
                let key = (number, subscription.filter.as_str().into());
                (mark.bytes, Some(self.subscriptions.insert(key, mark).map_or(0, |old| old.bytes)))
            }
            Record::Unsubscribed(_, filter) => {
                (0, self.subscriptions.remove(&(number, filter.as_str().into())).map(|old| old.bytes))
            }
            Record::Queued(_, waiting) => {
                let body = if let Body::Shared(body) = waiting.body { body } else { 0 };
                let sent = waiting.sent_as.map(|id| (id, waiting.released));
                let old = session.insert(MessageMark { entry: waiting.entry, mark, body, sent });
                if let Some(body) = self.bodies.get_mut(&body) {
                    body.sessions += 1;
                }
                if let Some(old) = old {
                    self.release_body(old.body);
                }
                (mark.bytes, Some(old.map_or(0, |old| old.mark.bytes)))
            }
            Record::Sent { entry, id, released, .. } => match session.find(*entry) {
                Ok(at) => {
                    session.messages[at].sent = Some((*id, *released));
                    (0, Some(0))
                }
                Err(_) => (0, None),
            },
            Record::Done(_, entry) => {
                let old = session.find(*entry).ok().and_then(|at| session.messages.remove(at));
                if let Some(old) = old {
                    self.release_body(old.body);
                }
                (0, old.map(|old| old.mark.bytes))
            }
            Record::Taken(_, id, _) => match session.taken.binary_search_by_key(id, |(id, _)| *id) {
                Ok(at) => (mark.bytes, Some(std::mem::replace(&mut session.taken[at].1, mark).bytes)),
                Err(at) => {
                    session.taken.insert(at, (*id, mark));
                    (mark.bytes, Some(0))
                }
            },
            Record::Released(_, id) => {
                let at = session.taken.binary_search_by_key(id, |(id, _)| *id).ok();
                (0, at.map(|at| session.taken.remove(at).1.bytes))
            }
            _ => (0, None),
        };
        self.bytes += u64::from(added);
        self.bytes -= u64::from(removed.unwrap_or(0));
        removed.is_some()
    }

    fn forget_session(&mut self, number: SessionNumber) -> bool {
        let Some(session) = self.sessions.remove(&number) else { return false };
        for message in &session.messages {
            self.bytes -= u64::from(message.mark.bytes);
            self.release_body(message.body);
        }
        let rest = session.taken.iter().map(|(_, mark)| mark).chain([&session.mark, &session.away]);
        self.bytes -= rest.map(|mark| u64::from(mark.bytes)).sum::<u64>();
        remove_of(&mut self.subscriptions, number, &"".into(), |mark| self.bytes -= u64::from(mark.bytes));
        true
    }

    /// One session less waits for it.
    fn release_body(&mut self, number: u64) {
        let Some(body) = self.bodies.get_mut(&number) else { return };
        body.sessions = body.sessions.saturating_sub(1);
        if body.sessions == 0 {
            self.bytes -= u64::from(body.mark.bytes);
            self.by_message.remove(&address(&body.message));
            self.bodies.remove(&number);
        }
    }

    /// At the end of a replay: bodies that no session waits for any more.
    pub(crate) fn drop_unused_bodies(&mut self) {
        let unused: Vec<u64> =
            self.bodies.iter().filter(|(_, body)| body.sessions == 0).map(|(number, _)| *number).collect();
        for number in unused {
            self.release_body(number);
        }
    }

    /// If a record that lies `here` still counts: how it is to be written to go on counting, when the file goes.
    ///
    /// Of several records in the file with the same key, the last one is to be asked first.
    ///
    /// `SENT` is in none of the answers: it speaks of a message in the same file or in an earlier one, which is
    /// written again as sent.
    pub(crate) fn survivor(&self, record: Record, here: Mark) -> Option<Record> {
        let lies_here = |mark: &Mark| mark.file <= here.file && mark.sum == here.sum;
        let session = |number| self.sessions.get(number);
        let counts = match &record {
            Record::Session { number, .. } => session(number).is_some_and(|session| lies_here(&session.mark)),
            Record::Away(number, _) => {
                session(number).is_some_and(|session| session.away.bytes > 0 && lies_here(&session.away))
            }
            Record::Subscribed(number, subscription) => {
                self.subscriptions.get(&(*number, subscription.filter.as_str().into())).is_some_and(lies_here)
            }
            Record::Queued(number, waiting) => {
                let session = session(number)?;
                let message = session.messages.get(session.find(waiting.entry).ok()?)?;
                if !lies_here(&message.mark) {
                    return None;
                }
                let Record::Queued(number, mut waiting) = record else { return None };
                waiting.sent_as = message.sent.map(|(id, _)| id);
                waiting.released = message.sent.is_some_and(|(_, released)| released);
                return Some(Record::Queued(number, waiting));
            }
            Record::Taken(number, id, _) => {
                let taken = session(number).map_or(&[][..], |session| &session.taken);
                taken.binary_search_by_key(id, |(id, _)| *id).is_ok_and(|at| lies_here(&taken[at].1))
            }
            Record::Retained(message, _) => {
                self.retained.get(&TopicNameBuf::from(message.topic())).is_some_and(lies_here)
            }
            Record::Body(number, _) => self.bodies.get(number).is_some_and(|body| lies_here(&body.mark)),
            _ => false,
        };
        counts.then_some(record)
    }

    /// A survivor lies there now.
    pub(crate) fn moved(&mut self, record: &Record, mark: Mark) {
        match record {
            Record::Body(number, _) => {
                if let Some(body) = self.bodies.get_mut(number) {
                    self.bytes += u64::from(mark.bytes);
                    self.bytes -= u64::from(std::mem::replace(&mut body.mark, mark).bytes);
                }
            }
            Record::Queued(number, waiting) => {
                // Not noted anew: the body must not be let go in between.
                let Some(session) = self.sessions.get_mut(number) else { return };
                if let Ok(at) = session.find(waiting.entry) {
                    self.bytes += u64::from(mark.bytes);
                    self.bytes -= u64::from(std::mem::replace(&mut session.messages[at].mark, mark).bytes);
                }
            }
            other => {
                self.note(other, mark);
            }
        }
    }
}

impl SessionMarks {
    /// The place of an entry. They are numbered one after the other and most of them go in their order, so it is as far from
    /// the first as its number, or a little nearer where others went out of turn.
    fn find(&self, entry: u64) -> Result<usize, usize> {
        let (Some(first), Some(last)) = (self.messages.front(), self.messages.back()) else { return Err(0) };
        if entry > last.entry {
            return Err(self.messages.len());
        }
        let guess = usize::try_from(entry.saturating_sub(first.entry)).unwrap_or(usize::MAX);
        let end = guess.min(self.messages.len() - 1);
        if self.messages[end].entry == entry {
            return Ok(end);
        }
        self.messages.binary_search_by_key(&entry, |message| message.entry)
    }

    fn insert(&mut self, message: MessageMark) -> Option<MessageMark> {
        match self.find(message.entry) {
            Ok(at) => Some(std::mem::replace(&mut self.messages[at], message)),
            Err(at) => {
                self.messages.insert(at, message);
                None
            }
        }
    }
}

fn address(message: &Arc<Message>) -> usize {
    Arc::as_ptr(message) as usize
}
