//! PUBACK, PUBREC, PUBREL and PUBCOMP: a message's way to its end, in both directions.

use mqtt::{Ack, Packet, Properties, QoS, ReasonCode};

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
        self.acknowledged(now, key, ack, |held| held.queued.qos == QoS::AtLeastOnce, out)
    }

    pub(crate) fn on_pubrec(
        &mut self,
        now: Instant,
        link: LinkId,
        key: u32,
        ack: Ack<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        if ack.reason.is_failure() {
            // The client does not want it: no PUBREL follows [5.0 §4.3.3].
            return self.acknowledged(now, key, ack, |held| held.queued.qos == QoS::ExactlyOnce, out);
        }
        let session = &mut self.sessions[key as usize];
        let outgoing = session.outgoing.as_deref_mut();
        let held = outgoing.and_then(|outgoing| outgoing.in_flight.iter_mut().find(|held| held.id == ack.packet_id));
        let mut promises = false;
        if let Some(held) = held {
            if held.queued.qos != QoS::ExactlyOnce {
                return Err(UNFITTING);
            }
            held.released = true;
            let (entry, id, is_stored) = (held.queued.entry, held.id, held.queued.is_stored);
            if is_stored {
                // The client forgets the identifier at PUBREL: the message itself must not come again after that.
                promises = Self::keep(session, out, |session| StoreOp::Sent { session, entry, id, released: true });
            }
        }
        // For an identifier that is not in flight too, as mosquitto does: its message may be over for us only.
        self.acknowledge(link, &Packet::PubRel(plain(ack)), promises, out);
        Ok(())
    }

    pub(crate) fn on_pubcomp(
        &mut self,
        now: Instant,
        key: u32,
        ack: Ack<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        self.acknowledged(now, key, ack, |held| held.released, out)
    }

    pub(crate) fn on_pubrel(&mut self, now: Instant, link: LinkId, key: u32, ack: Ack<'_>, out: &mut impl Outbox) {
        let session = &mut self.sessions[key as usize];
        let mut promises = false;
        if let Some(taken) = session.taken.remove(ack.packet_id) {
            promises = Self::keep(session, out, |number| StoreOp::Released(number, ack.packet_id));
            promises |= self.release(now, key, &taken, out);
            if let Some(state) = self.links[link.0 as usize].as_mut() {
                state.qos2_open = state.qos2_open.saturating_sub(1);
            }
        }
        // Otherwise perhaps a repeat of one that we completed: answered all the same, as mosquitto does [5.0 §4.3.3].
        self.acknowledge(link, &Packet::PubComp(plain(ack)), promises, out);
    }

    /// The last acknowledgement of a message came; it must be one that `fits`. For an identifier that is not in flight
    /// it is passed over, as mosquitto does.
    fn acknowledged(
        &mut self,
        now: Instant,
        key: u32,
        ack: Ack<'_>,
        fits: impl FnOnce(&InFlight) -> bool,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        let Some(outgoing) = self.sessions[key as usize].outgoing.as_deref_mut() else { return Ok(()) };
        let Some(place) = outgoing.place(ack.packet_id) else { return Ok(()) };
        if !outgoing.in_flight.get(place).is_some_and(fits) {
            return Err(UNFITTING);
        }
        if let Some(held) = outgoing.take_in_flight(place) {
            self.finish(now, key, &held, out);
        }
        Ok(())
    }

    /// A message is over for its session; the next may go.
    fn finish(&mut self, now: Instant, key: u32, held: &InFlight, out: &mut impl Outbox) {
        if held.queued.is_stored {
            let entry = held.queued.entry;
            Self::keep(&self.sessions[key as usize], out, |number| StoreOp::Done(number, entry));
        }
        self.pump(now, key, out);
    }
}

/// PUBACK for a message of QoS 2, PUBCOMP before PUBREC, and their like: mosquitto closes the connection too.
const UNFITTING: ClientFault = ClientFault::Unexpected("an acknowledgement that does not fit its message");

/// The next step for the message of `ack`, without a reason: some clients take any other than Success for the end.
const fn plain(ack: Ack<'_>) -> Ack<'static> {
    Ack { packet_id: ack.packet_id, reason: ReasonCode::Success, properties: Properties::EMPTY }
}
