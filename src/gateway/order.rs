//! What the radio process is told on its command line, as JSON: how to listen, and whom to become.

use std::path::PathBuf;
use std::time::Duration;

use gateway_core::MacAddress;
use gateway_core::scan::{Phys, RadioPlan, ScanMode, ScanTiming};
use radio::RadioSettings;
use serde::{Deserialize, Serialize};

use crate::privileges::Other;

/// [`RadioSettings`], and whom to become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// Addresses; empty: all.
    adapters: Vec<String>,
    active: bool,
    /// Interval and window in microseconds.
    timing_us: Option<(u64, u64)>,
    /// LE 1M and LE Coded.
    phys: Option<(bool, bool)>,
    silence_ms: u64,
    may_reset: bool,
    state: Option<PathBuf>,
    /// Whom to become; `None`: stay who we are.
    pub other: Option<Other>,
}

impl Order {
    pub(crate) fn new(plan: &RadioPlan, state: Option<PathBuf>, other: Option<Other>) -> Self {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            adapters: plan.adapters.iter().map(MacAddress::to_string).collect(),
            active: plan.mode == ScanMode::Active,
            timing_us: plan.timing.map(|timing| (micros(timing.interval()), micros(timing.window()))),
            phys: plan.phys.map(|phys| (phys != Phys::Coded, phys != Phys::Le1M)),
            silence_ms: micros(plan.silence) / 1000,
            may_reset: plan.may_reset,
            state,
            other,
        }
    }

    /// # Errors
    /// It was not made by [`Order::new`].
    pub(crate) fn settings(&self) -> Result<RadioSettings, String> {
        let adapters = self.adapters.iter().map(|text| text.parse::<MacAddress>()).collect::<Result<_, _>>();
        let timing = self.timing_us.map(|(interval, window)| {
            ScanTiming::new(Duration::from_micros(interval), Duration::from_micros(window))
                .map_err(|fault| fault.to_string())
        });
        let phys = match self.phys {
            None => None,
            Some((true, true)) => Some(Phys::Both),
            Some((true, false)) => Some(Phys::Le1M),
            Some((false, true)) => Some(Phys::Coded),
            Some((false, false)) => return Err("no PHY".to_owned()),
        };
        let plan = RadioPlan {
            adapters: adapters.map_err(|fault| fault.to_string())?,
            mode: if self.active { ScanMode::Active } else { ScanMode::Passive },
            timing: timing.transpose()?,
            phys,
            silence: Duration::from_millis(self.silence_ms),
            may_reset: self.may_reset,
        };
        Ok(RadioSettings { plan, state: self.state.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_planned_is_what_the_radio_process_is_told() {
        let plan = RadioPlan {
            adapters: vec!["00:AA:01:00:00:42".parse().expect("an address")],
            mode: ScanMode::Active,
            timing: Some(ScanTiming::new(Duration::from_millis(60), Duration::from_millis(30)).expect("times")),
            phys: Some(Phys::Coded),
            silence: Duration::from_secs(7),
            may_reset: false,
        };
        let order = Order::new(&plan, Some("/run/nightjar".into()), Some(Other::Named("nightjar".to_owned())));
        let told: Order = serde_json::from_str(&serde_json::to_string(&order).expect("JSON")).expect("an order");
        assert_eq!(told, order);
        assert_eq!(told.settings(), Ok(RadioSettings { plan, state: Some("/run/nightjar".into()) }));
        for phys in [Phys::Le1M, Phys::Both] {
            let plan = RadioPlan { phys: Some(phys), ..RadioPlan::default() };
            assert_eq!(Order::new(&plan, None, None).settings().expect("settings").plan, plan);
        }
        assert_eq!(Order::new(&RadioPlan::default(), None, None).settings(), Ok(RadioSettings::default()));
    }
}
