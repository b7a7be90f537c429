//! RMQTT as a program: `rmqttd PORT [CERT KEY]` listens on 127.0.0.1, over TLS where a certificate is given.
//!
//! Anonymous clients, nothing on a disk, queues that do not drop what the loads wait for, and no refusing of connections
//! because the machine is busy: being busy is the measurement.

use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, tls_provider};
use rmqtt::server::MqttServer;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> rmqtt::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let port: u16 = words.get(1).and_then(|w| w.parse().ok()).expect("rmqttd PORT [CERT KEY]");
    tls_provider::default_provider().install_default().expect("no other provider is installed");
    let context = ServerContext::new().busy_check_enable(false).task_exec_queue_max(10_000_000).build().await;
    rmqtt_retainer::register(&context, true, false).await?;
    let listener = Builder::new()
        .name("bench")
        .laddr(([127, 0, 0, 1], port).into())
        .nodelay(true)
        .allow_anonymous(true)
        .max_handshaking_limit(100_000)
        .max_mqueue_len(10_000_000)
        .backlog(4096);
    let listener = match (words.get(2), words.get(3)) {
        (Some(cert), Some(key)) => listener.tls_cert(Some(cert)).tls_key(Some(key)).bind()?.tls()?,
        _ => listener.bind()?.tcp()?,
    };
    MqttServer::new(context).listener(listener).build().run().await
}
