//! A connection whose socket is with a worker, as the broker's thread sees it.

use std::sync::Arc;

use super::account::Account;
use super::mailbox::{Deed, Mailbox};

pub(crate) struct Remote {
    mailbox: Arc<Mailbox>,
    /// Which worker.
    pub(super) worker: usize,
    at: u32,
    account: Arc<Account>,
    /// Bytes handed over since the connection began; goes round.
    handed: usize,
    /// And how many of them the socket had taken when that was looked at last.
    taken: usize,
    /// Packets of what is not taken yet, or was not when that was looked at last.
    pub(super) packets: u32,
    /// Bytes come as they were sent: there is no TLS and no WebSocket.
    is_plain: bool,
    /// The worker was told not to read from it.
    pub(super) is_resting: bool,
    /// It will say no more; what it said has not been handled whole.
    pub(super) has_ended: bool,
}

impl Remote {
    pub(super) fn new(mailbox: Arc<Mailbox>, worker: usize, at: u32, is_plain: bool) -> Self {
        Self {
            mailbox,
            worker,
            at,
            account: Arc::default(),
            handed: 0,
            taken: 0,
            packets: 0,
            is_plain,
            is_resting: false,
            has_ended: false,
        }
    }

    pub(super) const fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub(crate) const fn worker(&self) -> usize {
        self.worker
    }

    pub(crate) const fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Packets that have not left whole, reckoned from above.
    pub(crate) const fn packets(&self) -> usize {
        self.packets as usize
    }

    /// Bytes that were handed over and not taken by the socket.
    pub(crate) fn away(&self) -> usize {
        self.handed.wrapping_sub(self.account.taken())
    }

    /// The worker has looked at everything that was handed over.
    pub(super) fn is_seen(&self) -> bool {
        self.account.seen() == self.handed
    }

    /// How much the socket has taken since this was asked last.
    pub(crate) fn news(&mut self) -> usize {
        let taken = self.account.taken();
        let count = taken.wrapping_sub(self.taken);
        self.taken = taken;
        if taken == self.handed {
            self.packets = 0;
        }
        count
    }

    /// Hands `bytes` over; the worker is woken at the end of the turn.
    pub(super) fn write(&mut self, bytes: &[u8], packets: usize) {
        self.handed = self.handed.wrapping_add(bytes.len());
        self.packets += packets as u32;
        self.mailbox.order_write(self.at, bytes);
    }

    /// Asks for word when everything is taken. `false`: it is already, and no word comes for certain.
    pub(crate) fn ask_for_word(&self) -> bool {
        self.account.ask_for_word();
        self.away() > 0
    }

    /// Has the worker read from it no more, or again.
    pub(super) fn rest(&mut self, rests: bool) {
        if std::mem::replace(&mut self.is_resting, rests) != rests {
            self.mailbox.order(self.at, if rests { Deed::Rest } else { Deed::GoOn });
        }
    }

    pub(crate) fn close(&self) {
        self.mailbox.order(self.at, Deed::Close);
    }
}
