//! From the recording to a sink that keeps what it is given.

use std::future::{pending, ready};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use gateway_core::batch::Kind;
use gateway_core::dialect_a::Style;
use gateway_core::duplicates::DuplicateRule;
use gateway_core::filter::Filters;
use link::SpoolLimits;
use mqtt::QoS;
use tokio::time::Instant;

use super::*;
use crate::{DialectPlan, SinkCounts, SinkKind, SinkPlan, SourcePlan, Speed};

mod dialect_c;
mod live;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(Instant, String)>>>);

impl Sink for Kept {
    fn publish(&self, _: Kind, payload: Bytes) {
        let text = String::from_utf8(payload.to_vec()).unwrap();
        self.0.lock().unwrap().push((tokio::time::Instant::now(), text));
    }

    fn counts(&self) -> SinkCounts {
        SinkCounts { published: self.0.lock().unwrap().len() as u64, dropped: 0 }
    }
}

impl Kept {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }
}

fn reports(report_interval_ms: u64) -> ReportPlan {
    ReportPlan {
        filters: Filters::default(),
        pairs: false,
        duplicates: DuplicateRule::Off,
        report_interval: Duration::from_millis(report_interval_ms),
        dialect: DialectPlan::A { style: Style::Spaced, gateway_key: None },
        gateway: None,
    }
}

fn sink(reports: ReportPlan) -> SinkPlan {
    SinkPlan {
        kind: SinkKind::Embedded,
        reports,
        topic: Arc::from("cassia"),
        qos: QoS::AtMostOnce,
        client_id: None,
        username: None,
        password: None,
        queue: SpoolLimits::default(),
    }
}

fn plan(looped: bool, speed: Speed, report_interval_ms: u64) -> Plan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/data-test.btsnoop");
    let source = SourcePlan::Recording { path, looped, speed };
    Plan { source, sinks: vec![sink(reports(report_interval_ms))] }
}

async fn replayed(plan: &Plan, shutdown: impl Future<Output = ()>) -> (Vec<String>, Counts) {
    let kept = Kept::default();
    let mut gateway = Gateway::open(plan, None).unwrap();
    let counts = gateway.counts();
    gateway.run(&[Box::new(kept.clone()) as Box<dyn Sink>], shutdown).await;
    let counts = counts.borrow().clone();
    (kept.lines(), counts)
}

const REPORTS: usize = 562;

#[tokio::test(start_paused = true)]
async fn everything_in_the_recording_reaches_every_sink() {
    let (first, second) = (Kept::default(), Kept::default());
    let sinks: [Box<dyn Sink>; 2] = [Box::new(first.clone()), Box::new(second.clone())];
    let mut plan = plan(false, Speed::Fastest, 0);
    plan.sinks.push(plan.sinks[0].clone());
    let mut gateway = Gateway::open(&plan, None).unwrap();
    let counted = gateway.counts();
    assert_eq!(gateway.run(&sinks, pending()).await, Ended::Source);
    let counts = counted.borrow().clone();
    assert_eq!((counts.heard.reports, counts.sinks.len()), (REPORTS as u64, 2));
    for sink in &counts.sinks {
        assert_eq!((sink.reported, sink.messages), (REPORTS as u64, REPORTS as u64));
    }
    assert_eq!(first.lines().len(), REPORTS);
    assert_eq!(first.lines(), second.lines());
}

#[tokio::test(start_paused = true)]
async fn the_messages_are_the_same_at_every_speed() {
    let (fastest, _) = replayed(&plan(false, Speed::Fastest, 100), pending()).await;
    for speed in [Speed::Times(1.0), Speed::Times(7.5)] {
        assert_eq!(replayed(&plan(false, speed, 100), pending()).await.0, fastest);
    }
    // A scan response comes in the array of its advertisement, as in the guide's last line.
    let together = fastest.iter().filter(|line| {
        let (adv, response) =
            (line.find(r#""adData": "02011A0AFF4C0010050318BF4AB1""#), line.find(r#""scanData": """#));
        adv.zip(response).is_some_and(|(adv, response)| adv < response)
    });
    assert!(together.count() > 20);
}

#[tokio::test(start_paused = true)]
async fn a_message_leaves_when_its_slice_is_over_and_not_when_the_next_packet_comes() {
    let kept = Kept::default();
    let began = Instant::now();
    // Nothing else passes the filter for a second: the timeout has to do it.
    let mut plan = plan(false, Speed::Times(1.0), 50);
    plan.sinks[0].reports.filters.names = "HSE96722001CEC".parse().unwrap();
    let mut gateway = Gateway::open(&plan, None).unwrap();
    gateway.run(&[Box::new(kept.clone()) as Box<dyn Sink>], pending()).await;
    let SourcePlan::Recording { path, .. } = &plan.source else { panic!("a recording") };
    let recording = Recording::open(path).unwrap();
    let first = recording.event(0).unwrap().at;
    let heard: Vec<_> = (0..recording.len())
        .filter_map(|index| recording.event(index))
        .filter(|event| event.octets.windows(4).any(|bytes| bytes == b"1CEC"))
        .map(|event| event.at.since(first) + Duration::from_millis(50))
        .collect();
    let sent: Vec<_> = kept.0.lock().unwrap().iter().map(|(at, _)| at.duration_since(began)).collect();
    assert_eq!(sent.len(), heard.len());
    // The last one leaves with the end of the recording, which comes before its time.
    for (sent, due) in sent.iter().zip(&heard).rev().skip(1) {
        assert!(sent.abs_diff(*due) <= Duration::from_millis(2), "{sent:?} {due:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_runs_until_it_is_told_to_stop_and_hands_over_what_it_has() {
    let began = Instant::now();
    let (lines, counts) =
        replayed(&plan(true, Speed::Times(1.0), 60_000), tokio::time::sleep(Duration::from_secs(100))).await;
    assert_eq!(began.elapsed(), Duration::from_secs(100));
    let reported = counts.sinks[0].reported;
    assert!(reported > 2 * REPORTS as u64 && reported < 3 * REPORTS as u64);
    assert_eq!(reported, lines.iter().map(|line| line.matches("\"name\"").count() as u64).sum::<u64>());

    let (lines, counts) = replayed(&plan(true, Speed::Times(1.0), 100), ready(())).await;
    assert_eq!((lines.len(), counts.heard, counts.messages()), (0, Heard::default(), 0));
}

#[tokio::test(start_paused = true)]
async fn filters_and_duplicates_hold_back_and_count() {
    let mut plan = plan(false, Speed::Fastest, 0);
    plan.sinks[0].reports.filters.macs = "E9:67:22*".parse().unwrap();
    plan.sinks[0].reports.duplicates = DuplicateRule::OncePerDevice;
    let (lines, counts) = replayed(&plan, pending()).await;
    assert_eq!(lines.len(), 2);
    let sink = counts.sinks[0];
    assert_eq!(counts.heard.advertisements, sink.filtered + sink.duplicates + sink.reported);
    assert!(sink.filtered > 400 && sink.duplicates > 70);
}

#[tokio::test(start_paused = true)]
async fn each_sink_has_its_own_filters_interval_and_dialect_of_one_and_the_same_air() {
    let mut plan = plan(false, Speed::Times(1.0), 0);
    let mut few = reports(100);
    few.filters.names = "HSE*".parse().unwrap();
    few.dialect = DialectPlan::A { style: Style::Compact, gateway_key: Some("ap".into()) };
    few.gateway = Some("CC:1B:E0:12:34:56".parse().unwrap());
    plan.sinks.push(sink(few));
    let (all, some) = (Kept::default(), Kept::default());
    let sinks: [Box<dyn Sink>; 2] = [Box::new(all.clone()), Box::new(some.clone())];
    let mut gateway = Gateway::open(&plan, None).unwrap();
    gateway.run(&sinks, pending()).await;
    let counts = gateway.counts().borrow().clone();
    assert_eq!((all.lines().len(), counts.heard.reports), (REPORTS, REPORTS as u64));
    assert!(counts.sinks[1].reported > 70 && counts.sinks[1].reported == REPORTS as u64 - counts.sinks[1].filtered);
    assert!(some.lines().iter().all(|line| {
        line.starts_with(r#"[{"name":"HSE967220"#) && line.ends_with(r#","ap":"CC:1B:E0:12:34:56"}]"#)
    }));
}
