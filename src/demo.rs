//! `nightjar demo`: a set-up of its own, the broker and a gateway that plays a recording, and the first reports on
//! the screen. The same parts as `nightjar run`, started on files that are made here.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use acl::{HashAlgorithm, PasswordHash};
use broker_conf::Overrides;
use clap::{Args, ValueHint};
use mqtt::{Connect, FiltersWithOptionsBuf, Packet, ProtocolVersion, QoS, Subscribe, SubscriptionOptions, TopicFilter};

use crate::run::{self, Wish};
use crate::{init, screen};

/// Real advertising packets; how they were recorded is in gateway/recordings/README.md.
const RECORDING: &[u8] = include_bytes!("../gateway/recordings/data-test.btsnoop");

/// The guide's user and topic.
const USER: &str = "cassiamqtt";
const TOPIC: &str = "cassia";
/// As whom the gateway publishes.
const GATEWAY_USER: &str = "gateway";
/// Messages shown on the screen before it falls quiet.
const SHOWN: usize = 6;

/// Show it working: a broker, and a gateway that plays a recording
///
/// The files are made anew below DIR at each start, but for the password; the first reports are shown on the screen. Ctrl-C
/// ends it.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DemoArgs {
    /// Where the demonstration's files go
    #[arg(long, value_hint = ValueHint::DirPath, default_value = "var/demo")]
    dir: PathBuf,
    /// The port on 127.0.0.1
    #[arg(long, default_value_t = 1883, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
}

pub(crate) fn main(args: &DemoArgs) -> ExitCode {
    let made = match make(args) {
        Ok(made) => made,
        Err(error) => {
            eprintln!("nightjar demo: cannot write {}: {error}", args.dir.display());
            return ExitCode::FAILURE;
        }
    };
    let wish = Wish {
        config: Some(made.config.clone()),
        toml: Some(made.toml.clone()),
        overrides: Overrides::default(),
        only_test: false,
        in_background: false,
    };
    let running = match run::start(&wish) {
        Ok(Some(running)) => running,
        Ok(None) => return ExitCode::SUCCESS,
        Err(status) => {
            if !is_free(args.port) {
                eprintln!("Choose another port with:  make run PORT=1884   or   nightjar demo --port 1884");
            }
            return ExitCode::from(status);
        }
    };
    screen::text(&introduction(&made, args.port));
    match running.handle.connect_within() {
        Ok(stream) => {
            // It ends with the broker, or when it has shown enough.
            let _ = std::thread::Builder::new().name("demo".to_owned()).spawn(move || {
                if let Err(error) = show_reports(stream) {
                    tracing::warn!(target: "warning", "The demonstration's subscriber ended: {error}.");
                }
            });
        }
        Err(error) => tracing::warn!(target: "warning", "No subscriber for the screen: {error}."),
    }
    let status = running.until_told_to_stop();
    screen::line(format_args!("\nStopped. The files stay in {}; `make run` uses them again.", args.dir.display()));
    status
}

struct Made {
    config: PathBuf,
    toml: PathBuf,
    log: PathBuf,
    password: String,
    files: Vec<(PathBuf, &'static str)>,
}

/// Writes the set-up. The password of an earlier run goes on, so that yesterday's line to paste still works.
fn make(args: &DemoArgs) -> io::Result<Made> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&args.dir)?;
    let dir = args.dir.canonicalize()?;
    let kept = dir.join("password");
    let password = match fs::read_to_string(&kept) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => init::secret(12).map_err(|error| io::Error::other(error.to_string()))?,
    };
    let path = |name: &str| dir.join(name);
    let (config, toml, log) = (path("mosquitto.conf"), path("nightjar.toml"), path("nightjar.log"));
    let hash = |password: &str| -> io::Result<String> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
        let hash = PasswordHash::create(HashAlgorithm::Argon2id, None, password.as_bytes(), &salt);
        hash.map(|hash| hash.to_string()).map_err(|error| io::Error::other(error.to_string()))
    };
    write(&kept, &format!("{password}\n"), 0o600)?;
    write(&path("pwfile"), &format!("{USER}:{}\n", hash(&password)?), 0o600)?;
    write(
        &path("acl"),
        &format!("user {GATEWAY_USER}\ntopic write {TOPIC}\n\nuser {USER}\ntopic read {TOPIC}/#\n"),
        0o600,
    )?;
    let mut text =
        String::from("# The demonstration of `nightjar demo`; made anew at each start. The options are mosquitto's.\n");
    let _ = writeln!(text, "listener {} 127.0.0.1\nallow_anonymous false", args.port);
    let _ = writeln!(text, "password_file {}\nacl_file {}", path("pwfile").display(), path("acl").display());
    let _ = writeln!(text, "log_dest file {}\nlog_timestamp_format %Y-%m-%dT%H:%M:%S", log.display());
    // Without this root would become another user, who perhaps cannot read these files again.
    let _ = writeln!(text, "user root");
    write(&config, &text, 0o644)?;
    fs::write(path("recording.btsnoop"), RECORDING)?;
    let gateway = format!(
        "# A gateway that plays a recording of real advertising packets, again and again, at the pace of the air.\n\
         [gateway]\nsource = \"recording.btsnoop\"\nloop = true\n\n\
         [[gateway.sink]]\nkind = \"embedded\"\nusername = \"{GATEWAY_USER}\"\ntopic = \"{TOPIC}\"\nqos = 1\n"
    );
    write(&toml, &gateway, 0o644)?;
    let files = vec![
        (config.clone(), "the broker: a port, passwords, rules (mosquitto's own format)"),
        (path("pwfile"), "the user cassiamqtt, argon2id"),
        (path("acl"), "the gateway may write the topic, the user may read it"),
        (toml.clone(), "the gateway: which recording, which topic"),
    ];
    Ok(Made { config, toml, log, password, files })
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())
}

fn introduction(made: &Made, port: u16) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "\nnightjar {} runs on 127.0.0.1:{port}.\n\nIt made:", env!("CARGO_PKG_VERSION"));
    for (file, what) in &made.files {
        let _ = writeln!(text, "  {:<48} {what}", shown(file));
    }
    let _ = writeln!(text, "  {:<48} what happens, as mosquitto would log it", shown(&made.log));
    let _ = writeln!(text, "  user {USER}, password {}\n", made.password);
    let _ = writeln!(
        text,
        "Paste this into another terminal (Debian: apt-get install mosquitto-clients):\n\n  \
         mosquitto_sub -h 127.0.0.1 -p {port} -t {TOPIC} -u {USER} -P {}\n\n\
         The gateway plays a recording of real Bluetooth packets and publishes to {TOPIC}:\n",
        made.password
    );
    text
}

/// The path as seen from here, if that is shorter.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// Subscribes within the process, as the guide's user and so under the same rules, and prints the first messages.
fn show_reports(mut stream: UnixStream) -> io::Result<()> {
    let mut bytes = Vec::new();
    let connect = Connect {
        version: ProtocolVersion::V311,
        is_bridge: false,
        clean_start: true,
        keep_alive_s: 0,
        client_id: "demo-screen",
        will: None,
        username: Some(USER),
        password: None,
        properties: mqtt::Properties::EMPTY,
    };
    let invalid = |what: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, what.to_string());
    let mut filters = FiltersWithOptionsBuf::default();
    let filter = TopicFilter::new(TOPIC).map_err(|error| invalid(&error))?;
    filters.push(filter, SubscriptionOptions { qos: QoS::AtMostOnce, ..SubscriptionOptions::default() });
    let subscribe = Subscribe {
        packet_id: mqtt::PacketId::MIN,
        properties: mqtt::Properties::EMPTY,
        filters: filters.as_filters(),
    };
    for packet in [Packet::Connect(connect), Packet::Subscribe(subscribe)] {
        packet.encode(ProtocolVersion::V311, &mut bytes).map_err(|error| invalid(&error))?;
    }
    stream.write_all(&bytes)?;
    let (mut received, mut chunk, mut shown) = (Vec::new(), [0; 16 * 1024], 0);
    while shown < SHOWN {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(()); // the broker has stopped
        }
        received.extend_from_slice(&chunk[..count]);
        let mut used = 0;
        while let Some(frame) = mqtt::next_frame(&received[used..], 0).map_err(|error| invalid(&error))? {
            used += frame.len;
            let packet = Packet::decode(ProtocolVersion::V311, frame).map_err(|error| invalid(&error))?;
            if let Packet::Publish(publish) = packet
                && shown < SHOWN
            {
                screen::line(format_args!("  {}", String::from_utf8_lossy(publish.payload)));
                shown += 1;
            }
        }
        received.drain(..used);
    }
    screen::line("\n  … and so on. Ctrl-C ends it.");
    Ok(())
}

/// Whether no other program has the port.
fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
}
