//! Reading: the main file, those it includes, the command line; one line after the other.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::draft::Draft;
use crate::fault::{Level, shown};
use crate::lines::{self, Line, VALUE_BYTES_MAX};
use crate::table::Carry;
use crate::{ConfigError, Fault, Files, OptionSpec, Place, Scope, Settings, Takes, settle, spelling, table, values};

/// Bytes of one file. mosquitto's own example, all comments, has 40 thousand.
pub const FILE_BYTES_MAX: usize = 16 << 20;

/// Files that are read, the main one included.
pub const FILES_MAX: usize = 1_000;

/// Errors that [`check`] tells. Past this the file is something else, and the rest says nothing new.
pub const ERRORS_MAX: usize = 100;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InMemory;

    const MAIN: &str = "m.conf";

    fn read(text: &str) -> Result<Settings, ConfigError> {
        parse(Some(Path::new(MAIN)), &mut InMemory::one(MAIN, text), &Overrides::default())
    }

    fn errors(files: &mut InMemory) -> Vec<String> {
        let errors = check(Some(Path::new(MAIN)), files, &Overrides::default()).expect_err("refused");
        errors.iter().map(ConfigError::one_line).collect()
    }

    #[test]
    fn what_is_wrong_is_said_in_mosquittos_words_with_file_and_line() {
        // text, line, the message, part of the mend. The texts are those of mosquitto 2.1.2.
        let rows = [
            ("bogus 1", 1, "Error: Unknown configuration variable 'bogus'.", ""),
            ("\n#x\nallow_anonymus true", 3, "Error: Unknown configuration variable 'allow_anonymus'.", "Did you mean"),
            ("allow_anonymous yes", 1, "Error: Invalid 'allow_anonymous' value (yes).", "true or false"),
            ("allow_anonymous", 1, "Error: Empty 'allow_anonymous' value in configuration.", ""),
            ("max_keepalive sixty", 1, "Error: 'max_keepalive' value not a number.", "not 'sixty'"),
            ("max_keepalive 70000", 1, "Error: Invalid 'max_keepalive' value (70000).", "0 to 65535 seconds"),
            ("max_keepalive 99999999999", 1, "Error: 'max_keepalive' value out of range.", "0 to 65535 seconds"),
            ("max_qos 3", 1, "Error: 'max_qos' must be between 0 and 2 inclusive.", "not 3"),
            ("max_inflight_messages 65536", 1, "Error: 'max_inflight_messages' must be <= 65535.", ""),
            ("max_packet_size 19", 1, "Error: Invalid 'max_packet_size' value (19).", "20 bytes or more"),
            ("user a\nuser a", 2, "Error: Duplicate 'user' value in configuration.", "first at m.conf:1"),
            ("user   ", 1, "Error: Empty 'user' value in configuration.", ""),
            ("listener", 1, "Error: Empty 'listener' value in configuration.", ""),
            ("listener 100000", 1, "Error: Invalid 'port' value (100000).", "1 to 65535"),
            ("listener 0", 1, "Error: A listener with port 0 must provide a Unix socket path.", ""),
            ("listener 0 /run/x", 1, "Error: 'listener 0' is an option of mosquitto", "keep mosquitto"),
            ("port 0", 1, "Error: Invalid 'port' value (0).", ""),
            ("cafile /x", 1, "Error: The 'cafile' option requires a listener to be defined first.", "below"),
            ("max_topic_alias 1", 1, "Error: The 'max_topic_alias' option requires a listener to be", ""),
            (
                "per_listener_settings true\nacl_file a",
                2,
                "Error: The 'acl_file' option requires a listener to be defined first.",
                "",
            ),
            (
                "acl_file a\nper_listener_settings true",
                2,
                "Error: per_listener_settings must be set before any other security settings.",
                "top",
            ),
            ("log_dest file", 1, "Error: Empty \"log_dest file\" value in configuration.", ""),
            ("log_dest paper", 1, "Error: Invalid 'log_dest' value (paper).", ""),
            ("log_dest syslog", 1, "Error: 'log_dest syslog' is an option of mosquitto that nightjar", ""),
            ("log_type some", 1, "Error: Invalid 'log_type' value (some).", "debug"),
            ("protocol mqttsn", 1, "Error: Invalid 'protocol' value (mqttsn).", ""),
            ("protocol websockets", 1, "Error: 'protocol websockets' is an option", "write 'protocol mqtt'"),
            ("socket_domain ip", 1, "Error: Invalid 'socket_domain' value 'ip' in configuration.", "ipv4"),
            (
                "persistent_client_expiration 5",
                1,
                "Error: Invalid 'persistent_client_expiration' duration in configuration.",
                "14d",
            ),
            ("listener 1\ntls_version tlsv1.1", 2, "Error: Invalid 'tls_version' value (tlsv1.1).", "tlsv1.2"),
            ("listener 1\naccept_protocol_versions 3,6", 2, "Error: Invalid 'accept_protocol_versions' value", ""),
            ("connection far", 1, "Error: 'connection' is an option of mosquitto that nightjar does not", "keep"),
            ("use_identity_as_username true", 1, "Error: 'use_identity_as_username' is an", "_username false'"),
            ("auto_id_prefix 123456789012345678901234567890123456789012345678901", 1, "Error: Invalid 'auto_id", "50"),
        ];
        for (text, line, message, mend) in rows {
            let error = read(text).expect_err(text);
            let told = error.to_string();
            let first = told.lines().next().unwrap_or_default();
            assert!(first.starts_with(message), "{text:?}: {first} should begin with {message}");
            assert!(error.fault.mend().unwrap_or_default().contains(mend), "{text:?}: {told} should hold {mend}");
            assert!(told.ends_with(&format!("Error found at m.conf:{line}.")), "{told}");
            assert_eq!(error.exit_status(), 3, "{text:?}");
        }
    }

    #[test]
    fn an_option_not_carried_out_yet_may_be_given_the_value_it_has_anyway() {
        for text in [
            "per_listener_settings false",
            "use_identity_as_username 0",
            "max_inflight_bytes 0",
            "max_inflight_bytes 0x0",
            "tls_keyform pem",
            "protocol mqtt",
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
        assert!(read("crlfile none").is_err(), "'none' is a file here");
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
        // As seen with mosquitto 2.0.11: the included option makes the default listener, and the line after
        // include_dir speaks of the main file's listener again.
        let mut files = InMemory::one(MAIN, "listener 18831\ninclude_dir d\nmax_qos 0").with("d/x.conf", "max_qos 1\n");
        let settings = parse(Some(Path::new(MAIN)), &mut files, &Overrides::default()).expect("good");
        let ports: Vec<_> = settings.listeners.iter().map(|listener| (listener.port, listener.max_qos)).collect();
        assert_eq!(ports, [(1883, 1), (18831, 0)]);
        assert_eq!(settings.files, [Path::new(MAIN), Path::new("d/x.conf")]);
    }

    #[test]
    fn an_include_within_an_included_file_is_passed_over_with_a_warning() {
        let mut files = InMemory::one(MAIN, "include_dir d\n").with("d/x.conf", "include_dir d\n");
        let settings = parse(Some(Path::new(MAIN)), &mut files, &Overrides::default()).expect("good");
        let told: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
        assert!(told[0].starts_with("d/x.conf:1: Warning: 'include_dir' is read in the main file only"), "{told:?}");
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

    #[test]
    fn a_message_does_not_carry_control_characters_or_a_page_of_text() {
        let error = read("\x1b[2Jbogus 1").expect_err("refused");
        assert!(!error.to_string().contains('\x1b'), "{error}");
        let error = read(&format!("{}{}", "x".repeat(5_000), " 1")).expect_err("refused");
        assert!(error.to_string().len() < 400, "{error}");
    }

    #[test]
    fn the_command_line_takes_the_place_of_what_the_file_says() {
        let mut overrides = Overrides::default();
        for set in ["user=root", "max_keepalive=60", "listener=18832 ::1", "max_connections=5"] {
            overrides.add(set).expect("good");
        }
        let mut files = InMemory::one(MAIN, "user mosquitto\nmax_keepalive 30\nlistener 18831\n");
        let settings = parse(Some(Path::new(MAIN)), &mut files, &overrides).expect("good");
        assert_eq!(settings.user.map(|user| (user.value, user.at)), Some(("root".to_owned(), Place::command_line())));
        assert_eq!(settings.max_keepalive_s, 60);
        let limits: Vec<_> = settings.listeners.iter().map(|listener| listener.max_connections).collect();
        assert_eq!(limits, [None, Some(5)], "the listener given last is the one spoken of");

        assert!(overrides.add("max_keepalive").is_err());
        overrides.add("bogus=1").expect("has a value");
        let error = parse(Some(Path::new(MAIN)), &mut files, &overrides).expect_err("refused");
        assert!(error.to_string().ends_with("Error found at command line."), "{error}");
    }
}
