//! `nightjar.toml`: what mosquitto.conf has no words for. `NIGHTJAR_…` variables of the environment override it:
//! `NIGHTJAR_GATEWAY__FILTER_NAME` is `filter_name` in `[gateway]`.

use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat};
use gateway::GatewaySettings;
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extras {
    /// The gateway; without it there is none.
    pub gateway: Option<GatewaySettings>,
}

/// A `nightjar.toml` that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub(crate) struct TomlError {
    path: PathBuf,
    cause: Box<config::ConfigError>,
}

/// Reads and checks the file.
pub(crate) fn read(path: &Path) -> Result<Extras, TomlError> {
    let environment = Environment::with_prefix("NIGHTJAR").prefix_separator("_").separator("__").try_parsing(true);
    Config::builder()
        .add_source(File::from(path).format(FileFormat::Toml))
        .add_source(environment)
        .build()
        .and_then(Config::try_deserialize)
        .map_err(|cause| TomlError { path: path.to_owned(), cause: Box::new(cause) })
}
