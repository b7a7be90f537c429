//! The crate mqtt5, which speaks 3.1.1 too.

use std::collections::HashMap;
use std::time::Duration;

use mqtt5::{ConnectOptions, MqttClient, PublishOptions, PublishProperties, QoS, SubscribeOptions};
use mqtt5::{ProtocolVersion, WillMessage};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{How, Library, Message, Version};
use crate::harness::PATIENCE;

/// The clients of one conversation, and the thread on which their connections are served.
pub(crate) struct Mqtt5 {
    address: String,
    version: Version,
    runtime: Runtime,
    clients: HashMap<String, Client>,
}

/// It outlives its connections: what it received of a session is kept nowhere else.
struct Client {
    client: MqttClient,
    incoming: mpsc::UnboundedSender<Message>,
    messages: mpsc::UnboundedReceiver<Message>,
}

impl Mqtt5 {
    pub(crate) fn new(port: u16, version: Version) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let address = format!("mqtt://127.0.0.1:{port}");
        Self { address, version, runtime: runtime.expect("a runtime"), clients: HashMap::new() }
    }

    /// Does it with the client, within patience.
    fn does<T>(&mut self, who: &str, what: &str, deed: impl AsyncFnOnce(&mut Client) -> mqtt5::Result<T>) -> T {
        let client = self.clients.get_mut(who).expect("it has connected");
        let done = self.runtime.block_on(async { timeout(PATIENCE, deed(client)).await });
        done.unwrap_or_else(|_| panic!("mqtt5, {who}: {what}: no answer"))
            .unwrap_or_else(|error| panic!("mqtt5, {who}: {what}: {error}"))
    }

    fn options(&self, who: &str, how: &How) -> ConnectOptions {
        let mut options = ConnectOptions::new(who)
            .with_clean_start(how.clean)
            .with_keep_alive(Duration::from_secs(60))
            .with_automatic_reconnect(false)
            .with_protocol_version(match self.version {
                Version::V5 => ProtocolVersion::V5,
                _ => ProtocolVersion::V311,
            });
        if let Some(seconds) = how.session_expiry_s {
            options = options.with_session_expiry_interval(seconds);
        }
        if let Some(Message { topic, payload, qos: level, retain, .. }) = &how.will {
            let will = WillMessage::new(topic, payload.as_bytes()).with_qos(qos(*level)).with_retain(*retain);
            options = options.with_will(will);
        }
        options
    }
}

impl Library for Mqtt5 {
    fn connect(&mut self, who: &str, how: &How) -> bool {
        let (options, address) = (self.options(who, how), self.address.clone());
        if how.clean || !self.clients.contains_key(who) {
            let (incoming, messages) = mpsc::unbounded_channel();
            let client = MqttClient::with_options(options.clone());
            self.clients.insert(who.to_owned(), Client { client, incoming, messages });
        }
        self.does(who, "connect", async |it| it.client.connect_with_options(&address, options).await).session_present
    }

    fn subscribe(&mut self, who: &str, filter: &str, asked: u8) -> u8 {
        self.does(who, filter, async |it| {
            let incoming = it.incoming.clone();
            let options = SubscribeOptions { qos: qos(asked), ..SubscribeOptions::default() };
            let subscribed = it.client.subscribe_with_options(filter, options, move |had| {
                // Nobody listens when the conversation is over.
                let _ = incoming.send(message(&had));
            });
            subscribed.await.map(|(_, granted)| granted as u8)
        })
    }

    fn publish(&mut self, who: &str, message: &Message) {
        let properties =
            PublishProperties { message_expiry_interval: message.expiry_s, ..PublishProperties::default() };
        let options =
            PublishOptions { qos: qos(message.qos), retain: message.retain, properties, ..PublishOptions::default() };
        let (topic, payload) = (message.topic.as_str(), message.payload.as_bytes());
        self.does(who, topic, async |it| it.client.publish_with_options(topic, payload, options).await);
    }

    fn message(&mut self, who: &str) -> Message {
        self.does(who, "a message", async |it| Ok(it.messages.recv().await.expect("we hold a sender")))
    }

    fn leave(&mut self, who: &str) {
        self.does(who, "disconnect", async |it| it.client.disconnect().await);
    }

    fn vanish(&mut self, who: &str) {
        self.does(who, "vanish", async |it| it.client.disconnect_abnormally().await);
    }
}

fn message(had: &mqtt5::Message) -> Message {
    Message {
        topic: had.topic.clone(),
        payload: String::from_utf8_lossy(&had.payload).into_owned(),
        qos: had.qos as u8,
        retain: had.retain,
        expiry_s: had.properties.message_expiry_interval,
    }
}

fn qos(level: u8) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(level)]
}
