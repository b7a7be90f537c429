//! Properties of MQTT 5.0 [5.0 §2.2.2]: kept as the bytes they came in, checked once, read when asked for.
