//! Each normative statement that binds a server is proved by a test or excepted with its reason; every id cited is real.
//!
//! The statements are in `broker/spec`. A citation is a version and, behind it in the same line, ids of that version:
//! `[3.1.1 MQTT-3.1.4-2, 5.0 MQTT-3.1.4-3]`, `3.1.1 and 5.0 MQTT-4.7.2-1`. Nothing is cited by its last number alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// The versions whose statements have numbers; 3.1 has none.
const NUMBERED: [&str; 2] = ["3.1.1", "5.0"];

/// Tests in these rooms say something of the broker. What `link` and `gateway` cite binds a client.
const PROVING: [&str; 4] = ["acl", "broker", "src", "tests"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binds {
    Server,
    Client,
    Both,
}

#[derive(Debug)]
struct Statement {
    binds: Binds,
    /// Our words for it.
    says: String,
}

/// A version and an id: `("5.0", "MQTT-3.1.4-3")`.
type Key = (String, String);

/// Where something was cited.
#[derive(Debug)]
struct Citation {
    key: Key,
    at: String,
    /// In a test of a room in [`PROVING`].
    proves: bool,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn spec(name: &str) -> String {
    let path = root().join("broker/spec").join(name);
    read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Lines with something to say, numbered as an editor numbers them.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn statements() -> BTreeMap<Key, Statement> {
    let mut statements = BTreeMap::new();
    for version in NUMBERED {
        let file = format!("{version}.txt");
        for (number, line) in lines(&spec(&file)) {
            let mut words = line.split_whitespace();
            let id = words.next().expect("a line is not empty");
            let binds = match words.next() {
                Some("server") => Binds::Server,
                Some("client") => Binds::Client,
                Some("both") => Binds::Both,
                other => panic!("{file}:{number}: {other:?}, but it takes server, client or both"),
            };
            let says = words.collect::<Vec<_>>().join(" ");
            assert!(says.ends_with('.'), "{file}:{number}: not a sentence: {says:?}");
            let before = statements.insert((version.to_owned(), id.to_owned()), Statement { binds, says });
            assert!(before.is_none(), "{file}:{number}: {id} is there twice");
        }
    }
    statements
}

/// The exceptions, each with its reason: a line that does not begin with a version is the reason for those below it.
fn exceptions() -> BTreeMap<Key, String> {
    let mut exceptions = BTreeMap::new();
    let mut reason = "";
    let text = spec("exceptions.txt");
    for (number, line) in lines(&text) {
        match line.split_once(' ') {
            Some((version, id)) if NUMBERED.contains(&version) => {
                assert!(!reason.is_empty(), "exceptions.txt:{number}: {line} has no reason");
                let before = exceptions.insert((version.to_owned(), id.trim().to_owned()), reason.to_owned());
                assert!(before.is_none(), "exceptions.txt:{number}: {line} is there twice");
            }
            _ => reason = line,
        }
    }
    exceptions
}

/// The versions and ids that a line cites; an id without a version has an empty one.
fn cited(line: &str) -> Vec<(&str, &str)> {
    let is_version = |word: &str| word == "3.1" || NUMBERED.contains(&word);
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '§')));
    let words = words.map(|word| word.trim_end_matches(['.', '-'])).filter(|word| !word.is_empty());
    let (mut before, mut last) = ("", "");
    let (mut versions, mut found) = (Vec::new(), Vec::new());
    for word in words {
        if is_version(word) {
            if !(last == "and" && is_version(before)) {
                versions.clear();
            }
            versions.push(word);
        } else if word.strip_prefix("MQTT-").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            let versions: &[&str] = if versions.is_empty() { &[""] } else { &versions };
            found.extend(versions.iter().map(|version| (*version, word)));
        } else if !found.is_empty() && word.len() > 1 && word.bytes().skip(1).all(|c| c.is_ascii_digit()) {
            // "and -2": it is not found by who looks for the whole id.
            if word.starts_with('-') {
                found.push(("", word));
            }
        }
        (before, last) = (last, word);
    }
    found
}

/// The Rust files of the project but this one.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder of the project").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            if ![".git", "target", "var"].iter().any(|skip| name == *skip) {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "clauses.rs" {
            found.push(path);
        }
    }
}

fn citations() -> Vec<Citation> {
    let mut files = Vec::new();
    sources(root(), &mut files);
    files.sort();
    let mut citations = Vec::new();
    for file in files {
        let text = read_to_string(&file).expect("a source file is UTF-8");
        let file = file.strip_prefix(root()).expect("below the root");
        let rooms: Vec<_> = file.iter().filter_map(|part| part.to_str()).collect();
        let may_prove = PROVING.contains(&rooms[0]);
        let name = rooms[rooms.len() - 1];
        let mut is_test = rooms.contains(&"tests") || name == "tests.rs" || name.ends_with("_tests.rs");
        let mut last = "";
        for (at, line) in text.lines().enumerate() {
            // Tests come last in a file.
            is_test |= last.trim() == "#[cfg(test)]" && line.contains("mod ") && line.ends_with('{');
            citations.extend(cited(line).into_iter().map(|(version, id)| Citation {
                key: (version.to_owned(), id.to_owned()),
                at: format!("{}:{}", file.display(), at + 1),
                proves: is_test && may_prove,
            }));
            last = line;
        }
    }
    citations
}

fn proved() -> BTreeSet<Key> {
    citations().into_iter().filter(|citation| citation.proves).map(|citation| citation.key).collect()
}

fn assert_none(problems: &[String], what: &str) {
    assert!(problems.is_empty(), "{what} ({}):\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn every_statement_that_binds_a_server_is_proved_by_a_test_or_excepted() {
    let (proved, exceptions) = (proved(), exceptions());
    let mut missing = Vec::new();
    for (key, statement) in statements() {
        if statement.binds != Binds::Client && !proved.contains(&key) && !exceptions.contains_key(&key) {
            missing.push(format!("{} {}: {}", key.0, key.1, statement.says));
        }
    }
    assert_none(&missing, "no test cites these, and broker/spec/exceptions.txt does not have them");
}

#[test]
fn every_id_that_is_cited_is_one_of_its_version() {
    let statements = statements();
    let unknown = citations().into_iter().filter(|citation| !statements.contains_key(&citation.key));
    let unknown = unknown.map(|Citation { key: (version, id), at, .. }| match version.as_str() {
        "" => format!("{at}: {id}, but of which version? Each line says it, and each id is written out"),
        version => format!("{at}: {version} {id}"),
    });
    assert_none(&unknown.collect::<Vec<_>>(), "broker/spec does not have these");
}

#[test]
fn no_exception_is_needless() {
    let (proved, statements) = (proved(), statements());
    let mut needless = Vec::new();
    for (key, reason) in exceptions() {
        let (version, id) = &key;
        match statements.get(&key) {
            None => needless.push(format!("{version} {id} is not a statement of this version ({reason})")),
            Some(statement) if statement.binds == Binds::Client => {
                needless.push(format!("{version} {id} binds clients only: {}", statement.says));
            }
            Some(statement) if proved.contains(&key) => {
                needless.push(format!("{version} {id} is cited by a test: {}", statement.says));
            }
            Some(_) => {}
        }
    }
    assert_none(&needless, "to be taken out of broker/spec/exceptions.txt");
}

#[test]
fn the_readme_says_how_many_are_proved() {
    let (proved, exceptions, statements) = (proved(), exceptions(), statements());
    let readme = spec("README.md");
    let mut table = String::new();
    for wanted in NUMBERED {
        let of = |counts: &dyn Fn(&Key, &Statement) -> bool| {
            statements.iter().filter(|(key, statement)| key.0 == wanted && counts(key, statement)).count()
        };
        let all = of(&|_, _| true);
        let clients = of(&|_, statement| statement.binds == Binds::Client);
        let excepted = of(&|key, _| exceptions.contains_key(key));
        let covered = of(&|key, statement| statement.binds != Binds::Client && proved.contains(key));
        let _ = writeln!(table, "| {wanted} | {all} | {clients} | {covered} | {excepted} |");
    }
    println!("version, statements, of clients only, proved by a test, excepted:\n{table}");
    assert!(readme.contains(&table), "broker/spec/README.md should have these rows:\n{table}");
}

#[test]
fn a_citation_is_a_version_and_the_ids_behind_it() {
    type Row = (&'static str, &'static [(&'static str, &'static str)]);
    let rows: &[Row] = &[
        ("// [3.1.1 MQTT-1.1.1-1, 5.0 MQTT-1.1.1-2]", &[("3.1.1", "MQTT-1.1.1-1"), ("5.0", "MQTT-1.1.1-2")]),
        ("5.0 §1.5.5, table 1-1, MQTT-1.1.1-1.", &[("5.0", "MQTT-1.1.1-1")]),
        ("(\"3.1.1 and 5.0 MQTT-1.1.1-1\", b\"\\x30\")", &[("3.1.1", "MQTT-1.1.1-1"), ("5.0", "MQTT-1.1.1-1")]),
        ("3.1.1 MQTT-1.1.1-1 and 5.0 MQTT-1.1.1-2", &[("3.1.1", "MQTT-1.1.1-1"), ("5.0", "MQTT-1.1.1-2")]),
        ("3.1.1 §4.6 and 5.0 MQTT-1.1.1-2", &[("5.0", "MQTT-1.1.1-2")]),
        ("[3.1.1 MQTT-3-8.3-4 (so spelled there)]", &[("3.1.1", "MQTT-3-8.3-4")]),
        ("[MQTT-1.1.1-1]", &[("", "MQTT-1.1.1-1")]),
        ("see §3.1.1 MQTT-1.1.1-1", &[("", "MQTT-1.1.1-1")]),
        ("5.0 MQTT-1.1.1-1 and -2", &[("5.0", "MQTT-1.1.1-1"), ("", "-2")]),
        ("5.0, -2 of MQTT, 3.1.1 §4.6", &[]),
    ];
    for (line, wanted) in rows {
        assert_eq!(cited(line), *wanted, "{line}");
    }
}
