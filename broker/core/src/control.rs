//! `$CONTROL/broker/v1`: commands to the broker as JSON, and their answers, in mosquitto's words (`enable_control_api`).
//!
//! A command comes as a PUBLISH, which the rules must allow like any other; the answer is published to
//! `$CONTROL/broker/v1/response`, and goes to who subscribes to that and may. Nothing here changes anything: the two
//! commands that there are list plugins, of which there are none, and listeners.

use acl::PublishGrant;
use mqtt::{Properties, QoS, TopicName};
use serde::Serialize;
use serde_json::{Value, json};

use crate::message::Item;
use crate::{Broker, CONTROL_COMMANDS_MAX, Event, Instant, ListenerInfo, Outbox};

/// Where commands go.
pub(crate) const COMMANDS: &str = "$CONTROL/broker/v1";
/// Where their answers come.
const ANSWERS: &str = "$CONTROL/broker/v1/response";

#[derive(Serialize)]
struct Answers {
    responses: Vec<Answer>,
}

/// Of one command, in the order in which mosquitto writes it.
#[derive(Serialize)]
struct Answer {
    command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(rename = "correlationData", skip_serializing_if = "Option::is_none")]
    correlation_data: Option<String>,
}

impl Answer {
    fn fault(command: &str, error: &'static str) -> Self {
        Self { command: command.to_owned(), error: Some(error), data: None, correlation_data: None }
    }
}

impl Broker {
    /// Whether `topic` is where commands go, and they are answered.
    pub(crate) fn takes_commands(&self, topic: &str) -> bool {
        self.settings.control_api.is_some() && topic == COMMANDS
    }

    /// Answers what the client of session `key` asks for.
    pub(crate) fn control(&mut self, now: Instant, key: u32, payload: &[u8], out: &mut impl Outbox) {
        let listeners = self.settings.control_api.clone().unwrap_or_default();
        let session = &self.sessions[key as usize];
        let responses = answers(payload, &listeners, &mut |command| {
            out.tell(Event::Command { client_id: &session.client_id, username: session.username.as_deref(), command });
        });
        // What is made of strings, numbers and lists of them can always be written.
        let Ok(text) = serde_json::to_vec(&Answers { responses }) else { return };
        let Ok(topic) = TopicName::new(ANSWERS) else { return };
        let item =
            Item { topic, payload: &text, properties: Properties::EMPTY, expires_at: None, qos: QoS::AtMostOnce };
        let place = self.routes.place(topic, None);
        self.route(now, &item, false, PublishGrant::of_the_broker(), None, place, None, out);
    }
}

/// `asked` is told each command that is carried out.
fn answers(payload: &[u8], listeners: &[ListenerInfo], asked: &mut impl FnMut(&'static str)) -> Vec<Answer> {
    let unknown = |error| vec![Answer::fault("Unknown command", error)];
    let Ok(request) = serde_json::from_slice::<Value>(payload) else { return unknown("Payload not valid JSON") };
    let Some(commands) = request.get("commands").and_then(Value::as_array) else {
        return unknown("Invalid/missing commands");
    };
    commands.iter().take(CONTROL_COMMANDS_MAX).map(|command| answer(command, listeners, asked)).collect()
}

fn answer(request: &Value, listeners: &[ListenerInfo], asked: &mut impl FnMut(&'static str)) -> Answer {
    let Some(request) = request.as_object() else { return Answer::fault("Unknown command", "Command not an object") };
    let Some(command) = request.get("command").and_then(Value::as_str) else {
        return Answer::fault("Unknown command", "Missing command");
    };
    let correlation_data = match request.get("correlationData") {
        None => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => return Answer::fault(command, "Invalid correlationData data type."),
    };
    let (command, data) = if command.eq_ignore_ascii_case("listPlugins") {
        ("listPlugins", json!({ "plugins": [] }))
    } else if command.eq_ignore_ascii_case("listListeners") {
        ("listListeners", json!({ "listeners": listeners.iter().map(told).collect::<Vec<_>>() }))
    } else {
        return Answer { correlation_data, ..Answer::fault(command, "Unknown command") };
    };
    asked(command);
    Answer { command: command.to_owned(), error: None, data: Some(data), correlation_data }
}

fn told(listener: &ListenerInfo) -> Value {
    let mut told = json!({ "port": listener.port, "tls": listener.tls });
    let texts = [
        ("protocol", listener.protocol.as_ref()),
        ("bind-address", listener.bind_address.as_ref()),
        ("socket-path", listener.socket_path.as_ref()),
    ];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        told[name] = Value::String(text.clone());
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(payload: &str) -> Value {
        let listeners = [
            ListenerInfo { port: 1883, protocol: Some("mqtt".to_owned()), ..ListenerInfo::default() },
            ListenerInfo { bind_address: Some("::1".to_owned()), tls: true, ..ListenerInfo::default() },
        ];
        let responses = answers(payload.as_bytes(), &listeners, &mut |_| {});
        serde_json::to_value(&Answers { responses }).unwrap()
    }

    #[test]
    fn what_cannot_be_done_is_answered_in_mosquittos_words() {
        let rows = [
            ("not valid json", "Unknown command", "Payload not valid JSON"),
            ("{}", "Unknown command", "Invalid/missing commands"),
            (r#"{"commands":["command"]}"#, "Unknown command", "Command not an object"),
            (r#"{"commands":[{}]}"#, "Unknown command", "Missing command"),
            (r#"{"commands":[{"command":"unknown command"}]}"#, "unknown command", "Unknown command"),
            (
                r#"{"commands":[{"command":"listListeners","correlationData":true}]}"#,
                "listListeners",
                "Invalid correlationData data type.",
            ),
        ];
        for (payload, command, error) in rows {
            assert_eq!(asked(payload), json!({"responses": [{"command": command, "error": error}]}), "{payload}");
        }
    }

    #[test]
    fn listeners_and_plugins_are_listed_with_what_came_along_in_the_question() {
        let answer =
            asked(r#"{"commands":[{"command":"LISTlisteners","correlationData":"x"},{"command":"listPlugins"}]}"#);
        let listeners = json!([
            {"port": 1883, "protocol": "mqtt", "tls": false}, {"port": 0, "bind-address": "::1", "tls": true}
        ]);
        assert_eq!(
            answer,
            json!({"responses": [
                {"command": "listListeners", "data": {"listeners": listeners}, "correlationData": "x"},
                {"command": "listPlugins", "data": {"plugins": []}},
            ]})
        );
    }

    #[test]
    fn a_message_of_very_many_commands_is_answered_in_part() {
        let many = vec![r#"{"command":"listPlugins"}"#; CONTROL_COMMANDS_MAX + 5].join(",");
        let answer = asked(&format!(r#"{{"commands":[{many}]}}"#));
        assert_eq!(answer["responses"].as_array().map(Vec::len), Some(CONTROL_COMMANDS_MAX));
    }
}
