//! Passwords are verified here, on threads of their own: an argon2id hash takes tens of milliseconds, and the
//! thread that owns the core must not wait for it.
//!
//! A verified login is remembered for some minutes, by a keyed digest and not by what was said, so that routers that
//! connect for every message do not pay for a hash each time; the same login asked for by many connections at once
//! is verified once. When the file changes, all is forgotten.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use acl::PasswordFile;
use broker_core::{AuthStep, Credentials, LOGIN_TIME_MAX, LinkId, Refusal};
use ring::hmac;

use crate::login_queue::LoginQueue;
use crate::scram::{Answer, Exchanges};
use crate::{
    LOGIN_REMEMBERED, LOGINS_REMEMBERED_MAX, LOGINS_WAITING_BYTES_MAX, LOGINS_WAITING_MAX,
    LOGINS_WAITING_PER_NETWORK_MAX,
};

type Digest = [u8; 32];

/// Who waits for a verdict: the number may have gone to another connection meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    pub link: LinkId,
    pub generation: u32,
    /// By which listener.
    pub listener: u16,
    /// Where it comes from.
    pub network: IpAddr,
    /// What is kept for it meanwhile.
    pub bytes: usize,
}

/// A password to verify; comes back with the answer.
pub(crate) struct Job {
    digest: Digest,
    listener: u16,
    file: Arc<PasswordFile>,
    username: String,
    password: Vec<u8>,
    network: IpAddr,
    asked: Instant,
}

/// The desk where logins are decided.
pub(crate) struct Logins {
    /// Of each listener; `None`: it asks for no passwords.
    files: Vec<Option<Arc<PasswordFile>>>,
    secret: hmac::Key,
    remembered: HashMap<Digest, Instant>,
    waiting: HashMap<Digest, Vec<Asker>>,
    waiting_count: usize,
    waiting_bytes: usize,
    waiting_of: HashMap<IpAddr, usize>,
    /// Connections that came in by a password, and the user's name.
    users: HashMap<u32, Box<str>>,
    exchanges: Exchanges,
    jobs: Arc<LoginQueue<Job>>,
}

/// What was found out, brought by a worker.
pub(crate) struct Verified {
    job: Job,
    /// `None`: it waited so long that nobody can be there any more to be let in.
    is_right: Option<bool>,
}

impl Logins {
    /// Starts `workers` threads that bring what they found out to `report`; they end with this.
    pub(crate) fn start(
        files: Vec<Option<Arc<PasswordFile>>>,
        secret: &[u8; 32],
        workers: usize,
        report: impl Fn(Verified) + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let jobs = Arc::new(LoginQueue::new());
        // Made first: it lets the workers go if not all of them can be started.
        let logins = Self {
            files,
            secret: hmac::Key::new(hmac::HMAC_SHA256, secret),
            remembered: HashMap::new(),
            waiting: HashMap::new(),
            waiting_count: 0,
            waiting_bytes: 0,
            waiting_of: HashMap::new(),
            users: HashMap::new(),
            exchanges: Exchanges::new(secret),
            jobs,
        };
        for worker in 0..workers {
            let (queue, report) = (Arc::clone(&logins.jobs), report.clone());
            std::thread::Builder::new().name(format!("password-{worker}")).spawn(move || work(&queue, &report))?;
        }
        Ok(logins)
    }

    /// Decides at once (`Some`), or later by [`answer`](Self::answer).
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        asker: Asker,
        credentials: Credentials<'_>,
    ) -> Option<Result<(), Refusal>> {
        let (Some(file), Some(password)) = (self.file(asker.listener), credentials.password) else {
            return Some(Err(Refusal::Password));
        };
        let file = Arc::clone(file);
        let digest = self.digest(asker.listener, credentials.username, password);
        if self.remembered.get(&digest).is_some_and(|at| now.duration_since(*at) < LOGIN_REMEMBERED) {
            return Some(Ok(()));
        }
        let of_network = self.waiting_of.entry(asker.network).or_default();
        if self.waiting_count >= LOGINS_WAITING_MAX
            || self.waiting_bytes + asker.bytes > LOGINS_WAITING_BYTES_MAX
            || *of_network >= LOGINS_WAITING_PER_NETWORK_MAX
        {
            self.forget_network(asker.network);
            return Some(Err(Refusal::Busy));
        }
        *of_network += 1;
        self.waiting_count += 1;
        self.waiting_bytes += asker.bytes;
        let others = self.waiting.entry(digest).or_default();
        others.push(asker);
        if others.len() == 1 {
            let job = Job {
                digest,
                listener: asker.listener,
                file,
                username: credentials.username.to_owned(),
                password: password.to_owned(),
                network: asker.network,
                asked: now,
            };
            self.jobs.push(asker.network, job);
        }
        None
    }

    fn forget_network(&mut self, network: IpAddr) {
        if self.waiting_of.get(&network) == Some(&0) {
            self.waiting_of.remove(&network);
        }
    }

    /// Those who waited for what was found out, and the verdict.
    pub(crate) fn answer(&mut self, now: Instant, found: Verified) -> (Vec<Asker>, Result<(), Refusal>) {
        let digest = found.job.digest;
        let file = self.file(found.job.listener);
        let is_current = file.is_some_and(|file| Arc::ptr_eq(file, &found.job.file));
        let verdict = match (found.is_right, file) {
            (None, _) => Err(Refusal::Busy),
            // Verified against a file that is no longer the file: asked again.
            (Some(_), Some(file)) if !is_current => {
                let job = Job { file: Arc::clone(file), ..found.job };
                self.jobs.push(job.network, job);
                return (Vec::new(), Err(Refusal::Busy));
            }
            (Some(true), Some(_)) => {
                self.remember(now, digest);
                Ok(())
            }
            (Some(_), _) => Err(Refusal::Password),
        };
        let askers = self.waiting.remove(&digest).unwrap_or_default();
        for asker in &askers {
            self.waiting_count -= 1;
            self.waiting_bytes -= asker.bytes;
            if let Some(count) = self.waiting_of.get_mut(&asker.network) {
                *count -= 1;
            }
            self.forget_network(asker.network);
        }
        (askers, verdict)
    }

    /// Takes a step of enhanced authentication.
    pub(crate) fn authenticate(&mut self, asker: Asker, step: AuthStep<'_>) -> Answer {
        let file = self.files.get(usize::from(asker.listener)).and_then(Option::as_deref);
        self.exchanges.step(file, asker, step)
    }

    /// Whether the connection is in the middle of enhanced authentication.
    pub(crate) fn is_authenticating(&self, link: LinkId) -> bool {
        self.exchanges.has(link)
    }

    /// A client came in with this name.
    pub(crate) fn came_in(&mut self, link: LinkId, listener: u16, username: &str) {
        if self.file(listener).is_some() {
            self.users.insert(link.0, username.into());
        }
    }

    /// The connection is over.
    pub(crate) fn left(&mut self, link: LinkId) {
        self.users.remove(&link.0);
        self.exchanges.forget(link);
    }

    /// Other password files count from now on, by the numbers of the listeners.
    ///
    /// Returns the connections whose user is not in that of their listener, or has another password there, and the user's
    /// name: mosquitto lets go of them. `listener_of` tells by which listener a connection came in.
    pub(crate) fn set_files(
        &mut self,
        files: Vec<Option<Arc<PasswordFile>>>,
        listener_of: impl Fn(LinkId) -> Option<u16>,
    ) -> Vec<(LinkId, Box<str>)> {
        let old = std::mem::replace(&mut self.files, files);
        self.remembered.clear();
        let line = |file: &PasswordFile, user: &str| file.hash_of(user).map(ToString::to_string);
        let is_gone = |link: LinkId, user: &str| {
            let Some(listener) = listener_of(link) else { return false };
            let before = old.get(usize::from(listener)).and_then(Option::as_deref);
            let (Some(before), Some(now)) = (before, self.file(listener)) else { return false };
            line(before, user) != line(now, user)
        };
        let users = self.users.iter().map(|(link, user)| (LinkId(*link), user));
        users.filter(|(link, user)| is_gone(*link, user)).map(|(link, user)| (link, user.clone())).collect()
    }

    fn file(&self, listener: u16) -> Option<&Arc<PasswordFile>> {
        self.files.get(usize::from(listener)).and_then(Option::as_ref)
    }

    fn remember(&mut self, now: Instant, digest: Digest) {
        if self.remembered.len() >= LOGINS_REMEMBERED_MAX {
            self.remembered.retain(|_, at| now.duration_since(*at) < LOGIN_REMEMBERED);
            if self.remembered.len() >= LOGINS_REMEMBERED_MAX {
                self.remembered.clear();
            }
        }
        self.remembered.insert(digest, now);
    }

    /// The listener is in it even where two have the same file: by the time of the verdict they may have different ones.
    fn digest(&self, listener: u16, username: &str, password: &[u8]) -> Digest {
        let mut context = hmac::Context::with_key(&self.secret);
        context.update(&listener.to_be_bytes());
        context.update(&(username.len() as u64).to_be_bytes());
        context.update(username.as_bytes());
        context.update(password);
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}

impl Drop for Logins {
    fn drop(&mut self) {
        self.jobs.close();
    }
}

fn work(queue: &LoginQueue<Job>, report: &impl Fn(Verified)) {
    while let Some(job) = queue.wait() {
        // Who asked has been sent away by now: there are better uses of a worker's time in a flood.
        let is_late = job.asked.elapsed() > LOGIN_TIME_MAX;
        let is_right = (!is_late).then(|| job.file.verify(&job.username, &job.password));
        report(Verified { job, is_right });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// SHA-512 of mosquitto 1: cheap enough to be verified here.
    fn file(user: &str, password: &str) -> PasswordFile {
        let hash = acl::PasswordHash::create(acl::HashAlgorithm::Sha512, None, password.as_bytes(), &[7; 12]);
        PasswordFile::parse(format!("{user}:{}\n", hash.expect("a hash")).as_bytes()).expect("a file")
    }

    /// Logins without workers: what waits is verified when the test says so.
    fn logins() -> Logins {
        Logins::start(files(&["right"]), &[1; 32], 0, |_| {}).expect("no thread is started")
    }

    /// Of each listener one in which the user has this password.
    fn files(passwords: &[&str]) -> Vec<Option<Arc<PasswordFile>>> {
        passwords.iter().map(|password| Some(Arc::new(file("user", password)))).collect()
    }

    fn asker(number: u32) -> Asker {
        let network = IpAddr::from([192, 0, 2, 1]);
        Asker { link: LinkId(number), generation: number, listener: 0, network, bytes: 100 }
    }

    const fn said(password: &str) -> Credentials<'_> {
        Credentials { username: "user", password: Some(password.as_bytes()) }
    }

    fn verify_one(logins: &Logins) -> Verified {
        let (report, found): (_, Receiver<Verified>) = channel();
        let job = logins.jobs.wait().expect("a job");
        let queue = LoginQueue::new();
        queue.push(job.network, job);
        std::thread::scope(|scope| {
            scope.spawn(|| work(&queue, &|verified| report.send(verified).expect("it is awaited")));
            let found = found.recv().expect("an answer");
            queue.close();
            found
        })
    }

    fn numbers(askers: &[Asker]) -> Vec<u32> {
        askers.iter().map(|asker| asker.generation).collect()
    }

    #[test]
    fn the_same_login_of_many_is_verified_once_and_then_remembered_for_a_while() {
        let (mut logins, now) = (logins(), Instant::now());
        assert_eq!(logins.ask(now, asker(1), said("right")), None);
        assert_eq!(logins.ask(now, asker(2), said("right")), None);
        let found = verify_one(&logins);
        let (askers, verdict) = logins.answer(now, found);
        assert_eq!((numbers(&askers), verdict), (vec![1, 2], Ok(())));
        assert_eq!(logins.ask(now, asker(3), said("right")), Some(Ok(())));
        assert_eq!(logins.ask(now + LOGIN_REMEMBERED, asker(4), said("right")), None);
        assert_eq!((logins.waiting_count, logins.waiting_bytes), (1, 100), "the others are no longer counted");
    }

    #[test]
    fn a_wrong_password_is_refused_and_not_remembered() {
        let (mut logins, now) = (logins(), Instant::now());
        for number in 0..2 {
            assert_eq!(logins.ask(now, asker(number), said("wrong")), None);
            let found = verify_one(&logins);
            assert_eq!(logins.answer(now, found).1, Err(Refusal::Password));
        }
        let without = Credentials { username: "user", password: None };
        assert_eq!(logins.ask(now, asker(3), without), Some(Err(Refusal::Password)));
        assert!(logins.waiting_of.is_empty() && logins.remembered.is_empty());
    }

    #[test]
    fn what_was_verified_against_an_older_file_is_verified_again() {
        let (mut logins, now) = (logins(), Instant::now());
        assert_eq!(logins.ask(now, asker(1), said("right")), None);
        let found = verify_one(&logins);
        logins.set_files(files(&["another"]), |_| None);
        assert!(logins.answer(now, found).0.is_empty());
        // Whoever asks meanwhile waits for the new file's word too.
        assert_eq!(logins.ask(now, asker(2), said("right")), None);
        let found = verify_one(&logins);
        let (askers, verdict) = logins.answer(now, found);
        assert_eq!((numbers(&askers), verdict), (vec![1, 2], Err(Refusal::Password)));
    }

    #[test]
    fn a_remembered_login_is_forgotten_when_the_file_is_read_again() {
        let (mut logins, now) = (logins(), Instant::now());
        assert_eq!(logins.ask(now, asker(1), said("right")), None);
        let found = verify_one(&logins);
        assert_eq!(logins.answer(now, found).1, Ok(()));
        logins.set_files(files(&["another"]), |_| None);
        assert_eq!(logins.ask(now, asker(2), said("right")), None);
    }

    #[test]
    fn one_network_cannot_take_every_place_and_large_logins_are_bounded_together() {
        let (mut logins, now) = (logins(), Instant::now());
        for number in 0..LOGINS_WAITING_PER_NETWORK_MAX as u32 {
            assert_eq!(logins.ask(now, asker(number), said("wrong")), None, "{number}");
        }
        assert_eq!(logins.ask(now, asker(9), said("right")), Some(Err(Refusal::Busy)));
        let other = Asker { network: IpAddr::from([192, 0, 2, 2]), ..asker(10) };
        assert_eq!(logins.ask(now, other, said("right")), None);
        let large = Asker { bytes: LOGINS_WAITING_BYTES_MAX, ..other };
        assert_eq!(logins.ask(now, large, said("right")), Some(Err(Refusal::Busy)));
    }

    #[test]
    fn each_listener_has_a_file_of_its_own() {
        let now = Instant::now();
        let mut logins = Logins::start(files(&["right", "other"]), &[1; 32], 0, |_| {}).expect("no thread is started");
        let at = |listener, number| Asker { listener, ..asker(number) };
        for (listener, password, wanted) in
            [(0, "right", true), (1, "right", false), (0, "other", false), (1, "other", true)]
        {
            let asker = at(listener, u32::from(listener));
            // What was verified at the one listener is not known at the other.
            assert_eq!(logins.ask(now, asker, said(password)), None, "{listener} {password}");
            let found = verify_one(&logins);
            assert_eq!(logins.answer(now, found).1.is_ok(), wanted, "{listener} {password}");
        }
        assert_eq!(logins.ask(now, at(2, 2), said("right")), Some(Err(Refusal::Password)), "it has none");
        logins.came_in(LinkId(0), 0, "user");
        logins.came_in(LinkId(1), 1, "user");
        logins.came_in(LinkId(2), 2, "user");
        let gone = logins.set_files(files(&["right", "another", "more"]), |link| u16::try_from(link.0).ok());
        assert_eq!(gone, [(LinkId(1), "user".into())]);
    }

    #[test]
    fn enhanced_authentication_asks_the_file_of_the_listener() {
        let line = "user:$scram-sha-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$\
            wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";
        let scram = Some(Arc::new(PasswordFile::parse(line.as_bytes()).expect("a file")));
        let both = [files(&["right"]), vec![scram]].concat();
        let mut logins = Logins::start(both, &[1; 32], 0, |_| {}).expect("no thread is started");
        let step = AuthStep { method: acl::SCRAM_SHA_256, data: Some(b"n,,n=user,r=x"), begins: true };
        for (listener, goes_on) in [(0, false), (1, true), (2, false)] {
            let answer = logins.authenticate(Asker { listener, ..asker(1) }, step);
            assert_eq!(matches!(answer, Answer::Continue { .. }), goes_on, "{listener}: {answer:?}");
        }
    }

    #[test]
    fn an_exchange_ends_with_its_connection() {
        let line = "user:$scram-sha-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$\
            wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";
        let file = PasswordFile::parse(line.as_bytes()).expect("a file");
        let mut logins = Logins::start(vec![Some(Arc::new(file))], &[1; 32], 0, |_| {}).expect("no thread is started");
        let step = AuthStep { method: acl::SCRAM_SHA_256, data: Some(b"n,,n=user,r=x"), begins: true };
        logins.authenticate(asker(1), step);
        logins.authenticate(asker(2), step);
        logins.left(LinkId(1));
        assert!(!logins.is_authenticating(LinkId(1)) && logins.is_authenticating(LinkId(2)));
    }

    #[test]
    fn a_login_that_waited_too_long_is_not_verified_any_more() {
        let (mut logins, now) = (logins(), Instant::now());
        let Some(long_ago) = now.checked_sub(LOGIN_TIME_MAX * 2) else { return };
        assert_eq!(logins.ask(long_ago, asker(1), said("right")), None);
        let found = verify_one(&logins);
        assert_eq!(found.is_right, None);
        let (askers, verdict) = logins.answer(now, found);
        assert_eq!((numbers(&askers), verdict), (vec![1], Err(Refusal::Busy)));
    }
}
