//! PUBACK, PUBREC, PUBREL and PUBCOMP: a message's way to its end, in both directions.

use mqtt::{Ack, Packet, Properties, ReasonCode};

use crate::session::InFlight;
use crate::{Broker, ClientFault, Instant, LinkId, Outbox, StoreOp};

impl Broker {
    pub(crate) fn on_puback(
        &mut self,
        now: Instant,
        key: u32,
        ack: Ack<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        // For an identifier that is not in flight: ignored, as mosquitto does.
        if let Some(held) = self.take_in_flight(key, ack, mqtt::QoS::AtLeastOnce) {
            self.finish(now, key, &held, out);
        }
        Ok(())
    }

    pub(crate) fn on_pubrec(
        &mut self,
        now: Instant,
        link: LinkId,
        key: u32,
        ack: Ack<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        let session = &mut self.sessions[key as usize];
        let found = session.outgoing.as_deref_mut().and_then(|outgoing| {
            let place = outgoing.place(ack.packet_id)?;
            outgoing.in_flight.get_mut(place).filter(|held| held.queued.qos == mqtt::QoS::ExactlyOnce)
        });
        let mut reason = ReasonCode::Success;
        match found {
            Some(_) if ack.reason.is_failure() => {
                // The client does not want it: no PUBREL follows [5.0 §4.3.3].
                if let Some(held) = self.take_in_flight(key, ack, mqtt::QoS::ExactlyOnce) {
                    self.finish(now, key, &held, out);
                }
                return Ok(());
            }
            Some(held) => {
                held.released = true;
                let (entry, id) = (held.queued.entry, held.id);
                if entry != 0 {
                    Self::keep(session, out, |session| StoreOp::Sent { session, entry, id, released: true });
                }
            }
            None if ack.reason.is_failure() => return Ok(()),
            None => reason = ReasonCode::PacketIdentifierNotFound,
        }
        let release = Ack { packet_id: ack.packet_id, reason, properties: Properties::EMPTY };
        self.reply(link, &Packet::PubRel(release), out);
        Ok(())
    }

    pub(crate) fn on_pubcomp(
        &mut self,
        now: Instant,
        key: u32,
        ack: Ack<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        if let Some(held) = self.take_in_flight(key, ack, mqtt::QoS::ExactlyOnce) {
            self.finish(now, key, &held, out);
        }
        Ok(())
    }

    pub(crate) fn on_pubrel(
        &mut self,
        link: LinkId,
        key: u32,
        ack: Ack<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        let session = &mut self.sessions[key as usize];
        let (reason, promises) = match session.awaiting_pubrel.binary_search(&ack.packet_id) {
            Ok(at) => {
                session.awaiting_pubrel.remove(at);
                (ReasonCode::Success, Self::keep(session, out, |number| StoreOp::Released(number, ack.packet_id)))
            }
            // Perhaps a repeat of one that we completed: answered all the same [5.0 §4.3.3].
            Err(_) => (ReasonCode::PacketIdentifierNotFound, false),
        };
        let complete = Ack { packet_id: ack.packet_id, reason, properties: Properties::EMPTY };
        self.acknowledge(link, &Packet::PubComp(complete), promises, out);
        Ok(())
    }

    fn take_in_flight(&mut self, key: u32, ack: Ack<'_>, qos: mqtt::QoS) -> Option<InFlight> {
        let outgoing = self.sessions[key as usize].outgoing.as_deref_mut()?;
        let place = outgoing.place(ack.packet_id)?;
        if outgoing.in_flight.get(place)?.queued.qos != qos {
            return None;
        }
        outgoing.in_flight.remove(place)
    }

    /// A message is over for its session; the next may go.
    fn finish(&mut self, now: Instant, key: u32, held: &InFlight, out: &mut impl Outbox) {
        if held.queued.entry != 0 {
            let entry = held.queued.entry;
            Self::keep(&self.sessions[key as usize], out, |number| StoreOp::Done(number, entry));
        }
        self.pump(now, key, out);
    }
}
