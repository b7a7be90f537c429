//! One page of the manual, and how each begins and ends. What stands between is made by the other files here.

use roff::{Roff, bold, roman};

use super::prose;

/// What the first line of every file says; only a file that says so is written over.
pub(super) const MARK: &str = "Made by nightjar";

/// A page as `man` reads it.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// Without the section, such as `nightjar-run`.
    pub name: String,
    /// 1: commands; 5: files; 8: services.
    pub section: u8,
    /// In the language of troff.
    pub source: String,
    /// Whether its name is one of mosquitto's.
    pub is_mosquittos: bool,
}

impl Page {
    /// `nightjar-run.1`
    pub(super) fn file_name(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }
}

/// Lets troff write an apostrophe where one is meant; before the title, where `lexgrog` and others expect it.
const APOSTROPHES: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// A page that is being written.
pub(super) struct Draft {
    name: String,
    section: u8,
    is_mosquittos: bool,
    source: String,
}

impl Draft {
    /// With its title and the section NAME; `names` are told there, the first is the page's.
    pub(super) fn new(names: &[&str], section: u8, about: &str, is_mosquittos: bool) -> Self {
        let name = names[0].to_owned();
        let source = format!(".\\\" {MARK} {} from its own tables.\n{APOSTROPHES}", env!("CARGO_PKG_VERSION"));
        let mut draft = Self { name, section, is_mosquittos, source };
        let version = concat!("nightjar ", env!("CARGO_PKG_VERSION"));
        let group = match section {
            5 => "File Formats",
            8 => "System Administration",
            _ => "User Commands",
        };
        let mut begin = Roff::new();
        // No date: the same program makes the same page whenever it is asked. Without its quotes it would be no argument.
        begin.control("TH", [draft.name.to_uppercase().as_str(), &section.to_string(), "\"\"", version, group]);
        // The names of options are not to be broken in two, nor drawn apart.
        begin.control("nh", []).control("ad", ["l"]);
        begin.control("SH", ["NAME"]);
        begin.text([roman(format!("{} - {about}", names.join(", ")))]);
        draft.put(&begin);
        draft
    }

    pub(super) fn put(&mut self, piece: &Roff) {
        let made = piece.render();
        let made = made.strip_prefix(APOSTROPHES).unwrap_or(&made);
        // A heading begins a paragraph by itself.
        let is_begun = self.source.lines().last().is_some_and(|last| last.starts_with(".SH"));
        self.source.push_str(made.strip_prefix(".PP\n").filter(|_| is_begun).unwrap_or(made));
    }

    /// Sections, or what goes on in one; see `prose`.
    pub(super) fn prose(&mut self, text: &str) {
        let mut piece = Roff::new();
        prose::write(&mut piece, text);
        self.put(&piece);
    }

    pub(super) fn heading(&mut self, title: &str) {
        self.put(Roff::new().control("SH", [title.to_uppercase().as_str()]));
    }

    /// The last section, with every page of `others` that is not this one.
    pub(super) fn see_also(mut self, others: &[(&str, u8)]) -> Page {
        self.heading("See also");
        let others: Vec<_> = others.iter().filter(|(name, _)| *name != self.name).collect();
        for (index, (name, section)) in others.iter().enumerate() {
            let comma = if index + 1 < others.len() { "," } else { "" };
            self.put(Roff::new().text([bold(*name), roman(format!("({section}){comma}"))]));
        }
        Page { name: self.name, section: self.section, source: self.source, is_mosquittos: self.is_mosquittos }
    }
}
