//! Moving in and looking around: `nightjar import`, `nightjar export` and `nightjar store`.

pub(crate) mod commands;
mod export;
pub(crate) mod import;
mod looking;
pub(crate) mod place;
mod progress;
