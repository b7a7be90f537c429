//! rumqttd, a broker that we did not write, within the test's own process.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings, TlsConfig};

use crate::folder::Folder;
use crate::harness::{free_port, output_of, poll_until, text};

/// Starts it for the rest of the process, which under nextest is the one test. With a folder, it speaks TLS with the
/// certificate `certs/server.crt`.
pub(crate) fn rumqttd(tls: Option<&Folder>) -> u16 {
    let tls = tls.map(|folder| TlsConfig::NativeTls { pkcs12path: pkcs12(folder), pkcs12pass: "secret".to_owned() });
    for _ in 0..5 {
        let port = free_port();
        let listen = SocketAddr::from(([127, 0, 0, 1], port));
        let mut broker = Broker::new(config(listen, tls.clone()));
        let thread = thread::spawn(move || broker.start().expect("rumqttd starts"));
        let mut is_there = false;
        poll_until(|| {
            is_there = TcpStream::connect(listen).is_ok();
            is_there || thread.is_finished()
        });
        if is_there {
            return port;
        }
    }
    panic!("rumqttd found no free port in five tries");
}

fn config(listen: SocketAddr, tls: Option<TlsConfig>) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 60_000,
        max_payload_size: 1 << 20,
        max_inflight_count: 200,
        auth: None,
        external_auth: None,
        dynamic_filters: false,
    };
    let name = "v4".to_owned();
    let server = ServerSettings { name: name.clone(), listen, tls, next_connection_delay_ms: 1, connections };
    // Room for all that a test publishes: past it rumqttd drops what it has acknowledged.
    let router = RouterConfig {
        max_connections: 100,
        max_outgoing_packet_count: 10_000,
        max_segment_size: 100 << 20,
        max_segment_count: 10,
        ..RouterConfig::default()
    };
    Config { router, v4: Some(HashMap::from([(name, server)])), ..Config::default() }
}

fn pkcs12(folder: &Folder) -> String {
    let file = folder.at("certs/server.p12");
    let (certificate, key) = (folder.at("certs/server.crt"), folder.at("certs/server.key"));
    let made = output_of(
        Command::new("openssl").args(["pkcs12", "-export", "-passout", "pass:secret", "-out", &file]).args([
            "-in",
            &certificate,
            "-inkey",
            &key,
        ]),
    );
    assert!(made.status.success(), "openssl pkcs12: {}", text(&made.stderr));
    file
}
