//! The loop: what happens next, what becomes of it, where it goes.

use std::sync::Arc;

use bytes::Bytes;
use gateway_core::Pipeline;
use gateway_core::batch::{Batches, Limits, Message};
use gateway_core::duplicates::Duplicates;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::recording::{Event, Recording};
use crate::source::{Next, Replay};
use crate::{GatewayError, Plan, Sink};

/// What became of everything heard. What each sink did with its messages, [`Sink::counts`] tells.
pub use gateway_core::Counts;

/// A gateway that is ready to run.
#[derive(Debug)]
pub struct Gateway {
    source: Replay,
    pipeline: Pipeline,
    counts: watch::Sender<Counts>,
}

impl Gateway {
    /// Reads the recording of `plan`, whole.
    ///
    /// # Errors
    ///
    /// It cannot be read, is damaged, or nobody was heard in it.
    pub fn open(plan: &Plan) -> Result<Self, GatewayError> {
        let recording = Recording::open(&plan.source.path)?;
        info!(
            file = %plan.source.path.display(),
            events = recording.len(),
            seconds = recording.duration().as_secs(),
            "reading a recording"
        );
        let source = Replay::new(Arc::new(recording), plan.source.looped, plan.source.speed);
        let batches = Batches::new(plan.report_interval, Limits::default(), plan.encoder.clone());
        let pipeline = Pipeline::new(plan.filters.clone(), Duplicates::new(plan.duplicates), batches);
        Ok(Self { source, pipeline, counts: watch::Sender::default() })
    }

    /// What became of everything heard so far, at any time while it runs and after.
    pub fn counts(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }

    /// Runs until the recording ends or `shutdown` is ready. What was gathered by then is still handed to the
    /// sinks; closing what is behind them, after this, is the caller's.
    pub async fn run(mut self, sinks: &[Box<dyn Sink>], shutdown: impl Future<Output = ()>) -> Counts {
        tokio::pin!(shutdown);
        let mut out = Vec::new();
        loop {
            let next = tokio::select! {
                biased;
                () = &mut shutdown => break,
                next = self.source.next(self.pipeline.next_deadline()) => next,
            };
            match next {
                Next::Heard(heard) => hear(&mut self.pipeline, &heard, &mut out),
                Next::Reached(now) => self.pipeline.handle_timeout(now, &mut out),
                Next::Ended => break,
            }
            self.deliver(sinks, &mut out);
        }
        self.pipeline.flush(&mut out);
        self.deliver(sinks, &mut out);
        self.pipeline.counts()
    }

    fn deliver(&self, sinks: &[Box<dyn Sink>], out: &mut Vec<Message>) {
        for message in out.drain(..) {
            let payload = Bytes::from(message.payload);
            for sink in sinks {
                sink.publish(payload.clone());
            }
        }
        self.counts.send_replace(self.pipeline.counts());
    }
}

fn hear(pipeline: &mut Pipeline, heard: &Event<'_>, out: &mut Vec<Message>) {
    let is_first = pipeline.counts().faults == 0;
    let Err(fault) = pipeline.hear(heard.at, heard.adapter, heard.octets, out) else { return };
    // The first is told, the rest are counted: a controller that errs, errs often.
    if is_first {
        warn!(adapter = heard.adapter, %fault, "the controller broke the specification; more of it is only counted");
    } else {
        debug!(adapter = heard.adapter, %fault, "the controller broke the specification");
    }
}

/// Opens and runs in one step: see [`Gateway`].
///
/// # Errors
///
/// Those of [`Gateway::open`]; once it runs it ends without.
pub async fn run(
    plan: &Plan,
    sinks: &[Box<dyn Sink>],
    shutdown: impl Future<Output = ()>,
) -> Result<Counts, GatewayError> {
    Ok(Gateway::open(plan)?.run(sinks, shutdown).await)
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
