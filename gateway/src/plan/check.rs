//! From what is written to what it means; all that is wrong at once.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use super::check_radio::radio;
use super::check_reports::{Defaults, reports};
use super::check_sink::sink;
use super::{Plan, SourcePlan, Speed};
use crate::{GatewaySettings, RadioSettings, SettingFault};

/// Each has a queue of its own; the router has one.
const SINKS_MAX: usize = 16;

impl GatewaySettings {
    /// What these settings mean. Relative paths begin at `base`; password files are read.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the fields; never an empty list.
    pub fn check(&self, base: &Path) -> Result<Plan, Vec<SettingFault>> {
        let mut faults = Faults { section: "gateway".to_owned(), found: Vec::new() };
        let source = self.source(base, &mut faults);
        let defaults = reports(self, &source, &mut faults);
        let sinks = self.sinks(base, &source, &defaults, &mut faults);
        if faults.found.is_empty() { Ok(Plan { source, sinks }) } else { Err(faults.found) }
    }

    fn source(&self, base: &Path, faults: &mut Faults) -> SourcePlan {
        if let Some(radio) = &self.radio {
            return self.radio(radio, faults);
        }
        if self.source.is_empty() {
            faults.add(
                "source",
                "missing: name a recording of `btmon -w`, such as \"recordings/data-test.btsnoop\", or have a table \
                 [gateway.radio] (it may be empty) for the adapters of this machine",
            );
        }
        let speed = match self.speed {
            0.0 => Speed::Fastest,
            times if (0.001..=1000.0).contains(&times) => Speed::Times(times),
            other => {
                faults.add(
                    "speed",
                    format!("{other}, but it takes 0.001 to 1000 (1 is as recorded), or 0 for as fast as possible"),
                );
                Speed::Fastest
            }
        };
        if self.looped && self.speed == 0.0 {
            faults.add(
                "loop",
                "true with speed = 0 would publish without end or pause: set speed to 1, or loop to false",
            );
        }
        SourcePlan::Recording { path: base.join(&self.source), looped: self.looped, speed }
    }

    fn radio(&self, settings: &RadioSettings, faults: &mut Faults) -> SourcePlan {
        if !self.source.is_empty() {
            faults.add("source", "set beside [gateway.radio]: leave one of them out");
        }
        // What is left at its default cannot be told from what was not written.
        for (key, is_set) in
            [("loop", self.looped), ("speed", (self.speed - 1.0).abs() > f64::EPSILON || self.speed.is_nan())]
        {
            if is_set {
                faults.add(key, "set, but [gateway.radio] is no recording: leave it out");
            }
        }
        let mut own = Faults { section: "gateway.radio".to_owned(), found: Vec::new() };
        let plan = radio(settings, &mut own);
        faults.found.append(&mut own.found);
        SourcePlan::Radio(plan)
    }

    fn sinks(
        &self,
        base: &Path,
        source: &SourcePlan,
        defaults: &Defaults,
        faults: &mut Faults,
    ) -> Vec<super::SinkPlan> {
        if self.sink.is_empty() || self.sink.len() > SINKS_MAX {
            let count = self.sink.len();
            faults.add("sink", format!("{count} tables [[gateway.sink]], but 1 to {SINKS_MAX} are needed; the simplest has only kind = \"embedded\""));
        }
        let each = self.sink.iter().take(SINKS_MAX).enumerate();
        each.filter_map(|(at, settings)| {
            let mut own = Faults { section: format!("gateway.sink[{at}]"), found: Vec::new() };
            let plan = sink(settings, base, source, defaults, &mut own);
            faults.found.append(&mut own.found);
            plan
        })
        .collect()
    }
}

/// What was found wrong in one table.
pub(super) struct Faults {
    pub(super) section: String,
    pub(super) found: Vec<SettingFault>,
}

impl Faults {
    pub(super) fn add(&mut self, key: &str, problem: impl Display) {
        let key = format!("{}.{key}", self.section);
        self.found.push(SettingFault { key, problem: problem.to_string() });
    }

    /// As [`Faults::add`], where a value was looked for and there is none.
    pub(super) fn none<T>(&mut self, key: &str, problem: impl Display) -> Option<T> {
        self.add(key, problem);
        None
    }

    pub(super) fn within(&mut self, key: &str, value: i64, min: i64, max: i64, takes: &str) -> i64 {
        if !(min..=max).contains(&value) {
            self.add(key, format!("{value}, but it takes {takes}"));
        }
        value.clamp(min, max)
    }

    pub(super) fn parse<T: FromStr<Err: Display> + Default>(&mut self, key: &str, text: &str) -> T {
        text.parse().unwrap_or_else(|fault| {
            self.add(key, fault);
            T::default()
        })
    }
}
