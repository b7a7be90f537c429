//! The way of a packet: event, reports, whole advertisement, filters, duplicates, batch, message.

use crate::batch::{Batches, Message};
use crate::duplicates::Duplicates;
use crate::filter::Filters;
use crate::fragments::{Fragments, Joined};
use crate::{Advertisement, AdvertisementFault, Timestamp, hci};

/// What became of everything heard; each only grows.
///
/// `advertisements` = `filtered` + `duplicates` + `reported`. A report that is a fragment counts with
/// the advertisement that it completes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
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
    /// Of these, what the filters held back.
    pub filtered: u64,
    /// Of these, what said nothing new.
    pub duplicates: u64,
    /// Of these, what went into a message.
    pub reported: u64,
    /// Messages.
    pub messages: u64,
}

/// Turns HCI events into messages.
///
/// Call [`Pipeline::hear`] for each event and [`Pipeline::handle_timeout`] when
/// [`Pipeline::next_deadline`] is reached; both append the messages that are ready. At the end,
/// [`Pipeline::flush`].
#[derive(Debug)]
pub struct Pipeline {
    fragments: Fragments,
    filters: Filters,
    duplicates: Duplicates,
    batches: Batches,
    counts: Counts,
}

impl Pipeline {
    /// Nothing heard yet.
    pub fn new(filters: Filters, duplicates: Duplicates, batches: Batches) -> Self {
        Self { fragments: Fragments::default(), filters, duplicates, batches, counts: Counts::default() }
    }

    /// Takes one HCI event (from its event code on), which `adapter` heard at `now`. Events other than
    /// advertising reports are ignored.
    ///
    /// # Errors
    ///
    /// The event broke the specification. It is counted, and what came before the fault is reported:
    /// there is nothing to do but to log it.
    pub fn hear(
        &mut self,
        now: Timestamp,
        adapter: u16,
        event: &[u8],
        out: &mut Vec<Message>,
    ) -> Result<(), AdvertisementFault> {
        let before = out.len();
        let heard = self.hear_reports(now, adapter, event, out);
        self.counts.faults += u64::from(heard.is_err());
        self.count_messages(before, out);
        heard
    }

    /// When [`Pipeline::handle_timeout`] is to be called; `None`: nothing waits.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.batches.next_deadline()
    }

    /// Closes the message whose time has come at `now`.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<Message>) {
        let before = out.len();
        self.batches.handle_timeout(now, out);
        self.count_messages(before, out);
    }

    /// Closes the message, whatever time it is.
    pub fn flush(&mut self, out: &mut Vec<Message>) {
        let before = out.len();
        self.batches.flush(out);
        self.count_messages(before, out);
    }

    /// What became of everything heard so far.
    pub fn counts(&self) -> Counts {
        Counts { incomplete: self.fragments.lost(), ..self.counts }
    }

    fn hear_reports(
        &mut self,
        now: Timestamp,
        adapter: u16,
        event: &[u8],
        out: &mut Vec<Message>,
    ) -> Result<(), AdvertisementFault> {
        for report in hci::advertising_reports(event)?.into_iter().flatten() {
            let report = report?;
            self.counts.reports += 1;
            match self.fragments.take(now, adapter, &report) {
                Joined::Whole(advertisement) => self.take(&advertisement, out),
                Joined::Waiting => {}
                Joined::Anonymous => self.counts.anonymous += 1,
            }
        }
        Ok(())
    }

    fn take(&mut self, advertisement: &Advertisement, out: &mut Vec<Message>) {
        self.counts.advertisements += 1;
        if !self.filters.pass(advertisement) {
            self.counts.filtered += 1;
        } else if !self.duplicates.is_news(advertisement) {
            self.counts.duplicates += 1;
        } else {
            self.counts.reported += 1;
            self.batches.add(advertisement, out);
        }
    }

    fn count_messages(&mut self, before: usize, out: &[Message]) {
        self.counts.messages += (out.len() - before) as u64;
    }
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
