//! Recordings in, reports out to sinks.
