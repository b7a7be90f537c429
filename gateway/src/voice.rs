//! What one sink is given: reports, and in dialect C what the gateway says of itself.

use gateway_core::batch::{Batches, Limits, Message};
use gateway_core::dialect::Dialect;
use gateway_core::dialect_c::Ids;
use gateway_core::duplicates::Duplicates;
use gateway_core::station::{About, Periods, Station};
use gateway_core::{Advertisement, MacAddress, Pipeline, Timestamp, dialect_a, dialect_c};

use crate::plan::{DialectPlan, ReportPlan};

/// What a gateway is, as dialect C tells it.
const MODEL: &str = "nightjar";

/// One for each sink.
#[derive(Debug)]
pub(crate) struct Voice {
    pub(crate) pipeline: Pipeline,
    /// Dialect C alone.
    pub(crate) station: Option<Station>,
    /// Messages that are ready.
    pub(crate) out: Vec<Message>,
}

impl Voice {
    /// `address` is the gateway's own where the plan has none.
    pub(crate) fn new(plan: &ReportPlan, address: MacAddress) -> Self {
        let gateway = plan.gateway.unwrap_or(address);
        let (dialect, station) = match &plan.dialect {
            DialectPlan::A { style, gateway_key } => {
                let gateway = gateway_key.clone().map(|key| (key, gateway));
                (Dialect::A(dialect_a::Encoder { style: *style, gateway }), None)
            }
            DialectPlan::C { items } => {
                let about = About { gateway, model: MODEL.into(), version: env!("CARGO_PKG_VERSION").into() };
                let station = Station::new(about, items.style, ids(), Periods::default());
                (Dialect::C(dialect_c::Encoder::new(gateway, *items, ids())), Some(station))
            }
        };
        let batches = Batches::new(plan.report_interval, Limits::default(), dialect);
        let pipeline = Pipeline::new(plan.filters.clone(), Duplicates::new(plan.duplicates), batches);
        Self { pipeline: pipeline.judging_pairs(plan.pairs), station, out: Vec::new() }
    }

    pub(crate) fn take(&mut self, heard: &Advertisement) {
        self.pipeline.take(heard, &mut self.out);
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        self.pipeline.handle_timeout(now, &mut self.out);
    }

    pub(crate) fn flush(&mut self) {
        self.pipeline.flush(&mut self.out);
    }
}

/// Drawn at random, so that two runs and two sinks do not number alike. Without a source of random numbers they may.
fn ids() -> Ids {
    Ids::starting_at(getrandom::u64().unwrap_or_default())
}
