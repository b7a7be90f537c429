//! From the recording to a sink that keeps what it is given.

use std::future::{pending, ready};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use gateway_core::dialect_a::Encoder;
use gateway_core::duplicates::DuplicateRule;
use gateway_core::filter::Filters;
use tokio::time::Instant;

use super::*;
use crate::{SinkCounts, SourcePlan, Speed};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(Instant, String)>>>);

impl Sink for Kept {
    fn publish(&self, payload: Bytes) {
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

fn plan(looped: bool, speed: Speed, report_interval_ms: u64) -> Plan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/data-test.btsnoop");
    Plan {
        source: SourcePlan { path, looped, speed },
        filters: Filters::default(),
        duplicates: DuplicateRule::Off,
        report_interval: Duration::from_millis(report_interval_ms),
        encoder: Encoder::default(),
        sinks: Vec::new(),
    }
}

async fn replayed(plan: &Plan, shutdown: impl Future<Output = ()>) -> (Vec<String>, Counts) {
    let kept = Kept::default();
    let counts = run(plan, &[Box::new(kept.clone()) as Box<dyn Sink>], shutdown).await.unwrap();
    (kept.lines(), counts)
}

const REPORTS: usize = 562;

#[tokio::test(start_paused = true)]
async fn everything_in_the_recording_reaches_every_sink() {
    let (first, second) = (Kept::default(), Kept::default());
    let sinks: [Box<dyn Sink>; 2] = [Box::new(first.clone()), Box::new(second.clone())];
    let gateway = Gateway::open(&plan(false, Speed::Fastest, 0)).unwrap();
    let counted = gateway.counts();
    let counts = gateway.run(&sinks, pending()).await;
    assert_eq!((counts.reports, counts.reported, counts.messages), (REPORTS as u64, REPORTS as u64, REPORTS as u64));
    assert_eq!(*counted.borrow(), counts);
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
    plan.filters.names = "HSE96722001CEC".parse().unwrap();
    run(&plan, &[Box::new(kept.clone()) as Box<dyn Sink>], pending()).await.unwrap();
    let recording = Recording::open(&plan.source.path).unwrap();
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
    assert!(counts.reported > 2 * REPORTS as u64 && counts.reported < 3 * REPORTS as u64);
    assert_eq!(counts.reported, lines.iter().map(|line| line.matches("\"name\"").count() as u64).sum::<u64>());

    let (lines, counts) = replayed(&plan(true, Speed::Times(1.0), 100), ready(())).await;
    assert_eq!((lines.len(), counts), (0, Counts::default()));
}

#[tokio::test(start_paused = true)]
async fn filters_and_duplicates_hold_back_and_count() {
    let mut plan = plan(false, Speed::Fastest, 0);
    plan.filters.macs = "E9:67:22*".parse().unwrap();
    plan.duplicates = DuplicateRule::OncePerDevice;
    let (lines, counts) = replayed(&plan, pending()).await;
    assert_eq!(lines.len(), 2);
    assert_eq!(counts.advertisements, counts.filtered + counts.duplicates + counts.reported);
    assert!(counts.filtered > 400 && counts.duplicates > 70);
}
