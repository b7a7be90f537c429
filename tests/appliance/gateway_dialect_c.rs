//! Dialect C from end to end: what a subscriber to `up/{gateway}/…` sees, and what is answered to `down/{gateway}/api`,
//! at the embedded broker and at Debian's mosquitto at the same time, beside a sink of dialect A.

use serde_json::{Value, json};

use crate::clients::{Subscriber, publish_well};
use crate::folder::Folder;
use crate::harness::{Appliance, filled};
use crate::mosquitto::Mosquitto;

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway/recordings/data-test.btsnoop");
const GATEWAY: &str = "CC:1B:E0:12:34:56";
/// At either broker.
const CLIENT_ID: &str = "hall";
const BROKER: &str = "user root\nlistener PORT 127.0.0.1\nallow_anonymous true\n";

/// The embedded broker, a far one, and a gateway that publishes to both.
struct Scene {
    appliance: Appliance,
    far: Mosquitto,
}

fn scene() -> Scene {
    let far = Mosquitto::with_configuration(|port| filled(BROKER, &Folder::new(), port));
    let folder = Folder::new();
    let toml = format!(
        "[gateway]\nsource = \"{RECORDING}\"\nspeed = 20.0\nloop = true\ngateway_mac = \"{GATEWAY}\"\n\
         [[gateway.sink]]\nkind = \"embedded\"\ndialect = \"C\"\nclient_id = \"{CLIENT_ID}\"\ntimestamp = true\n\
         [[gateway.sink]]\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\nport = {}\ndialect = \"C\"\nclient_id = \"{CLIENT_ID}\"\nfilter_name = \"HSE*\"\n\
         [[gateway.sink]]\nkind = \"embedded\"\ntopic = \"cassia\"\nfilter_mac = \"98:04*\"\n",
        far.open_port()
    );
    folder.write("nightjar.toml", toml);
    Scene { appliance: Appliance::start(BROKER, folder), far }
}

/// The first message to `up/{gateway}/{last}` that `is_it`, parsed, with its QoS.
fn message(subscriber: &Subscriber, last: &str, is_it: impl Fn(&Value) -> bool) -> (String, Value) {
    let head = format!("up/{GATEWAY}/{last}|");
    let found = subscriber.wait_messages(|messages| {
        messages.iter().filter_map(|message| message.strip_prefix(&head)).find_map(|rest| {
            let [qos, _retain, payload] = rest.splitn(3, '|').collect::<Vec<_>>()[..] else { panic!("{rest}") };
            let value: Value = serde_json::from_str(payload).unwrap_or_else(|fault| panic!("{fault}: {payload}"));
            is_it(&value).then(|| (qos.to_owned(), value))
        })
    });
    found.unwrap_or_else(|| panic!("no such message to {head}: {:#?}", subscriber.so_far()))
}

fn request(id: &str, method: &str, url: &str) -> String {
    json!({"id": id, "action": "api", "timestamp": 1, "gateway": GATEWAY, "data": {"url": url, "method": method, "body": {}}})
        .to_string()
}

#[test]
fn a_subscriber_of_either_broker_sees_scans_heartbeat_and_status_and_is_answered() {
    let scene = scene();
    let down = format!("down/{GATEWAY}/api");
    for port in [scene.appliance.port, scene.far.open_port()] {
        let is_far = port != scene.appliance.port;
        let subscriber = Subscriber::start(port, &["-t", "up/#", "-q", "1"]);
        let (qos, scan) = message(&subscriber, "scan", |_| true);
        assert_eq!((qos.as_str(), &scan["action"], &scan["gateway"]), ("0", &json!("data.scan"), &json!(GATEWAY)));
        let items = scan["data"].as_array().expect("an array");
        assert!(!items.is_empty());
        for item in items {
            assert_eq!(item["chipId"], 0, "{item}");
            assert_eq!(item.get("timestamp").is_some(), !is_far, "{item}");
            assert!(!is_far || item["name"].as_str().is_some_and(|name| name.starts_with("HSE")), "{item}");
        }
        let rows = [
            (request("1", "GET", "/cassia/info"), "1", 200),
            (request("2", "GET", "/gap/nodes?connection_state=connected"), "2", 200),
            (request("3", "POST", "/gap/nodes/C4:11:22:33:44:55/connection"), "3", 500),
            ("nonsense".to_owned(), "", 500),
        ];
        for (payload, id, code) in rows {
            publish_well(port, &["-q", "1", "-t", &down, "-m", &payload]);
            let (qos, reply) = message(&subscriber, "api_reply", |reply| reply["id"] == id);
            assert_eq!(
                (qos.as_str(), &reply["action"], &reply["data"]["code"]),
                ("1", &json!("api_reply"), &json!(code))
            );
            match id {
                "1" => assert_eq!(reply["data"]["body"]["mac"], GATEWAY),
                "2" => assert_eq!(reply["data"]["body"], json!({"nodes": {}})),
                "3" => assert_eq!(reply["data"]["body"]["result"], "operation not supported"),
                _ => assert_eq!(reply["data"]["body"]["result"], "parameter invalid"),
            }
        }
        // More than any request may be: refused, and the gateway goes on.
        let long = "x".repeat(100_000);
        publish_well(port, &["-q", "1", "-t", &down, "-m", &long]);
        publish_well(port, &["-q", "1", "-t", &down, "-m", &request("4", "GET", "/cassia/info")]);
        message(&subscriber, "api_reply", |reply| reply["id"] == "4" && reply["data"]["code"] == 200);
    }
}

#[test]
fn a_gateway_says_how_it_is_whenever_it_is_connected() {
    let scene = scene();
    for port in [scene.appliance.port, scene.far.open_port()] {
        let subscriber = Subscriber::start(port, &["-t", "up/#", "-q", "1"]);
        message(&subscriber, "scan", |_| true);
        // Whoever has its Client Identifier takes its place; it comes back, and says how it is.
        publish_well(port, &["-i", CLIENT_ID, "-t", "x", "-m", "x"]);
        let (qos, status) = message(&subscriber, "gateway_status", |_| true);
        assert_eq!((qos.as_str(), &status["action"]), ("1", &json!("gateway_status")));
        assert_eq!((&status["data"]["model"], &status["gateway"]), (&json!("nightjar"), &json!(GATEWAY)));
        let (qos, heartbeat) = message(&subscriber, "heartbeat", |_| true);
        assert_eq!((qos.as_str(), &heartbeat["action"], &heartbeat["data"]), ("1", &json!("heartbeat"), &json!({})));
    }
}
