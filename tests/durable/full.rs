//! A disk that is full: what would have to be kept is refused, what was acknowledged is kept, and when its receiver has
//! fetched it there is room again, without a restart.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mqtt::{Packet, Properties, ProtocolVersion, Publish, QoS, ReasonCode, TopicName};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Uid;

use crate::client::{Own, ack, packet_id};
use crate::folder::Folder;
use crate::harness::PATIENCE;
use crate::line::first_packet;
use crate::program::{KEPT, Program, Running};

const DISK_MIB: usize = 24;
const PAYLOAD_BYTES: usize = 50_000;
const TOPIC: &str = "cassia/cc1be0e00001";

/// A small tmpfs where the store lies, in a mount namespace that lives as long as this: nothing is left of it when the
/// test ends, however it ends. Root makes one as it is, everybody else within a user namespace; where neither may be
/// made, the test fails and says so.
struct SmallDisk {
    holder: Child,
    /// Puts a program into the namespace.
    enter: Vec<String>,
}

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        let is_root = Uid::effective().is_root();
        println!("the small disk is a tmpfs, mounted {}", if is_root { "by root" } else { "in a user namespace" });
        let script = format!("mount -t tmpfs -o size={DISK_MIB}m tmpfs {} && echo mounted && read -r _", at.display());
        let mut unshare = Command::new("unshare");
        unshare.args(if is_root { &["-m"] as &[_] } else { &["-m", "-U", "-r"] }).args(["sh", "-c", &script]);
        let mut holder = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare runs");
        let mut said = String::new();
        let stdout = holder.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut said).expect("text");
        assert_eq!(said, "mounted\n", "no tmpfs could be mounted; this test needs one (run it as root)");
        let pid = holder.id().to_string();
        let mut enter = vec!["nsenter".to_owned(), "-t".to_owned(), pid, "-m".to_owned()];
        if !is_root {
            enter.extend(["-U".to_owned(), "--preserve-credentials".to_owned()]);
        }
        Self { holder, enter }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A client that waits for each answer.
struct Talker(Own);

impl Talker {
    fn connect(port: u16, client_id: &str, version: ProtocolVersion, is_durable: bool) -> Self {
        let mut own = Own::new(client_id.to_owned(), version, is_durable);
        own.connect(port);
        let mut talker = Self(own);
        let reason = talker.hear(|packet| if let Packet::ConnAck(ack) = packet { Some(ack.reason) } else { None });
        assert_eq!(reason, Some(ReasonCode::Success), "{client_id}");
        talker
    }

    /// What `wanted` finds among the packets that come; `None`: the broker closed the connection.
    fn hear<T>(&mut self, mut wanted: impl FnMut(&Packet<'_>) -> Option<T>) -> Option<T> {
        loop {
            let line = self.0.line.as_mut().expect("a connection");
            line.flush();
            let bytes = line.take_unread();
            let (mut read, mut found) = (0, None);
            while found.is_none()
                && let Some((packet, len)) = first_packet(self.0.version, &bytes[read..])
            {
                read += len;
                found = wanted(&packet);
            }
            line.give_back(bytes, read);
            if found.is_some() || line.is_over {
                return found;
            }
            let patience = PollTimeout::try_from(PATIENCE).expect("not too long");
            let ready = poll(&mut [PollFd::new(line.fd(), PollFlags::POLLIN)], patience).expect("it waits");
            assert_ne!(ready, 0, "{}: nothing came", self.0.client_id);
            line.read();
        }
    }

    /// Publishes message `number` at QoS 1: the reason code of its PUBACK; `None`: closed instead.
    fn publish(&mut self, number: usize) -> Option<ReasonCode> {
        let mut payload = format!("{number} ").into_bytes();
        // Bytes that no file system makes small.
        payload.extend((payload.len()..PAYLOAD_BYTES).map(|at| (at * at % 251) as u8));
        self.0.say(&Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: Some(TopicName::new(TOPIC).expect("a topic")),
            packet_id: Some(packet_id(1)),
            properties: Properties::EMPTY,
            payload: &payload,
        }));
        self.hear(|packet| if let Packet::PubAck(ack) = packet { Some(ack.reason) } else { None })
    }

    /// Publishes from `number` on until it is refused: the first number that was.
    fn publish_until_refused(&mut self, mut number: usize) -> usize {
        loop {
            match self.publish(number) {
                Some(ReasonCode::Success) => number += 1,
                Some(ReasonCode::QuotaExceeded) => return number,
                other => panic!("message {number}: {other:?}"),
            }
            assert!(number * PAYLOAD_BYTES < (2 * DISK_MIB) << 20, "it took twice what the disk holds");
        }
    }

    /// Takes one message: its number.
    fn take(&mut self) -> usize {
        let taken = self.hear(|packet| {
            let Packet::Publish(publish) = packet else { return None };
            assert_eq!(publish.payload.len(), PAYLOAD_BYTES);
            let text = String::from_utf8_lossy(publish.payload);
            Some((text.split(' ').next()?.parse().expect("a number"), publish.packet_id.expect("QoS 1")))
        });
        let (number, id) = taken.expect("a message");
        self.0.say(&Packet::PubAck(ack(id)));
        number
    }
}

#[test]
fn a_full_disk_refuses_what_is_new_keeps_what_was_taken_and_has_room_again_when_that_was_fetched() {
    use ProtocolVersion::{V5, V311};
    let folder = Folder::new();
    let kept = folder.path().join(KEPT);
    std::fs::create_dir(&kept).expect("a folder");
    let disk = SmallDisk::mount(&kept);
    let start = || Running::start_within(&disk.enter, Program::Nightjar, &folder, &[]);

    let broker = start();
    let mut away = Talker::connect(broker.port, "away", V311, true);
    away.0.subscribe(1, &["cassia/#"], QoS::AtLeastOnce);
    away.hear(|packet| matches!(packet, Packet::SubAck(_)).then_some(())).expect("SUBACK");
    drop(away);
    let mut publisher = Talker::connect(broker.port, "publisher", V5, false);
    let refused = publisher.publish_until_refused(1);
    assert!(refused * PAYLOAD_BYTES > (DISK_MIB << 20) / 2, "refused at {refused}, before half of the disk was used");
    broker.log.wait_for("the disk of the store is full");
    // Before 5.0 there is no word for it: no PUBACK, and the end of the connection.
    let mut older = Talker::connect(broker.port, "older", V311, false);
    assert_eq!(older.publish(refused), None, "a PUBACK on a full disk");

    broker.signal(Signal::SIGKILL);
    broker.wait();
    let broker = start();
    let mut publisher = Talker::connect(broker.port, "publisher", V5, false);
    let refused = publisher.publish_until_refused(refused);

    let mut away = Talker::connect(broker.port, "away", V311, true);
    for number in 1..refused {
        assert_eq!(away.take(), number, "of {refused} messages the last was refused");
    }
    away.0.say(&Packet::PingReq);
    away.hear(|packet| matches!(packet, Packet::PingResp).then_some(())).expect("every PUBACK was heard");
    broker.log.wait_for("The store has room again");
    assert_eq!(publisher.publish(refused), Some(ReasonCode::Success), "there is room again");
    assert_eq!(away.take(), refused);
}
