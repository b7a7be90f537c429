//! What could not be read: said in the operator's words, and set aside as JSON lines for whoever wants to look.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker_core::{Message, SessionNumber, StoredSubscription};
use serde_json::{Value, json};

use crate::Recovered;
use crate::disk::Disk;
use crate::record::{Body, Record};

/// Something that could not be read. The start goes on without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What it is.
    pub harm: Harm,
    /// Where.
    pub file: PathBuf,
    /// So many bytes.
    pub bytes: u64,
    /// Waiting and retained messages among it, as far as that can be told.
    pub messages: usize,
    /// Client Identifiers of those concerned, as far as they can be told.
    pub clients: BTreeSet<Box<str>>,
    /// Where it was set aside; `None`: it could not be.
    pub aside: Option<PathBuf>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The last commit was cut short by a crash. No acknowledgement can have promised it.
    Torn,
    /// Bytes have changed.
    Unreadable,
    /// The beginning of the file has changed, and it can only be guessed how to read the rest.
    Header,
    /// The file has gone, or has lost its end.
    Missing,
    /// Something refers to what is not there: a session without its own record, a message without its body.
    Incomplete,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED_MAX: usize = 10;
        let (file, bytes) = (self.file.display(), self.bytes);
        match self.harm {
            Harm::Torn => write!(f, "{file}: the last write was cut short; its {bytes} bytes were not promised yet"),
            Harm::Unreadable => write!(f, "{file}: {bytes} bytes are damaged"),
            Harm::Header => write!(f, "{file}: its beginning is damaged"),
            Harm::Missing if bytes == 0 => write!(f, "{file} is missing"),
            Harm::Missing => write!(f, "{file}: its last {bytes} bytes are missing"),
            Harm::Incomplete => write!(f, "{file}: of some sessions only parts are left"),
        }?;
        if self.messages > 0 {
            write!(f, "; {} messages are lost", self.messages)?;
        }
        for (n, client) in self.clients.iter().take(NAMED_MAX).enumerate() {
            f.write_str(if n == 0 { "; concerned: " } else { ", " })?;
            write!(f, "{client}")?;
        }
        if self.clients.len() > NAMED_MAX {
            write!(f, " and {} more", self.clients.len() - NAMED_MAX)?;
        }
        match &self.aside {
            Some(aside) if self.bytes > 0 || self.messages > 0 => write!(f, "; set aside in {}", aside.display()),
            _ => Ok(()),
        }
    }
}

/// What is there in part only.
#[derive(Debug, PartialEq)]
pub(crate) enum Lost {
    /// A waiting message whose body is not there.
    Message { client_id: Arc<str>, number: SessionNumber, entry: u64 },
    /// What a session had of which nothing else is known.
    Session { number: SessionNumber, subscriptions: Vec<StoredSubscription>, messages: Vec<Arc<Message>> },
}

/// Bytes that do not count, and what they seem to be.
#[derive(Debug)]
pub(crate) struct Piece {
    pub offset: u64,
    /// Empty if all that they say is in `record`.
    pub bytes: Vec<u8>,
    /// As it reads without regard to checksums.
    pub record: Option<Record>,
}

/// Gathers lines for the file beside, and what the operator is told.
pub(crate) struct Aside<'a> {
    pub recovered: &'a Recovered,
    pub lines: Vec<Value>,
}

impl Aside<'_> {
    /// Adds pieces of a file.
    pub(crate) fn pieces(&mut self, harm: Harm, file: &Path, bytes: u64, pieces: &[Piece]) -> Damage {
        let mut damage = Damage { harm, file: file.into(), bytes, messages: 0, clients: BTreeSet::new(), aside: None };
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        for piece in pieces {
            let mut line = json!({ "file": name, "offset": piece.offset, "harm": format!("{harm:?}") });
            if !piece.bytes.is_empty() {
                line["bytes"] = hex(&piece.bytes).into();
            }
            if let Some(record) = &piece.record {
                line["record"] = self.describe(record, &mut damage);
            }
            self.lines.push(line);
        }
        damage
    }

    /// Adds what is there in part.
    pub(crate) fn lost(&mut self, dir: &Path, lost: &[Lost]) -> Damage {
        let mut damage = Damage {
            harm: Harm::Incomplete,
            file: dir.into(),
            bytes: 0,
            messages: 0,
            clients: BTreeSet::new(),
            aside: None,
        };
        for lost in lost {
            match lost {
                Lost::Message { client_id, number, entry } => {
                    damage.messages += 1;
                    damage.clients.insert(client_id.as_ref().into());
                    self.lines
                        .push(json!({ "client": &**client_id, "session": number.0, "entry": entry, "message": null }));
                }
                Lost::Session { number, subscriptions, messages } => {
                    damage.messages += messages.len();
                    let filters: Vec<_> =
                        subscriptions.iter().map(|subscription| subscription.filter.as_str()).collect();
                    self.lines.push(json!({ "client": null, "session": number.0, "subscriptions": filters }));
                    for message in messages {
                        let message = describe_message(message);
                        self.lines.push(json!({ "client": null, "session": number.0, "message": message }));
                    }
                }
            }
        }
        damage
    }

    fn describe(&self, record: &Record, damage: &mut Damage) -> Value {
        let mut of = |number: &SessionNumber| {
            let client = self.recovered.sessions.get(number).map(|about| &*about.client_id);
            if let Some(client) = client {
                damage.clients.insert(client.into());
            }
            json!({ "session": number.0, "client": client })
        };
        match record {
            Record::Session { client_id, .. } => {
                damage.clients.insert(client_id.as_ref().into());
                json!({ "kind": "session", "client": &**client_id })
            }
            Record::Queued(number, waiting) => {
                let mut line = of(number);
                damage.messages += 1;
                line["kind"] = "message".into();
                line["entry"] = waiting.entry.into();
                if let Body::Here(message) = &waiting.body {
                    line["message"] = describe_message(message);
                }
                line
            }
            Record::Taken(number, _, taken) => {
                let mut line = of(number);
                damage.messages += 1;
                line["kind"] = "published".into();
                line["message"] = describe_message(&taken.message);
                line
            }
            Record::Subscribed(number, subscription) => {
                let mut line = of(number);
                line["kind"] = "subscription".into();
                line["filter"] = subscription.filter.as_str().into();
                line
            }
            Record::Retained(message, publisher) => {
                damage.messages += 1;
                json!({ "kind": "retained", "client": &*publisher.client_id, "message": describe_message(message) })
            }
            Record::Body(_, message) => json!({ "kind": "body", "message": describe_message(message) }),
            Record::RetainedGone(topic) => json!({ "kind": "retained gone", "topic": topic.as_str() }),
            Record::Unsubscribed(number, filter) => {
                let mut line = of(number);
                line["kind"] = "unsubscribed".into();
                line["filter"] = filter.as_str().into();
                line
            }
            Record::SessionGone(number)
            | Record::Away(number, _)
            | Record::Sent { session: number, .. }
            | Record::Done(number, _)
            | Record::Released(number, _) => {
                let mut line = of(number);
                line["kind"] = "progress".into();
                line["said"] = format!("{record:?}").into();
                line
            }
            Record::Told { .. } => json!({ "kind": "told" }),
        }
    }

    /// Writes the lines to a new `damaged-<n>.jsonl` in the folder, on the disk with its name: what is written about it
    /// keeps it from being told again.
    pub(crate) fn write(&self, disk: &dyn Disk) -> io::Result<PathBuf> {
        let mut number = 1;
        let (name, mut file) = loop {
            let name = format!("damaged-{number}.jsonl");
            match disk.create_new(&name) {
                Ok(file) => break (name, file),
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(why) => return Err(why),
            }
        };
        let mut text = String::new();
        for line in &self.lines {
            let _never_fails = writeln!(text, "{line}");
        }
        match file.append(text.as_bytes()).and_then(|()| file.sync()).and_then(|()| disk.sync_names()) {
            Ok(()) => Ok(disk.dir().join(name)),
            Err(why) => {
                // Half of it would be told as all of it.
                let _gone = disk.remove(&name);
                Err(why)
            }
        }
    }
}

fn describe_message(message: &Message) -> Value {
    json!({
        "topic": message.topic().as_str(),
        "qos": message.qos().as_u8(),
        "properties": hex(message.properties().as_bytes()),
        "payload": hex(message.payload()),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _never_fails = write!(hex, "{byte:02x}");
        hex
    })
}
