//! What this program was called as, and what it says it is then: scripts that were written for mosquitto wait for its lines.
//! Which command line counts under which name is decided in `main`.

use std::path::Path;

/// The version of mosquitto whose options, lines and choices these are.
pub(crate) const STANDS_IN_FOR: &str = "2.1.2";

/// For `--version` and `--help` of the command line that is mosquitto's.
pub(crate) const VERSION_AS_MOSQUITTO: &str = concat!("version 2.1.2 (nightjar ", env!("CARGO_PKG_VERSION"), ")");
pub(crate) const HEAD_AS_MOSQUITTO: &str =
    concat!("mosquitto version 2.1.2 (nightjar ", env!("CARGO_PKG_VERSION"), ")");

/// `mosquitto` for who looks for that in syslog.
pub(crate) fn name() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    Path::new(&called).file_name().map_or_else(|| "nightjar".to_owned(), |name| name.to_string_lossy().into_owned())
}

pub(crate) fn is_mosquitto() -> bool {
    name() == "mosquitto"
}

/// As in `… starting`, `… running` and `… terminating`, and in `$SYS/broker/version`.
pub(crate) fn name_and_version() -> String {
    format!("{} version {}", if is_mosquitto() { "mosquitto" } else { "nightjar" }, version())
}

/// As `/api/v1/version` answers.
pub(crate) fn version() -> &'static str {
    if is_mosquitto() { STANDS_IN_FOR } else { env!("CARGO_PKG_VERSION") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_we_stand_in_for_is_one() {
        assert!(VERSION_AS_MOSQUITTO.contains(STANDS_IN_FOR) && HEAD_AS_MOSQUITTO.contains(STANDS_IN_FOR));
    }
}
