//! rumqttd as a program: `rumqttd FILE` runs the library's broker with a configuration in its own format.
//!
//! What the published program does, without its banner: warnings to standard output, one thread for the router, the
//! library's own threads for the listeners.

fn main() {
    let file = std::env::args().nth(1).expect("rumqttd FILE");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file}: {e}"));
    let config: rumqttd::Config = toml::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
    tracing_subscriber::fmt().with_env_filter("rumqttd=error").init();
    rumqttd::Broker::new(config).start().expect("rumqttd ended");
}
