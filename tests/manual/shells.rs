//! Completions in real shells: what is typed, with a Tab in it, and what the program is then called with.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::program::Share;

/// What is typed, and the arguments that come of it.
const TYPED: &[(&str, &[&str])] = &[
    ("nightjar sto\tche\t", &["store", "check"]),
    ("nightjar acl explain --access wr\t", &["acl", "explain", "--access", "write"]),
    ("nightjar gateway scan --phy CO\t", &["gateway", "scan", "--phy", "CODED"]),
    ("nightjar run --test\t", &["run", "--test-config"]),
    ("nightjar run --config-file mosq\t", &["run", "--config-file", "mosquitto.db"]),
    ("nightjar run -c mosq\t", &["run", "-c", "mosquitto.db"]),
    ("nightjar import mosq\t", &["import", "mosquitto.db"]),
    ("nightjar import --to adi\t mosq\t", &["import", "--to", "adir/", "mosquitto.db"]),
    ("nightjar init ps\tadi\t", &["init", "psk", "adir/"]),
    ("nightjar passwd -c mosq\t", &["passwd", "-c", "mosquitto.db"]),
    // What is not for people is not offered, and what is no file is not taken for one.
    ("nightjar radi\t", &["radi"]),
    ("nightjar acl explain --user mosq\t", &["acl", "explain", "--user", "mosq"]),
    ("mosquitto --test\t-c mosq\t", &["--test-config", "-c", "mosquitto.db"]),
    ("mosquitto_passwd -b mosq\t", &["-b", "mosquitto.db"]),
    // Where nothing is said yet a file is offered, and no option beside it.
    ("cd only\nnightjar import \t", &["import", "one"]),
];

/// A folder with programs that say what they are called with, and with files to complete.
fn stage() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["nightjar", "mosquitto", "mosquitto_passwd"] {
        let program = dir.path().join("bin").join(name);
        fs::create_dir_all(dir.path().join("bin")).expect("a folder");
        fs::write(&program, "#!/bin/sh\nprintf '<%s>' \"$@\"\necho '<end>'\n").expect("a program written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it can be run");
    }
    fs::create_dir_all(dir.path().join("here/adir")).expect("a folder");
    fs::create_dir_all(dir.path().join("here/only")).expect("a folder");
    for file in ["here/mosquitto.db", "here/only/one"] {
        fs::write(dir.path().join(file), "").expect("a file written");
    }
    dir
}

/// Types into an interactive shell, and compares what the programs were called with.
fn type_into(shell: &[&str], before: &str) {
    let stage = stage();
    let lines = TYPED.iter().map(|(typed, _)| *typed).collect::<Vec<_>>().join("\n");
    let input = stage.path().join("input");
    fs::write(&input, format!("{before}\n{lines}\nexit\n")).expect("the input written");
    let path = format!("{}:{}", stage.path().join("bin").display(), std::env::var("PATH").expect("a PATH"));
    let output = Command::new("script")
        .args(["-qec", &shell.join(" "), "/dev/null"])
        .stdin(File::open(&input).expect("the input"))
        .stderr(Stdio::null())
        .current_dir(stage.path().join("here"))
        .env("PATH", path)
        .env("TERM", "xterm")
        .env("HOME", stage.path())
        .output()
        .expect("script runs; `make test` installs it");
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let called: Vec<Vec<&str>> = output
        .lines()
        .filter_map(|line| line.trim_end().strip_suffix("<end>"))
        .map(|line| line.rsplit_once('\r').map_or(line, |(_, line)| line))
        .filter_map(|line| Some(&line[line.find('<')?..]))
        .map(|line| line.split(['<', '>']).filter(|argument| !argument.is_empty()).collect())
        .collect();
    for (index, (typed, wanted)) in TYPED.iter().enumerate() {
        let called = called.get(index).map(Vec::as_slice).unwrap_or_default();
        let is_same = called.len() == wanted.len()
            // zsh takes the slash away again when no more of the path is typed.
            && called.iter().zip(*wanted).all(|(called, wanted)| called.trim_end_matches('/') == wanted.trim_end_matches('/'));
        assert!(is_same, "{}: {typed:?} became {called:?}, not {wanted:?}:\n{output}", shell[0]);
    }
}

#[test]
fn bash_completes_commands_options_words_and_files() {
    let share = Share::new();
    let folder = share.dir.path().join("bash-completion/completions");
    let source =
        ["nightjar", "mosquitto", "mosquitto_passwd"].map(|name| format!("source {}/{name}", folder.display()));
    type_into(&["bash", "--norc", "--noprofile", "-i"], &source.join("; "));
}

#[test]
fn zsh_completes_commands_options_words_and_files() {
    let share = Share::new();
    let folder = share.dir.path().join("zsh/site-functions");
    let before = format!("fpath=({} $fpath); autoload -U compinit; compinit -D -u", folder.display());
    type_into(&["zsh", "-f", "-i"], &before);
}

/// What fish offers at the end of a line, without its descriptions.
fn offered_by_fish(folder: &Path, here: &Path, line: &str) -> Vec<String> {
    let source =
        ["nightjar", "mosquitto", "mosquitto_passwd"].map(|name| format!("source {}/{name}.fish", folder.display()));
    let output = Command::new("fish")
        .args(["--no-config", "-c", &format!("{}; complete -C '{line}'", source.join("; "))])
        .current_dir(here)
        .env("HOME", here)
        .output()
        .expect("fish runs; `make test` installs it");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let offered = String::from_utf8_lossy(&output.stdout).into_owned();
    offered.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn fish_completes_commands_options_words_and_files() {
    let (share, stage) = (Share::new(), stage());
    let folder = share.dir.path().join("fish/vendor_completions.d");
    for (typed, wanted) in TYPED.iter().filter(|(typed, _)| !typed.contains('\n')) {
        // fish is asked at each Tab, of which the last stands at the end.
        let typed = typed.trim_end_matches('\t').replace("sto\tche", "store che").replace("ps\tadi", "psk adi");
        let typed = typed.replace("adi\t mosq", "adir mosq").replace("--test\t", "--test-config ");
        let offered = offered_by_fish(&folder, &stage.path().join("here"), &typed);
        let last = wanted[wanted.len() - 1];
        if typed.ends_with(last) {
            assert_eq!(offered, [""; 0], "{typed:?}");
        } else {
            assert_eq!(offered, [last], "{typed:?}");
        }
    }
}
