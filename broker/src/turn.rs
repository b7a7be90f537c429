//! How much is done for one connection before the others have their turn. Measured in the core's steps, not in bytes and
//! not by the clock; what a packet took beyond the measure is owed, and paid by the next turns.

use crate::connection::Connection;
use crate::{TURN_STEPS_MAX, TURN_STEPS_PER_WRITE};

/// The turn of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    began: u64,
    /// Clients who had something to be written to them when it began.
    dirty: usize,
    steps_max: u64,
}

impl Turn {
    /// The turn of `connection` begins, with so much work done before, and so many clients to be written to. `None`: it
    /// owes as much as one turn has, and goes without.
    pub(crate) fn begin(connection: &mut Connection, work: u64, dirty: usize) -> Option<Self> {
        Some(Self { began: work, dirty, steps_max: allowance(&mut connection.debt)? })
    }

    /// Steps taken beyond the measure; 0 or more: it is over.
    pub(crate) fn beyond(&self, work: u64, dirty: usize) -> Option<u64> {
        let writes = dirty.saturating_sub(self.dirty) as u64;
        (work - self.began).checked_sub(self.steps_max + writes * TURN_STEPS_PER_WRITE)
    }
}

/// The steps of a turn, less what is owed; `None`: all of them are.
fn allowance(debt: &mut u32) -> Option<u64> {
    let steps = TURN_STEPS_MAX.checked_sub(u64::from(*debt)).filter(|steps| *steps > 0);
    *debt = debt.saturating_sub(TURN_STEPS_MAX as u32);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many turns a debt costs, and how many steps the turn after them has.
    fn pays(mut debt: u32) -> (u32, u64) {
        let mut turns = 0;
        loop {
            if let Some(steps) = allowance(&mut debt) {
                return (turns, steps);
            }
            turns += 1;
        }
    }

    #[test]
    fn what_was_taken_beyond_a_turn_is_paid_by_the_next_ones() {
        let max = TURN_STEPS_MAX as u32;
        assert_eq!(pays(0), (0, TURN_STEPS_MAX));
        assert_eq!(pays(1_000), (0, TURN_STEPS_MAX - 1_000));
        assert_eq!(pays(max), (1, TURN_STEPS_MAX));
        assert_eq!(pays(10 * max + 5), (10, TURN_STEPS_MAX - 5));
    }

    #[test]
    fn a_turn_is_longer_where_many_are_spoken_to() {
        let turn = Turn { began: 1_000, dirty: 3, steps_max: TURN_STEPS_MAX };
        assert_eq!(turn.beyond(1_000 + TURN_STEPS_MAX - 1, 3), None);
        assert_eq!(turn.beyond(1_000 + TURN_STEPS_MAX + 7, 3), Some(7));
        let writes = 10_000 * TURN_STEPS_PER_WRITE;
        assert_eq!(turn.beyond(1_000 + TURN_STEPS_MAX + writes - 1, 10_003), None);
        assert_eq!(turn.beyond(1_000 + TURN_STEPS_MAX + writes, 10_003), Some(0));
    }
}
