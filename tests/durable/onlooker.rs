//! A client that comes after a start to see the retained messages: none may be older than the last acknowledged one.

use std::collections::BTreeMap;

use mqtt::{Packet, ProtocolVersion, QoS};

use crate::client::{Broken, Client, Own, broken};
use crate::publisher::{Series, read_payload};

pub(crate) struct Onlooker {
    own: Own,
    /// The last message that was acknowledged, of each series.
    promised: BTreeMap<Series, u64>,
    found: BTreeMap<Series, u64>,
    pub is_done: bool,
}

impl Onlooker {
    pub(crate) fn new(promised: BTreeMap<Series, u64>) -> Self {
        let own = Own::new("onlooker".to_owned(), ProtocolVersion::V311, false);
        Self { own, promised, found: BTreeMap::new(), is_done: false }
    }

    fn compare(&self) -> Result<(), Broken> {
        for (series, number) in &self.promised {
            match self.found.get(series) {
                Some(found) if found >= number => {}
                Some(found) => {
                    broken!("the retained message of {series:?} is number {found}; {number} was acknowledged")
                }
                None => broken!("the retained message of {series:?} is gone; {number} was acknowledged"),
            }
        }
        Ok(())
    }
}

impl Client for Onlooker {
    fn own(&mut self) -> &mut Own {
        &mut self.own
    }

    fn hear(&mut self, packet: Packet<'_>) -> Result<(), Broken> {
        match packet {
            Packet::ConnAck(_) => {
                self.own.come_in(&packet)?;
                // At QoS 0 the answer to a ping comes behind all of them.
                self.own.subscribe(1, &["state/#"], QoS::AtMostOnce);
                self.own.say(&Packet::PingReq);
            }
            Packet::Publish(publish) if publish.retain => {
                let (series, number) = read_payload(publish.payload)?;
                self.found.insert(series, number);
            }
            Packet::PingResp => {
                self.compare()?;
                self.is_done = true;
            }
            Packet::SubAck(_) | Packet::Publish(_) => {}
            other => panic!("onlooker: {other:?}"),
        }
        Ok(())
    }
}
