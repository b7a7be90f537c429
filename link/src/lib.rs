//! An outgoing MQTT connection over any transport: dial, resume, spool.
