//! `nightjar.toml`: what mosquitto.conf has no words for. `NIGHTJAR_…` variables of the environment override it:
//! `NIGHTJAR_GATEWAY__FILTER_NAME` is `filter_name` in `[gateway]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use broker::Durability;
use config::{Config, Environment, File, FileFormat};
use gateway::GatewaySettings;
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extras {
    /// The broker's own options.
    #[serde(default)]
    pub broker: BrokerExtras,
    /// The gateway; without it there is none.
    pub gateway: Option<GatewaySettings>,
}

/// What mosquitto.conf cannot say of the broker.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BrokerExtras {
    /// Say in words, too, why something was refused, to 5.0 clients that take it.
    pub reason_strings: bool,
    /// What an acknowledgement promises where `persistence` is on.
    #[serde(deserialize_with = "durability")]
    pub durability: Durability,
    /// Microseconds that wake-ups may gather where it costs nobody more; 0 for none.
    #[serde(deserialize_with = "gather")]
    pub gather_us: Option<u64>,
    /// Threads that read and write for the broker's own; 0: it does that itself. `None`: as the machine has cores.
    #[serde(deserialize_with = "threads")]
    pub threads: Option<usize>,
}

/// Not so long that anybody notices.
fn gather<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let most = broker::GATHER_TIME_MAX.as_micros();
    let micros = u64::deserialize(from)?;
    if u128::from(micros) > most {
        return Err(serde::de::Error::custom(format!("broker.gather_us is {most} at most, not {micros}")));
    }
    Ok(Some(micros))
}

/// 0 to [`broker::IO_THREADS_MAX`].
fn threads<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    let number = i64::deserialize(from)?;
    let threads = usize::try_from(number).ok().filter(|threads| *threads <= broker::IO_THREADS_MAX);
    threads.map(Some).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "broker.threads is 0 (the broker's own thread reads and writes) to {}, not {number}",
            broker::IO_THREADS_MAX
        ))
    })
}

/// `strict`, `relaxed`, or `group` and a time in milliseconds.
fn durability<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Durability, D::Error> {
    let text = String::deserialize(from)?;
    let group = || {
        let time = text.strip_prefix("group")?.trim().trim_end_matches("ms").trim_end();
        let millis = time.parse().ok().filter(|millis| (1..=GROUP_MS_MAX).contains(millis))?;
        Some(Durability::Group(Duration::from_millis(millis)))
    };
    match text.as_str() {
        "strict" => Ok(Durability::Strict),
        "relaxed" => Ok(Durability::Relaxed),
        _ => group().ok_or_else(|| {
            serde::de::Error::custom(format!(
                "broker.durability is \"strict\", \"group 10\" (milliseconds, {GROUP_MS_MAX} at most) or \"relaxed\", not \"{text}\""
            ))
        }),
    }
}

/// More would be `relaxed` under another name.
const GROUP_MS_MAX: u64 = 60_000;

impl BrokerExtras {
    /// How many threads read and write for the broker's own on a machine with so many cores.
    pub(crate) fn io_threads(self, cores: usize) -> usize {
        self.threads.unwrap_or_else(|| broker::io_threads_for(cores))
    }

    /// Puts them into what the core is told.
    pub(crate) const fn apply(self, settings: &mut broker_core::Settings) {
        settings.reason_strings = self.reason_strings;
    }
}

/// A `nightjar.toml` that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.as_ref().map_or("nightjar.toml (from the environment alone)".into(), |path| path.display().to_string()))]
pub(crate) struct TomlError {
    path: Option<PathBuf>,
    cause: Box<config::ConfigError>,
}

/// Reads and checks the file, if there is one, and the environment.
pub(crate) fn read(path: Option<&Path>) -> Result<Extras, TomlError> {
    // Only names of tables (`NIGHTJAR_TABLE__KEY`): other programs have variables of this prefix too.
    let ours =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let ours = ours.filter(|(name, _)| name.starts_with("NIGHTJAR_") && name.contains("__")).collect();
    let environment = Environment::with_prefix("NIGHTJAR").prefix_separator("_").separator("__").try_parsing(true);
    let environment = environment.source(Some(ours));
    let file = path.map(|path| File::from(path).format(FileFormat::Toml));
    let config = match file {
        Some(file) => Config::builder().add_source(file),
        None => Config::builder(),
    };
    config
        .add_source(environment)
        .build()
        .and_then(Config::try_deserialize)
        .map_err(|cause| TomlError { path: path.map(Path::to_owned), cause: Box::new(cause) })
}
