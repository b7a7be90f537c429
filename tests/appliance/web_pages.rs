//! The `http_api` from outside, and a page that it serves, with MQTT.js in a real Chromium.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::clients::Subscriber;
use crate::folder::Folder;
use crate::harness::{Appliance, Lines, PATIENCE, poll_until};

const MQTTJS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-node/node_modules/mqtt/dist/mqtt.min.js");

/// MQTT at 127.0.0.1, HTTP at the same port of another address.
const CONF: &str = "user root\nallow_anonymous true\nlistener PORT 127.0.0.1\n\
                    listener PORT 127.0.0.2\nprotocol http_api\nhttp_dir DIR/www\n";

/// Head and body of the answer to a request.
fn asked(port: u16, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.2", port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut all = String::new();
    stream.read_to_string(&mut all).expect("an answer, and the end");
    let (head, body) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {all}"));
    (head.to_owned(), body.to_owned())
}

fn got(port: u16, path: &str) -> (String, String) {
    asked(port, &format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"))
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("www/index.html", "<p>home");
    folder.write("www/large.js", "x".repeat(3_000_000));
    folder.write("secret", "secret");
    std::os::unix::fs::symlink(folder.path().join("secret"), folder.path().join("www/link")).expect("a link");
    folder
}

#[test]
fn the_http_api_tells_what_mosquittos_does() {
    let appliance = Appliance::start(CONF, folder());
    let port = appliance.port;
    let (head, body) = got(port, "/api/v1/version");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, env!("CARGO_PKG_VERSION"));

    let (head, body) = got(port, "/api/v1/listeners");
    assert!(
        head.contains("Content-Type: application/json") && head.contains("Access-Control-Allow-Origin: *"),
        "{head}"
    );
    let listeners: Value = serde_json::from_str(&body).expect("JSON");
    let of = |protocol: &str| serde_json::json!({"port": port, "protocol": protocol, "tls": false, "mtls": false, "allow_anonymous": true});
    assert_eq!(listeners, serde_json::json!({"listeners": [of("mqtt"), of("httpapi")]}));

    let _subscriber = Subscriber::start(port, &["-t", "t"]);
    let (_, body) = got(port, "/api/v1/systree");
    let figures: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(figures["$SYS/broker/clients/connected"], 1, "{figures}");
    assert!(figures["$SYS/broker/uptime"].is_u64(), "{figures}");
    appliance.log.wait_for(&format!("Opening http api listen socket on port {port}."));
}

#[test]
fn files_of_http_dir_are_served_and_none_outside_it() {
    let appliance = Appliance::start(CONF, folder());
    let (head, body) = got(appliance.port, "/");
    assert!(head.contains("Content-Type: text/html") && body == "<p>home", "{head}");
    let (head, body) = got(appliance.port, "/large.js");
    assert!(head.contains("Content-Length: 3000000\r\n") && head.contains("Content-Type: text/javascript"), "{head}");
    assert!(body.len() == 3_000_000 && body.bytes().all(|byte| byte == b'x'));
    for path in ["/../secret", "/%2e%2e/secret", "/link", "/none", "/api/", "//etc/passwd"] {
        let (head, body) = got(appliance.port, path);
        assert!(head.starts_with("HTTP/1.1 404 ") && body == "Not found.\n", "{path}: {head}");
    }
    for method in ["POST", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let (head, _) = asked(appliance.port, &format!("{method} / HTTP/1.1\r\nContent-Length: 9\r\n\r\nnine byte"));
        assert!(head.starts_with("HTTP/1.1 405 "), "{method}: {head}");
    }
}

#[test]
fn who_asks_needs_the_password_and_the_rules_leave_and_what_is_no_question_is_told_of() {
    let folder = folder();
    folder.passwords("pwfile", &[("anna", "secret"), ("bert", "secret")]);
    folder.write("acl", "user anna\ntopic read /api/v1/#\n");
    let conf = CONF.replace("allow_anonymous true", "password_file DIR/pwfile\nacl_file DIR/acl");
    let appliance = Appliance::start(&conf, folder);
    let with = |login: &str, path: &str| {
        let login = openssl::base64::encode_block(login.as_bytes());
        asked(appliance.port, &format!("GET {path} HTTP/1.1\r\nAuthorization: Basic {login}\r\n\r\n")).0[9..12]
            .to_owned()
    };
    assert_eq!(with("anna:secret", "/api/v1/version"), "200");
    assert_eq!(with("anna:wrong", "/api/v1/version"), "401");
    assert_eq!(with("anna:secret", "/"), "401", "a file is a topic to the rules, as in mosquitto");
    assert_eq!(with("bert:secret", "/api/v1/version"), "401");
    let (head, _) = got(appliance.port, "/api/v1/version");
    assert!(head.starts_with("HTTP/1.1 401 ") && head.contains("WWW-Authenticate: Basic realm="), "{head}");
    appliance.log.wait_for("127.0.0.1 may not read what it asks the http_api port");
    for (said, words) in [
        ("\u{10}\u{c}\0\u{4}MQTT", "speaks MQTT to the http_api port"),
        ("\u{16}\u{3}\u{1}\0", "does not speak HTTP to the http_api port"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.2", appliance.port)).expect("it listens");
        stream.write_all(said.as_bytes()).expect("it is taken");
        assert_eq!(stream.read(&mut [0; 8]).unwrap_or(0), 0);
        appliance.log.wait_for(words);
    }
    // The files are read again with all others.
    appliance.folder.write("acl", "user bert\ntopic read /api/v1/#\n");
    appliance.signal(nix::sys::signal::Signal::SIGHUP);
    appliance.log.wait_for("Reloaded:");
    assert_eq!([with("anna:secret", "/api/v1/version"), with("bert:secret", "/api/v1/version")], ["401", "200"]);
}

#[test]
fn too_many_questions_and_too_long_ones_cost_the_oldest_its_place_and_nothing_else() {
    let appliance = Appliance::start(CONF, folder());
    let idle: Vec<_> =
        (0..200).map(|_| TcpStream::connect(("127.0.0.2", appliance.port)).expect("it is taken")).collect();
    assert_eq!(got(appliance.port, "/api/v1/version").1, env!("CARGO_PKG_VERSION"));
    let (head, _) = asked(appliance.port, &format!("GET /{} HTTP/1.1", "x".repeat(5_000)));
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    drop(idle);
}

#[test]
fn in_local_only_mode_a_taken_port_of_the_http_api_is_a_warning_and_no_end() {
    // Whoever has the port: we do, or a broker of another test that will let it go.
    let mut taken = None;
    poll_until(|| {
        taken = TcpListener::bind(("127.0.0.1", 9_883)).ok();
        taken.is_some()
    });
    let _taken = taken.expect("the port, in time");
    let port = crate::harness::free_port().to_string();
    let folder = Folder::new();
    let appliance = Appliance::start_with("user root\n", folder, &["-p", &port]);
    appliance.log.wait_for("Warning: Unable to open the http api on 127.0.0.1:9883:");
}

/// A browser that is ended when the test is.
struct Browser {
    child: Child,
    errors: Lines,
}

impl Browser {
    fn open(url: &str, home: &Folder) -> Self {
        let mut child = Command::new("chromium-headless-shell")
            .args(["--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", home.at("browser")))
            .args(["--enable-logging=stderr", url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("chromium-headless-shell: {error}; tools/test-programs installs it"));
        let errors = Lines::of(child.stderr.take().expect("standard error is piped"));
        Self { child, errors }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- what the browser said\n{}", self.errors.all().join("\n"));
        }
    }
}

/// What it finds out it publishes: to topics below `page`, by the ways that work.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><script src="mqtt.min.js"></script><script>
const port = location.port
async function tryWay(name, url, protocolVersion) {
  const client = mqtt.connect(url, { protocolVersion, clientId: `page-${name}`, reconnectPeriod: 0, connectTimeout: 15_000 })
  await new Promise((resolve, reject) => {
    client.on("connect", resolve)
    client.on("close", () => reject(new Error("closed")))
  })
  // 200,000 bytes there and back, and each QoS.
  const payload = new Uint8Array(200_000).map((_, at) => at % 251)
  const heard = []
  const all = new Promise((resolve) => client.on("message", (topic, bytes, { qos }) => {
    heard.push(`${qos}:${bytes.length === payload.length && bytes.every((byte, at) => byte === payload[at])}`)
    if (heard.length === 3) resolve()
  }))
  await client.subscribeAsync(`echo/${name}`, { qos: 2 })
  for (const qos of [0, 1, 2]) await client.publishAsync(`echo/${name}`, mqtt.Buffer?.from(payload) ?? payload, { qos })
  await all
  await client.publishAsync(`page/${name}`, heard.sort().join(" "), { qos: 1 })
  return client
}
async function main() {
  const client = await tryWay("ws", `ws://127.0.0.3:${port}/mqtt`, 4)
  await tryWay("wss", `wss://127.0.0.4:${port}/mqtt`, 5)
    .catch((fault) => client.publishAsync("page/wss", `${fault}`, { qos: 1 }))
  await tryWay("origin", `ws://127.0.0.5:${port}/mqtt`, 5)
    .catch((fault) => client.publishAsync("page/origin", `${fault}`, { qos: 1 }))
  // What breaks the rules, and what the broker ends: CONNECT and DISCONNECT.
  const connect = [0x10, 13, 0, 4, 77, 81, 84, 84, 4, 2, 0, 0, 0, 1, 99]
  for (const [name, words] of [["text", "text"], ["bytes", new Uint8Array([...connect, 0xE0, 0])]]) {
    const plain = new WebSocket(`ws://127.0.0.3:${port}/mqtt`, "mqtt")
    plain.onopen = () => plain.send(words)
    const { code, wasClean } = await new Promise((resolve) => plain.onclose = resolve)
    await client.publishAsync(`page/${name}`, `${code} ${wasClean}`, { qos: 1 })
  }
}
main()
</script>"#;

#[test]
fn a_page_in_chromium_speaks_mqtt_by_ws_and_wss() {
    let folder = Folder::new();
    folder.certificates();
    folder.write("www/index.html", PAGE);
    folder.write("www/mqtt.min.js", std::fs::read(MQTTJS).expect("tools/test-programs installs MQTT.js"));
    let conf = format!(
        "{CONF}listener PORT 127.0.0.3\nprotocol websockets\nwebsockets_origin http://127.0.0.2:PORT\n\
         listener PORT 127.0.0.4\nprotocol websockets\ncertfile DIR/certs/server.crt\nkeyfile DIR/certs/server.key\n\
         listener PORT 127.0.0.5\nprotocol websockets\nwebsockets_origin http://elsewhere\n"
    );
    let appliance = Appliance::start(&conf, folder);
    let subscriber = Subscriber::start(appliance.port, &["-q", "1", "-t", "page/#"]);
    let _browser = Browser::open(&format!("http://127.0.0.2:{}/", appliance.port), &appliance.folder);
    assert_eq!(
        subscriber.messages(5),
        [
            "page/ws|1|0|0:true 1:true 2:true",
            "page/wss|1|0|0:true 1:true 2:true",
            "page/origin|1|0|Error: closed",
            "page/text|1|0|1003 true",
            "page/bytes|1|0|1000 true",
        ]
    );
    appliance
        .log
        .wait_for(&format!("comes from a page of http://127.0.0.2:{}, which no websockets_origin", appliance.port));
}
