//! [`Endpoints`]: a server's address, or several of servers that hold the same, and which of them is next.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Endpoint;
use super::breaker::{Admission, Breaker, CircuitBreaker};
use crate::metrics::{self, EndpointMetrics};

/// Among several endpoints, one that has failed once is passed over for so long.
const PASSED_OVER: CircuitBreaker = CircuitBreaker {
    failures: 1,
    open_for: Duration::from_secs(10),
};

/// Which of several endpoints is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReadFrom {
    /// The first one that is healthy, in the order in which they were given: the primary, as long as that answers.
    #[default]
    FirstHealthy,
    /// All that are healthy, in turn.
    RoundRobin,
}

/// The addresses, the primary first.
#[derive(Debug)]
pub(crate) struct Endpoints {
    nodes: Vec<Node>,
    read_from: ReadFrom,
    /// Whether writes may go elsewhere when the primary fails.
    fail_over_writes: bool,
    /// Whether a breaker refuses, and does not only pass over.
    refuse: bool,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Node {
    endpoint: Endpoint,
    breaker: Option<Breaker>,
    attempts: AtomicU64,
    failures: AtomicU64,
}

/// Where an attempt goes.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    node: &'a Node,
    index: usize,
    admission: Option<Admission<'a>>,
}

/// What an attempt says of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Up,
    Down,
    /// Nothing: the caller had no time to see.
    Unknown,
}

impl<'a> Choice<'a> {
    pub(crate) fn endpoint(&self) -> &'a Endpoint {
        &self.node.endpoint
    }

    /// Says how it went.
    pub(crate) fn report(self, health: Health) {
        let node = self.node;
        node.attempts.fetch_add(1, Ordering::Relaxed);
        if health == Health::Down {
            node.failures.fetch_add(1, Ordering::Relaxed);
        }
        if let (Some(admission), true) = (self.admission, health != Health::Unknown) {
            admission.report(health == Health::Down);
        }
    }
}

/// Endpoints that failed since the last wait of a call, and are not chosen again before it.
#[derive(Debug, Default)]
pub(crate) struct Failed(u64);

impl Failed {
    pub(crate) fn add(&mut self, choice: &Choice<'_>) {
        self.0 |= 1 << choice.index;
    }
}

impl Endpoints {
    /// As many as there can be.
    pub(crate) const MOST: usize = u64::BITS as usize;

    /// With replicas beside the primary: at most [`MOST`](Endpoints::MOST) in all.
    pub(crate) fn new(
        primary: Endpoint,
        replicas: Vec<Endpoint>,
        read_from: ReadFrom,
        fail_over_writes: bool,
        breaker: Option<CircuitBreaker>,
    ) -> Endpoints {
        let several = (!replicas.is_empty()).then_some(PASSED_OVER);
        let node = |endpoint: Endpoint| Node {
            breaker: match breaker {
                Some(settings) => {
                    let reported = metrics::Breaker::new(endpoint.as_str());
                    Some(Breaker::new(settings, Some(reported)))
                }
                None => several.map(|settings| Breaker::new(settings, None)),
            },
            endpoint,
            attempts: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        };
        Endpoints {
            nodes: [primary].into_iter().chain(replicas).map(node).collect(),
            read_from,
            fail_over_writes,
            refuse: breaker.is_some(),
            next: AtomicUsize::new(0),
        }
    }

    /// Where writes go.
    pub(crate) fn primary(&self) -> &Endpoint {
        &self.nodes[0].endpoint
    }

    /// What is known of each.
    pub(crate) fn metrics(&self) -> Vec<EndpointMetrics> {
        let metrics = |node: &Node| EndpointMetrics {
            url: node.endpoint.as_str().to_owned(),
            attempts: node.attempts.load(Ordering::Relaxed),
            failures: node.failures.load(Ordering::Relaxed),
            breaker: node.breaker.as_ref().map(Breaker::shown),
        };
        self.nodes.iter().map(metrics).collect()
    }

    /// Whether all of them are on this machine.
    pub(crate) fn are_loopback(&self) -> bool {
        self.nodes.iter().all(|node| node.endpoint.is_loopback())
    }

    /// How long nothing at all can be sent, as far as is known.
    pub(crate) fn refused_for(&self, reads: bool) -> Duration {
        let now = Instant::now();
        let left = |node: &Node| {
            let breaker = node.breaker.as_ref().filter(|_| self.refuse);
            breaker.map_or(Duration::ZERO, |breaker| breaker.left(now))
        };
        let nodes = self.nodes[..self.count(reads)].iter();
        nodes.map(left).min().unwrap_or_default()
    }

    /// How many may be asked.
    fn count(&self, reads: bool) -> usize {
        match reads || self.fail_over_writes {
            true => self.nodes.len(),
            false => 1,
        }
    }

    /// The one that a new call tries first.
    pub(crate) fn first(&self, reads: bool) -> usize {
        match self.read_from {
            ReadFrom::RoundRobin if reads => {
                self.next.fetch_add(1, Ordering::Relaxed) % self.nodes.len()
            }
            _ => 0,
        }
    }

    /// The next one from `first` on that has not failed and is healthy. Where there is none: one that has not failed, if
    /// breakers only pass over; or else an error, with the wait that the breakers ask for. `None`: all have failed.
    pub(crate) fn choose(
        &self,
        reads: bool,
        first: usize,
        failed: &Failed,
    ) -> Result<Choice<'_>, Option<Duration>> {
        let count = self.count(reads);
        let candidates = || {
            (0..count)
                .map(|offset| (first + offset) % count)
                .filter(|index| failed.0 & (1 << index) == 0)
                .map(|index| (index, &self.nodes[index]))
        };
        let choice = |(index, node): (usize, &'_ Node), admission| Choice {
            node: &self.nodes[index],
            index,
            admission: node.breaker.as_ref().and(admission),
        };
        let mut shortest: Option<Duration> = None;
        for (index, node) in candidates() {
            let Some(breaker) = &node.breaker else {
                return Ok(choice((index, node), None));
            };
            match breaker.admit(Instant::now()) {
                Ok(admission) => return Ok(choice((index, node), Some(admission))),
                Err(wait) => shortest = Some(shortest.map_or(wait, |other| other.min(wait))),
            }
        }
        match candidates().next().filter(|_| !self.refuse) {
            Some((index, node)) => Ok(choice(
                (index, node),
                self.nodes[index].breaker.as_ref().map(Breaker::force),
            )),
            None => Err(shortest),
        }
    }
}
