//! Dialect C through the gateway, with a sink that tells what a far side would.

use std::collections::VecDeque;

use bytes::Bytes;
use gateway_core::dialect_b::Items;
use link::Received;
use serde_json::Value;

use super::*;

/// Keeps what it is given, and tells what was put in.
#[derive(Clone, Default)]
struct Far {
    kept: Arc<Mutex<Vec<(Duration, Kind, Value)>>>,
    inbound: Arc<Mutex<VecDeque<Inbound>>>,
    began: Option<Instant>,
}

impl Far {
    fn telling(inbound: impl IntoIterator<Item = Inbound>) -> Self {
        let inbound = Arc::new(Mutex::new(inbound.into_iter().collect()));
        Self { inbound, began: Some(Instant::now()), ..Self::default() }
    }

    fn of(&self, kind: Kind) -> Vec<(Duration, Value)> {
        let kept = self.kept.lock().unwrap();
        kept.iter().filter(|(_, its, _)| *its == kind).map(|(at, _, value)| (*at, value.clone())).collect()
    }
}

impl Sink for Far {
    fn publish(&self, kind: Kind, payload: Bytes) {
        let at = self.began.unwrap().elapsed();
        self.kept.lock().unwrap().push((at, kind, serde_json::from_slice(&payload).unwrap()));
    }

    fn poll_inbound(&self, _: &Context<'_>) -> Poll<Inbound> {
        self.inbound.lock().unwrap().pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn counts(&self) -> SinkCounts {
        SinkCounts::default()
    }
}

const GATEWAY: &str = "CC:1B:E0:12:34:56";

fn c_plan(recording: &str, timestamp: bool) -> Plan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings").join(recording);
    let source = SourcePlan::Recording { path, looped: true, speed: Speed::Times(1.0) };
    let items = Items { style: Style::Compact, timestamp };
    let gateway = Some(GATEWAY.parse().unwrap());
    Plan { source, sinks: vec![sink(ReportPlan { dialect: DialectPlan::C { items }, gateway, ..reports(100) })] }
}

async fn run_for(plan: &Plan, far: &Far, seconds: u64) {
    let mut gateway = Gateway::open(plan, None).unwrap();
    let sinks = [Box::new(far.clone()) as Box<dyn Sink>];
    gateway.run(&sinks, tokio::time::sleep(Duration::from_secs(seconds))).await;
}

fn request(payload: &str) -> Inbound {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Inbound::Message(Received { topic: "down".into(), payload, retain: false })
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

const ENVELOPE: [&str; 5] = ["action", "data", "gateway", "id", "timestamp"];

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_connected_shows_that_it_lives() {
    let far = Far::telling([Inbound::Up]);
    run_for(&c_plan("data-test.btsnoop", false), &far, 650).await;
    let seconds = |kind| far.of(kind).iter().map(|(at, _)| at.as_secs()).collect::<Vec<_>>();
    assert_eq!(seconds(Kind::GatewayStatus), [0, 300, 600]);
    assert_eq!(seconds(Kind::Heartbeat), (0..22).map(|beat| beat * 30).collect::<Vec<_>>());
    for (kind, action) in [(Kind::GatewayStatus, "gateway_status"), (Kind::Heartbeat, "heartbeat")] {
        for (_, message) in far.of(kind) {
            assert_eq!((keys(&message), &message["action"]), (ENVELOPE.to_vec(), &Value::from(action)));
        }
    }
    let (_, status) = far.of(Kind::GatewayStatus).pop().unwrap();
    assert_eq!(keys(&status["data"]), ["model", "private_ip", "uplink", "uptime", "version"]);
    assert_eq!((&status["data"]["uptime"], &status["gateway"]), (&Value::from(600), &Value::from(GATEWAY)));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_not_connected_keeps_its_reports_and_says_nothing_of_itself() {
    for inbound in [vec![], vec![Inbound::Up, Inbound::Down]] {
        let far = Far::telling(inbound);
        run_for(&c_plan("data-test.btsnoop", false), &far, 100).await;
        assert_eq!((far.of(Kind::GatewayStatus).len(), far.of(Kind::Heartbeat).len()), (0, 0));
        assert!(far.of(Kind::Scan).len() > 100);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_and_heartbeat_replies_are_not() {
    let far = Far::telling([
        Inbound::Up,
        request(r#"{"id":"1","action":"api","data":{"url":"/cassia/info","method":"GET","body":{}}}"#),
        request(r#"{"id":"2","action":"heartbeat_reply","data":{}}"#),
        request(r#"{"id":"3","action":"api","data":{"url":"/cassia/reboot","method":"GET","body":{}}}"#),
        request("nonsense"),
    ]);
    run_for(&c_plan("data-test.btsnoop", false), &far, 1).await;
    let replies = far.of(Kind::ApiReply);
    let ids: Vec<_> =
        replies.iter().map(|(_, reply)| (reply["id"].as_str().unwrap(), &reply["data"]["code"])).collect();
    let (ok, failure) = (Value::from(200), Value::from(500));
    assert_eq!(ids, [("1", &ok), ("3", &failure), ("", &failure)]);
    for (_, reply) in &replies {
        assert_eq!((keys(reply), keys(&reply["data"])), (ENVELOPE.to_vec(), vec!["body", "code"]));
    }
    assert_eq!(keys(&replies[0].1["data"]["body"]), ["mac", "model", "uptime", "version"]);
}

#[tokio::test(start_paused = true)]
async fn every_item_has_the_documented_keys_and_no_others() {
    const COMMON: [&str; 6] = ["adData", "bdaddrs", "chipId", "evtType", "name", "rssi"];
    const EXTENDED: [&str; 7] = ["dataStatus", "interval", "primaryPhy", "prop", "secondaryPhy", "sid", "txPower"];
    let (mut ids, mut legacy, mut extended) = (std::collections::BTreeSet::new(), 0, 0);
    for (recording, timestamp) in [("data-test.btsnoop", false), ("extended.btsnoop", true)] {
        let far = Far::telling([]);
        run_for(&c_plan(recording, timestamp), &far, 40).await;
        for (_, message) in far.of(Kind::Scan) {
            assert_eq!((keys(&message), message["action"].as_str()), (ENVELOPE.to_vec(), Some("data.scan")));
            assert!(ids.insert(message["id"].as_str().unwrap().to_owned()), "{message}");
            for item in message["data"].as_array().unwrap() {
                let is_extended = item.get("primaryPhy").is_some();
                let mut wanted = COMMON.to_vec();
                wanted.extend(EXTENDED.iter().filter(|_| is_extended));
                wanted.extend(timestamp.then_some("timestamp"));
                if item["evtType"] == 4 {
                    wanted.retain(|key| *key != "adData");
                    wanted.push("scanData");
                }
                wanted.sort_unstable();
                assert_eq!(keys(item), wanted);
                let [address] = &item["bdaddrs"].as_array().unwrap()[..] else { panic!("{item}") };
                assert_eq!(keys(address), ["bdaddr", "bdaddrType"]);
                *(if is_extended { &mut extended } else { &mut legacy }) += 1;
            }
        }
    }
    assert!(legacy > 500 && extended > 100, "{legacy} {extended}");
}

#[tokio::test(start_paused = true)]
async fn every_report_of_dialect_a_has_the_documented_keys_and_no_others() {
    let mut reports = 0;
    for recording in ["data-test.btsnoop", "extended.btsnoop"] {
        let mut plan = c_plan(recording, false);
        plan.sinks[0].reports = super::reports(100);
        let far = Far::telling([]);
        run_for(&plan, &far, 40).await;
        for (_, message) in far.of(Kind::Scan) {
            for report in message.as_array().unwrap() {
                let data = if report["evtType"] == 4 { "scanData" } else { "adData" };
                let mut wanted = ["bdaddrs", "evtType", "name", "rssi", data];
                wanted.sort_unstable();
                assert_eq!(keys(report), wanted);
                reports += 1;
            }
        }
    }
    assert!(reports > 900, "{reports}");
}
