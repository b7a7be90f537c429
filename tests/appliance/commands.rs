//! `init`, `check` and `demo`: what they print can be pasted, and works.

use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use crate::clients::publish_well;
use crate::folder::{Folder, NIGHTJAR};
use crate::harness::{Appliance, Lines, filled, free_port, nightjar, output_of, poll_until, text};
use crate::operations::LOCAL;

/// What `init` printed after a name of the router's form.
fn row<'a>(report: &'a str, name: &str) -> &'a str {
    let line = report.lines().find(|line| line.trim_start().starts_with(name));
    line.unwrap_or_else(|| panic!("no {name} in {report}")).trim_start()[name.len()..].trim()
}

#[test]
fn what_init_makes_and_prints_works_in_each_scenario() {
    for (scenario, mode, warnings) in
        [("open", "None", 1), ("password", "None", 1), ("psk", "PSK", 0), ("certificate", "Certificate", 0)]
    {
        let folder = Folder::new();
        let (dir, port) = (folder.at("made"), free_port());
        let made = nightjar(&["init", scenario, &dir, "--port", &port.to_string()]);
        let report = text(&made.stdout);
        assert!(made.status.success(), "{scenario}: {}", text(&made.stderr));
        assert_eq!(row(&report, "Port"), port.to_string());
        assert_eq!(row(&report, "Encryption Mode"), mode);
        assert_eq!(row(&report, "QoS of Scan"), "At least once (1)");
        let again = nightjar(&["init", scenario, &dir]);
        assert_eq!(again.status.code(), Some(1), "nothing is overwritten");
        assert!(text(&again.stderr).contains("mosquitto.conf is there already"), "{}", text(&again.stderr));

        let checked = nightjar(&["check", "-c", &format!("{dir}/mosquitto.conf")]);
        let said = text(&checked.stdout);
        assert!(checked.status.success(), "{scenario}: {said}");
        assert_eq!(said.lines().filter(|line| line.starts_with("warning: ")).count(), warnings, "{scenario}: {said}");

        // Started as it says, but for the port, which another process may have taken: `init` is asked again then.
        let conf = std::fs::read_to_string(format!("{dir}/mosquitto.conf")).expect("init made it");
        let conf = conf.replace(&format!("listener {port}\n"), "listener PORT\n");
        let appliance = Appliance::start(&conf, folder);
        let with_port = |line: &str| line.replace(&format!("-p {port} "), &format!("-p {} ", appliance.port));

        // The very line that it printed, in a shell, as a person would paste it.
        let paste = with_port(row(&report, "Subscribe:")).replace("<the address of this machine>", "127.0.0.1");
        let user = pasted(&format!("{paste} -d"));
        user.output.wait_for("Subscribed ");
        let mut router = vec!["-t", row(&report, "Topic of Scan"), "-q", "1", "-m", "as a router would"];
        if scenario != "open" {
            router.extend(["-u", row(&report, "User Name"), "-P", row(&report, "Password")]);
        }
        let ca = row(&report, "Encryption Mode");
        let file = format!("{dir}/certs/ca.crt");
        match ca {
            "PSK" => router.extend(["--psk", row(&report, "PSK  "), "--psk-identity", row(&report, "PSK Identity")]),
            "Certificate" => {
                assert_eq!(row(&report, "CA Certificate"), format!("(the text of {file})"));
                router.extend(["--cafile", &file]);
            }
            _ => {}
        }
        publish_well(appliance.port, &router);
        user.output.wait_for("as a router would");
    }
}

#[test]
fn init_refuses_what_could_not_be_used_and_leaves_nothing_in_the_way_of_the_next_try() {
    let folder = Folder::new();
    let dir = folder.at("made");
    for (scenario, option, value, part) in [
        ("open", "--port", "0", "0 is not in 1..=65535"),
        ("password", "--user", "#x", "a # or a blank at its beginning"),
        ("password", "--user", " x", "a # or a blank at its beginning"),
        ("password", "--topic", " x", "a blank at its beginning"),
        ("certificate", "--name", "bad name!", "neither a host name nor an IP address"),
    ] {
        let refused = nightjar(&["init", scenario, &dir, option, value]);
        let said = text(&refused.stderr);
        assert!(!refused.status.success() && said.contains(part), "{option} {value:?}: {said}");
        assert!(!folder.path().join("made").exists(), "{option} {value:?}");
    }
    folder.write("made/certs/server.key", "somebody's");
    let refused = nightjar(&["init", "certificate", &dir]);
    assert!(text(&refused.stderr).contains("server.key is there already"), "{}", text(&refused.stderr));
    let left = std::fs::read_dir(&dir).expect("the folder").count();
    assert_eq!(left, 1, "but certs");
}

#[test]
fn the_lines_that_init_prints_can_be_pasted_whatever_was_chosen() {
    let folder = Folder::new();
    let dir = folder.at("it's made");
    let made = nightjar(&["init", "certificate", &dir, "--user", "a$b", "--topic", "c d"]);
    let report = text(&made.stdout);
    let words = output_of(Command::new("sh").args(["-c", &format!("printf '%s|' {}", row(&report, "Subscribe:"))]));
    let words = text(&words.stdout);
    for wanted in ["|-t|c d|", "|-u|a$b|", &format!("|--cafile|{dir}/certs/ca.crt|")] {
        assert!(words.contains(wanted), "no {wanted} in {words}");
    }
    let checked = output_of(Command::new("sh").args(["-c", &format!("printf '%s|' {}", row(&report, "Start it:"))]));
    assert_eq!(text(&checked.stdout), format!("nightjar|run|-c|{dir}/mosquitto.conf|"));
}

#[test]
fn a_command_whose_reader_has_gone_does_not_end_in_a_stack_trace() {
    let folder = Folder::new();
    folder.certificates();
    let conf = folder.write("mosquitto.conf", "listener 1883\nbogus 1\n");
    let conf = conf.to_str().expect("a path in UTF-8");
    let rows: [&[&str]; 3] =
        [&["check", "-c", conf], &["init", "psk", &folder.at("psk")], &["certs", "show", &folder.at("certs/ca.crt")]];
    for arguments in rows {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Command::new(NIGHTJAR).args(arguments).stdout(writer).stderr(Stdio::piped()).output();
        let said = text(&output.expect("it runs").stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}

/// A pasted line, running; ended on drop.
struct Pasted {
    child: Child,
    output: Lines,
}

fn pasted(line: &str) -> Pasted {
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec stdbuf -oL {line}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("a shell runs");
    let output = Lines::of(child.stdout.take().expect("standard output is piped"));
    Pasted { child, output }
}

impl Drop for Pasted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_number_of_threads_is_checked_and_said_at_the_start() {
    let folder = Folder::new();
    let conf = folder.write("mosquitto.conf", filled(LOCAL, &folder, free_port()));
    let nightjar = |command: &str, file: &str, variable: Option<&str>| {
        folder.write("nightjar.toml", file);
        let mut nightjar = Command::new(NIGHTJAR);
        nightjar.args([command, "-c"]).arg(&conf).env_remove("NIGHTJAR_BROKER__THREADS");
        if let Some(value) = variable {
            nightjar.env("NIGHTJAR_BROKER__THREADS", value);
        }
        nightjar
    };
    for (file, variable) in [("[broker]\nthreads = 65\n", None), ("[broker]\nthreads = -1\n", None), ("", Some("65"))] {
        for command in ["run", "check"] {
            let ended = output_of(&mut nightjar(command, file, variable));
            let said = text(&ended.stderr) + &text(&ended.stdout);
            assert_eq!(ended.status.code(), Some(3), "{command} {file:?} {variable:?}: {said}");
            assert!(
                said.contains("broker.threads is 0 (the broker's own thread reads and writes) to 64, not "),
                "{said}"
            );
        }
    }
    let checked = output_of(&mut nightjar("check", "[broker]\nthreads = 64\n", None));
    let is_large = std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 64);
    let said = text(&checked.stdout);
    assert_eq!(said.contains("warning: threads (nightjar.toml) is 64, and there "), !is_large, "{said}");
    assert_eq!(checked.status.code(), Some(0), "{said}");
    let rows = [
        ("[broker]\nthreads = 0\n", None, "One thread reads, decides and writes (as 'threads' says)."),
        ("", Some("1"), "One I/O thread reads and writes beside the broker's own (as 'threads' says)."),
        (
            "[broker]\nthreads = 1\n",
            Some("2"),
            "2 I/O threads read and write beside the broker's own (as 'threads' says).",
        ),
        ("", None, " cores)."),
    ];
    for (file, variable, wanted) in rows {
        // Another process may take a port between our choosing it and the program's binding it.
        let is_said = (0..5).any(|_| {
            folder.write("mosquitto.conf", filled(LOCAL, &folder, free_port()));
            let mut child = nightjar("run", file, variable).stderr(Stdio::piped()).spawn().expect("it runs");
            let log = Lines::of(child.stderr.take().expect("standard error is piped"));
            let is_running = log.wait(|lines| lines.iter().any(|line| line.ends_with(" running")).then_some(()));
            if is_running.is_none() {
                assert!(log.all().iter().any(|line| line.contains("in use")), "{:#?}", log.all());
                child.wait().expect("our own child");
                return false;
            }
            assert_eq!(log.count(wanted), 1, "{wanted}: {:#?}", log.all());
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
            nix::sys::signal::kill(pid, Signal::SIGTERM).expect("it runs");
            assert!(child.wait().expect("our own child").success());
            true
        });
        assert!(is_said, "no free port in five tries");
    }
}

#[test]
fn check_tells_several_errors_at_once_and_the_guides_traps() {
    let folder = Folder::new();
    folder.certificates();
    folder.passwords("mosquitto/pwfile", &[]);
    folder.write("mosquitto/pwfile", "");
    // 1. Every error of the file.
    let conf = folder.write("mosquitto.conf", "listener 1883\nbogus 1\nmax_connections x\nallow_anonymous maybe\n");
    let checked = output_of(Command::new(NIGHTJAR).arg("check").arg("-c").arg(&conf));
    let said = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(3), "{said}");
    for (line, part) in [(2, "'bogus'"), (3, "'max_connections'"), (4, "'allow_anonymous'")] {
        let wanted = format!("error: {}:{line}: ", conf.display());
        assert!(said.lines().any(|line| line.starts_with(&wanted) && line.contains(part)), "{part}: {said}");
    }
    assert!(said.ends_with("3 errors, 0 warnings.\n"), "{said}");
    // 2. The guide's traps: /etc/mosquito for /etc/mosquitto; a private key in the CA file, as its picture shows;
    //    anonymous open to the network; secrets that all can read.
    let both = folder.read("certs/ca.key") + &folder.read("certs/ca.crt");
    let ca = folder.write("mosquitto/ca.crt", both);
    let key = folder.path().join("certs/server.key");
    readable_by_all(&key);
    folder.write(
        "mosquitto.conf",
        filled(
            "listener 1883\nallow_anonymous true\npassword_file DIR/mosquito/pwfile\ncafile DIR/mosquitto/ca.crt\n\
             certfile DIR/certs/server.crt\nkeyfile DIR/certs/server.key\n",
            &folder,
            0,
        ),
    );
    let checked = output_of(Command::new(NIGHTJAR).arg("check").arg("-c").arg(&conf));
    let said = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(3), "{said}");
    for wanted in [
        format!("Did you mean \"{}\"?", folder.at("mosquitto/pwfile")),
        format!("{}:1: a PRIVATE KEY is in the CA file, which is copied into every router", ca.display()),
        "port 1883: anyone who can reach it may connect (allow_anonymous true)".to_owned(),
        format!("{}: every user of this machine can read this private key: chmod 600", key.display()),
    ] {
        assert!(said.contains(&wanted), "no {wanted:?} in {said}");
    }
    // 3. A set-up without any of this.
    let made = nightjar(&["init", "psk", &folder.at("good")]);
    assert!(made.status.success());
    let checked = nightjar(&["check", "-c", &folder.at("good/mosquitto.conf")]);
    assert_eq!(checked.status.code(), Some(0));
    let wanted =
        format!("No errors, nothing unwise. Start it with: nightjar run -c {}\n", folder.at("good/mosquitto.conf"));
    assert_eq!(text(&checked.stdout), wanted);
    let pskfile = folder.path().join("good/pskfile");
    readable_by_all(&pskfile);
    let checked = nightjar(&["check", "-c", &folder.at("good/mosquitto.conf")]);
    let wanted = format!("psk_file {0}: every user of this machine can read it: chmod 600 {0}", pskfile.display());
    assert!(text(&checked.stdout).contains(&wanted), "{}", text(&checked.stdout));
}

fn readable_by_all(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).expect("our own file");
}

#[test]
fn the_line_that_demo_prints_works_and_works_again_tomorrow() {
    let folder = Folder::new();
    let mut pastes = Vec::new();
    for _ in 0..2 {
        let mut demo = Demo::start(&folder.at("demo"));
        let paste = demo.output.wait_for("mosquitto_sub -h 127.0.0.1 -p ");
        let user = pasted(paste.trim());
        let report = user.output.wait_for("\"rssi\": ");
        assert!(report.starts_with("[{\"name\": \"") && report.ends_with("}]"), "{report}");
        // The first reports come by themselves, without anyone pasting anything.
        demo.output.wait_for("  [{\"name\": \"");
        let words: Vec<&str> = paste.split(' ').collect();
        pastes.push(words[words.len() - 1].to_owned());
        assert_eq!(demo.interrupt(), Some(0));
        demo.output.wait_for("Stopped. ");
    }
    assert_eq!(pastes[0], pastes[1], "the password of the first time goes on");
}

struct Demo {
    child: Child,
    output: Lines,
}

impl Demo {
    fn start(dir: &str) -> Self {
        for _ in 0..5 {
            let port = free_port().to_string();
            let mut child = Command::new(NIGHTJAR)
                .args(["demo", "--dir", dir, "--port", &port])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("it runs");
            let output = Lines::of(child.stdout.take().expect("standard output is piped"));
            let demo = Self { child, output };
            let runs = demo.output.wait(|lines| lines.iter().any(|line| line.contains(" runs on ")).then_some(()));
            if runs.is_some() {
                return demo;
            }
        }
        panic!("no free port in five tries");
    }

    /// Ctrl-C.
    fn interrupt(&mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        nix::sys::signal::kill(pid, Signal::SIGINT).expect("it runs");
        let mut status = None;
        poll_until(|| {
            status = self.child.try_wait().expect("our own child");
            status.is_some()
        });
        status.expect("it ended").code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
