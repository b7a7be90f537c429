//! Where a store is: the folder that is given, or the one that a configuration leads to.

use std::path::{Path, PathBuf};

use broker_conf::{Overrides, Settings};

use crate::config_files::OnDisk;

/// The store's folder in mosquitto's `persistence_location`.
const FOLDER: &str = "nightjar.store";

/// The store's folder; without a location it is in the current folder, as mosquitto's file would be.
pub(crate) fn store_dir(persistence_location: Option<&Path>) -> PathBuf {
    persistence_location.unwrap_or(Path::new("")).join(FOLDER)
}

/// The store that a person means by `dir`: that folder, or the one within it.
pub(crate) fn meant(dir: &Path) -> PathBuf {
    let within = store_dir(Some(dir));
    let is_store = broker_store::holds_store(dir).unwrap_or(false);
    if !is_store && within.is_dir() { within } else { dir.into() }
}

/// Where persistence_location is; the environment has the last word, as with mosquitto.
pub(crate) fn location(settings: &Settings) -> Option<PathBuf> {
    let given = std::env::var_os("MOSQUITTO_PERSISTENCE_LOCATION").filter(|location| !location.is_empty());
    given.map(PathBuf::from).or_else(|| settings.persistence.location.as_ref().map(|location| location.value.clone()))
}

/// The store of a configuration.
///
/// # Errors
/// If the configuration cannot be used.
pub(crate) fn of_configuration(config: &Path) -> Result<PathBuf, String> {
    let settings = broker_conf::parse(Some(config), &mut OnDisk, &Overrides::default());
    let settings = settings.map_err(|error| error.to_string())?;
    Ok(store_dir(location(&settings).as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_leads_to_the_store_in_its_location() {
        let dir = tempfile::tempdir().expect("a folder");
        let config = dir.path().join("m.conf");
        for (text, wanted) in [
            ("", "nightjar.store"),
            ("persistence true\n", "nightjar.store"),
            ("persistence_location /var/lib/mosquitto/\n", "/var/lib/mosquitto/nightjar.store"),
            ("# persistence_location /a\npersistence_location /b b\n", "/b b/nightjar.store"),
        ] {
            std::fs::write(&config, text).expect("written");
            assert_eq!(of_configuration(&config).expect("readable"), Path::new(wanted), "{text:?}");
        }
        assert!(of_configuration(&dir.path().join("none")).expect_err("it is not there").contains("none"));
    }
}
