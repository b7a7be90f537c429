//! The broker's own store, given the same work in its own words.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use broker_core::{Message, Publisher, SessionNumber, StoreOp, StoredMessage, StoredSubscription};
use broker_store::{Options, Recovered, Store};
use mqtt::{PropertiesBuf, QoS, SubscriptionOptions, TopicFilter, TopicName, TopicNameBuf};

use crate::engine::{BODY, Engine, Op, QUEUED, RETAINED, SESSION, SUBSCRIPTION, said};
use crate::workload::key;

pub struct Nightjar {
    store: Store,
    recovered: Recovered,
    bodies: HashMap<u64, Arc<Message>>,
    publisher: Arc<Publisher>,
}

impl Nightjar {
    pub fn open(dir: &Path) -> Result<Self, String> {
        let (store, recovered, _) = Store::open(dir, 0, Options::default()).map_err(said)?;
        let publisher = Arc::new(Publisher { client_id: "publisher".into(), username: None, listener: None });
        Ok(Self { store, recovered, bodies: HashMap::new(), publisher })
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<StoreOp, String> {
        let (kind, one, two) = parts(key);
        let number = SessionNumber(one);
        Ok(match kind {
            SESSION => StoreOp::Session {
                number,
                client_id: format!("CC:1B:E0:E2:{one:06}").into(),
                username: Some(hex(value).into()),
                listener: None,
                expiry_s: u32::MAX,
            },
            SUBSCRIPTION => StoreOp::Subscribed(
                number,
                StoredSubscription {
                    filter: TopicFilter::new(&format!("{}/+/#", hex(value))).map_err(said)?.into(),
                    options: SubscriptionOptions::default(),
                    identifier: 0,
                },
            ),
            RETAINED => {
                let topic = std::str::from_utf8(&key[1..]).map_err(said)?;
                StoreOp::Retained(message(topic, value)?, Arc::clone(&self.publisher))
            }
            _ => {
                let shared = self.bodies.get(&two).filter(|_| kind == QUEUED && value.len() < 100);
                let message = match shared {
                    Some(body) => Arc::clone(body),
                    None => message("site/000001/router/CC1BE0E20001/report", value)?,
                };
                StoreOp::Queued(
                    number,
                    StoredMessage {
                        entry: two,
                        message,
                        qos: QoS::AtLeastOnce,
                        retain: false,
                        identifiers: (&[][..]).into(),
                        share: None,
                        sent_as: None,
                        released: false,
                    },
                )
            }
        })
    }
}

fn message(topic: &str, payload: &[u8]) -> Result<Arc<Message>, String> {
    let topic = TopicNameBuf::from(TopicName::new(topic).map_err(said)?);
    Ok(Message::restored(topic, payload.into(), PropertiesBuf::new(), None, QoS::AtLeastOnce))
}

/// The workload's values are any bytes; a name is text.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).filter_map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).ok()).collect()
}

fn parts(key: &[u8]) -> (u8, u64, u64) {
    let number = |at: usize| key.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes);
    (key[0], number(1), number(9))
}

impl Engine for Nightjar {
    fn commit(&mut self, ops: &[Op], sync: bool) -> Result<(), String> {
        let mut said_ops = Vec::with_capacity(ops.len());
        for op in ops {
            match op {
                Op::Put(key, value) if key[0] == BODY => {
                    let body = message("site/000001/router/CC1BE0E20001/report", value)?;
                    self.bodies.insert(parts(key).1, body);
                }
                Op::Put(key, value) => said_ops.push(self.put(key, value)?),
                Op::Del(key) if key[0] == BODY => drop(self.bodies.remove(&parts(key).1)),
                Op::Del(key) => {
                    let (_, session, entry) = parts(key);
                    said_ops.push(StoreOp::Done(SessionNumber(session), entry));
                }
            }
        }
        self.store.commit(said_ops, sync).map_err(said)
    }

    fn each(&mut self, show: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        let mut recovered = std::mem::take(&mut self.recovered);
        for (message, _) in recovered.take_retained() {
            let mut key = vec![RETAINED];
            key.extend_from_slice(message.topic().as_str().as_bytes());
            show(&key, message.payload());
        }
        for (number, session) in recovered.into_sessions() {
            let value = session.username.as_deref().unwrap_or_default();
            show(&key(SESSION, number.0, None), &bytes(value));
            for filter in session.subscriptions.keys() {
                show(&key(SUBSCRIPTION, number.0, Some(1)), &bytes(filter.trim_end_matches("/+/#")));
            }
            for held in session.messages.values() {
                show(&key(QUEUED, number.0, Some(held.entry)), held.message.payload());
            }
        }
        Ok(())
    }
}
