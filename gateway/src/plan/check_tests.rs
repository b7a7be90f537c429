//! nightjar.toml's `[gateway]`, right and wrong.

use std::path::PathBuf;
use std::time::Duration;

use config::{Config, File, FileFormat};
use gateway_core::dialect_a::Style;
use gateway_core::dialect_b::Items;
use gateway_core::duplicates::DuplicateRule;
use gateway_core::filter::Filters;
use gateway_core::scan::{Phys, RadioPlan, ScanMode, ScanTiming};

use super::*;
use crate::{DialectPlan, GatewaySettings, Plan, SettingFault, SourcePlan, Speed};

fn written(toml: &str) -> Result<GatewaySettings, config::ConfigError> {
    Config::builder().add_source(File::from_str(toml, FileFormat::Toml)).build()?.get("gateway")
}

fn base() -> PathBuf {
    PathBuf::from("/etc/nightjar")
}

fn plan(toml: &str) -> Result<Plan, Vec<SettingFault>> {
    written(toml).unwrap().check(&base())
}

const MAC: &str = "gateway_mac = 'CC:1B:E0:12:34:56'";

const LEAST: &str = "[gateway]\nsource = 'air.btsnoop'\n[[gateway.sink]]\nkind = 'embedded'\n";

#[test]
fn two_keys_are_enough() {
    let plan = plan(LEAST).unwrap();
    let path = PathBuf::from("/etc/nightjar/air.btsnoop");
    assert_eq!(plan.source, SourcePlan::Recording { path, looped: false, speed: Speed::Times(1.0) });
    let [sink] = plan.sinks.as_slice() else { panic!("one sink") };
    let reports = &sink.reports;
    assert_eq!((reports.duplicates, reports.report_interval), (DuplicateRule::Off, Duration::from_millis(100)));
    assert_eq!(reports.dialect, DialectPlan::A { style: Style::Spaced, gateway_key: None });
    assert_eq!((reports.pairs, reports.needs_address()), (false, false));
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
        filter_uuid = "180D, 18*"
        filter_value = '[{"offset":"1","data":"0201"}]'
        filter_pairs = true
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
    let path = PathBuf::from("/var/air.btsnoop");
    assert_eq!(plan.source, SourcePlan::Recording { path, looped: true, speed: Speed::Times(2.0) });
    let reports = &plan.sinks[0].reports;
    assert_eq!((reports.filters.rssi_dbm_min, reports.report_interval), (Some(-80), Duration::ZERO));
    let Filters { names, macs, uuids, values, .. } = &reports.filters;
    assert!(!names.is_empty() && !macs.is_empty() && !uuids.is_empty() && !values.is_empty() && reports.pairs);
    assert_eq!(reports.duplicates, DuplicateRule::Window(Duration::from_secs(5)));
    assert_eq!(reports.dialect, DialectPlan::A { style: Style::Compact, gateway_key: Some("ap".into()) });
    assert_eq!(reports.gateway, Some("CC:1B:E0:12:34:56".parse().unwrap()));
    assert_eq!(plan.sinks[1].reports, *reports);

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
        ("filter_value = '0201'", "", "gateway.filter_value"),
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
        ("", "kind = 'embedded'\ndialect = 'B'", "gateway.sink[0].dialect"),
        ("", "kind = 'embedded'\ndialect = 'C'", "gateway.sink[0].gateway_mac"),
        ("gateway_mac = 'CC'", "kind = 'embedded'\ndialect = 'C'", "gateway.gateway_mac"),
        ("", "kind = 'embedded'\ndialect = 'C'\ngateway_mac = 'CC'", "gateway.sink[0].gateway_mac"),
        (MAC, "kind = 'embedded'\ndialect = 'C'\ntopic = 'cassia'", "gateway.sink[0].topic"),
        (MAC, "kind = 'mqtt'\nhost = 'b'\ndialect = 'C'\nconnection = 'short'", "gateway.sink[0].connection"),
        (MAC, "kind = 'embedded'\ndialect = 'C'\ninclude_gateway_mac = true", "gateway.sink[0].include_gateway_mac"),
        ("", "kind = 'embedded'\ninclude_gateway_mac = true", "gateway.sink[0].gateway_mac"),
        ("", "kind = 'embedded'\ngateway_key = 'rssi'", "gateway.sink[0].gateway_key"),
        ("", "kind = 'embedded'\nfilter_name = 'A*B'", "gateway.sink[0].filter_name"),
        ("", "kind = 'embedded'\nfilter_mac = 'x'", "gateway.sink[0].filter_mac"),
        ("", "kind = 'embedded'\nfilter_uuid = 'x'", "gateway.sink[0].filter_uuid"),
        ("", "kind = 'embedded'\nfilter_value = 'x'", "gateway.sink[0].filter_value"),
        ("", "kind = 'embedded'\nfilter_rssi = 21", "gateway.sink[0].filter_rssi"),
        ("", "kind = 'embedded'\nfilter_duplicates = 2", "gateway.sink[0].filter_duplicates"),
        ("", "kind = 'embedded'\nreport_interval = -1", "gateway.sink[0].report_interval"),
        ("", "kind = 'embedded'\nstyle = 'x'", "gateway.sink[0].style"),
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
fn a_sink_has_its_own_and_the_gateways_where_it_has_none() {
    let plan = plan(
        r#"
        [gateway]
        source = "a"
        filter_name = "TH-*"
        filter_rssi = -80
        filter_duplicates = 1
        report_interval = 50
        gateway_mac = "CC:1B:E0:12:34:56"
        timestamp = true

        [[gateway.sink]]
        kind = "embedded"

        [[gateway.sink]]
        kind = "embedded"
        dialect = "C"
        filter_name = ""
        filter_uuid = "18*"
        filter_value = '[{"data":"00"}]'
        filter_pairs = true
        filter_rssi = -90
        filter_mac = "C4*"
        filter_duplicates = 0
        report_interval = 0
        timestamp = false

        [[gateway.sink]]
        kind = "embedded"
        dialect = "C"
        qos = 2
        style = "spaced"
        gateway_mac = "CC:1B:E0:12:34:57"

        [[gateway.sink]]
        kind = "embedded"
        dialect = "A"
        style = "compact"
        include_gateway_mac = true
        gateway_key = "ap"
        "#,
    )
    .unwrap();
    let [plain, c, other_c, a] = plan.sinks.as_slice() else { panic!("four sinks") };
    assert!(!plain.reports.filters.names.is_empty() && plain.reports.filters.uuids.is_empty());
    assert_eq!((plain.reports.duplicates, plain.qos), (DuplicateRule::OncePerDevice, QoS::AtLeastOnce));

    let Filters { names, macs, uuids, values, rssi_dbm_min } = &c.reports.filters;
    assert!(names.is_empty() && !macs.is_empty() && !uuids.is_empty() && !values.is_empty() && c.reports.pairs);
    assert_eq!((*rssi_dbm_min, c.reports.duplicates), (Some(-90), DuplicateRule::Off));
    assert_eq!((c.reports.report_interval, c.qos), (Duration::ZERO, QoS::AtMostOnce));
    assert_eq!(c.reports.dialect, DialectPlan::C { items: Items { style: Style::Compact, timestamp: false } });
    assert_eq!(c.to_string(), "up/CC:1B:E0:12:34:56/scan at the embedded broker");

    assert_eq!(other_c.reports.filters, plain.reports.filters);
    assert_eq!((other_c.reports.report_interval, other_c.qos), (Duration::from_millis(50), QoS::ExactlyOnce));
    assert_eq!(other_c.reports.dialect, DialectPlan::C { items: Items { style: Style::Spaced, timestamp: true } });
    assert_eq!(other_c.to_string(), "up/CC:1B:E0:12:34:57/scan at the embedded broker");

    assert_eq!(a.reports.dialect, DialectPlan::A { style: Style::Compact, gateway_key: Some("ap".into()) });
}

#[test]
fn the_address_of_a_gateway_with_a_radio_is_that_of_its_first_adapter() {
    let c = "[[gateway.sink]]\nkind = 'embedded'\ndialect = 'C'\n";
    let rows = [
        ("adapters = ['00:1A:7D:DA:71:13', '00:1A:7D:DA:71:14']", "", Some("00:1A:7D:DA:71:13")),
        ("adapters = ['00:1A:7D:DA:71:13']", MAC, Some("CC:1B:E0:12:34:56")),
        // The first that comes.
        ("", "", None),
    ];
    for (radio, own, wanted) in rows {
        let plan = plan(&format!("[gateway]\n{own}\n[gateway.radio]\n{radio}\n{c}")).unwrap();
        let reports = &plan.sinks[0].reports;
        assert_eq!(reports.gateway, wanted.map(|text| text.parse().unwrap()), "{radio}");
        assert_eq!(reports.needs_address(), wanted.is_none());
    }
}

fn radio(written: &str) -> Result<SourcePlan, Vec<SettingFault>> {
    let toml = format!("[gateway]\n[gateway.radio]\n{written}\n[[gateway.sink]]\nkind = 'embedded'\n");
    plan(&toml).map(|plan| plan.source)
}

#[test]
fn an_empty_table_is_all_adapters_as_the_kernel_has_them() {
    assert_eq!(radio(""), Ok(SourcePlan::Radio(RadioPlan::default())));
}

#[test]
fn everything_of_a_radio_can_be_set() {
    let plan = radio(
        "adapters = ['00:1a:7d:da:71:13', '00:1A:7D:DA:71:14']\nmode = 'active'\ninterval_ms = 100\nwindow_ms = 50\n\
         phys = ['CODED', '1M']\nsilence_s = 60\nmay_reset = false",
    );
    let adapters = ["00:1A:7D:DA:71:13", "00:1A:7D:DA:71:14"].map(|text| text.parse().unwrap()).to_vec();
    let timing = ScanTiming::new(Duration::from_millis(100), Duration::from_millis(50)).unwrap();
    let wanted = RadioPlan {
        adapters,
        mode: ScanMode::Active,
        timing: Some(timing),
        phys: Some(Phys::Both),
        silence: Duration::from_secs(60),
        may_reset: false,
    };
    assert_eq!(plan, Ok(SourcePlan::Radio(wanted)));
    let Ok(SourcePlan::Radio(plan)) = radio("interval_ms = 40") else { panic!("a plan") };
    assert_eq!(plan.timing.unwrap().window(), Duration::from_millis(40));
}

#[test]
fn each_fault_of_a_radio_names_its_key() {
    let rows = [
        ("adapters = ['hci0']", "adapters"),
        ("adapters = ['00:1A:7D:DA:71:13', '00:1a:7d:da:71:13']", "adapters"),
        ("mode = 'Active'", "mode"),
        ("interval_ms = 2", "interval_ms"),
        ("interval_ms = 10241", "interval_ms"),
        ("window_ms = 10", "interval_ms"),
        ("interval_ms = 10\nwindow_ms = 11", "window_ms"),
        ("phys = []", "phys"),
        ("phys = ['2M']", "phys"),
        ("silence_s = 0", "silence_s"),
        ("silence_s = 3601", "silence_s"),
    ];
    for (written, key) in rows {
        let faults = radio(written).unwrap_err();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, [format!("gateway.radio.{key}")], "{written}");
    }
    let many: Vec<_> = (0..17).map(|n| format!("'00:1A:7D:DA:71:{n:02X}'")).collect();
    assert_eq!(radio(&format!("adapters = [{}]", many.join(","))).unwrap_err().len(), 1);
}

#[test]
fn a_radio_and_a_recording_exclude_each_other() {
    let written =
        "[gateway]\nsource = 'a'\nloop = true\nspeed = 2\n[gateway.radio]\n[[gateway.sink]]\nkind = 'embedded'\n";
    let faults = plan(written).unwrap_err();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["gateway.source", "gateway.loop", "gateway.speed"]);
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
