//! Logins that wait for a worker, in turns: each network has a queue of its own, and the networks come round one after
//! the other. Whoever tries many passwords keeps itself waiting, and hardly anyone else.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Condvar, Mutex, PoisonError};

/// What counts as one network: an IPv4 address, or the half of an IPv6 address that is not chosen by the host.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

/// Queues by network.
#[derive(Debug)]
struct Turns<T> {
    queues: HashMap<IpAddr, VecDeque<T>>,
    /// Each network with a queue stands here once.
    order: VecDeque<IpAddr>,
}

impl<T> Turns<T> {
    fn push(&mut self, network: IpAddr, job: T) {
        let queue = self.queues.entry(network).or_default();
        if queue.is_empty() {
            self.order.push_back(network);
        }
        queue.push_back(job);
    }

    fn pop(&mut self) -> Option<T> {
        let network = self.order.pop_front()?;
        let queue = self.queues.get_mut(&network)?;
        let job = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&network);
        } else {
            self.order.push_back(network);
        }
        job
    }
}

/// The queue between the loop and the workers. How much waits in it is bounded by who fills it.
#[derive(Debug)]
pub(crate) struct LoginQueue<T> {
    /// `None`: closed.
    turns: Mutex<Option<Turns<T>>>,
    more: Condvar,
}

impl<T> LoginQueue<T> {
    pub(crate) fn new() -> Self {
        let turns = Turns { queues: HashMap::new(), order: VecDeque::new() };
        Self { turns: Mutex::new(Some(turns)), more: Condvar::new() }
    }

    pub(crate) fn push(&self, network: IpAddr, job: T) {
        if let Some(turns) = self.turns.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            turns.push(network, job);
            self.more.notify_one();
        }
    }

    /// Waits for the next job; `None` when the queue was closed.
    pub(crate) fn wait(&self) -> Option<T> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = turns.as_mut()?.pop() {
                return Some(job);
            }
            turns = self.more.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the workers go. What waits is forgotten.
    pub(crate) fn close(&self) {
        *self.turns.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_take_turns_however_many_jobs_one_of_them_has() {
        let queue = LoginQueue::new();
        let (flood, quiet) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for n in 0..100 {
            queue.push(flood, n);
        }
        queue.push(quiet, 1000);
        queue.push(quiet, 1001);
        let served: Vec<_> = (0..5).filter_map(|_| queue.wait()).collect();
        assert_eq!(served, [0, 1000, 1, 1001, 2]);
        let rest: Vec<_> = (0..97).filter_map(|_| queue.wait()).collect();
        assert_eq!(rest, (3..100).collect::<Vec<_>>());
        let turns = queue.turns.lock().expect("no panic");
        let turns = turns.as_ref().expect("it is open");
        assert!(turns.queues.is_empty() && turns.order.is_empty(), "nothing is remembered of who was served");
    }

    #[test]
    fn a_closed_queue_lets_its_workers_go() {
        let queue = std::sync::Arc::new(LoginQueue::<u32>::new());
        let worker = std::thread::spawn({
            let queue = std::sync::Arc::clone(&queue);
            move || queue.wait()
        });
        queue.close();
        assert_eq!(worker.join().expect("no panic"), None);
        queue.push(IpAddr::from([192, 0, 2, 1]), 1);
        assert_eq!(queue.wait(), None);
    }

    #[test]
    fn an_ipv6_host_is_one_network_whatever_address_it_takes() {
        let row = |text: &str| network(text.parse().expect("an address")).to_string();
        assert_eq!(row("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(row("192.0.2.7"), "192.0.2.7");
    }
}
