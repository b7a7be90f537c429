//! What becomes of what is heard: of `[gateway]` for all sinks, and of each sink for itself.

use std::time::Duration;

use gateway_core::MacAddress;
use gateway_core::dialect_a::Style;
use gateway_core::dialect_b::Items;
use gateway_core::duplicates::DuplicateRule;
use gateway_core::filter::Filters;

use super::check::Faults;
use super::{DialectPlan, ReportPlan, SourcePlan};
use crate::{GatewaySettings, SinkSettings};

const REPORT_INTERVAL_MS_MAX: i64 = 3_600_000;
const GATEWAY_KEY_BYTES_MAX: usize = 64;
/// Keys that a report has already.
const REPORT_KEYS: [&str; 6] = ["name", "evtType", "rssi", "adData", "scanData", "bdaddrs"];

/// What of reports can be set, parsed: of `[gateway]`, and as a sink has it then.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    filters: Filters,
    pairs: bool,
    duplicates: DuplicateRule,
    report_interval: Duration,
    /// `None`: as is usual for the dialect.
    style: Option<Style>,
    timestamp: bool,
    /// Under which key the gateway's own address is told; and whether it is.
    gateway_key: Box<str>,
    includes_gateway: bool,
    gateway: Option<MacAddress>,
    /// That an address is missing was told already.
    is_told: bool,
}

/// Those of `[gateway]`.
pub(super) fn reports(settings: &GatewaySettings, source: &SourcePlan, faults: &mut Faults) -> Defaults {
    let mut defaults = Defaults {
        filters: Filters {
            names: faults.parse("filter_name", &settings.filter_name),
            macs: faults.parse("filter_mac", &settings.filter_mac),
            uuids: faults.parse("filter_uuid", &settings.filter_uuid),
            values: faults.parse("filter_value", &settings.filter_value),
            rssi_dbm_min: settings.filter_rssi.and_then(|rssi| weakest(rssi, faults)),
        },
        pairs: settings.filter_pairs,
        duplicates: duplicates(settings.filter_duplicates, faults),
        report_interval: report_interval(settings.report_interval, faults),
        style: style(&settings.style, faults),
        timestamp: settings.timestamp,
        gateway_key: gateway_key(&settings.gateway_key, faults),
        includes_gateway: settings.include_gateway_mac,
        gateway: gateway(&settings.gateway_mac, faults).or_else(|| first_adapter(source)),
        is_told: !settings.gateway_mac.is_empty(),
    };
    if settings.include_gateway_mac {
        defaults.miss_address(source, "include_gateway_mac = true", faults);
    }
    defaults
}

impl Defaults {
    /// As `settings` change them, of one sink.
    pub(super) fn of_sink(&self, settings: &SinkSettings, source: &SourcePlan, faults: &mut Faults) -> ReportPlan {
        let mut own = self.clone();
        let Filters { names, macs, uuids, values, rssi_dbm_min } = &mut own.filters;
        set(names, settings.filter_name.as_ref().map(|text| faults.parse("filter_name", text)));
        set(macs, settings.filter_mac.as_ref().map(|text| faults.parse("filter_mac", text)));
        set(uuids, settings.filter_uuid.as_ref().map(|text| faults.parse("filter_uuid", text)));
        set(values, settings.filter_value.as_ref().map(|text| faults.parse("filter_value", text)));
        set(rssi_dbm_min, settings.filter_rssi.map(|rssi| weakest(rssi, faults)));
        set(&mut own.pairs, settings.filter_pairs);
        set(&mut own.duplicates, settings.filter_duplicates.map(|rule| duplicates(rule, faults)));
        set(&mut own.report_interval, settings.report_interval.map(|millis| report_interval(millis, faults)));
        set(&mut own.style, settings.style.as_ref().map(|text| style(text, faults)));
        set(&mut own.timestamp, settings.timestamp);
        set(&mut own.gateway_key, settings.gateway_key.as_ref().map(|key| gateway_key(key, faults)));
        set(&mut own.includes_gateway, settings.include_gateway_mac);
        if let Some(text) = settings.gateway_mac.as_ref().filter(|text| !text.is_empty()) {
            own.gateway = gateway(text, faults);
            own.is_told = true;
        }
        let dialect = own.dialect(settings.dialect.as_deref().unwrap_or("A"), faults);
        match &dialect {
            DialectPlan::A { gateway_key: Some(_), .. } => {
                own.miss_address(source, "include_gateway_mac = true", faults);
            }
            DialectPlan::C { .. } => own.miss_address(source, "dialect = \"C\"", faults),
            DialectPlan::A { .. } => {}
        }
        ReportPlan {
            filters: own.filters,
            pairs: own.pairs,
            duplicates: own.duplicates,
            report_interval: own.report_interval,
            dialect,
            gateway: own.gateway,
        }
    }

    fn dialect(&self, word: &str, faults: &mut Faults) -> DialectPlan {
        match word {
            "A" => {}
            "C" => {
                let style = self.style.unwrap_or(Style::Compact);
                return DialectPlan::C { items: Items { style, timestamp: self.timestamp } };
            }
            other => faults
                .add("dialect", format!("{other:?}, but it takes \"A\" (2020's bypass mode) or \"C\" (the MQTT API)")),
        }
        let gateway_key = self.includes_gateway.then(|| self.gateway_key.clone());
        DialectPlan::A { style: self.style.unwrap_or(Style::Spaced), gateway_key }
    }

    /// A radio has an address; a recording must be given one.
    fn miss_address(&mut self, source: &SourcePlan, who: &str, faults: &mut Faults) {
        if self.gateway.is_none() && matches!(source, SourcePlan::Recording { .. }) && !self.is_told {
            faults.add(
                "gateway_mac",
                format!("missing: {who} needs the gateway's own address, and a recording has none"),
            );
            self.is_told = true;
        }
    }
}

fn set<T>(value: &mut T, own: Option<T>) {
    if let Some(own) = own {
        *value = own;
    }
}

/// The one that is named first. Where none is named, it is the first that comes.
fn first_adapter(source: &SourcePlan) -> Option<MacAddress> {
    match source {
        SourcePlan::Radio(radio) => radio.adapters.first().copied(),
        SourcePlan::Recording { .. } => None,
    }
}

fn weakest(rssi: i64, faults: &mut Faults) -> Option<i8> {
    match i8::try_from(rssi) {
        Ok(dbm @ -127..=20) => Some(dbm),
        _ => faults.none("filter_rssi", format!("{rssi}, but it takes -127 to 20 dBm, such as -80")),
    }
}

fn duplicates(setting: i64, faults: &mut Faults) -> DuplicateRule {
    let rule = u32::try_from(setting).ok().and_then(|n| DuplicateRule::try_from(n).ok());
    rule.unwrap_or_else(|| {
        let takes = "0 (off), 1 (one report per device) or 1000 to 4294967295 (milliseconds)";
        faults.add("filter_duplicates", format!("{setting}, but it takes {takes}"));
        DuplicateRule::Off
    })
}

fn report_interval(millis: i64, faults: &mut Faults) -> Duration {
    let takes = format!("0 to {REPORT_INTERVAL_MS_MAX} milliseconds");
    let millis = faults.within("report_interval", millis, 0, REPORT_INTERVAL_MS_MAX, &takes);
    Duration::from_millis(millis.unsigned_abs())
}

fn style(text: &str, faults: &mut Faults) -> Option<Style> {
    match text {
        "" => None,
        "spaced" => Some(Style::Spaced),
        "compact" => Some(Style::Compact),
        other => faults.none("style", format!("{other:?}, but it takes \"spaced\" or \"compact\"")),
    }
}

fn gateway_key(key: &str, faults: &mut Faults) -> Box<str> {
    if key.is_empty() || key.len() > GATEWAY_KEY_BYTES_MAX {
        faults.add("gateway_key", format!("{} bytes, but it takes 1 to {GATEWAY_KEY_BYTES_MAX}", key.len()));
    } else if REPORT_KEYS.contains(&key) {
        faults.add("gateway_key", format!("{key:?} is in every report already: take another, such as \"gateway\""));
    }
    key.into()
}

fn gateway(text: &str, faults: &mut Faults) -> Option<MacAddress> {
    match text {
        "" => None,
        text => text.parse().map_err(|fault| faults.add("gateway_mac", fault)).ok(),
    }
}
