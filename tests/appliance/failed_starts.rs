//! Starts that fail, side by side with Debian's mosquitto: each row is started by both with the same files and the same
//! command line, and both end with the same status and the same first line of complaint. Where not, the row says why.

use std::process::{Command, Stdio};

use crate::folder::{Folder, NIGHTJAR};
use crate::harness::{Lines, filled, free_port};

/// A listener that is good, so that what follows it is what is wrong. `PORT` is a free port, `BUSY` one that is taken and
/// `DIR` the folder of [`prepared`].
const GOOD: &str = "user root\nlistener PORT 127.0.0.1\nallow_anonymous true\n";
const TLS: &str = "user root\nlistener PORT 127.0.0.1\nallow_anonymous true\ncertfile DIR/certs/server.crt\nkeyfile DIR/certs/server.key\n";

/// What is started: a configuration file that begins with one of the above, or a command line.
enum Start {
    /// The whole file.
    File(&'static str),
    /// Behind [`GOOD`].
    Good(&'static str),
    /// Behind [`TLS`].
    Tls(&'static str),
    /// The whole command line.
    Line(&'static [&'static str]),
}
use Start::{File, Good, Line, Tls};

/// Status and first line of complaint, without quotes; `Runs`: it does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End<'a> {
    Ends(i32, &'a str),
    Runs,
}
use End::{Ends, Runs};

/// Starts that both end alike.
const SAME: &[(Start, i32)] = &[
    // Addresses.
    (File("user root\nlistener BUSY 127.0.0.1\n"), 1),
    (File("user root\nlistener PORT 203.0.113.9\n"), 1),
    (File("user root\nlistener PORT nowhere.invalid\n"), 1),
    (File("user root\nlistener PORT 127.0.0.1\nsocket_domain ipv6\n"), 1),
    (Good("listener 0 DIR/none/socket\n"), 1),
    (Good("listener 0\n"), 3),
    // Certificates.
    (Good("certfile DIR/none.crt\nkeyfile DIR/certs/server.key\n"), 1),
    (Good("certfile DIR/certs/server.crt\nkeyfile DIR/none.key\n"), 1),
    (Good("certfile DIR/certs/server.crt\nkeyfile DIR/certs/ca.key\n"), 1),
    (Good("certfile DIR/junk\nkeyfile DIR/certs/server.key\n"), 1),
    (Good("certfile DIR/certs/server.crt\nkeyfile DIR/junk\n"), 1),
    (Tls("cafile DIR/none\n"), 1),
    (Tls("cafile DIR/junk\n"), 1),
    (Tls("cafile DIR/certs/ca.crt\nrequire_certificate true\ncrlfile DIR/none\n"), 1),
    (Tls("ciphers NONE\n"), 1),
    (Tls("ciphers_tls1.3 NONE\n"), 1),
    // Files.
    (Good("password_file DIR/none\n"), 13),
    (Good("acl_file DIR/none\n"), 13),
    (Good("psk_hint h\npsk_file DIR/none\n"), 13),
    (Good("pid_file DIR/none/pid\n"), 1),
    (Good("pid_file DIR/folder\n"), 1),
    (Good("include_dir DIR/none\n"), 3),
    // Lines.
    (Good("bogus 1\n"), 3),
    (Good("allow_anonymous perhaps\n"), 3),
    (Good("max_qos 3\n"), 3),
    (Good("protocol gopher\n"), 3),
    // The command line.
    (Line(&["-c"]), 3),
    (Line(&["-p"]), 3),
    (Line(&["-p", "0"]), 3),
    (Line(&["-p", "-1"]), 3),
    (Line(&["-p", "70000"]), 3),
    (Line(&["--bogus"]), 3),
    (Line(&["-x"]), 3),
    (Line(&["stray"]), 3),
];

struct Differs {
    start: Start,
    debian: End<'static>,
    ours: End<'static>,
    why: &'static str,
}

/// (2.0.11 reads a folder as `password_file` for ever, and has no log at all where `log_dest file` cannot be opened, which
/// no row can show: ours ends with 13 and with 1.)
const DIFFERS: &[Differs] = &[
    Differs {
        start: Line(&["-c", "DIR/none.conf"]),
        debian: Ends(3, "Error: Unable to open config file DIR/none.conf."),
        ours: Ends(1, "Error: Unable to open config file DIR/none.conf."),
        why: "2.1.2 ends with 1",
    },
    Differs {
        start: Line(&["-c", "DIR/folder"]),
        debian: Ends(3, "Error: Config file DIR/folder is a directory."),
        ours: Ends(1, "Error: Config file DIR/folder is a directory."),
        why: "2.1.2 ends with 1",
    },
    Differs {
        start: Line(&["-p", "abc"]),
        debian: Ends(3, "Error: Invalid port specified (0)."),
        ours: Ends(3, "Error: Invalid port specified (abc)."),
        why: "what was written helps more than what it was taken for",
    },
    Differs {
        start: Good("max_keepalive x\n"),
        debian: Ends(3, "Error: Invalid max_keepalive value (0)."),
        ours: Ends(3, "Error: max_keepalive value not a number."),
        why: "2.1.2 refuses what is no number instead of taking it for 0",
    },
    Differs {
        start: File("user root\nlistener PORT\nbind_interface none0\n"),
        debian: Ends(1, ""),
        ours: Ends(1, "Error: Interface none0 does not exist."),
        why: "mosquitto has warnings only, that the interface has neither IPv4 nor IPv6",
    },
    Differs {
        start: Tls("tls_version tlsv1.9\n"),
        debian: Ends(1, "Error: Unsupported tls_version tlsv1.9."),
        ours: Ends(3, "Error: Invalid tls_version value (tlsv1.9)."),
        why: "a bad value is one, wherever it is read: 2.1.2 looks at it with the line",
    },
    Differs {
        start: Good("listener 0 LONG\n"),
        debian: Ends(1, "Error: Path to unix socket is too long LONG."),
        ours: Ends(3, "Error: Path to unix socket is too long LONG."),
        why: "it is a bad value, and told with its line before any port is opened",
    },
    Differs {
        start: Tls("capath DIR/none\n"),
        debian: Runs,
        ours: Ends(1, "Error: Unable to load CA certificates. Check capath DIR/none."),
        why: "nobody's certificate would ever be good",
    },
    Differs {
        start: Good("certfile DIR/certs/server.crt\n"),
        debian: Runs,
        ours: Ends(3, "Error: Both certfile and keyfile must be provided to enable a TLS listener."),
        why: "2.1.2 refuses it; 2.0.11 listens without TLS",
    },
    Differs {
        start: Tls("tls_engine none\n"),
        debian: Ends(1, "Error loading none engine"),
        ours: Ends(
            3,
            "Error: tls_engine is an option of mosquitto that nightjar cannot carry out: certificates are served by \
             rustls, which has no OpenSSL engines (and OpenSSL itself has given them up).",
        ),
        why: "there are no engines here, whatever their names",
    },
    Differs {
        start: Good("password_file DIR/junk\n"),
        debian: Runs,
        ours: Ends(3, "Error: password_file DIR/junk cannot be used:"),
        why: "a damaged line is no line to pass over (docs/decisions/0006-stricter-files.md)",
    },
    Differs {
        start: Good("acl_file DIR/junk\n"),
        debian: Ends(3, "Error: Invalid line in acl_file DIR/junk: junk."),
        ours: Ends(3, "Error: acl_file DIR/junk cannot be used:"),
        why: "every bad line is told, with its number, not the first alone",
    },
    Differs {
        start: Good("psk_hint h\npsk_file DIR/junk\n"),
        debian: Runs,
        ours: Ends(3, "Error: psk_file DIR/junk cannot be used:"),
        why: "a damaged line is no line to pass over (docs/decisions/0006-stricter-files.md)",
    },
    Differs {
        start: Good("persistence true\npersistence_location DIR/junk/\n"),
        debian: Runs,
        ours: Ends(
            1,
            "Error: what mosquitto kept does not come over: DIR/junk/mosquitto.db: Not a directory (os error 20). The \
             store begins empty; see nightjar import --help.",
        ),
        why: "that nothing can be kept is found at the start, not when it ends",
    },
    Differs {
        start: Good("listener PORT 127.0.0.1\n"),
        debian: Ends(1, "Error: Address already in use"),
        ours: Ends(3, "Error: two listeners have the port PORT and the same address."),
        why: "it is found in the file, before any port is opened",
    },
    Differs {
        start: Good("plugin DIR/none.so\n"),
        debian: Ends(13, "Error: Unable to load auth plugin DIR/none.so."),
        ours: Ends(3, "Error: plugin is an option of mosquitto that nightjar does not carry out yet."),
        why: "no plugin is loaded, whatever its name",
    },
    Differs {
        start: Good("listener PORT2 127.0.0.1\nprotocol http_api\nhttp_dir DIR/none\n"),
        debian: Ends(3, "Error: Invalid protocol value (http_api)."),
        ours: Ends(3, "Error: Unable to open http_dir DIR/none."),
        why: "new in 2.1",
    },
];

/// What only root is refused: whoever is not becomes nobody.
const NO_SUCH_USER: Differs = Differs {
    start: File("user nosuchuser\nlistener PORT 127.0.0.1\n"),
    debian: Ends(1, "Error: Unable to drop privileges to nosuchuser because this user does not exist."),
    ours: Ends(3, "Error: Unable to drop privileges to nosuchuser because this user does not exist."),
    why: "2.1 ends with 3: it is a bad value",
};

#[test]
fn a_start_that_fails_ends_with_mosquittos_status_and_its_first_line() {
    let mut wrong = Vec::new();
    for (start, status) in SAME {
        let place = Place::new();
        let (debian, ours) = (place.outcome("/usr/sbin/mosquitto", start), place.outcome(NIGHTJAR, start));
        let is_right = matches!(&debian, (Some(found), line) if found == status && !line.is_empty());
        if debian != ours || !is_right {
            wrong.push(format!("{}: wanted {status}\n  debian: {debian:?}\n  ours:   {ours:?}", start.text()));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn where_a_failing_start_differs_from_debians_it_is_meant_to() {
    let mut wrong = Vec::new();
    let of_root = nix::unistd::Uid::effective().is_root().then_some(&NO_SUCH_USER);
    for Differs { start, debian, ours, why } in DIFFERS.iter().chain(of_root) {
        let place = Place::new();
        for (program, wanted) in [("/usr/sbin/mosquitto", debian), (NIGHTJAR, ours)] {
            let found = place.outcome(program, start);
            let is_it = match (&found, wanted) {
                ((Some(status), line), Ends(wanted, first)) => status == wanted && line == first,
                ((None, _), Runs) => true,
                _ => false,
            };
            if !is_it {
                wrong.push(format!("{} ({why})\n  wanted {wanted:?}\n  {program}: {found:?}", start.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

impl Start {
    fn text(&self) -> String {
        match self {
            File(text) => (*text).to_owned(),
            Good(rest) => format!("{GOOD}{rest}"),
            Tls(rest) => format!("{TLS}{rest}"),
            Line(arguments) => arguments.join(" "),
        }
    }
}

/// What the rows name, and what they need to be there.
struct Place {
    folder: Folder,
    busy: std::net::TcpListener,
}

impl Place {
    fn new() -> Self {
        let folder = Folder::new();
        folder.certificates();
        folder.write("junk", "junk\n");
        std::fs::create_dir(folder.path().join("folder")).expect("a folder made");
        std::os::unix::fs::symlink(NIGHTJAR, folder.path().join("mosquitto")).expect("a link");
        Self { folder, busy: std::net::TcpListener::bind("127.0.0.1:0").expect("a free port") }
    }

    /// Status and first line of complaint of a start; `None`: it runs.
    fn outcome(&self, program: &str, start: &Start) -> (Option<i32>, String) {
        let [port, second] = [free_port(), free_port()];
        let busy = self.busy.local_addr().expect("its address").port();
        let fill = |text: &str| {
            let text = text.replace("BUSY", &busy.to_string()).replace("PORT2", &second.to_string());
            filled(&text.replace("LONG", &"x".repeat(120)), &self.folder, port)
        };
        // Ours is called as it would be in its place.
        let link = self.folder.at("mosquitto");
        let mut command = Command::new(if program == NIGHTJAR { &link } else { program });
        match start {
            Line(arguments) => _ = command.args(arguments.iter().map(|argument| fill(argument))),
            _ => _ = command.arg("-c").arg(self.folder.write("mosquitto.conf", fill(&start.text()))),
        }
        command.env("LC_ALL", "C").current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let log = Lines::of(child.stderr.take().expect("standard error is piped"));
        let runs = log.wait(|lines| lines.iter().any(|line| line.ends_with(" running")).then_some(())).is_some();
        // One that neither runs nor ends must not keep the test.
        let _ = child.kill();
        let status = child.wait().expect("our own child").code().filter(|_| !runs);
        let line =
            log.all().into_iter().map(|line| without_time(&line).to_owned()).find(|line| line.starts_with("Error"));
        let dir = self.folder.path().to_str().expect("a path in UTF-8");
        let line = line.unwrap_or_default().replace(['\'', '"'], "").replace(dir, "DIR");
        (status, line.replace(&port.to_string(), "PORT").replace(&"x".repeat(120), "LONG"))
    }
}

fn without_time(line: &str) -> &str {
    line.split_once(": ").filter(|(time, _)| time.parse::<u64>().is_ok()).map_or(line, |(_, rest)| rest)
}
