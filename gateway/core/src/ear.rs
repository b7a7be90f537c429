//! The ear: HCI events in, whole advertisements out. One for all sinks, so that each packet is read once.

use crate::fragments::{Fragments, Joined};
use crate::{Advertisement, AdvertisementFault, Timestamp, hci};

/// What was heard; each only grows. A report that is a fragment counts with the advertisement that it completes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Advertising reports that controllers gave.
    pub reports: u64,
    /// Events that broke the specification, in whole or from some report on.
    pub faults: u64,
    /// Extended advertisements of which a fragment never came, or that were too long.
    pub incomplete: u64,
    /// Reports without an address: nobody could say whose they are.
    pub anonymous: u64,
    /// Whole advertisements and scan responses.
    pub advertisements: u64,
}

/// Turns HCI events into whole advertisements. Its memory is that of [`Fragments`].
#[derive(Debug, Default)]
pub struct Ear {
    fragments: Fragments,
    counts: Heard,
}

impl Ear {
    /// Takes one HCI event (from its event code on), which the gateway's radio number `chip` heard at `now`, and
    /// appends the advertisements that are whole now. Events other than advertising reports are ignored.
    ///
    /// # Errors
    ///
    /// The event broke the specification. It is counted, and what came before the fault is there:
    /// there is nothing to do but to log it.
    pub fn hear(
        &mut self,
        now: Timestamp,
        chip: u16,
        event: &[u8],
        out: &mut Vec<Advertisement>,
    ) -> Result<(), AdvertisementFault> {
        let before = out.len();
        let heard = self.hear_reports(now, chip, event, out);
        self.counts.advertisements += (out.len() - before) as u64;
        self.counts.faults += u64::from(heard.is_err());
        heard
    }

    /// What was heard so far.
    pub fn counts(&self) -> Heard {
        Heard { incomplete: self.fragments.lost(), ..self.counts }
    }

    fn hear_reports(
        &mut self,
        now: Timestamp,
        chip: u16,
        event: &[u8],
        out: &mut Vec<Advertisement>,
    ) -> Result<(), AdvertisementFault> {
        for report in hci::advertising_reports(event)?.into_iter().flatten() {
            let report = report?;
            self.counts.reports += 1;
            match self.fragments.take(now, chip, &report) {
                Joined::Whole(advertisement) => out.push(advertisement),
                Joined::Waiting => {}
                Joined::Anonymous => self.counts.anonymous += 1,
            }
        }
        Ok(())
    }
}
