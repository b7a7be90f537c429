//! Who was let in before is judged by what counts now: at a reload, and when certificates have changed on the disk. Whoever has
//! the sockets does it: the loop, or each I/O thread for its own. Nobody is sent away here, and no file is read.
//!
//! A certificate takes 0.1 to 0.5 ms to be verified, so ten thousand of them would stop a loop for seconds. They are verified
//! on the thread that has them, some in each turn as with handshakes, and everybody is served in between. (rustls keeps the
//! chain of each connection; on another thread each would have to be copied, found again afterwards, and its turn waited for
//! among passwords. With I/O threads the broker's has nothing to do with it.) Who is to go may go on for as long.

use rustls::pki_types::UnixTime;

use crate::HANDSHAKES_PER_TURN_MAX;
use crate::listener::ListenerConfig;
use crate::transport::Transport;

/// What a listener has against somebody whom it let in before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// It has another door, or listens at another address.
    Door,
    /// The key of this identity is gone, or another.
    Key(Box<str>),
    /// The certificate is not good. The name in it, and why.
    Certificate(Box<str>, Box<str>),
}

impl Objection {
    /// For the log, if it does not say enough already.
    pub(crate) fn line(&self) -> Option<String> {
        match self {
            Self::Door => None,
            Self::Key(identity) => Some(format!(
                "PSK identity '{identity}' is no longer in the PSK file, or has another key: a connection is closed."
            )),
            Self::Certificate(name, why) => Some(format!(
                "The client certificate of '{name}' is no longer accepted: {why}. A connection is closed."
            )),
        }
    }
}

impl ListenerConfig {
    /// What can be said of it at once against who came in by `transport` when `before` counted. `is_knocking`: it stands at a
    /// door, and has not been let through.
    pub(crate) fn objects(&self, before: &Self, transport: &Transport, is_knocking: bool) -> Option<Objection> {
        if !self.keeps(before, transport, is_knocking) {
            return Some(Objection::Door);
        }
        let inner = match transport {
            Transport::Web(web) => web.inner(),
            other => other,
        };
        let (Transport::Psk(psk), Some(keys)) = (inner, &self.protection.psk) else { return None };
        if !psk.is_open || certs::has_key_still(psk.stream.ssl(), keys) {
            return None;
        }
        let identity = certs::psk_outcome(psk.stream.ssl()).map_or("", |outcome| outcome.identity());
        Some(Objection::Key(identity.into()))
    }

    /// Verifies the certificate of who came in by `transport`; `None` where there is nothing to verify.
    pub(crate) fn verify(&self, transport: &Transport) -> Option<Result<(), Objection>> {
        let clients = self.protection.clients.as_ref()?;
        let chain = transport.client_certificates()?;
        Some(clients.verify_again(chain, UnixTime::now()).map_err(|error| {
            let own = chain.first().and_then(|own| certs::user_name(own, certs::NameFrom::Identity));
            Objection::Certificate(own.unwrap_or_default().into(), certs::no_longer_good(&error).into())
        }))
    }
}

/// How far the verifying of all certificates has come.
#[derive(Debug, Default)]
pub(crate) struct Judging {
    /// The number of the connection that is next; `None`: all is done. Who comes in meanwhile may be verified once more.
    next: Option<usize>,
}

impl Judging {
    /// All of them, from the first on.
    pub(crate) const fn begin(&mut self) {
        self.next = Some(0);
    }

    pub(crate) const fn is_under_way(&self) -> bool {
        self.next.is_some()
    }

    /// As many as a turn has room for, of numbers below `end`; gives back who is to go. `verify` answers as
    /// [`ListenerConfig::verify`].
    pub(crate) fn go_on(
        &mut self,
        end: usize,
        mut verify: impl FnMut(usize) -> Option<Result<(), Objection>>,
    ) -> Vec<(usize, Objection)> {
        let mut gone = Vec::new();
        let Some(next) = self.next.take() else { return gone };
        let mut left = HANDSHAKES_PER_TURN_MAX;
        for at in next..end {
            if left == 0 {
                self.next = Some(at);
                break;
            }
            let Some(verdict) = verify(at) else { continue };
            left -= 1;
            if let Err(objection) = verdict {
                gone.push((at, objection));
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_verified_once_and_no_more_of_them_in_a_turn_than_there_is_room_for() {
        let mut judging = Judging::default();
        assert!(judging.go_on(9, |at| panic!("nobody asked for {at}")).is_empty() && !judging.is_under_way());
        let (count, objection) = (3 * HANDSHAKES_PER_TURN_MAX, || Objection::Certificate("x".into(), "y".into()));
        // Every second has no certificate; every third of the others is to go.
        let verify =
            |at: usize| at.is_multiple_of(2).then(|| if at.is_multiple_of(3) { Err(objection()) } else { Ok(()) });
        judging.begin();
        let (mut asked, mut gone, mut turns) = (Vec::new(), Vec::new(), 0);
        while judging.is_under_way() {
            let before = asked.len();
            gone.extend(judging.go_on(2 * count, |at| verify(at).inspect(|_| asked.push(at))));
            assert!(asked.len() - before <= HANDSHAKES_PER_TURN_MAX);
            turns += 1;
        }
        assert_eq!(asked, (0..2 * count).step_by(2).collect::<Vec<_>>());
        let wanted: Vec<_> = (0..2 * count).step_by(6).map(|at| (at, objection())).collect();
        assert_eq!((gone, turns), (wanted, 3 + 1));
        judging.begin();
        judging.go_on(2 * count, verify);
        judging.begin();
        let mut first = None;
        judging.go_on(2 * count, |at| verify(at).inspect(|_| _ = first.get_or_insert(at)));
        assert_eq!(first, Some(0), "another reload begins anew");
    }
}
