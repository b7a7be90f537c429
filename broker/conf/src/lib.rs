//! mosquitto.conf: one table that parser, errors, manual and check are made from.
