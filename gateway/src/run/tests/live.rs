//! A live stream in place of a recording.

use gateway_core::btsnoop::PacketKind;
use gateway_core::btsnoop_writer::{file_header, note_packet, record};
use gateway_core::pace::NAP;
use gateway_core::radio_counts::{COUNTS_IDENT, LOG_IDENT};
use gateway_core::scan::RadioPlan;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

use super::*;

const SAMPLE: &[u8] = include_bytes!("../../../recordings/data-test.btsnoop");
const FIRST: &str = "00:AA:01:00:00:42";
const SECOND: &str = "00:AA:01:00:00:43";

fn radio_plan(adapters: &[&str], sinks: Vec<SinkPlan>) -> Plan {
    let radio =
        RadioPlan { adapters: adapters.iter().map(|text| text.parse().unwrap()).collect(), ..RadioPlan::default() };
    Plan { source: SourcePlan::Radio(radio), sinks }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + millis * 1000)
}

fn new_index(out: &mut Vec<u8>, index: u16, address: &str) {
    let mut octets = address.parse::<MacAddress>().unwrap().0;
    octets.reverse();
    record(out, PacketKind::NewIndex, index, at(0), 0, &[&[0, 1], &octets[..], b"hci0\0\0\0\0"].concat());
}

/// An advertisement of the device with this last octet.
fn advertisement(out: &mut Vec<u8>, index: u16, millis: u64, device: u8, dropped: u32) {
    let event = [0x3E, 15, 0x02, 1, 0, 0, device, 0x44, 0x33, 0x22, 0x11, 0xC4, 3, 2, 1, 6, 0xC4];
    record(out, PacketKind::Event, index, at(millis), dropped, &event);
}

/// A gateway that listens to the other end, and what it publishes.
fn listening(plan: &Plan) -> (Gateway, Kept, DuplexStream) {
    let (ours, theirs) = duplex(1 << 20);
    (Gateway::open(plan, Some(Live::new(theirs))).unwrap(), Kept::default(), ours)
}

async fn run(gateway: &mut Gateway, kept: &Kept) -> Ended {
    gateway.run(&[Box::new(kept.clone()) as Box<dyn Sink>], pending()).await
}

#[tokio::test(start_paused = true)]
async fn a_live_stream_gives_what_its_recording_gives() {
    let (recorded, _) = replayed(&plan(false, Speed::Fastest, 100), pending()).await;
    for piece in [1000, SAMPLE.len()] {
        let plan = radio_plan(&[], vec![sink(reports(100))]);
        let (mut gateway, kept, mut radio) = listening(&plan);
        let writes = async {
            for piece in SAMPLE.chunks(piece) {
                radio.write_all(piece).await.unwrap();
            }
            drop(radio);
        };
        let (ended, ()) = tokio::join!(run(&mut gateway, &kept), writes);
        assert_eq!((ended, kept.lines() == recorded), (Ended::Source, true), "{piece}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_leaves_when_its_slice_is_over_by_our_clock_though_nothing_more_is_heard() {
    let (mut gateway, kept, mut radio) = listening(&radio_plan(&[], vec![sink(reports(100))]));
    let mut bytes = file_header().to_vec();
    advertisement(&mut bytes, 0, 0, 1, 0);
    advertisement(&mut bytes, 0, 30, 2, 0);
    radio.write_all(&bytes).await.unwrap();
    let began = Instant::now();
    gateway.run(&[Box::new(kept.clone()) as Box<dyn Sink>], tokio::time::sleep(Duration::from_secs(1))).await;
    let [(sent, line)] = &kept.0.lock().unwrap()[..] else { panic!("one message") };
    // 100 ms after the first, of which 30 had passed when the second was heard; and the radio may have napped.
    assert_eq!(sent.duration_since(began), Duration::from_millis(70) + NAP);
    assert_eq!(line.matches("\"name\"").count(), 2);
    drop(radio);
}

#[tokio::test(start_paused = true)]
async fn a_slice_is_not_over_before_what_the_radio_gathered_of_it_has_come() {
    let (mut gateway, kept, mut radio) = listening(&radio_plan(&[], vec![sink(reports(100))]));
    let gathered = async {
        let mut bytes = file_header().to_vec();
        advertisement(&mut bytes, 0, 0, 1, 0);
        advertisement(&mut bytes, 0, 90, 2, 0);
        radio.write_all(&bytes).await.unwrap();
        // What was heard after this, while the radio napped, is read when the nap is over: one of this slice, one of the next.
        tokio::time::sleep(NAP).await;
        let mut bytes = Vec::new();
        advertisement(&mut bytes, 0, 99, 3, 0);
        advertisement(&mut bytes, 0, 109, 4, 0);
        radio.write_all(&bytes).await.unwrap();
        pending::<()>().await;
    };
    let sinks = [Box::new(kept.clone()) as Box<dyn Sink>];
    let run = gateway.run(&sinks, tokio::time::sleep(Duration::from_secs(1)));
    tokio::select! {
        _ = run => {}
        () = gathered => {}
    }
    let devices: Vec<usize> = kept.lines().iter().map(|line| line.matches("\"name\"").count()).collect();
    assert_eq!(devices, [3, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_time_asked_for_comes_before_what_was_heard_after_it_though_that_is_there_already() {
    let (mut radio, theirs) = duplex(1 << 20);
    let mut bytes = file_header().to_vec();
    advertisement(&mut bytes, 0, 0, 1, 0);
    advertisement(&mut bytes, 0, 50, 1, 0);
    radio.write_all(&bytes).await.unwrap();
    let mut source = LiveSource::new(&[], Some(Live::new(theirs)));
    let is_heard = |next: Next<'_>, millis| matches!(next, Next::Heard(event) if event.at == at(millis));
    assert!(is_heard(source.next(Some(at(20))).await, 0));
    assert_eq!(source.next(Some(at(20))).await, Next::Reached(at(20)));
    assert_eq!(source.next(Some(at(50))).await, Next::Reached(at(50)));
    assert!(is_heard(source.next(Some(at(51))).await, 50));
    drop(radio);
    assert_eq!(source.next(Some(at(80))).await, Next::Ended);
}

#[tokio::test(start_paused = true)]
async fn damage_ends_the_gateway_with_the_byte_and_another_stream_goes_on() {
    let (mut gateway, kept, mut radio) = listening(&radio_plan(&[], vec![sink(reports(0))]));
    let mut bytes = file_header().to_vec();
    advertisement(&mut bytes, 0, 0, 1, 3);
    let end = bytes.len();
    bytes.extend_from_slice(&[0xFF; 24]);
    radio.write_all(&bytes).await.unwrap();
    let Ended::Broken(what) = run(&mut gateway, &kept).await else { panic!("broken") };
    assert!(what.starts_with(&format!("byte {end}: ")), "{what}");
    assert_eq!((kept.lines().len(), gateway.counts().borrow().lost), (1, 3));

    let (mut radio, theirs) = duplex(1 << 20);
    gateway.listen_to(Live::new(theirs));
    let mut bytes = file_header().to_vec();
    advertisement(&mut bytes, 0, 10, 1, 2);
    radio.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
    drop(radio);
    let wanted = format!("byte {}: the stream of the radio ends within a record", bytes.len() - 1);
    assert_eq!(run(&mut gateway, &kept).await, Ended::Broken(wanted));

    let (mut radio, theirs) = duplex(1 << 20);
    gateway.listen_to(Live::new(theirs));
    radio.write_all(&bytes).await.unwrap();
    drop(radio);
    assert_eq!(run(&mut gateway, &kept).await, Ended::Source);
    let counts = gateway.counts().borrow().clone();
    assert_eq!((kept.lines().len(), counts.heard.reports, counts.lost), (2, 2, 5));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_without_a_stream_is_deaf_and_says_so() {
    let plan = radio_plan(&[], vec![sink(reports(0))]);
    let mut gateway = Gateway::open(&plan, None).unwrap();
    assert_eq!(run(&mut gateway, &Kept::default()).await, Ended::Source);
}

fn c_sink(gateway: Option<&str>) -> SinkPlan {
    let items = gateway_core::dialect_b::Items { style: Style::Compact, timestamp: false };
    let gateway = gateway.map(|text| text.parse().unwrap());
    sink(ReportPlan { dialect: DialectPlan::C { items }, gateway, ..reports(0) })
}

fn chips(kept: &Kept) -> Vec<u64> {
    let chip = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["data"][0]["chipId"].as_u64();
    kept.lines().iter().filter_map(chip).collect()
}

#[tokio::test(start_paused = true)]
async fn a_chip_keeps_its_number_when_its_adapter_comes_back_as_another() {
    let plan = radio_plan(&[SECOND], vec![c_sink(Some(SECOND))]);
    let (mut gateway, kept, mut radio) = listening(&plan);
    let mut bytes = file_header().to_vec();
    new_index(&mut bytes, 0, FIRST);
    new_index(&mut bytes, 1, SECOND);
    advertisement(&mut bytes, 0, 0, 1, 0);
    advertisement(&mut bytes, 1, 1, 1, 0);
    record(&mut bytes, PacketKind::DeleteIndex, 1, at(2), 0, &[]);
    new_index(&mut bytes, 2, SECOND);
    advertisement(&mut bytes, 2, 3, 1, 0);
    radio.write_all(&bytes).await.unwrap();
    drop(radio);
    run(&mut gateway, &kept).await;
    assert_eq!(chips(&kept), [1, 0, 0]);
    // Nor when the radio itself was started again, and the kernel has numbered anew.
    let (mut radio, theirs) = duplex(1 << 20);
    gateway.listen_to(Live::new(theirs));
    let mut bytes = file_header().to_vec();
    new_index(&mut bytes, 0, SECOND);
    new_index(&mut bytes, 1, FIRST);
    advertisement(&mut bytes, 0, 4, 1, 0);
    advertisement(&mut bytes, 1, 5, 1, 0);
    // Who had this number before may be somebody else now.
    advertisement(&mut bytes, 2, 6, 1, 0);
    radio.write_all(&bytes).await.unwrap();
    drop(radio);
    run(&mut gateway, &kept).await;
    assert_eq!(chips(&kept), [1, 0, 0, 0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_address_is_that_of_the_first_adapter_and_is_waited_for() {
    let (mut gateway, kept, mut radio) = listening(&radio_plan(&[], vec![c_sink(None)]));
    let late = async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let mut bytes = file_header().to_vec();
        new_index(&mut bytes, 0, "00:00:00:00:00:00");
        new_index(&mut bytes, 1, FIRST);
        new_index(&mut bytes, 2, SECOND);
        advertisement(&mut bytes, 1, 0, 1, 0);
        radio.write_all(&bytes).await.unwrap();
        drop(radio);
    };
    let (address, ()) = tokio::join!(gateway.address(), late);
    assert_eq!(address, Ok(FIRST.parse().unwrap()));
    assert_eq!(gateway.address().await, address, "it is the same when asked again");
    assert_eq!(run(&mut gateway, &kept).await, Ended::Source);
    assert!(kept.lines()[0].contains(&format!(r#""gateway":"{FIRST}""#)), "{:?}", kept.lines());

    // Nobody comes.
    let (mut gateway, _, radio) = listening(&radio_plan(&[], vec![c_sink(None)]));
    drop(radio);
    assert_eq!(
        gateway.address().await,
        Err(Ended::Broken("byte 0: the stream of the radio ends within a record".into()))
    );
    // Nobody needs it.
    let mut gateway = Gateway::open(&radio_plan(&[], vec![sink(reports(0))]), None).unwrap();
    assert_eq!(gateway.address().await, Ok(MacAddress([0; 6])));
}

#[tokio::test(start_paused = true)]
async fn what_the_radio_counts_is_there_for_who_asks_and_notes_of_others_are_nothing() {
    let (mut gateway, kept, mut radio) = listening(&radio_plan(&[], vec![sink(reports(0))]));
    let mut bytes = file_header().to_vec();
    for (ident, text) in
        [(COUNTS_IDENT, "heard=12 rearmed=1"), (COUNTS_IDENT, "broken"), ("bluetoothd", "heard=13"), (LOG_IDENT, "x")]
    {
        record(&mut bytes, PacketKind::Note, 0xFFFF, at(0), 0, &note_packet(6, ident, text));
    }
    radio.write_all(&bytes).await.unwrap();
    drop(radio);
    assert_eq!(run(&mut gateway, &kept).await, Ended::Source);
    let counts = gateway.counts().borrow().radio.unwrap();
    assert_eq!((counts.heard, counts.rearmed), (12, 1));
}
