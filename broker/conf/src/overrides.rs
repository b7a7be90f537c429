//! What is given beside the files.

use std::path::PathBuf;

use crate::fault::shown;
use crate::{ConfigError, Fault, Place};

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
    /// `--tls-keylog`.
    pub tls_keylog: Option<PathBuf>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InMemory, parse};
    use std::path::Path;

    const MAIN: &str = "m.conf";

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
