//! `[gateway.radio]`: what it means, or all that is wrong with it.

use std::time::Duration;

use gateway_core::MacAddress;
use gateway_core::scan::{Phys, RadioPlan, ScanMode, ScanTiming, TimingFault};

use super::check::Faults;
use crate::RadioSettings;

/// More adapters than a machine has room for; the kernel's list is no longer either.
const ADAPTERS_MAX: usize = 16;
const SILENCE_S_MAX: i64 = 3600;

pub(super) fn radio(settings: &RadioSettings, faults: &mut Faults) -> RadioPlan {
    RadioPlan {
        adapters: adapters(settings, faults),
        mode: match settings.mode.as_str() {
            "passive" => ScanMode::Passive,
            "active" => ScanMode::Active,
            other => {
                faults.add("mode", format!("{other:?}, but it takes \"passive\" or \"active\""));
                ScanMode::Passive
            }
        },
        timing: timing(settings, faults),
        phys: settings
            .phys
            .as_ref()
            .and_then(|phys| Phys::from_names(phys).map_err(|fault| faults.add("phys", fault)).ok()),
        silence: Duration::from_secs(
            faults
                .within("silence_s", settings.silence_s, 1, SILENCE_S_MAX, &format!("1 to {SILENCE_S_MAX} seconds"))
                .unsigned_abs(),
        ),
        may_reset: settings.may_reset,
    }
}

fn adapters(settings: &RadioSettings, faults: &mut Faults) -> Vec<MacAddress> {
    if settings.adapters.len() > ADAPTERS_MAX {
        let count = settings.adapters.len();
        faults.add(
            "adapters",
            format!("{count} addresses, but it takes {ADAPTERS_MAX} at most; leave it out for all adapters"),
        );
    }
    let mut adapters = Vec::new();
    for text in settings.adapters.iter().take(ADAPTERS_MAX) {
        match text.parse() {
            Ok(mac) if adapters.contains(&mac) => faults.add("adapters", format!("{mac} is there twice")),
            Ok(mac) => adapters.push(mac),
            Err(fault) => faults.add("adapters", fault),
        }
    }
    adapters
}

fn timing(settings: &RadioSettings, faults: &mut Faults) -> Option<ScanTiming> {
    let Some(interval) = settings.interval_ms else {
        return settings.window_ms.and_then(|_| {
            faults.none(
                "interval_ms",
                "missing: window_ms is how long is listened in each interval of so many milliseconds",
            )
        });
    };
    let window = settings.window_ms.unwrap_or(interval);
    // A negative number is out of range as a huge one is.
    let millis = |millis: i64| Duration::from_millis(u64::try_from(millis).unwrap_or(u64::from(u32::MAX)));
    match ScanTiming::new(millis(interval), millis(window)) {
        Ok(timing) => Some(timing),
        Err(fault @ TimingFault::OutOfRange { what: "interval", .. }) => faults.none("interval_ms", fault),
        Err(fault) => faults.none("window_ms", fault),
    }
}
