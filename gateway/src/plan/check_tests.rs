//! nightjar.toml's `[gateway]`, right and wrong.

use std::path::PathBuf;
use std::time::Duration;

use config::{Config, File, FileFormat};
use gateway_core::dialect_a::Style;
use gateway_core::duplicates::DuplicateRule;

use super::*;
use crate::{GatewaySettings, Plan, SettingFault, Speed};

fn written(toml: &str) -> Result<GatewaySettings, config::ConfigError> {
    Config::builder().add_source(File::from_str(toml, FileFormat::Toml)).build()?.get("gateway")
}

fn base() -> PathBuf {
    PathBuf::from("/etc/nightjar")
}

fn plan(toml: &str) -> Result<Plan, Vec<SettingFault>> {
    written(toml).unwrap().check(&base())
}

const LEAST: &str = "[gateway]\nsource = 'air.btsnoop'\n[[gateway.sink]]\nkind = 'embedded'\n";

#[test]
fn two_keys_are_enough() {
    let plan = plan(LEAST).unwrap();
    assert_eq!(plan.source.path, PathBuf::from("/etc/nightjar/air.btsnoop"));
    assert_eq!((plan.source.looped, plan.source.speed), (false, Speed::Times(1.0)));
    assert_eq!((plan.duplicates, plan.report_interval), (DuplicateRule::Off, Duration::from_millis(100)));
    let [sink] = plan.sinks.as_slice() else { panic!("one sink") };
    assert_eq!((&sink.kind, &*sink.topic, sink.qos), (&SinkKind::Embedded, "cassia", QoS::AtLeastOnce));
}

#[test]
fn everything_can_be_set() {
    let plan = plan(
        r#"
        [gateway]
        source = "/var/air.btsnoop"
        loop = true
        speed = 2
        filter_name = "TH-*, *-07"
        filter_mac = "C4:11*"
        filter_uuid = "180D"
        filter_rssi = -80
        filter_duplicates = 5000
        report_interval = 0
        style = "compact"
        include_gateway_mac = true
        gateway_key = "ap"
        gateway_mac = "cc:1b:e0:12:34:56"

        [[gateway.sink]]
        kind = "mqtt"
        host = "39.98.116.133"
        connection = "short"
        username = "cassiamqtt"
        password = "cassiamqtt"
        topic = "cassia/hall"
        qos = 2
        encryption = "psk"
        psk = "1234567890abcdef"
        psk_identity = "cassiapsk"
        client_id = "cc:1b:e0:12:34:56-0"
        queue_messages_max = 10
        queue_bytes_max = 262144

        [[gateway.sink]]
        kind = "mqtt"
        host = "broker.example"
        port = 1884
        encryption = "certificate"
        ca_certificate = "ca.crt"
        client_certificate = "/c.crt"
        client_key = "c.key"
        "#,
    )
    .unwrap();
    assert_eq!((plan.source.looped, plan.source.speed), (true, Speed::Times(2.0)));
    assert_eq!((plan.filters.rssi_dbm_min, plan.report_interval), (Some(-80), Duration::ZERO));
    assert!(!plan.filters.names.is_empty() && !plan.filters.macs.is_empty() && !plan.filters.uuids.is_empty());
    assert_eq!(plan.duplicates, DuplicateRule::Window(Duration::from_secs(5)));
    assert_eq!(plan.encoder.style, Style::Compact);
    assert_eq!(plan.encoder.gateway, Some(("ap".into(), "CC:1B:E0:12:34:56".parse().unwrap())));

    let [psk, certificate] = plan.sinks.as_slice() else { panic!("two sinks") };
    let key = Secret(vec![0x12, 0x34, 0x56, 0x78, 0x90, 0xAB, 0xCD, 0xEF]);
    let encryption = Encryption::Psk { identity: "cassiapsk".to_owned(), key };
    let host = "39.98.116.133".to_owned();
    assert_eq!(psk.kind, SinkKind::Mqtt { host, port: 8883, connection: ConnectionKind::Short, encryption });
    assert_eq!((psk.qos, psk.queue), (QoS::ExactlyOnce, SpoolLimits { messages_max: 10, bytes_max: 262_144 }));
    assert_eq!(psk.password, Some(Secret(b"cassiamqtt".to_vec())));
    assert_eq!(psk.to_string(), "cassia/hall at 39.98.116.133:8883");

    let client = Some((PathBuf::from("/c.crt"), PathBuf::from("/etc/nightjar/c.key")));
    let encryption = Encryption::Certificate { ca: PathBuf::from("/etc/nightjar/ca.crt"), client };
    let host = "broker.example".to_owned();
    assert_eq!(certificate.kind, SinkKind::Mqtt { host, port: 1884, connection: ConnectionKind::Long, encryption });
}

#[test]
fn each_fault_names_its_key() {
    let rows = [
        ("source = ''", "", "gateway.source"),
        ("speed = -1.0", "", "gateway.speed"),
        ("speed = nan", "", "gateway.speed"),
        ("loop = true\nspeed = 0", "", "gateway.loop"),
        ("filter_name = 'A*B'", "", "gateway.filter_name"),
        ("filter_mac = 'C4-11*'", "", "gateway.filter_mac"),
        ("filter_uuid = '18'", "", "gateway.filter_uuid"),
        ("filter_rssi = 21", "", "gateway.filter_rssi"),
        ("filter_duplicates = 500", "", "gateway.filter_duplicates"),
        ("report_interval = -1", "", "gateway.report_interval"),
        ("style = 'pretty'", "", "gateway.style"),
        ("include_gateway_mac = true", "", "gateway.gateway_mac"),
        ("gateway_mac = 'CC'", "", "gateway.gateway_mac"),
        ("gateway_key = 'rssi'", "", "gateway.gateway_key"),
        ("gateway_key = ''", "", "gateway.gateway_key"),
        ("", "kind = 'amqp'", "gateway.sink[0].kind"),
        ("", "kind = 'mqtt'", "gateway.sink[0].host"),
        ("", "kind = 'mqtt'\nhost = 'mqtt://b'", "gateway.sink[0].host"),
        ("", "kind = 'mqtt'\nhost = 'b'\nport = 0", "gateway.sink[0].port"),
        ("", "kind = 'mqtt'\nhost = 'b'\nport = 70000", "gateway.sink[0].port"),
        ("", "kind = 'mqtt'\nhost = 'b'\nconnection = 'Long'", "gateway.sink[0].connection"),
        ("", "kind = 'mqtt'\nhost = 'b'\nencryption = 'tls'", "gateway.sink[0].encryption"),
        ("", "kind = 'mqtt'\nhost = 'b'\nencryption = 'psk'\npsk = '12'", "gateway.sink[0].psk_identity"),
        ("", "kind = 'mqtt'\nhost = 'b'\nencryption = 'psk'\npsk_identity = 'a'", "gateway.sink[0].psk"),
        ("", "kind = 'mqtt'\nhost = 'b'\nencryption = 'psk'\npsk_identity = 'a'\npsk = '123'", "gateway.sink[0].psk"),
        ("", "kind = 'mqtt'\nhost = 'b'\nencryption = 'psk'\npsk_identity = 'a'\npsk = '+1'", "gateway.sink[0].psk"),
        ("", "kind = 'mqtt'\nhost = 'b'\npsk = '12'", "gateway.sink[0].psk"),
        ("", "kind = 'mqtt'\nhost = 'b'\nencryption = 'certificate'", "gateway.sink[0].ca_certificate"),
        ("", "kind = 'mqtt'\nhost = 'b'\nca_certificate = 'a'", "gateway.sink[0].ca_certificate"),
        ("", "kind = 'embedded'\nhost = 'b'", "gateway.sink[0].host"),
        ("", "kind = 'embedded'\npsk = '12'", "gateway.sink[0].psk"),
        ("", "kind = 'embedded'\ntopic = 'a/#'", "gateway.sink[0].topic"),
        ("", "kind = 'embedded'\nqos = 3", "gateway.sink[0].qos"),
        ("", "kind = 'embedded'\npassword = 'x'", "gateway.sink[0].username"),
        ("", "kind = 'embedded'\nusername = 'u'\npassword_file = 'no/such'", "gateway.sink[0].password_file"),
        ("", "kind = 'embedded'\nqueue_messages_max = 0", "gateway.sink[0].queue_messages_max"),
        ("", "kind = 'embedded'\nqueue_bytes_max = 100", "gateway.sink[0].queue_bytes_max"),
    ];
    for (own, sink, key) in rows {
        let source = if own.starts_with("source") { "" } else { "source = 'air.btsnoop'" };
        let sink = if sink.is_empty() { "kind = 'embedded'" } else { sink };
        let toml = format!("[gateway]\n{source}\n{own}\n[[gateway.sink]]\n{sink}\n");
        let faults = plan(&toml).unwrap_err();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, [key], "{toml}{faults:?}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = plan("[gateway]\nspeed = -1\nstyle = 'x'\n[[gateway.sink]]\nkind = 'mqtt'\nqos = 7").unwrap_err();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    let wanted = ["gateway.source", "gateway.speed", "gateway.style", "gateway.sink[0].host", "gateway.sink[0].qos"];
    assert_eq!(keys, wanted);
}

#[test]
fn no_sink_is_a_fault_and_tells_the_mend() {
    let faults = plan("[gateway]\nsource = 'a'").unwrap_err();
    assert_eq!(faults[0].key, "gateway.sink");
    assert!(faults[0].problem.contains("kind = \"embedded\""), "{}", faults[0]);
}

#[test]
fn an_unknown_key_is_refused() {
    for toml in ["[gateway]\nfilter_names = 'A'", "[gateway]\n[[gateway.sink]]\nkind = 'embedded'\nhosts = 'b'"] {
        let fault = written(toml).unwrap_err().to_string();
        assert!(fault.contains("unknown field"), "{fault}");
    }
}

#[test]
fn a_password_file_gives_its_first_line() {
    let path = std::env::temp_dir().join(format!("nightjar-gateway-password-{}", std::process::id()));
    let sink = |path: &std::path::Path| {
        let toml = format!(
            "[gateway]\nsource = 'a'\n[[gateway.sink]]\nkind = 'embedded'\nusername = 'u'\npassword_file = '{}'",
            path.display()
        );
        plan(&toml).map(|plan| plan.sinks[0].password.clone())
    };
    for (content, wanted) in [("secret\n", "secret"), ("se cret\r\nmore", "se cret"), ("secret", "secret")] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(sink(&path), Ok(Some(Secret(wanted.as_bytes().to_vec()))));
    }
    std::fs::write(&path, "\n").unwrap();
    let faults = sink(&path).unwrap_err();
    assert!(faults[0].problem.ends_with("its first line is empty: write the password there"), "{}", faults[0]);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn no_secret_is_printed() {
    let toml = "[gateway]\nsource = 'a'\n[[gateway.sink]]\nkind = 'mqtt'\nhost = 'b'\nusername = 'u'\npassword = 'hush'\nencryption = 'psk'\npsk = '68757368'\npsk_identity = 'i'";
    let settings = written(toml).unwrap();
    let shown = format!("{settings:?} {:?}", settings.check(&base()));
    assert!(!shown.contains("hush") && !shown.contains("68757368") && !shown.contains("104, 117"), "{shown}");
    let bad = toml.replace("68757368", "6875736");
    let faults = format!("{:?}", plan(&bad).unwrap_err());
    assert!(faults.contains("gateway.sink[0].psk") && !faults.contains("6875736"), "{faults}");
}
