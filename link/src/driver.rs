//! The loop of a link: dial, carry bytes between socket and session, wait, again. All awaiting is here.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mqtt::{DecodeFault, Packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use crate::dial::{BoxedStream, dial};
use crate::fault::Fault;
use crate::handle::Shared;
use crate::session::{Event, OUTBOX_BYTES_MAX, Overlong, Session};
use crate::{ConnectionKind, LinkSettings, State};

mod buffers;

use buffers::{Outgoing, Unread};

/// The largest packet that is read from a server. What is subscribed to is small; a larger message is passed over.
pub(crate) const PACKET_IN_BYTES_MAX: u32 = 256 * 1024;

/// How long a farewell may take: DISCONNECT written, and the server's end of the stream seen.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// A connection that lasted this long, or delivered something, was a good one: waiting starts from the beginning.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// How often one kind of fault is worth a line in the log.
const LOG_EVERY: Duration = Duration::from_secs(60);

const READ_BYTES: usize = 16 * 1024;

/// Runs a link until it is closed.
pub(crate) async fn run(
    settings: LinkSettings,
    shared: Arc<Shared>,
    state: watch::Sender<State>,
    settled: watch::Sender<u64>,
) {
    let settings = Arc::new(settings);
    let session = Session::new(Arc::clone(&settings), Instant::now().into_std());
    let mut driver =
        Driver { settings, shared, state, settled, session, outgoing: Outgoing::default(), logged: BTreeMap::new() };
    driver.run().await;
    driver.end();
}

struct Driver {
    settings: Arc<LinkSettings>,
    shared: Arc<Shared>,
    state: watch::Sender<State>,
    settled: watch::Sender<u64>,
    session: Session,
    outgoing: Outgoing,
    logged: BTreeMap<(u8, u8), Instant>,
}

/// Fixed header, topic and packet identifier of a PUBLISH, at most.
const OVERLONG_HEAD_BYTES_MAX: usize = 5 + 2 + 65_535 + 2;

/// How a connection ended, if not by a fault.
enum End {
    /// A short connection has done its message.
    Done,
    /// The link was closed.
    Closing,
}

impl Driver {
    async fn run(&mut self) {
        let mut failures = 0;
        while self.wait_for_work().await {
            self.state.send_replace(State::Connecting);
            let before = self.session.tally();
            let outcome = self.connect_and_carry().await;
            let delivered = self.session.tally().acknowledged > before.acknowledged;
            let lasted = matches!(*self.state.borrow(), State::Up { since } if since.elapsed() >= GOOD_AFTER);
            self.lost();
            match outcome {
                Ok(End::Done) => {
                    failures = 0;
                    self.state.send_replace(State::Idle);
                }
                Ok(End::Closing) => return,
                Err(fault) => {
                    failures = if delivered || lasted { 1 } else { failures + 1 };
                    if !self.back_off(&fault, failures).await {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until there is a reason to connect. `false`: the link is closed and there is nothing to deliver.
    async fn wait_for_work(&mut self) -> bool {
        loop {
            self.keep_books();
            let nothing_left = self.is_drained();
            if self.is_closing() && nothing_left {
                return false;
            }
            if self.settings.connection == ConnectionKind::Long || !nothing_left {
                return true;
            }
            self.shared.changed.notified().await;
        }
    }

    /// Says what is wrong and waits. `false`: the link was closed meanwhile, and there is nothing more to try.
    async fn back_off(&mut self, fault: &Fault, failures: u32) -> bool {
        // Without a source of random numbers the wait is merely not spread.
        let retry_in = self.settings.backoff.wait(failures, getrandom::u64().unwrap_or(0));
        let why = fault.explain(&self.settings);
        self.shared.lock().counts.failures += 1;
        self.log_fault(fault, &why, retry_in);
        self.state.send_replace(State::Down { why: why.into(), retry_in });
        let retry_at = Instant::now() + retry_in;
        loop {
            tokio::select! {
                () = sleep_until(retry_at) => return true,
                () = pointless(&self.shared, self.settings.close_timeout, self.session.in_flight()) => return false,
                // The spool may have dropped what someone waits to see settled.
                () = self.shared.changed.notified() => self.keep_books(),
            }
        }
    }

    async fn connect_and_carry(&mut self) -> Result<End, Fault> {
        let connect_by = Instant::now() + self.settings.connect_timeout;
        let shared = Arc::clone(&self.shared);
        let stream = tokio::select! {
            dialled = dial(&self.settings.transport) => dialled.map_err(Fault::Dial)?,
            () = sleep_until(connect_by) => return Err(Fault::ConnectTimeout(self.settings.connect_timeout)),
            () = pointless(&shared, self.settings.close_timeout, self.session.in_flight()) => return Ok(End::Closing),
        };
        self.carry(stream, connect_by).await
    }

    /// Carries bytes between the socket and the session until one of them ends it.
    async fn carry(&mut self, stream: BoxedStream, connect_by: Instant) -> Result<End, Fault> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut scratch = vec![0; READ_BYTES];
        let mut unread = Unread::default();
        let shared = Arc::clone(&self.shared);
        self.session.open(now(), &mut self.outgoing.next)?;
        loop {
            self.turn();
            if let Some(end) = self.wants_to_end() {
                // The farewell is a courtesy: messages are settled by what the socket took, not by this.
                let farewell = self.farewell(&mut reader, &mut writer, &mut scratch);
                let _ = timeout(FAREWELL_MAX, farewell).await;
                return Ok(end);
            }
            let deadline = match self.session.next_deadline() {
                Some(deadline) => deadline.into(),
                None if self.session.is_up() => Instant::now() + LOG_EVERY,
                None => connect_by,
            };
            tokio::select! {
                read = reader.read(&mut scratch), if self.outgoing.next.len() < OUTBOX_BYTES_MAX * 2 => {
                    let bytes = read.map_err(|error| self.broken(error))?;
                    if bytes == 0 {
                        return Err(if self.session.is_up() { Fault::Closed } else { Fault::ClosedBeforeConnAck });
                    }
                    self.take_in(&mut unread, scratch.get(..bytes).unwrap_or_default())?;
                }
                wrote = self.outgoing.write(&mut writer), if !self.outgoing.leaving.is_empty() => {
                    let sent = wrote.map_err(|error| self.broken(error))?;
                    self.shared.lock().counts.sent += sent;
                }
                () = shared.changed.notified() => {}
                () = sleep_until(deadline) => {
                    if !self.session.is_up() {
                        return Err(Fault::ConnectTimeout(self.settings.connect_timeout));
                    }
                    self.session.handle_timeout(now(), &mut self.outgoing.next)?;
                }
                () = closing_time(&shared, self.settings.close_timeout) => {}
            }
        }
    }

    /// A reset instead of CONNACK is how many a server closes on what it does not understand.
    fn broken(&self, error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe if !self.session.is_up() => {
                Fault::ClosedBeforeConnAck
            }
            _ => Fault::Io(error),
        }
    }

    /// Feeds the session with every whole packet in `unread` and `bytes`; keeps what is not whole.
    fn take_in(&mut self, unread: &mut Unread, bytes: &[u8]) -> Result<(), Fault> {
        let passed = unread.pass(bytes);
        unread.bytes.extend_from_slice(bytes.get(passed..).unwrap_or_default());
        let mut rest = unread.bytes.as_slice();
        loop {
            let frame = match mqtt::next_frame(rest, PACKET_IN_BYTES_MAX) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(DecodeFault::PacketTooLarge) if self.session.is_up() && self.session.subscribes() => {
                    let Some(overlong) = Overlong::read(rest) else {
                        // A topic and an identifier have room in this; what is no PUBLISH never will be one.
                        if rest.len() > OVERLONG_HEAD_BYTES_MAX || rest.first().is_some_and(|first| first >> 4 != 3) {
                            return Err(Fault::Malformed(DecodeFault::PacketTooLarge));
                        }
                        break;
                    };
                    self.session.handle_overlong(now(), overlong, &mut self.outgoing.next);
                    unread.to_pass = overlong.bytes.saturating_sub(rest.len());
                    rest = rest.get(overlong.bytes..).unwrap_or_default();
                    continue;
                }
                Err(fault) => return Err(Fault::Malformed(fault)),
            };
            let packet = Packet::decode(self.settings.protocol, frame).map_err(Fault::Malformed)?;
            self.session.handle(now(), &packet, &mut self.outgoing.next)?;
            rest = rest.get(frame.len..).unwrap_or_default();
            if self.session.is_up() && !matches!(*self.state.borrow(), State::Up { .. }) {
                self.state.send_replace(State::Up { since: now() });
                self.shared.lock().inbox.connected();
            }
        }
        let whole = unread.bytes.len() - rest.len();
        unread.bytes.drain(..whole);
        self.hand_on();
        Ok(())
    }

    fn hand_on(&mut self) {
        let arrived = self.session.take_arrived();
        if !arrived.is_empty() {
            let mut inner = self.shared.lock();
            for received in arrived {
                inner.inbox.push(received);
            }
        }
    }

    /// After whatever happened: more messages into the outbox, the books brought up to date.
    fn turn(&mut self) {
        {
            let mut inner = self.shared.lock();
            self.session.fill(now(), &mut inner.spool, &mut self.outgoing.next);
        }
        self.outgoing.swap_when_taken();
        self.log_events();
        self.keep_books();
    }

    fn keep_books(&self) {
        let tally = self.session.tally();
        let mut inner = self.shared.lock();
        let counts = &mut inner.counts;
        counts.acknowledged = tally.acknowledged;
        counts.too_large = tally.too_large;
        counts.refused = tally.refused;
        counts.unasked = tally.unasked;
        counts.received = tally.received;
        counts.inbound_dropped = tally.inbound_too_large;
        counts.connects = tally.connects;
        counts.in_flight = self.session.in_flight();
        let oldest = [self.session.oldest(), self.outgoing.oldest(), inner.spool.front().map(|queued| queued.ordinal)];
        let settled = oldest.into_iter().flatten().min().unwrap_or(inner.spool.next_ordinal());
        drop(inner);
        self.settled.send_if_modified(|known| std::mem::replace(known, settled) != settled);
    }

    /// Whether nothing more is to be sent or acknowledged.
    fn is_drained(&self) -> bool {
        self.session.in_flight() == 0 && self.outgoing.is_empty() && self.shared.lock().spool.len() == 0
    }

    fn is_closing(&self) -> bool {
        self.shared.lock().closing.is_some()
    }

    fn wants_to_end(&self) -> Option<End> {
        let closing = self.shared.lock().closing;
        let expired = closing.is_some_and(|since| since.elapsed() >= self.settings.close_timeout);
        if expired || (closing.is_some() && self.is_drained()) {
            return Some(End::Closing);
        }
        let done = self.outgoing.is_empty() && self.session.has_done_its_message(&self.shared.lock().spool);
        done.then_some(End::Done)
    }

    /// DISCONNECT, the end of our half of the stream, and the server's: closing before it has read everything
    /// could throw away what it has not read yet.
    async fn farewell(
        &mut self,
        reader: &mut (impl AsyncReadExt + Unpin),
        writer: &mut (impl AsyncWriteExt + Unpin),
        scratch: &mut [u8],
    ) -> io::Result<()> {
        self.session.farewell(now(), &mut self.outgoing.next);
        while !self.outgoing.is_empty() {
            self.outgoing.swap_when_taken();
            self.outgoing.write(writer).await?;
        }
        writer.shutdown().await?;
        while reader.read(scratch).await? > 0 {}
        Ok(())
    }

    /// The connection is gone: what it had not taken of QoS 0 goes back.
    fn lost(&mut self) {
        self.session.lost();
        let (sent, unsent) = self.outgoing.abandon();
        {
            let mut inner = self.shared.lock();
            inner.counts.sent += sent;
            inner.spool.put_back(unsent);
            inner.inbox.lost();
        }
        self.keep_books();
    }

    /// Nothing more will be delivered.
    fn end(&mut self) {
        let left = {
            let mut inner = self.shared.lock();
            // Also when the future is the first to end, nobody may go on filling the spool.
            inner.closing.get_or_insert_with(Instant::now);
            let in_flight = self.session.in_flight();
            inner.counts.in_flight = 0;
            inner.counts.dropped += in_flight as u64;
            inner.spool.clear() + in_flight
        };
        if left > 0 {
            warn!("{}: closed with {left} messages not delivered", self.settings.transport);
        }
        self.settled.send_replace(u64::MAX);
        self.state.send_replace(State::Closed);
    }

    fn log_fault(&mut self, fault: &Fault, why: &str, retry_in: Duration) {
        if self.may_log(fault.kind()) {
            warn!("{why}; next try in {:.1} s", retry_in.as_secs_f32());
        } else {
            debug!("{why}; next try in {:.1} s", retry_in.as_secs_f32());
        }
    }

    fn log_events(&mut self) {
        let to = self.settings.transport.clone();
        for event in self.session.take_events() {
            match event {
                Event::TooLarge { topic, bytes, bytes_max } if self.may_log((100, 0)) => {
                    warn!(
                        "{to}: a message to {topic:?} makes a packet of {bytes} bytes, but the server takes {bytes_max}: dropped"
                    );
                }
                Event::Refused { topic, reason } if self.may_log((101, reason.as_u8())) => {
                    warn!("{to}: the server refused a message to {topic:?}: {reason:?}; it is not sent again");
                }
                Event::Lowered { topic, to: qos } if self.may_log((102, 0)) => {
                    warn!(
                        "{to}: the server takes no QoS above {}: messages as to {topic:?} are sent at that",
                        qos.as_u8()
                    );
                }
                Event::Unasked { topic } if self.may_log((103, 0)) => {
                    warn!(
                        "{to}: the server sent a message to {topic:?} that was not asked for: is the client id another's?"
                    );
                }
                Event::NotSubscribed { filter, reason } => {
                    warn!(
                        "{to}: the server refused the subscription to {filter:?}: {reason:?}; nothing will come by it"
                    );
                }
                Event::Again { messages } => info!("{to}: new session: {messages} messages are sent again"),
                Event::Resumed { messages } => info!("{to}: session resumed: {messages} messages go on"),
                _ => {}
            }
        }
    }

    fn may_log(&mut self, kind: (u8, u8)) -> bool {
        let now = Instant::now();
        let last = self.logged.insert(kind, now);
        match last {
            Some(at) if now.duration_since(at) < LOG_EVERY => {
                self.logged.insert(kind, at);
                false
            }
            _ => true,
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// When a link that is to close has tried for long enough; never, for one that is not.
async fn closing_time(shared: &Shared, close_timeout: Duration) {
    let since = shared.closing().await;
    sleep_until(since + close_timeout).await;
}

/// The same where nothing is being sent: at once, if nothing is left to be.
async fn pointless(shared: &Shared, close_timeout: Duration, in_flight: usize) {
    let since = shared.closing().await;
    if in_flight > 0 || shared.lock().spool.len() > 0 {
        sleep_until(since + close_timeout).await;
    }
}
