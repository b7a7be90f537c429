//! The gateway within the appliance: its sinks are joined to links here, and it runs on a thread of its own, with
//! a runtime of its own, so that neither it nor a far broker can hold up ours.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;

use broker::Handle;
use certs::{CaSource, CertificateTls};
use gateway::{Encryption, GatewaySettings, LinkSink, Plan, Sink, SinkKind, SinkPlan, SourcePlan};
use gateway_core::scan::RadioPlan;
use link::{BoxedStream, Link, Transport};
use tokio::sync::oneshot;

use super::air::Air;
use super::radio_process::RadioProcess;

/// A gateway whose files were read and found good.
pub(crate) struct Planned {
    plan: Plan,
    gateway: gateway::Gateway,
    /// How to reach each sink of the plan; `None`: the embedded broker.
    transports: Vec<Option<Transport>>,
}

/// What is wrong with the `[gateway]` part; a line for each fault.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct GatewayFault(String);

/// A gateway that runs.
pub(crate) struct Gateway {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Reads everything that the settings name; relative paths begin beside `toml`.
pub(crate) fn plan(settings: &GatewaySettings, toml: Option<&Path>) -> Result<Planned, GatewayFault> {
    let name = toml.map_or_else(|| "nightjar.toml".to_owned(), |path| path.display().to_string());
    let base = toml.and_then(Path::parent).unwrap_or(Path::new("."));
    let plan = settings.check(base).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| format!("Error: {name}: {fault}")).collect();
        GatewayFault(faults.join("\n"))
    })?;
    let gateway = gateway::Gateway::open(&plan, None).map_err(|error| GatewayFault(format!("Error: {error}")))?;
    let transports = plan.sinks.iter().map(transport).collect::<Result<_, _>>();
    let transports = transports.map_err(|error| GatewayFault(format!("Error: {name}: {error}")))?;
    Ok(Planned { plan, gateway, transports })
}

fn transport(sink: &SinkPlan) -> Result<Option<Transport>, certs::CertError> {
    let SinkKind::Mqtt { host, port, encryption, .. } = &sink.kind else { return Ok(None) };
    let (host, port) = (host.clone(), *port);
    Ok(Some(match encryption {
        Encryption::None => Transport::Tcp { host, port },
        Encryption::Psk { identity, key } => {
            let context = certs::psk_client_context(identity, &key.0, None)?;
            Transport::Psk { host, port, context }
        }
        Encryption::Certificate { ca, client } => {
            let mut wanted = CertificateTls::new(CaSource::File(ca.clone()));
            wanted.client.clone_from(client);
            let (tls, server_name) = (certs::client_config(&wanted)?, wanted.name_to_verify(&host)?);
            Transport::Tls { host, port, tls, server_name }
        }
    }))
}

impl Planned {
    /// What is planned for a radio; `None`: it plays a recording.
    pub(crate) fn radio(&self) -> Option<&RadioPlan> {
        match &self.plan.source {
            SourcePlan::Radio(radio) => Some(radio),
            SourcePlan::Recording { .. } => None,
        }
    }

    /// Starts the thread. `handle` is for sinks of the embedded broker; `radio` has the radio, if one was planned and
    /// could be started.
    pub(crate) fn start(self, handle: &Handle, radio: Option<RadioProcess>) -> io::Result<Gateway> {
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = handle.clone();
        let thread = std::thread::Builder::new().name("gateway".to_owned()).spawn(move || {
            runtime.block_on(self.run(&handle, radio, async {
                // Told to stop, or nobody is there any more who could tell.
                let _ = stopped.await;
            }));
        })?;
        Ok(Gateway { stop, thread })
    }

    async fn run(mut self, handle: &Handle, radio: Option<RadioProcess>, stopped: impl Future<Output = ()>) {
        let mut stopped = pin!(stopped);
        let (mut links, mut sinks) = (Vec::new(), Vec::new());
        let mut air = Air::of(radio);
        // Some sinks name the gateway in their topics; a radio may have to come first.
        let Some(address) = air.address(&mut self.gateway, &mut stopped).await else {
            drop(self.gateway);
            return air.end();
        };
        for (at, (sink, transport)) in self.plan.sinks.iter().zip(self.transports).enumerate() {
            let transport = transport.unwrap_or_else(|| within(handle.clone()));
            let (link, driver) = link::open(sink.link_settings(transport, made_up_id(at), address));
            tokio::spawn(driver);
            tracing::info!(target: "information", "The gateway publishes to {sink}.");
            sinks.push(Box::new(LinkSink::new(link.clone(), sink, address)) as Box<dyn Sink>);
            links.push(link);
        }
        let counts = match &self.plan.source {
            SourcePlan::Recording { .. } => run_and_deliver(self.gateway, &sinks, &links, stopped).await,
            SourcePlan::Radio(_) => air.listen(self.gateway, &sinks, stopped).await,
        };
        for link in links {
            Link::close(link).await;
        }
        let heard = counts.heard.reports;
        for ((sink, plan), counts) in sinks.iter().zip(&self.plan.sinks).zip(&counts.sinks) {
            let done = sink.counts();
            tracing::info!(target: "information", "Gateway: {} reports heard, {} messages; to {plan}: {} published, {} dropped.",
                heard, counts.messages, done.published, done.dropped);
        }
    }
}

/// Runs until the recording ends or `stopped` is ready. After its end what lies in the queues still waits for its
/// broker, however long that is away: only who stops the appliance gives it up.
async fn run_and_deliver(
    mut gateway: gateway::Gateway,
    sinks: &[Box<dyn Sink>],
    links: &[Link],
    stopped: impl Future<Output = ()>,
) -> gateway::Counts {
    let mut stopped = pin!(stopped);
    let mut is_stopped = false;
    let told = async {
        stopped.as_mut().await;
        is_stopped = true;
    };
    let counts = gateway.counts();
    gateway.run(sinks, told).await;
    let counts = counts.borrow().clone();
    if !is_stopped {
        let delivered = async {
            for link in links {
                link.flushed().await;
            }
        };
        tokio::select! {
            () = delivered => {}
            () = stopped => {}
        }
    }
    counts
}

impl Gateway {
    /// Lets it hand over what it holds, for some seconds at most, and ends it.
    pub(crate) fn stop(self) {
        let _ = self.stop.send(()); // it may have ended by itself, at the end of its recording
        let _ = self.thread.join();
    }
}

/// A stream into our own broker: MQTT as anyone speaks it, without a socket of the network.
fn within(handle: Handle) -> Transport {
    Transport::Custom(Arc::new(move || {
        let handle = handle.clone();
        Box::pin(async move {
            let stream = handle.connect_within()?;
            stream.set_nonblocking(true)?;
            Ok(Box::new(tokio::net::UnixStream::from_std(stream)?) as BoxedStream)
        })
    }))
}

/// The Client Identifier of a sink that has none: of this machine, so that two gateways do not take
/// each other's place at one broker.
fn made_up_id(sink: usize) -> String {
    let host = certs::host::hostname().unwrap_or_else(|| "gateway".to_owned());
    format!("nightjar-{host}-{sink}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway/recordings/data-test.btsnoop");

    const NOBODY: gateway::MacAddress = gateway::MacAddress([0; 6]);

    /// A gateway that has played its recording after an instant, to a broker that never answers.
    fn played_to_nobody() -> (gateway::Gateway, Vec<Link>, Vec<Box<dyn Sink>>) {
        let toml = format!(
            "source = \"{RECORDING}\"\nspeed = 0\n[[sink]]\nkind = \"mqtt\"\nhost = \"h\"\ntopic = \"t\"\nqos = 1\n"
        );
        let settings = config::Config::builder()
            .add_source(config::File::from_str(&toml, config::FileFormat::Toml))
            .build()
            .and_then(config::Config::try_deserialize::<GatewaySettings>)
            .expect("settings");
        let planned = plan(&settings, None).expect("a plan");
        let nobody = Transport::Custom(Arc::new(|| Box::pin(std::future::pending())));
        let (link, driver) = link::open(planned.plan.sinks[0].link_settings(nobody, "a", NOBODY));
        tokio::spawn(driver);
        let sink = Box::new(LinkSink::new(link.clone(), &planned.plan.sinks[0], NOBODY)) as Box<dyn Sink>;
        (planned.gateway, vec![link], vec![sink])
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_recording_left_behind_waits_for_its_broker_until_the_appliance_is_stopped() {
        let (gateway, links, sinks) = played_to_nobody();
        let day = Duration::from_secs(24 * 60 * 60);
        let started = tokio::time::Instant::now();
        let counts = run_and_deliver(gateway, &sinks, &links, tokio::time::sleep(day)).await;
        assert_eq!(started.elapsed(), day);
        let kept = links[0].counts();
        assert!(counts.messages() > 0);
        assert_eq!((kept.queued as u64, kept.dropped), (counts.messages(), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_that_is_stopped_while_it_plays_waits_for_nothing() {
        let (gateway, links, sinks) = played_to_nobody();
        let started = tokio::time::Instant::now();
        run_and_deliver(gateway, &sinks, &links, std::future::ready(())).await;
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
