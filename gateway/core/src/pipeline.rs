//! The way of an advertisement to one sink: filters, duplicates, batch, message.

use crate::batch::{Batches, Message};
use crate::duplicates::Duplicates;
use crate::filter::Filters;
use crate::pairs::{Pairs, Released};
use crate::{Advertisement, Timestamp};

/// What became of what was heard; each only grows.
///
/// What was taken = `filtered` + `duplicates` + `reported`, and what is held for its other half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// What the filters held back.
    pub filtered: u64,
    /// What said nothing new.
    pub duplicates: u64,
    /// What went into a message.
    pub reported: u64,
    /// Of these, the scan responses that stand right after their advertisement.
    pub paired: u64,
    /// Advertisements that were not held for their scan response as long as they should have been: too many were.
    pub pressed: u64,
    /// Messages.
    pub messages: u64,
}

/// Turns advertisements into the messages of one sink.
///
/// Call [`Pipeline::take`] for each advertisement and [`Pipeline::handle_timeout`] when
/// [`Pipeline::next_deadline`] is reached; both append the messages that are ready. At the end,
/// [`Pipeline::flush`].
#[derive(Debug)]
pub struct Pipeline {
    filters: Filters,
    /// `None`: each packet is judged by itself.
    pairs: Option<Pairs>,
    duplicates: Duplicates,
    batches: Batches,
    counts: Counts,
    /// Kept to use its memory again.
    released: Vec<Released>,
}

impl Pipeline {
    /// Nothing heard yet; each packet is judged by itself.
    pub fn new(filters: Filters, duplicates: Duplicates, batches: Batches) -> Self {
        Self { filters, pairs: None, duplicates, batches, counts: Counts::default(), released: Vec::new() }
    }

    /// Judges an advertisement and its scan response together, if so told: see [`crate::pairs`]. Without filters
    /// there is nothing to judge, and nothing is held.
    #[must_use]
    pub fn judging_pairs(mut self, together: bool) -> Self {
        self.pairs = (together && self.filters.judge_content()).then(Pairs::default);
        self
    }

    /// Takes one advertisement, whose `received_at` is the time.
    pub fn take(&mut self, heard: &Advertisement, out: &mut Vec<Message>) {
        let before = out.len();
        match &mut self.pairs {
            None => {
                let passes = self.filters.pass(heard);
                self.judged(heard.received_at, heard, passes, out);
            }
            Some(pairs) => {
                pairs.take(heard, &mut self.released);
                self.judge_released(heard.received_at, out);
            }
        }
        self.count_messages(before, out);
    }

    /// When [`Pipeline::handle_timeout`] is to be called; `None`: nothing waits.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let pairs = self.pairs.as_ref().and_then(Pairs::next_deadline);
        [pairs, self.batches.next_deadline()].into_iter().flatten().min()
    }

    /// Closes the message whose time has come at `now`.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<Message>) {
        let before = out.len();
        if let Some(pairs) = &mut self.pairs {
            pairs.handle_timeout(now, &mut self.released);
            self.judge_released(now, out);
        }
        self.batches.handle_timeout(now, out);
        self.count_messages(before, out);
    }

    /// Closes the message, whatever time it is.
    pub fn flush(&mut self, out: &mut Vec<Message>) {
        let before = out.len();
        if let Some(pairs) = &mut self.pairs {
            pairs.flush(&mut self.released);
            let latest = self.released.iter().map(|released| match released {
                Released::Alone(one) | Released::Pair(_, one) => one.received_at,
            });
            let latest = latest.max().unwrap_or_default();
            self.judge_released(latest, out);
        }
        self.batches.flush(out);
        self.count_messages(before, out);
    }

    /// What became of everything taken so far.
    pub fn counts(&self) -> Counts {
        Counts { paired: self.batches.paired(), pressed: self.pairs.as_ref().map_or(0, Pairs::pressed), ..self.counts }
    }

    fn judge_released(&mut self, now: Timestamp, out: &mut Vec<Message>) {
        let mut released = std::mem::take(&mut self.released);
        for released in released.drain(..) {
            match released {
                Released::Alone(one) => {
                    let passes = self.filters.pass(&one);
                    self.judged(now, &one, passes, out);
                }
                Released::Pair(one, other) => {
                    let passes = [self.filters.pass_with(&one, &other), self.filters.pass_with(&other, &one)];
                    for (half, passes) in [one, other].iter().zip(passes) {
                        self.judged(now, half, passes, out);
                    }
                }
            }
        }
        self.released = released;
    }

    fn judged(&mut self, now: Timestamp, heard: &Advertisement, passes: bool, out: &mut Vec<Message>) {
        if !passes {
            self.counts.filtered += 1;
        } else if !self.duplicates.is_news(heard) {
            self.counts.duplicates += 1;
        } else {
            self.counts.reported += 1;
            self.batches.add(now, heard, out);
        }
    }

    fn count_messages(&mut self, before: usize, out: &[Message]) {
        self.counts.messages += (out.len() - before) as u64;
    }
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
