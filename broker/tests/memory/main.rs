//! What everything costs in memory, counted byte by byte, and held against docs/memory.md.
#![allow(clippy::expect_used)]

mod core;
mod counting;
mod edge;

use std::fmt::Write as _;
use std::path::Path;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/memory.md");
/// The variable that has the page written anew instead of held.
const WRITE: &str = "NIGHTJAR_WRITE_MEMORY";
const HOW: &str = "NIGHTJAR_WRITE_MEMORY=1 cargo test -p broker --test memory";
/// What the page says may differ from what is counted by so many percent.
const TOLERANCE_PERCENT: usize = 5;

/// A text of this length is given, and one that is longer by `MORE`, to see how often it is kept. Both are multiples of
/// eight, to which a shared text is rounded up.
const LENGTH: usize = 16;
const MORE: usize = 32;

/// A row of the page.
struct Row {
    what: &'static str,
    /// Without its texts.
    bytes: usize,
    /// How often each of its texts is kept, in words.
    texts: String,
}

/// Counts what something costs that is given texts, of the lengths that `cost` is told.
fn row<const N: usize>(what: &'static str, texts: [&str; N], cost: impl Fn([usize; N]) -> usize) -> Row {
    let whole = cost([LENGTH; N]);
    let mut row = Row { what, bytes: whole, texts: String::new() };
    for (at, text) in texts.iter().enumerate() {
        let mut lengths = [LENGTH; N];
        lengths[at] += MORE;
        let more = cost(lengths) - whole;
        let times = (more + MORE / 2) / MORE;
        row.bytes -= times * LENGTH;
        let _ = write!(row.texts, "{}{times} × {text}", if at == 0 { "" } else { ", " });
    }
    row
}

fn rows() -> Vec<Row> {
    vec![
        row("an idle connection, plain, and its session", ["Client Identifier"], edge::connection),
        row("the same by WebSocket", ["Client Identifier"], edge::websocket),
        row("a session whose client is away", ["Client Identifier"], core::session_away),
        row("a Will Message", ["topic", "payload"], core::will),
        row("a session's only subscription, its last level like nobody's", ["level"], core::subscription),
        row("each level more that is like nobody's", ["level"], core::further_level),
        row("a session's only subscription, to a filter that others have", ["filter"], core::subscription_of_many),
        row("a retained message, the last level of its topic like no other's", ["level", "payload"], core::retained),
        row("a message that waits for a client", ["topic", "payload"], core::queued),
        row("… and for one client more", [], core::queued_for_one_more),
        row("a message in flight to a client", ["topic", "payload"], core::in_flight),
        row("a QoS 2 message that is not released", ["topic", "payload"], core::unreleased),
        row("a topic whose one subscriber is remembered", ["topic"], core::route),
        row("… and one subscriber more", [], core::routed_to_one_more),
    ]
}

// One test: another beside it would allocate, too.
#[test]
fn everything_costs_as_much_memory_as_the_page_says() {
    let rows = rows();
    let page = std::fs::read_to_string(PAGE).expect("docs/memory.md is there");
    if std::env::var_os(WRITE).is_some() {
        write(&page, &rows);
        return;
    }
    let mut wrong = Vec::new();
    for Row { what, bytes, texts } in &rows {
        let line = page.lines().find_map(|line| line.strip_prefix(&format!("| {what} | ")));
        let Some((said, said_texts)) = line.and_then(|line| line.strip_suffix(" |")?.split_once(" | ")) else {
            wrong.push(format!("{what}: the page has no such row"));
            continue;
        };
        let said: usize = said.parse().expect("a number of bytes");
        if bytes.abs_diff(said) * 100 > said * TOLERANCE_PERCENT {
            let how = if *bytes > said { "more" } else { "less: the page may say so" };
            wrong.push(format!("{what}: {bytes} bytes, {how}; the page has {said}"));
        }
        if said_texts != texts {
            wrong.push(format!("{what}: its texts are kept {texts}, the page has {said_texts}"));
        }
    }
    assert!(wrong.is_empty(), "docs/memory.md is wrong; where it is to change, {HOW}:\n{}", wrong.join("\n"));
}

/// Writes the table anew, and leaves the rest of the page as it is.
fn write(page: &str, rows: &[Row]) {
    let is_of_table = |line: &&str| line.starts_with('|');
    let before: Vec<_> = page.lines().take_while(|line| !is_of_table(line)).collect();
    let after: Vec<_> = page.lines().skip_while(|line| !is_of_table(line)).skip_while(is_of_table).collect();
    let mut written = before.join("\n") + "\n| what | bytes | and of its texts |\n|---|---|---|\n";
    for Row { what, bytes, texts } in rows {
        let _ = writeln!(written, "| {what} | {bytes} | {texts} |");
    }
    written += &after.join("\n");
    std::fs::write(Path::new(PAGE), written + "\n").expect("the page can be written");
}
