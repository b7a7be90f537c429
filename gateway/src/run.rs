//! The loop: what happens next, what becomes of it, where it goes.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use gateway_core::radio_counts::RadioCounts;
use gateway_core::station::Now;
use gateway_core::{Advertisement, Ear, Heard, MacAddress, Timestamp};
use link::Inbound;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use crate::live::LiveSource;
use crate::recording::{Event, Recording};
use crate::source::{Next, Replay};
use crate::voice::Voice;
use crate::{GatewayError, Live, Plan, ReportPlan, Sink, SourcePlan, surroundings};

/// What became of everything heard. What each sink did with its messages, [`Sink::counts`] tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// What was heard.
    pub heard: Heard,
    /// What became of it for each sink, in the order of the plan. Empty before the first is told.
    pub sinks: Vec<gateway_core::Counts>,
    /// Packets that were lost between the adapter and here.
    pub lost: u64,
    /// What the radio of the latest live stream counts.
    pub radio: Option<RadioCounts>,
}

impl Counts {
    /// Messages for all sinks together.
    pub fn messages(&self) -> u64 {
        self.sinks.iter().map(|sink| sink.messages).sum()
    }
}

/// A gateway that is ready to run.
#[derive(Debug)]
pub struct Gateway {
    source: Source,
    ear: Ear,
    plans: Vec<ReportPlan>,
    /// One for each plan; empty before [`Gateway::run`] knows the gateway's address.
    voices: Vec<Voice>,
    /// When it began to run.
    began: Option<Instant>,
    counts: watch::Sender<Counts>,
}

/// Why [`Gateway::run`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Shutdown,
    /// The recording is at its end, or the live stream was closed.
    Source,
    /// The live stream is damaged, or could not be read: what is wrong, and at which byte.
    Broken(String),
}

impl Gateway {
    /// Reads the recording of `plan`, whole; or takes the stream that the plan's radio was made to give. Without
    /// one the gateway is whole but deaf, until [`Gateway::listen_to`].
    ///
    /// # Errors
    ///
    /// The recording cannot be read, is damaged, or nobody was heard in it.
    pub fn open(plan: &Plan, live: Option<Live>) -> Result<Self, GatewayError> {
        let source = match &plan.source {
            SourcePlan::Recording { path, looped, speed } => {
                let recording = Recording::open(path)?;
                info!(
                    file = %path.display(),
                    events = recording.len(),
                    seconds = recording.duration().as_secs(),
                    "reading a recording"
                );
                Source::Recording(Replay::new(Arc::new(recording), *looped, *speed))
            }
            SourcePlan::Radio(radio) => Source::Live(LiveSource::new(&radio.adapters, live)),
        };
        let plans = plan.sinks.iter().map(|sink| sink.reports.clone()).collect();
        let counts = watch::Sender::default();
        Ok(Self { source, ear: Ear::default(), plans, voices: Vec::new(), began: None, counts })
    }

    /// Another stream, after [`Gateway::run`] has said that the last one ended. All that is remembered and counted
    /// stays.
    pub fn listen_to(&mut self, live: Live) {
        match &mut self.source {
            Source::Live(source) => source.listen_to(live),
            Source::Recording(_) => self.source = Source::Live(LiveSource::new(&[], Some(live))),
        }
    }

    /// What became of everything heard so far, at any time while it runs and after.
    pub fn counts(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }

    /// The gateway's own address, for the links of its sinks, where they have none of their own: that of the first
    /// adapter. It waits for one to come, if any sink needs it; else it is all zeros, and nobody looks at it. Dropped
    /// while it waits, it has lost nothing.
    ///
    /// # Errors
    ///
    /// The live stream ended before an adapter came: another may follow.
    pub async fn address(&mut self) -> Result<MacAddress, Ended> {
        let nobodys = MacAddress([0; 6]);
        if !self.plans.iter().any(ReportPlan::needs_address) {
            return Ok(nobodys);
        }
        // A plan with a recording has addresses for all its sinks.
        let Source::Live(source) = &mut self.source else { return Ok(nobodys) };
        loop {
            if let Some(address) = source.first_address() {
                return Ok(address);
            }
            match source.next(None).await {
                // Nobody could say of which adapter.
                Next::Heard(_) | Next::Adapter | Next::Reached(_) => {}
                Next::Ended => return Err(Ended::Source),
                Next::Broken(what) => return Err(Ended::Broken(what)),
            }
        }
    }

    /// Runs until the source ends or `shutdown` is ready. What was gathered by then is still handed to the
    /// sinks; closing what is behind them, after this, is the caller's.
    ///
    /// `sinks` are those of the plan, in its order.
    pub async fn run(&mut self, sinks: &[Box<dyn Sink>], shutdown: impl Future<Output = ()>) -> Ended {
        tokio::pin!(shutdown);
        if self.voices.is_empty() {
            let address = tokio::select! {
                biased;
                () = &mut shutdown => return Ended::Shutdown,
                address = self.address() => address,
            };
            match address {
                Ok(address) => self.voices = self.plans.iter().map(|plan| Voice::new(plan, address)).collect(),
                Err(ended) => return ended,
            }
        }
        let began = *self.began.get_or_insert_with(Instant::now);
        let mut heard = Vec::new();
        let ended = loop {
            let Self { source, ear, voices, .. } = &mut *self;
            let until = voices.iter().filter_map(|voice| voice.pipeline.next_deadline()).min();
            let due = voices.iter().filter_map(|voice| voice.station.as_ref()?.next_deadline()).min();
            let happened = tokio::select! {
                biased;
                () = &mut shutdown => break Ended::Shutdown,
                (at, inbound) = poll_fn(|context| next_inbound(sinks, context)) => Happened::Inbound(at, inbound),
                () = reached(due.map(|due| began + due)) => Happened::StationsDue,
                next = source.next(until) => match next {
                    Next::Heard(event) => {
                        hear(ear, &event, &mut heard);
                        Happened::Heard
                    }
                    Next::Adapter => continue,
                    Next::Reached(now) => Happened::Reached(now),
                    Next::Ended => break Ended::Source,
                    Next::Broken(what) => break Ended::Broken(what),
                },
            };
            match happened {
                Happened::Heard => {
                    for advertisement in heard.drain(..) {
                        self.voices.iter_mut().for_each(|voice| voice.take(&advertisement));
                    }
                }
                Happened::Reached(now) => self.voices.iter_mut().for_each(|voice| voice.handle_timeout(now)),
                Happened::StationsDue => self.stations_are_due(began),
                Happened::Inbound(at, inbound) => self.take_inbound(at, inbound, began),
            }
            self.deliver(sinks);
        };
        self.voices.iter_mut().for_each(Voice::flush);
        self.deliver(sinks);
        ended
    }

    fn stations_are_due(&mut self, began: Instant) {
        let (now, surroundings) = (now(began), surroundings::look(self.source.radio()));
        for Voice { station, out, .. } in &mut self.voices {
            if let Some(station) = station {
                station.handle_timeout(now, &surroundings, out);
            }
        }
    }

    fn take_inbound(&mut self, at: usize, inbound: Inbound, began: Instant) {
        let Some(Voice { station: Some(station), out, .. }) = self.voices.get_mut(at) else { return };
        match inbound {
            Inbound::Up => station.connected(now(began)),
            Inbound::Down => station.lost(),
            Inbound::Message(received) => station.request(now(began), &received.payload, out),
        }
    }

    fn deliver(&mut self, sinks: &[Box<dyn Sink>]) {
        for (voice, sink) in self.voices.iter_mut().zip(sinks) {
            for message in voice.out.drain(..) {
                sink.publish(message.kind, Bytes::from(message.payload));
            }
        }
        self.counts.send_modify(|counts| {
            counts.heard = self.ear.counts();
            counts.lost = self.source.lost();
            counts.radio = self.source.radio();
            counts.sinks.clear();
            counts.sinks.extend(self.voices.iter().map(|voice| voice.pipeline.counts()));
        });
    }
}

/// What the loop woke for.
enum Happened {
    Heard,
    Reached(Timestamp),
    StationsDue,
    Inbound(usize, Inbound),
}

/// Where packets come from.
#[derive(Debug)]
enum Source {
    Recording(Replay),
    Live(LiveSource),
}

impl Source {
    async fn next(&mut self, until: Option<Timestamp>) -> Next<'_> {
        match self {
            Self::Recording(replay) => replay.next(until).await,
            Self::Live(live) => live.next(until).await,
        }
    }

    fn lost(&self) -> u64 {
        match self {
            Self::Recording(_) => 0,
            Self::Live(live) => live.lost(),
        }
    }

    fn radio(&self) -> Option<RadioCounts> {
        match self {
            Self::Recording(_) => None,
            Self::Live(live) => live.radio(),
        }
    }
}

/// The first sink that has something to tell.
fn next_inbound(sinks: &[Box<dyn Sink>], context: &Context<'_>) -> Poll<(usize, Inbound)> {
    for (at, sink) in sinks.iter().enumerate() {
        if let Poll::Ready(inbound) = sink.poll_inbound(context) {
            return Poll::Ready((at, inbound));
        }
    }
    Poll::Pending
}

async fn reached(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// What dialect C is told of the time. A clock before 1970 is one that was never set.
fn now(began: Instant) -> Now {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let wall = Timestamp::from_micros(u64::try_from(wall.as_micros()).unwrap_or(u64::MAX));
    Now { wall, uptime: began.elapsed() }
}

fn hear(ear: &mut Ear, event: &Event<'_>, heard: &mut Vec<Advertisement>) {
    let is_first = ear.counts().faults == 0;
    let Err(fault) = ear.hear(event.at, event.adapter, event.octets, heard) else { return };
    // The first is told, the rest are counted: a controller that errs, errs often.
    if is_first {
        warn!(adapter = event.adapter, %fault, "the controller broke the specification; more of it is only counted");
    } else {
        debug!(adapter = event.adapter, %fault, "the controller broke the specification");
    }
}

#[cfg(test)]
mod tests;
