//! rumqttc, whose clients for 3.1.1 and 5.0 are two that look alike: one text for both, and apart what differs.
//!
//! It knows nothing of this broker but the standard [3.1.1 MQTT-7.0.0-2]. Nothing moves between deeds: a client's event
//! loop is polled while its answer is awaited, and dropped to vanish.

use std::collections::{HashMap, VecDeque};

use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::{How, Library, Message};
use crate::harness::PATIENCE;

macro_rules! library {
    () => {
        /// The clients of one conversation.
        pub(crate) struct Clients {
            port: u16,
            runtime: Runtime,
            clients: HashMap<String, Client>,
        }

        struct Client {
            requests: AsyncClient,
            events: EventLoop,
            /// Messages with QoS 2 until their PUBREL: rumqttc forgets what it received when a connection is lost.
            received: HashMap<u16, Message>,
            messages: VecDeque<Message>,
        }

        impl Clients {
            pub(crate) fn new(port: u16) -> Self {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                Self { port, runtime: runtime.expect("a runtime"), clients: HashMap::new() }
            }

            /// Polls the client's connection until `found` answers for an event, and keeps the messages that come.
            fn until<T>(&mut self, who: &str, mut found: impl FnMut(&Event) -> Option<T>) -> T {
                let client = self.clients.get_mut(who).expect("it has connected");
                loop {
                    let polled = self.runtime.block_on(async { timeout(PATIENCE, client.events.poll()).await });
                    let event = match polled {
                        Ok(Ok(event)) => event,
                        Ok(Err(error)) => panic!("rumqttc, {who}: {error}"),
                        Err(_) => panic!("rumqttc, {who}: no answer"),
                    };
                    match &event {
                        Event::Incoming(Packet::Publish(publish)) if publish.qos == QoS::ExactlyOnce => {
                            client.received.insert(publish.pkid, message(publish));
                        }
                        Event::Incoming(Packet::Publish(publish)) => client.messages.push_back(message(publish)),
                        // Told when it has been written.
                        Event::Outgoing(Outgoing::PubComp(id)) => client.messages.extend(client.received.remove(id)),
                        _ => {}
                    }
                    if let Some(answer) = found(&event) {
                        return answer;
                    }
                }
            }

            fn requests(&self, who: &str) -> &AsyncClient {
                &self.clients.get(who).expect("it has connected").requests
            }
        }

        impl Library for Clients {
            fn connect(&mut self, who: &str, how: &How) -> bool {
                let (requests, events) = AsyncClient::new(options(who, self.port, how), 10);
                let client = Client { requests, events, received: HashMap::new(), messages: VecDeque::new() };
                self.clients.insert(who.to_owned(), client);
                self.until(who, |event| match event {
                    Event::Incoming(Packet::ConnAck(connack)) => Some(connack.session_present),
                    _ => None,
                })
            }

            fn subscribe(&mut self, who: &str, filter: &str, asked: u8) -> u8 {
                self.requests(who).try_subscribe(filter, qos(asked)).expect("a request taken");
                self.until(who, |event| match event {
                    Event::Incoming(Packet::SubAck(suback)) => match suback.return_codes[0] {
                        SubscribeReasonCode::Success(granted) => Some(granted as u8),
                        refused => panic!("rumqttc, {who}: {filter} is refused: {refused:?}"),
                    },
                    _ => None,
                })
            }

            fn publish(&mut self, who: &str, message: &Message) {
                publish(self.requests(who), message);
                self.until(who, |event| match event {
                    Event::Outgoing(Outgoing::Publish(_)) if message.qos == 0 => Some(()),
                    Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) => Some(()),
                    _ => None,
                });
            }

            fn message(&mut self, who: &str) -> Message {
                loop {
                    if let Some(message) = self.clients.get_mut(who).expect("it has connected").messages.pop_front() {
                        return message;
                    }
                    self.until(who, |_| Some(()));
                }
            }

            fn leave(&mut self, who: &str) {
                self.requests(who).try_disconnect().expect("a request taken");
                self.until(who, |event| matches!(event, Event::Outgoing(Outgoing::Disconnect)).then_some(()));
                self.clients.remove(who);
            }

            fn vanish(&mut self, who: &str) {
                self.clients.remove(who).expect("it has connected");
            }
        }
    };
}

/// The client for 3.1.1.
pub(super) mod v4 {
    use rumqttc::{
        AsyncClient, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, Publish, QoS, SubscribeReasonCode,
    };

    use super::{HashMap, How, Library, Message, PATIENCE, Runtime, VecDeque, timeout};

    library!();

    fn options(who: &str, port: u16, how: &How) -> MqttOptions {
        let mut options = MqttOptions::new(who, "127.0.0.1", port);
        options.set_clean_session(how.clean);
        if let Some(will) = &how.will {
            options.set_last_will(LastWill::new(&will.topic, will.payload.as_str(), qos(will.qos), will.retain));
        }
        options
    }

    fn publish(client: &AsyncClient, message: &Message) {
        let Message { topic, payload, qos: level, retain, .. } = message;
        client.try_publish(topic, qos(*level), *retain, payload.as_str()).expect("a request taken");
    }

    fn message(publish: &Publish) -> Message {
        Message {
            topic: publish.topic.clone(),
            payload: String::from_utf8_lossy(&publish.payload).into_owned(),
            qos: publish.qos as u8,
            retain: publish.retain,
            expiry_s: None,
        }
    }

    fn qos(level: u8) -> QoS {
        [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(level)]
    }
}

/// The client for 5.0.
pub(super) mod v5 {
    use rumqttc::Outgoing;
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, Publish, PublishProperties, SubscribeReasonCode};
    use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};

    use super::{HashMap, How, Library, Message, PATIENCE, Runtime, VecDeque, timeout};

    library!();

    fn options(who: &str, port: u16, how: &How) -> MqttOptions {
        let mut options = MqttOptions::new(who, "127.0.0.1", port);
        options.set_clean_start(how.clean).set_session_expiry_interval(how.session_expiry_s);
        if let Some(will) = &how.will {
            options.set_last_will(LastWill::new(&will.topic, will.payload.as_str(), qos(will.qos), will.retain, None));
        }
        options
    }

    fn publish(client: &AsyncClient, message: &Message) {
        let Message { topic, payload, qos: level, retain, expiry_s } = message;
        let properties = PublishProperties { message_expiry_interval: *expiry_s, ..PublishProperties::default() };
        let payload = payload.clone();
        client.try_publish_with_properties(topic, qos(*level), *retain, payload, properties).expect("a request taken");
    }

    fn message(publish: &Publish) -> Message {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Message {
            topic: text(&publish.topic),
            payload: text(&publish.payload),
            qos: publish.qos as u8,
            retain: publish.retain,
            expiry_s: publish.properties.as_ref().and_then(|properties| properties.message_expiry_interval),
        }
    }

    fn qos(level: u8) -> QoS {
        [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(level)]
    }
}
