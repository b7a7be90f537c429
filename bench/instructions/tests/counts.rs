//! How many instructions and allocations one message costs, counted and held against counts.txt: what a
//! change makes dearer is found when it is made, and not when somebody measures. Nothing here depends on how fast or
//! how busy the machine is.
//!
//! What is counted as instructions is our program's own, the standard library and the crates in it included. The system's
//! library is not: which of its `memcpy` the processor is given, and how its `malloc` searches, differs from machine to
//! machine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod callgrind;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use callgrind::Profile;

const COUNTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counts.txt");
/// The variable that has the file written anew instead of held.
const WRITE: &str = "NIGHTJAR_WRITE_COUNTS";
const HOW: &str = "NIGHTJAR_WRITE_COUNTS=1 cargo test -p instructions";
/// Counts may grow by so much.
const GROWTH_PERCENT_MAX: f64 = 3.0;
/// Where less than this is spent is not in the file.
const LISTED_PERCENT_MIN: f64 = 0.5;
/// As many places are named where a load has grown.
const NAMED: usize = 6;

/// What one message of a load costs.
#[derive(Clone, Default)]
struct Cost {
    instructions: f64,
    allocations: f64,
    /// Instructions by place.
    places: BTreeMap<String, f64>,
}

/// The program, built as the product is: what is counted is what is sold.
fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "-p", "instructions", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // Flags for this machine's processor would count this machine's instructions.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("release/instructions")
}

fn loads(program: &Path) -> Vec<String> {
    let listed = Command::new(program).output().expect("it runs");
    String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Plays a load under valgrind.
fn count(program: &Path, number: usize, load: &str) -> Cost {
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{}.{number}", std::process::id()));
    let played = Command::new("valgrind")
        .args(["-q", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no"])
        .args(["--collect-atstart=no", "--toggle-collect=*measured_part*"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .arg(load)
        .output()
        .expect("valgrind runs: tools/test-programs installs it");
    assert!(played.status.success(), "{load}: {}", String::from_utf8_lossy(&played.stderr));
    let said = String::from_utf8(played.stdout).unwrap();
    let (messages, allocations) = said.trim().split_once(' ').expect("two numbers");
    let (messages, allocations): (f64, u64) = (messages.parse().unwrap(), allocations.parse().unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let text = std::fs::read_to_string(&profile).expect("valgrind has written it");
    let counted = Profile::read(&text, program, &root);
    assert!(counted.instructions > 0 && messages > 0.0, "{load}: the measured part was not found");
    std::fs::remove_file(profile).unwrap();
    let each = |count: u64| count as f64 / messages;
    Cost {
        instructions: each(counted.instructions),
        allocations: each(allocations),
        places: counted.places.into_iter().map(|(place, count)| (place, each(count))).collect(),
    }
}

/// Plays all loads, as many at a time as there are processors.
fn count_all() -> Vec<(String, Cost)> {
    let program = build();
    let loads = loads(&program);
    let (next, counted) = (Mutex::new(0..loads.len()), Mutex::new(BTreeMap::new()));
    let work = || {
        loop {
            let Some(number) = next.lock().unwrap().next() else { return };
            let cost = count(&program, number, &loads[number]);
            counted.lock().unwrap().insert(number, cost);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    loads.into_iter().zip(counted.into_inner().unwrap().into_values()).collect()
}

/// Compiler and machine, in one line: other ones make other instructions of the same text.
fn compiler() -> String {
    let told =
        Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into())).arg("-vV").output().expect("rustc runs");
    let told = String::from_utf8(told.stdout).unwrap();
    let said = |what: &str| told.lines().find_map(|line| line.strip_prefix(what)).expect("rustc says it").to_owned();
    format!("rustc {}, {}", said("release: "), said("host: "))
}

#[test]
fn a_message_costs_no_more_than_is_written_down() {
    let (counted, compiler) = (count_all(), compiler());
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(COUNTS, written(&compiler, &counted)).expect("the file can be written");
        return;
    }
    let text = std::fs::read_to_string(COUNTS).expect("the file is there");
    let (by, before) = read(&text);
    let is_same_compiler = by == compiler;
    if !is_same_compiler {
        eprintln!("counts.txt was made with {by}, this is {compiler}: only allocations are compared.");
    }
    let mut grown = String::new();
    for (load, cost) in &counted {
        let Some(was) = before.get(load) else {
            let _ = writeln!(grown, "{load}: it is not in the file");
            continue;
        };
        grown += &compare(load, was, cost, is_same_compiler);
    }
    assert!(
        grown.is_empty(),
        "a message costs more than bench/instructions/counts.txt has; if it must, {HOW}\n{grown}"
    );
}

/// What has grown too much, in words; what has become less is said at once.
fn compare(load: &str, was: &Cost, is: &Cost, is_same_compiler: bool) -> String {
    let mut grown = String::new();
    let figures = [
        ("instructions", was.instructions, is.instructions, is_same_compiler),
        ("allocations", was.allocations, is.allocations, true),
    ];
    for (what, was, is, counts) in figures {
        // The file has a hundredth at the end.
        if counts && is > was * (1.0 + GROWTH_PERCENT_MAX / 100.0) + 0.005 {
            let percent = if was > 0.0 { format!(", {:.1} % more", (is / was - 1.0) * 100.0) } else { String::new() };
            let _ = writeln!(grown, "{load}: {is:.2} {what} per message{percent} than {was:.2}");
        } else if counts && is < was * (1.0 - GROWTH_PERCENT_MAX / 100.0) - 0.005 {
            eprintln!("{load}: {is:.2} {what} per message, fewer than {was:.2}. Keep it so: {HOW}");
        }
    }
    if !grown.is_empty() && is_same_compiler {
        let names: std::collections::BTreeSet<_> = was.places.keys().chain(is.places.keys()).collect();
        // What is not in the file had no more than this.
        let unlisted = was.instructions * LISTED_PERCENT_MIN / 100.0;
        let change = |name: &'_ String| {
            let (was, is) = (was.places.get(name).copied().unwrap_or(unlisted), is.places.get(name).copied());
            (is.unwrap_or(0.0) - was, was)
        };
        let mut changes: Vec<_> = names.into_iter().map(|name| (change(name), name)).collect();
        changes.sort_by(|((one, _), _), ((other, _), _)| other.total_cmp(one));
        for ((change, was), name) in changes.into_iter().take(NAMED).filter(|((change, _), _)| *change >= 1.0) {
            let _ = writeln!(grown, "    {change:+8.1} {name} ({was:.1} before)");
        }
    }
    grown
}

// ---- the file

fn written(compiler: &str, counted: &[(String, Cost)]) -> String {
    let mut text = format!(
        "# What one message costs the core, load by load: in all, and where the instructions are spent. bench/README.md says\n\
         # how this is counted. Written by `{HOW}`.\n\
         made by: {compiler}\n"
    );
    for (load, cost) in counted {
        let Cost { instructions, allocations, places } = cost;
        let _ = writeln!(text, "\n{load}: {instructions:.2} instructions, {allocations:.2} allocations");
        let mut places: Vec<_> =
            places.iter().filter(|(_, n)| **n * 100.0 >= instructions * LISTED_PERCENT_MIN).collect();
        places.sort_by(|one, other| other.1.total_cmp(one.1).then(one.0.cmp(other.0)));
        for (place, count) in places {
            let _ = writeln!(text, "{count:10.1} {place}");
        }
    }
    text
}

fn read(text: &str) -> (String, BTreeMap<String, Cost>) {
    let (mut by, mut all, mut load) = (String::new(), BTreeMap::<String, Cost>::new(), String::new());
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(compiler) = line.strip_prefix("made by: ") {
            compiler.clone_into(&mut by);
        } else if line.starts_with(' ') {
            let (count, place) = line.trim_start().split_once(' ').expect("a count and a place");
            let cost = all.get_mut(&load).expect("a load comes first");
            cost.places.insert(place.to_owned(), count.parse().expect("a count"));
        } else {
            let (name, figures) = line.rsplit_once(": ").expect("a load and its figures");
            let mut figures = figures.split(", ").map(|figure| {
                figure.split(' ').next().and_then(|number| number.parse::<f64>().ok()).expect("a number")
            });
            let mut next = || figures.next().expect("two figures");
            let (instructions, allocations) = (next(), next());
            name.clone_into(&mut load);
            all.insert(load.clone(), Cost { instructions, allocations, places: BTreeMap::new() });
        }
    }
    (by, all)
}

#[test]
fn what_is_written_is_what_is_read_and_what_grew_is_named() {
    let cost = |instructions: f64, decode: f64| Cost {
        instructions,
        allocations: 1.0,
        places: [("decode.rs".to_owned(), decode), ("std, in publish".to_owned(), instructions - decode)].into(),
    };
    let text = written("rustc 1", &[("pairs, QoS 1".to_owned(), cost(1000.0, 400.0))]);
    let (by, all) = read(&text);
    let was = &all["pairs, QoS 1"];
    assert_eq!((&*by, was.instructions, was.places["decode.rs"]), ("rustc 1", 1000.0, 400.0));
    assert_eq!(compare("pairs", was, &cost(1029.0, 429.0), true), "");
    let grown = compare("pairs", was, &cost(1100.0, 500.0), true);
    assert_eq!(
        grown,
        "pairs: 1100.00 instructions per message, 10.0 % more than 1000.00\n      +100.0 decode.rs (400.0 before)\n"
    );
    assert_eq!(compare("pairs", was, &cost(1100.0, 500.0), false), "", "another compiler's are others");
    assert_eq!(compare("pairs", was, &cost(900.0, 300.0), true), "");
}
