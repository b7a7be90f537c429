//! Reading: the main file, those it includes, the command line; one line after the other.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::draft::Draft;
use crate::fault::shown;
use crate::lines;
use crate::take::take;
use crate::{ConfigError, Fault, Files, Overrides, Place, Settings, settle};

/// Bytes of one file. mosquitto's own example, all comments, has 40 thousand.
pub const FILE_BYTES_MAX: usize = 16 << 20;

/// Files that are read, the main one included.
pub const FILES_MAX: usize = 1_000;

/// Errors that [`check`] tells. Past this the file is something else, and the rest says nothing new.
pub const ERRORS_MAX: usize = 100;

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
///
/// With errors the settings are what the good lines say: not to be run, but the files that they name can be looked at.
pub fn check(main: Option<&Path>, files: &mut dyn Files, overrides: &Overrides) -> (Settings, Vec<ConfigError>) {
    let mut reader = Reader::new(files, ERRORS_MAX);
    reader.all(main, overrides);
    reader.conclude(overrides)
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
        let outer_bridge = self.draft.current_bridge.take();
        let had_plugin = std::mem::take(&mut self.draft.has_plugin);
        for (number, line) in lines::lines(&text) {
            if self.is_full() {
                break;
            }
            self.line(&Place::line_of(&file, number), number, line, Within { included_at });
        }
        if included_at.is_some() {
            self.draft.current = outer;
            self.draft.current_bridge = outer_bridge;
            self.draft.has_plugin = had_plugin;
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
                self.fail(Some(place), within.included_at, Fault::IncludeWithin);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InMemory;

    const MAIN: &str = "m.conf";

    fn read(text: &str) -> Result<Settings, ConfigError> {
        parse(Some(Path::new(MAIN)), &mut InMemory::one(MAIN, text), &Overrides::default())
    }

    fn errors(files: &mut InMemory) -> Vec<String> {
        let (_, errors) = check(Some(Path::new(MAIN)), files, &Overrides::default());
        errors.iter().map(ConfigError::one_line).collect()
    }

    #[test]
    fn check_tells_every_error_and_parse_the_first() {
        let text = "port x\nlistener y\nmax_topic_alias z\ncafile /ca\nbogus\n";
        let mut files = InMemory::one(MAIN, text);
        let all = errors(&mut files);
        let places: Vec<&str> = all.iter().filter_map(|error| error.split(": ").next()).collect();
        assert_eq!(places, ["m.conf:1", "m.conf:2", "m.conf:3", "m.conf:5"], "{all:#?}");
        let first = read(text).expect_err("refused");
        assert_eq!(first.one_line(), all[0]);
    }

    #[test]
    fn check_stops_at_its_limit() {
        let mut files = InMemory::one(MAIN, "bogus\n".repeat(ERRORS_MAX * 3));
        assert_eq!(errors(&mut files).len(), ERRORS_MAX);
    }

    #[test]
    fn included_files_are_read_in_mosquittos_order_and_name_both_places() {
        let mut files = InMemory::one(MAIN, "user root\ninclude_dir d\n");
        for name in ["b.conf", "A.conf", "a.conf", "01.conf", "B.conf", "00.conf", "_.conf", ".conf", "x.conf.bak"] {
            files = files.with(format!("d/{name}"), "bogus");
        }
        let all = errors(&mut files);
        let names: Vec<&str> = all.iter().filter_map(|error| error.split(':').next()).collect();
        // mosquitto.conf(5), include_dir: upper case before lower of the same letter.
        let order = ["d/00.conf", "d/01.conf", "d/A.conf", "d/a.conf", "d/B.conf", "d/b.conf", "d/_.conf"];
        assert_eq!(names, order);
        let error = parse(Some(Path::new(MAIN)), &mut files, &Overrides::default()).expect_err("refused");
        assert!(error.to_string().ends_with("Error found at d/00.conf:1.\nError found at m.conf:2."), "{error}");
    }

    #[test]
    fn a_listener_in_one_file_is_not_spoken_of_in_another() {
        // As seen with mosquitto 2.0.11: the included option makes the default listener, which is the last, and the line after
        // include_dir speaks of the main file's listener again.
        let mut files = InMemory::one(MAIN, "listener 18831\ninclude_dir d\nmax_qos 0").with("d/x.conf", "max_qos 1\n");
        let settings = parse(Some(Path::new(MAIN)), &mut files, &Overrides::default()).expect("good");
        let ports: Vec<_> = settings.listeners.iter().map(|listener| (listener.port, listener.max_qos)).collect();
        assert_eq!(ports, [(18831, 0), (1883, 1)]);
        assert_eq!(settings.files, [Path::new(MAIN), Path::new("d/x.conf")]);
    }

    #[test]
    fn an_include_within_an_included_file_is_refused_with_status_1() {
        let mut files = InMemory::one(MAIN, "include_dir d\n").with("d/x.conf", "include_dir d\n");
        let error = parse(Some(Path::new(MAIN)), &mut files, &Overrides::default()).expect_err("refused");
        let told = error.to_string();
        assert!(
            told.starts_with("Error: The include_dir option is only valid in the main configuration file."),
            "{told}"
        );
        assert!(told.ends_with("Error found at d/x.conf:1.\nError found at m.conf:1."), "{told}");
        assert_eq!(error.exit_status(), 1);
    }

    #[test]
    fn files_that_cannot_be_opened_end_with_status_1() {
        let rows = [
            ("none.conf", "Error: Unable to open config file none.conf.", 1),
            ("d", "Error: Config file d is a directory.", 1),
            ("dir.conf", "Error: Unable to open include_dir '/none'.", 3),
        ];
        for (path, message, status) in rows {
            let mut files = InMemory::one("dir.conf", "include_dir /none").with("d/x.conf", "");
            let error = parse(Some(Path::new(path)), &mut files, &Overrides::default()).expect_err("refused");
            assert!(error.to_string().starts_with(message), "{error}");
            assert_eq!(error.exit_status(), status, "{error}");
        }
    }

    #[test]
    fn a_file_that_is_no_text_is_refused_and_never_a_panic() {
        for byte in 0..=255u8 {
            for text in [vec![byte], vec![byte; 300], [b"user ".to_vec(), vec![byte, b'\n', byte]].concat()] {
                let _ = check(Some(Path::new(MAIN)), &mut InMemory::one(MAIN, text), &Overrides::default());
            }
        }
        let huge = "#".repeat(FILE_BYTES_MAX + 1);
        let error = read(&huge).expect_err("refused");
        assert!(error.to_string().contains("at most 16777216 are read"), "{error}");
        assert!(read(&huge[1..]).is_ok());
    }
}
