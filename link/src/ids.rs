//! Packet Identifiers: which are in use.

use std::collections::BTreeSet;

use mqtt::PacketId;

/// Hands out identifiers in turn, so that one that was just freed is not met again at once.
#[derive(Debug)]
pub(crate) struct PacketIds {
    next: PacketId,
    in_use: BTreeSet<PacketId>,
    gone_round: bool,
}

impl PacketIds {
    pub(crate) fn new() -> Self {
        Self { next: PacketId(std::num::NonZeroU16::MIN), in_use: BTreeSet::new(), gone_round: false }
    }

    /// An identifier that nothing uses; `None` when all 65,535 are taken.
    pub(crate) fn take(&mut self) -> Option<PacketId> {
        if self.in_use.len() >= usize::from(u16::MAX) {
            return None;
        }
        loop {
            let id = self.next;
            self.next = id.next();
            self.gone_round |= self.next < id;
            if self.in_use.insert(id) {
                return Some(id);
            }
        }
    }

    pub(crate) fn release(&mut self, id: PacketId) {
        self.in_use.remove(&id);
    }

    /// Whether every identifier has had its turn once.
    pub(crate) fn gone_round(&self) -> bool {
        self.gone_round
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_go_in_turn_and_those_in_use_are_passed_over() {
        let mut ids = PacketIds::new();
        let all: Vec<u16> = (0..65_535).map(|_| ids.take().unwrap().get()).collect();
        assert_eq!((all[0], all[65_534]), (1, 65_535));
        assert!(ids.gone_round());
        assert_eq!(ids.take(), None);
        ids.release(PacketId::new(7).unwrap());
        assert_eq!(ids.take(), PacketId::new(7));
    }
}
