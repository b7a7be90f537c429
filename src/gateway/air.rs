//! The gateway on the streams of a radio process: one for each of its lives, and silence between them, in which heartbeats
//! and what is gathered go their way all the same.

use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use gateway::{Counts, Ended, Gateway, Live, Sink};
use gateway_core::MacAddress;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc::Receiver;

use super::radio_process::{Hearing, RadioProcess};

/// What the radio process gives.
pub(crate) struct Air {
    hearing: Option<Hearing>,
    streams: Option<Receiver<UnixStream>>,
}

impl Air {
    /// Of this radio process. Without one, or without a thread for it, there is silence.
    pub(crate) fn of(radio: Option<RadioProcess>) -> Self {
        let heard = radio.map(RadioProcess::hear).transpose();
        let heard = heard.inspect_err(|error| {
            tracing::error!(target: "error", "Error: the radio process cannot be heard: {error}.");
        });
        let (hearing, streams) = heard.unwrap_or_default().unzip();
        Self { hearing, streams }
    }

    /// The stream of the next life. For ever, if there will be none. Dropped while it waits, it has lost nothing.
    async fn next(&mut self) -> UnixStream {
        if let Some(streams) = &mut self.streams
            && let Some(stream) = streams.recv().await
        {
            return stream;
        }
        std::future::pending().await
    }

    /// The gateway's own address, as soon as it is known, if any sink needs it. `None`: `stopped` was ready first.
    pub(crate) async fn address(
        &mut self,
        gateway: &mut Gateway,
        mut stopped: impl Future<Output = ()> + Unpin,
    ) -> Option<MacAddress> {
        // The next stream is not looked for before this one is read to its end.
        let mut is_silent = true;
        loop {
            tokio::select! {
                () = &mut stopped => return None,
                address = gateway.address() => match address {
                    Ok(address) => return Some(address),
                    Err(ended) => {
                        fall_silent(gateway, &ended);
                        is_silent = true;
                    }
                },
                stream = self.next(), if is_silent => {
                    gateway.listen_to(stream.into());
                    is_silent = false;
                }
            }
        }
    }

    /// Runs until `stopped` is ready, then ends the radio process.
    pub(crate) async fn listen(
        mut self,
        mut gateway: Gateway,
        sinks: &[Box<dyn Sink>],
        mut stopped: impl Future<Output = ()> + Unpin,
    ) -> Counts {
        let mut is_silent = false;
        loop {
            let mut next = None;
            let told = async {
                tokio::select! {
                    () = &mut stopped => {}
                    stream = self.next(), if is_silent => next = Some(stream),
                }
            };
            let ended = gateway.run(sinks, told).await;
            is_silent = next.is_none();
            match (ended, next) {
                (_, Some(stream)) => gateway.listen_to(stream.into()),
                (Ended::Shutdown, None) => break,
                (ended, None) => fall_silent(&mut gateway, &ended),
            }
        }
        let counts = gateway.counts().borrow().clone();
        // Its stream first, then its socket: it undoes what it set, and ends.
        drop(gateway);
        self.end();
        counts
    }

    /// Ends the radio process.
    pub(crate) fn end(self) {
        drop(self.streams);
        if let Some(hearing) = self.hearing {
            hearing.end();
        }
    }
}

/// Closes the stream that ended, if only for us: the radio then begins another life.
fn fall_silent(gateway: &mut Gateway, ended: &Ended) {
    if let Ended::Broken(why) = ended {
        tracing::error!(target: "error", "Error: the radio's stream is damaged: {why}.");
    }
    gateway.listen_to(Live::new(Silence));
}

/// A stream in which nothing comes.
struct Silence;

impl AsyncRead for Silence {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::GatewaySettings;
    use std::io::Write as _;
    use std::pin::pin;
    use tokio::sync::{mpsc, oneshot};

    const RECORDING: &[u8] = include_bytes!("../../gateway/recordings/data-test.btsnoop");

    fn of_radio() -> Gateway {
        let toml = "[radio]\n[[sink]]\nkind = \"embedded\"\n";
        let settings = config::Config::builder()
            .add_source(config::File::from_str(toml, config::FileFormat::Toml))
            .build()
            .and_then(config::Config::try_deserialize::<GatewaySettings>)
            .expect("settings");
        let plan = settings.check(std::path::Path::new(".")).expect("a plan");
        Gateway::open(&plan, None).expect("a gateway")
    }

    /// A life that says all of this, and ends.
    async fn live(lives: &mpsc::Sender<UnixStream>, says: &[&[u8]]) {
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        lives.send(theirs).await.expect("somebody listens");
        let says = says.concat();
        tokio::task::spawn_blocking(move || (&ours).write_all(&says).expect("it is heard")).await.expect("no panic");
    }

    #[tokio::test]
    async fn lives_that_end_and_begin_are_one_gateway() {
        let (lives, streams) = mpsc::channel(1);
        let (stop, stopped) = oneshot::channel::<()>();
        let gateway = of_radio();
        let mut counts = gateway.counts();
        let records: Vec<_> = gateway_core::btsnoop::records(RECORDING).expect("a header").flatten().collect();
        let (header, half) = (&RECORDING[..16], records[records.len() / 2].offset);
        let all = async move {
            live(&lives, &[&RECORDING[..half]]).await;
            // Killed while it wrote: what it began is lost, and what is whole is not.
            live(&lives, &[header, &RECORDING[half..], &[0; 10]]).await;
            live(&lives, &[b"no btsnoop at all"]).await;
            live(&lives, &[RECORDING]).await;
            counts.wait_for(|counts| counts.heard.reports == 2 * 562).await.expect("it runs");
            stop.send(()).expect("it waits for it");
        };
        let air = Air { hearing: None, streams: Some(streams) };
        let stopped = pin!(async { drop(stopped.await) });
        let heard = air.listen(gateway, &[], stopped);
        let (counts, ()) = tokio::join!(heard, all);
        assert_eq!((counts.heard.reports, counts.heard.faults), (2 * 562, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_without_a_radio_waits_to_be_stopped() {
        let air = Air { hearing: None, streams: None };
        let day = std::time::Duration::from_secs(24 * 60 * 60);
        let counts = air.listen(of_radio(), &[], pin!(tokio::time::sleep(day))).await;
        assert_eq!(counts.heard.reports, 0);
    }
}
