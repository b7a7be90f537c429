//! Passwords are verified here, on threads of their own: an argon2id hash takes tens of milliseconds, and the
//! thread that owns the core must not wait for it.
//!
//! A verified login is remembered for some minutes, by a keyed digest and not by what was said, so that routers that
//! connect for every message do not pay for a hash each time; the same login asked for by many connections at once
//! is verified once. When the file changes, all is forgotten.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use acl::PasswordFile;
use broker_core::{Credentials, LinkId, Refusal};
use ring::hmac;

use crate::{LOGIN_REMEMBERED, LOGINS_REMEMBERED_MAX, LOGINS_WAITING_MAX};

type Digest = [u8; 32];

/// Who waits for a verdict: the number may have gone to another connection meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    pub link: LinkId,
    pub generation: u32,
}

/// A password to verify; comes back with the answer.
pub(crate) struct Job {
    digest: Digest,
    file: Arc<PasswordFile>,
    username: String,
    password: Vec<u8>,
}

/// The desk where logins are decided.
pub(crate) struct Logins {
    file: Option<Arc<PasswordFile>>,
    secret: hmac::Key,
    remembered: HashMap<Digest, Instant>,
    waiting: HashMap<Digest, Vec<Asker>>,
    waiting_count: usize,
    /// Connections that came in by a password, and the user's name.
    users: HashMap<u32, Box<str>>,
    jobs: SyncSender<Job>,
}

/// What was found out, brought by a worker.
pub(crate) struct Verified {
    job: Job,
    is_right: bool,
}

impl Logins {
    /// Starts `workers` threads that bring what they found out to `report`; they end with this.
    pub(crate) fn start(
        file: Option<PasswordFile>,
        secret: &[u8; 32],
        workers: usize,
        report: impl Fn(Verified) + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(LOGINS_WAITING_MAX);
        let queue = Arc::new(Mutex::new(queue));
        for worker in 0..workers {
            let (queue, report) = (Arc::clone(&queue), report.clone());
            std::thread::Builder::new().name(format!("password-{worker}")).spawn(move || work(&queue, &report))?;
        }
        Ok(Self {
            file: file.map(Arc::new),
            secret: hmac::Key::new(hmac::HMAC_SHA256, secret),
            remembered: HashMap::new(),
            waiting: HashMap::new(),
            waiting_count: 0,
            users: HashMap::new(),
            jobs,
        })
    }

    /// Decides at once (`Some`), or later by [`answer`](Self::answer).
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        asker: Asker,
        credentials: Credentials<'_>,
    ) -> Option<Result<(), Refusal>> {
        let (Some(file), Some(password)) = (&self.file, credentials.password) else {
            return Some(Err(Refusal::Password));
        };
        let digest = self.digest(credentials.username, password);
        if self.remembered.get(&digest).is_some_and(|at| now.duration_since(*at) < LOGIN_REMEMBERED) {
            return Some(Ok(()));
        }
        if self.waiting_count >= LOGINS_WAITING_MAX {
            return Some(Err(Refusal::Busy));
        }
        if let Some(others) = self.waiting.get_mut(&digest) {
            others.push(asker);
            self.waiting_count += 1;
            return None;
        }
        let job = Job {
            digest,
            file: Arc::clone(file),
            username: credentials.username.to_owned(),
            password: password.to_owned(),
        };
        match self.jobs.try_send(job) {
            Ok(()) => {
                self.waiting.insert(digest, vec![asker]);
                self.waiting_count += 1;
                None
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Some(Err(Refusal::Busy)),
        }
    }

    /// Those who waited for what was found out, and the verdict.
    pub(crate) fn answer(&mut self, now: Instant, found: Verified) -> (Vec<Asker>, Result<(), Refusal>) {
        let digest = found.job.digest;
        let is_current = self.file.as_ref().is_some_and(|file| Arc::ptr_eq(file, &found.job.file));
        let mut verdict = if found.is_right { Ok(()) } else { Err(Refusal::Password) };
        if !is_current {
            // Verified against a file that is no longer the file: asked again.
            verdict = Err(Refusal::Busy);
            if let Some(file) = &self.file {
                let job = Job { file: Arc::clone(file), ..found.job };
                if self.jobs.try_send(job).is_ok() {
                    return (Vec::new(), verdict);
                }
            }
        } else if found.is_right {
            self.remember(now, digest);
        }
        let askers = self.waiting.remove(&digest).unwrap_or_default();
        self.waiting_count -= askers.len();
        (askers, verdict)
    }

    /// A client came in with this name.
    pub(crate) fn came_in(&mut self, link: LinkId, username: &str) {
        if self.file.is_some() {
            self.users.insert(link.0, username.into());
        }
    }

    /// The connection is over.
    pub(crate) fn left(&mut self, link: LinkId) {
        self.users.remove(&link.0);
    }

    /// Another password file counts from now on.
    ///
    /// Returns the connections whose user is not in it, or has another password there, and the user's name:
    /// mosquitto lets go of them.
    pub(crate) fn set_file(&mut self, file: Option<PasswordFile>) -> Vec<(LinkId, Box<str>)> {
        let old = std::mem::replace(&mut self.file, file.map(Arc::new));
        self.remembered.clear();
        let (Some(old), Some(new)) = (old, &self.file) else { return Vec::new() };
        let line = |file: &PasswordFile, user: &str| file.hash_of(user).map(ToString::to_string);
        let is_gone = |user: &str| line(&old, user) != line(new, user);
        self.users.iter().filter(|(_, user)| is_gone(user)).map(|(link, user)| (LinkId(*link), user.clone())).collect()
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

    fn digest(&self, username: &str, password: &[u8]) -> Digest {
        let mut context = hmac::Context::with_key(&self.secret);
        context.update(&(username.len() as u64).to_be_bytes());
        context.update(username.as_bytes());
        context.update(password);
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}

fn work(queue: &Mutex<Receiver<Job>>, report: &impl Fn(Verified)) {
    loop {
        // The lock is held while waiting: one worker waits for the next job, the others for the lock.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        let is_right = job.file.verify(&job.username, &job.password);
        report(Verified { job, is_right });
    }
}
