//! From what is written to what it means; all that is wrong at once.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use gateway_core::MacAddress;
use gateway_core::dialect_a::{Encoder, Style};
use gateway_core::duplicates::DuplicateRule;
use gateway_core::filter::Filters;

use super::check_sink::sink;
use super::{Plan, SourcePlan, Speed};
use crate::{GatewaySettings, SettingFault};

const REPORT_INTERVAL_MS_MAX: i64 = 3_600_000;
const GATEWAY_KEY_BYTES_MAX: usize = 64;
/// Each has a queue of its own; the router has one.
const SINKS_MAX: usize = 16;
/// Keys that a report has already.
const REPORT_KEYS: [&str; 6] = ["name", "evtType", "rssi", "adData", "scanData", "bdaddrs"];

impl GatewaySettings {
    /// What these settings mean. Relative paths begin at `base`; password files are read.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the fields; never an empty list.
    pub fn check(&self, base: &Path) -> Result<Plan, Vec<SettingFault>> {
        let mut faults = Faults { section: "gateway".to_owned(), found: Vec::new() };
        let plan = Plan {
            source: self.source(base, &mut faults),
            filters: self.filters(&mut faults),
            duplicates: self.duplicates(&mut faults),
            report_interval: self.report_interval(&mut faults),
            encoder: self.encoder(&mut faults),
            sinks: self.sinks(base, &mut faults),
        };
        if faults.found.is_empty() { Ok(plan) } else { Err(faults.found) }
    }

    fn source(&self, base: &Path, faults: &mut Faults) -> SourcePlan {
        if self.source.is_empty() {
            faults.add("source", "missing: name a recording of `btmon -w`, such as \"recordings/data-test.btsnoop\"");
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
        SourcePlan { path: base.join(&self.source), looped: self.looped, speed }
    }

    fn filters(&self, faults: &mut Faults) -> Filters {
        let rssi_dbm_min = self.filter_rssi.and_then(|rssi| match i8::try_from(rssi) {
            Ok(dbm @ -127..=20) => Some(dbm),
            _ => faults.none("filter_rssi", format!("{rssi}, but it takes -127 to 20 dBm, such as -80")),
        });
        Filters {
            names: faults.parse("filter_name", &self.filter_name),
            macs: faults.parse("filter_mac", &self.filter_mac),
            uuids: faults.parse("filter_uuid", &self.filter_uuid),
            rssi_dbm_min,
        }
    }

    fn duplicates(&self, faults: &mut Faults) -> DuplicateRule {
        let rule = u32::try_from(self.filter_duplicates).ok().and_then(|n| DuplicateRule::try_from(n).ok());
        rule.unwrap_or_else(|| {
            let takes = "0 (off), 1 (one report per device) or 1000 to 4294967295 (milliseconds)";
            faults.add("filter_duplicates", format!("{}, but it takes {takes}", self.filter_duplicates));
            DuplicateRule::Off
        })
    }

    fn report_interval(&self, faults: &mut Faults) -> Duration {
        let takes = format!("0 to {REPORT_INTERVAL_MS_MAX} milliseconds");
        let millis = faults.within("report_interval", self.report_interval, 0, REPORT_INTERVAL_MS_MAX, &takes);
        Duration::from_millis(millis.unsigned_abs())
    }

    fn encoder(&self, faults: &mut Faults) -> Encoder {
        let style = match self.style.as_str() {
            "spaced" => Style::Spaced,
            "compact" => Style::Compact,
            other => {
                faults.add("style", format!("{other:?}, but it takes \"spaced\" or \"compact\""));
                Style::Spaced
            }
        };
        let mac: Option<MacAddress> = match self.gateway_mac.as_str() {
            "" => None,
            text => text.parse().map_err(|fault| faults.add("gateway_mac", fault)).ok(),
        };
        if self.include_gateway_mac && self.gateway_mac.is_empty() {
            faults.add("gateway_mac", "missing: include_gateway_mac = true needs the gateway's own address");
        }
        let key = self.gateway_key.as_str();
        if key.is_empty() || key.len() > GATEWAY_KEY_BYTES_MAX {
            faults.add("gateway_key", format!("{} bytes, but it takes 1 to {GATEWAY_KEY_BYTES_MAX}", key.len()));
        } else if REPORT_KEYS.contains(&key) {
            faults.add("gateway_key", format!("{key:?} is in every report already: take another, such as \"gateway\""));
        }
        Encoder { style, gateway: mac.filter(|_| self.include_gateway_mac).map(|mac| (key.into(), mac)) }
    }

    fn sinks(&self, base: &Path, faults: &mut Faults) -> Vec<super::SinkPlan> {
        if self.sink.is_empty() || self.sink.len() > SINKS_MAX {
            let count = self.sink.len();
            faults.add("sink", format!("{count} tables [[gateway.sink]], but 1 to {SINKS_MAX} are needed; the simplest has only kind = \"embedded\""));
        }
        let each = self.sink.iter().take(SINKS_MAX).enumerate();
        each.filter_map(|(at, settings)| {
            let mut own = Faults { section: format!("gateway.sink[{at}]"), found: Vec::new() };
            let plan = sink(settings, base, &mut own);
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

    fn parse<T: FromStr<Err: Display> + Default>(&mut self, key: &str, text: &str) -> T {
        text.parse().unwrap_or_else(|fault| {
            self.add(key, fault);
            T::default()
        })
    }
}
