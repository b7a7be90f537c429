//! Reading: the main file, those it includes, the command line; one line after the other.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::draft::Draft;
use crate::fault::{Level, shown};
use crate::lines::{self, Line, VALUE_BYTES_MAX};
use crate::table::Carry;
use crate::{ConfigError, Fault, OptionSpec, Place, Scope, Settings, Takes, settle, spelling, table, values};

/// Bytes of one file. mosquitto's own example, all comments, has 40 thousand.
pub const FILE_BYTES_MAX: usize = 16 << 20;

/// Files that are read, the main one included.
pub const FILES_MAX: usize = 1_000;

/// Errors that [`check`] tells. Past this the file is something else, and the rest says nothing new.
pub const ERRORS_MAX: usize = 100;

/// The files as the caller sees them; this crate opens none.
pub trait Files {
    /// The bytes of a file. [`io::ErrorKind::IsADirectory`] has words of its own.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>>;

    /// The names in a folder, in any order, without the folder's own path.
    fn list(&mut self, dir: &Path) -> io::Result<Vec<OsString>>;
}

/// What the command line says besides the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Option lines, as `("max_keepalive", "60")`. They are read as if they stood at the end of the main file, but a
    /// value takes the place of an earlier one instead of being a duplicate.
    pub set: Vec<(String, String)>,
    /// `-p`, at most [`Overrides::PORTS_MAX`]: the ports of local-only mode; ignored when the file has a listener.
    pub ports: Vec<u16>,
    /// `-v`: log everything, whatever the file says.
    pub verbose: bool,
    /// `-q`: log nothing, whatever the file says.
    pub quiet: bool,
}

impl Overrides {
    /// As many `-p` as mosquitto takes.
    pub const PORTS_MAX: usize = 10;

    /// Adds what `--set` was given: an option, `=`, its value.
    pub fn add(&mut self, name_and_value: &str) -> Result<(), ConfigError> {
        let (name, value) = name_and_value.split_once('=').ok_or_else(|| ConfigError {
            at: Some(Place::command_line()),
            included_at: None,
            fault: Box::new(Fault::told(
                format!("--set takes an option and its value, not '{}'.", shown(name_and_value)),
                "Write it as in --set max_keepalive=60.",
            )),
        })?;
        self.set.push((name.to_owned(), value.to_owned()));
        Ok(())
    }
}

/// Reads a configuration and stops at the first error, as mosquitto does.
///
/// Without a `main` file the broker runs in local-only mode with every option at its default.
pub fn parse(main: Option<&Path>, files: &mut dyn Files, overrides: &Overrides) -> Result<Settings, ConfigError> {
    let mut reader = Reader::new(files, 1);
    reader.all(main, overrides);
    let (settings, errors) = reader.conclude(overrides);
    errors.into_iter().next().map_or(Ok(settings), Err)
}

/// Reads a configuration and tells all its errors, in the order of reading.
pub fn check(main: Option<&Path>, files: &mut dyn Files, overrides: &Overrides) -> Result<Settings, Vec<ConfigError>> {
    let mut reader = Reader::new(files, ERRORS_MAX);
    reader.all(main, overrides);
    let (settings, errors) = reader.conclude(overrides);
    if errors.is_empty() { Ok(settings) } else { Err(errors) }
}

struct Reader<'a> {
    files: &'a mut dyn Files,
    draft: Draft,
    errors: Vec<ConfigError>,
    errors_max: usize,
    read: Vec<PathBuf>,
}

/// What a line is read within.
#[derive(Clone, Copy)]
struct Within<'a> {
    /// The `include_dir` line that led here.
    included_at: Option<&'a Place>,
}

impl<'a> Reader<'a> {
    fn new(files: &'a mut dyn Files, errors_max: usize) -> Self {
        Self { files, draft: Draft::default(), errors: Vec::new(), errors_max, read: Vec::new() }
    }

    fn all(&mut self, main: Option<&Path>, overrides: &Overrides) {
        if let Some(main) = main {
            self.file(main, None);
        }
        self.draft.overriding = true;
        for (name, value) in &overrides.set {
            let place = Place::command_line();
            let text = format!("{name} {value}");
            self.line(&place, 0, text.as_bytes(), Within { included_at: None });
        }
    }

    fn conclude(self, overrides: &Overrides) -> (Settings, Vec<ConfigError>) {
        let Self { draft, mut errors, errors_max, read, .. } = self;
        let (settings, more) = settle::settle(draft, overrides, read);
        errors.extend(more);
        errors.truncate(errors_max);
        (settings, errors)
    }

    fn is_full(&self) -> bool {
        self.errors.len() >= self.errors_max
    }

    fn fail(&mut self, at: Option<&Place>, included_at: Option<&Place>, fault: Fault) {
        if !self.is_full() {
            self.errors.push(ConfigError { at: at.cloned(), included_at: included_at.cloned(), fault: fault.into() });
        }
    }

    fn file(&mut self, path: &Path, included_at: Option<&Place>) {
        let text = match self.text_of(path) {
            Ok(text) => text,
            Err(fault) => return self.fail(included_at, None, fault),
        };
        self.read.push(path.to_owned());
        let file: Arc<Path> = path.into();
        // Each file starts anew: its options do not speak of a listener in another file.
        let outer = self.draft.current.take();
        for (number, line) in lines::lines(&text) {
            if self.is_full() {
                break;
            }
            self.line(&Place::line_of(&file, number), number, line, Within { included_at });
        }
        if included_at.is_some() {
            self.draft.current = outer;
        }
    }

    fn text_of(&mut self, path: &Path) -> Result<Vec<u8>, Fault> {
        let file = || shown(&path.display().to_string());
        let text = self.files.read(path).map_err(|error| match error.kind() {
            io::ErrorKind::IsADirectory => Fault::FileIsDirectory { file: file() },
            _ => Fault::FileUnreadable { file: file(), cause: error.to_string() },
        })?;
        if text.len() > FILE_BYTES_MAX {
            let cause = format!("the file has {} bytes, but at most {FILE_BYTES_MAX} are read", text.len());
            return Err(Fault::FileUnreadable { file: file(), cause });
        }
        Ok(text)
    }

    fn line(&mut self, place: &Place, number: u32, line: &[u8], within: Within<'_>) {
        self.draft.at = Some(place.clone());
        let result = lines::cut(number, line).and_then(|line| match line {
            Some(line) => take(&mut self.draft, &line),
            None => Ok(()),
        });
        if let Err(fault) = result {
            self.fail(Some(place), within.included_at, fault);
        }
        if let Some(dir) = self.draft.include_dir.take() {
            if within.included_at.is_some() {
                self.draft.warn(
                    Level::Warning,
                    "Warning: 'include_dir' is read in the main file only; this one is passed over.",
                );
            } else {
                self.include(Path::new(&dir), place);
            }
        }
    }

    fn include(&mut self, dir: &Path, at: &Place) {
        let mut names = match self.files.list(dir) {
            Ok(names) => names,
            Err(error) => {
                let dir = shown(&dir.display().to_string());
                return self.fail(Some(at), None, Fault::DirUnreadable { dir, cause: error.to_string() });
            }
        };
        names.retain(|name| name.len() > ".conf".len() && name.as_encoded_bytes().ends_with(b".conf"));
        names.sort_by_cached_key(|name| {
            name.as_encoded_bytes().iter().map(|byte| (byte.to_ascii_uppercase(), *byte)).collect::<Vec<_>>()
        });
        if names.len() + self.read.len() > FILES_MAX {
            let cause = format!("it has {} files, but at most {FILES_MAX} are read", names.len());
            let dir = shown(&dir.display().to_string());
            return self.fail(Some(at), None, Fault::DirUnreadable { dir, cause });
        }
        for name in names {
            if self.is_full() {
                return;
            }
            self.file(&dir.join(name), Some(at));
        }
    }
}

/// One option line: who it is, whether it may stand here, what it says.
fn take(draft: &mut Draft, line: &Line) -> Result<(), Fault> {
    let Some(option) = table::find(line.name) else {
        return Err(Fault::UnknownOption { name: shown(line.name), hint: spelling::hint(line.name) });
    };
    let needs_listener = match option.scope {
        Scope::Listener => true,
        Scope::Security => draft.is_per_listener(),
        _ => false,
    };
    if needs_listener && !draft.has_listener() {
        return Err(Fault::NeedsListener { name: option.name.to_owned() });
    }
    if let Some(instead) = option.deprecated {
        let message =
            format!("The '{}' option is now deprecated and will be removed in version 3.0. {instead}", option.name);
        draft.warn(Level::Notice, message);
    }
    carry(draft, option, line)
}

fn carry(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    match option.carry {
        Carry::Bool(slot) => {
            let value = values::boolean(option.name, line)?;
            let value = draft.located(value);
            *slot(draft) = value.into();
        }
        Carry::Int(slot) => {
            let value = values::integer(option, line)?;
            let value = draft.located(value);
            *slot(draft) = value.into();
        }
        Carry::Text(slot) => {
            let value = lines::text_of(option.name, line, VALUE_BYTES_MAX)?.to_owned();
            draft.set_text(slot, option.name, value)?;
        }
        Carry::Own(read) => read(draft, option, line)?,
        Carry::NotYet if asks_for_what_is(option, line) => {}
        Carry::NotYet => {
            let instead = matches!(option.takes, Takes::Bool).then(|| format!("{} {}", option.name, option.default));
            return Err(Fault::NotYet { name: shown(line.name), instead });
        }
        Carry::InMemoryOnly => draft.warn_in_memory_only(),
        Carry::Ignored(why) if why.starts_with("Warning") => draft.warn(Level::Warning, why),
        Carry::Ignored(_) => {}
    }
    Ok(())
}

/// Whether an option that is not carried out yet is given the value that it has anyway.
fn asks_for_what_is(option: &OptionSpec, line: &Line) -> bool {
    let default = Line { name: option.name, rest: option.default };
    match option.takes {
        Takes::Bool => values::boolean(option.name, line) == values::boolean(option.name, &default),
        Takes::Int { .. } => {
            values::integer(option, line).is_ok_and(|asked| values::integer(option, &default) == Ok(asked))
        }
        Takes::Form(_) => line.text() == Some(option.default),
        Takes::Text | Takes::Path => false,
    }
}
