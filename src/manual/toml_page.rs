//! nightjar.toml(5), from the example file `dist/nightjar.toml`, in which every key stands with what is said of it.

use roff::{Roff, bold, italic, roman};

use super::page::{Draft, Page};
use super::prose;

const EXAMPLE: &str = include_str!("../../dist/nightjar.toml");

const ABOUT: &str = "what mosquitto.conf has no words for: durability, threads, the Bluetooth gateway";

/// Gateways that do something as they stand.
const BEHIND: &str = "Examples:
  [gateway]
  radio = { mode = \"active\" }
  sink = [{ kind = \"embedded\", topic = \"cassia\" }]

Files:
  nightjar.toml  Beside mosquitto.conf. It is read at the start alone.
";

pub(super) fn page() -> Page {
    let mut draft = Draft::new(&["nightjar.toml"], 5, ABOUT, false);
    draft.prose("Synopsis:\n  /etc/nightjar/nightjar.toml\n");
    draft.heading("Description");
    draft.put(&tables(EXAMPLE));
    draft.prose(BEHIND);
    draft.see_also(&[("nightjar", 1), ("nightjar-run", 1), ("nightjar-gateway", 1), ("nightjar.conf", 5)])
}

/// A table is a section, and a key with its value an entry; a comment alone in its lines is a paragraph, before the first
/// table, or goes on with what the line above says.
fn tables(example: &str) -> Roff {
    let mut piece = Roff::new();
    for line in example.lines() {
        let (left, comment) = match line.split_once("  # ") {
            Some((left, comment)) => (left.trim(), comment.trim()),
            None => (line.trim(), ""),
        };
        if left.starts_with('[') {
            piece.control("SH", [left]);
        } else if let Some((key, value)) = left.trim_start_matches("# ").split_once(" = ") {
            piece.control("TP", []);
            piece.text([bold(key), roman(" = "), italic(value.trim())]);
        } else if let Some(text) = left.strip_prefix('#') {
            match text.trim() {
                "" => drop(piece.control("PP", [])),
                text => drop(piece.text(prose::words(text))),
            }
        }
        if !comment.is_empty() {
            piece.text(prose::words(comment));
        }
    }
    piece
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toml;

    /// What a table takes, out of its complaint about a key that it does not.
    fn keys_of(table: &str) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("nightjar.toml");
        std::fs::write(&file, format!("{table}\nno_such_key = 1\n")).expect("written");
        let complaint = toml::read(Some(&file)).expect_err("there is no such key").to_string();
        let list = complaint.split("expected one of ").nth(1).unwrap_or_else(|| panic!("no list in: {complaint}"));
        let list = list.split(" for key").next().unwrap_or_default();
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_key_stands_in_the_example_and_on_the_page() {
        let page = page().source;
        for table in ["[broker]", "[gateway]", "[gateway.radio]", "[[gateway.sink]]"] {
            let keys = keys_of(table);
            assert!(keys.len() > 3, "{table}: {keys:?}");
            for key in keys.iter().filter(|key| !["radio", "sink"].contains(&key.as_str())) {
                let entry = format!("\\fB{key}\\fR = ");
                assert!(page.contains(&entry), "{table} takes {key}, of which dist/nightjar.toml says nothing");
            }
        }
    }

    #[test]
    fn every_line_of_the_example_is_taken_as_it_is_and_those_that_are_comments_too() {
        let uncommented = |line| str::strip_prefix(line, "# ").filter(|line| line.contains(" = ")).unwrap_or(line);
        let uncommented = EXAMPLE.lines().map(uncommented).collect::<Vec<_>>().join("\n");
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("nightjar.toml");
        for text in [EXAMPLE, &uncommented] {
            std::fs::write(&file, text).expect("written");
            let read = toml::read(Some(&file)).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(read.gateway.expect("a gateway").sink.len(), 1, "{text}");
        }
    }

    #[test]
    fn the_example_on_the_page_is_a_gateway() {
        let example = BEHIND.lines().skip(1).take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>();
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("nightjar.toml");
        std::fs::write(&file, example.join("\n")).expect("written");
        let gateway = toml::read(Some(&file)).unwrap_or_else(|why| panic!("{why}")).gateway.expect("a gateway");
        assert!(gateway.radio.is_some());
        assert_eq!(gateway.sink.len(), 1);
    }
}
