//! [`Endpoints`]: the addresses of a server and its replicas, and the choice of the next one.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::breaker::{Admission, Breaker, CircuitBreaker};
use super::endpoint::Endpoint;
use crate::metrics::{self, EndpointMetrics};

/// Of several endpoints, one that has failed is skipped for this time.
const SKIP_FAILED: Duration = Duration::from_secs(10);

/// Which of several endpoints the client reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReadFrom {
    /// The first healthy endpoint, in the given order. This is the primary as long as it responds.
    #[default]
    FirstHealthy,
    /// All healthy endpoints, in turn.
    RoundRobin,
}

/// The settings of a client's endpoints, except for the primary.
#[derive(Debug, Default)]
pub(crate) struct EndpointOptions {
    pub(crate) replicas: Vec<Endpoint>,
    pub(crate) read_from: ReadFrom,
    /// Whether writes may go to a replica if the primary fails.
    pub(crate) fail_over_writes: bool,
    pub(crate) breaker: Option<CircuitBreaker>,
}

/// The endpoints of a client, the primary first.
#[derive(Debug)]
pub(crate) struct Endpoints {
    nodes: Vec<Node>,
    read_from: ReadFrom,
    fails_over_writes: bool,
    /// Whether an open breaker refuses calls. Otherwise endpoints with an open breaker are only skipped.
    refuses_calls: bool,
    /// The counter for [`ReadFrom::RoundRobin`].
    next: AtomicUsize,
}

#[derive(Debug)]
struct Node {
    endpoint: Endpoint,
    breaker: Option<Breaker>,
    attempts: AtomicU64,
    failures: AtomicU64,
}

/// The endpoint of an attempt.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    node: &'a Node,
    index: usize,
    admission: Option<Admission<'a>>,
}

/// The state of an endpoint, as an attempt shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Up,
    Down,
    /// The caller's deadline passed before the endpoint could respond.
    Unknown,
}

impl<'a> Choice<'a> {
    pub(crate) fn endpoint(&self) -> &'a Endpoint {
        &self.node.endpoint
    }

    /// Reports the result of the attempt.
    pub(crate) fn report(self, health: Health) {
        let node = self.node;
        node.attempts.fetch_add(1, Ordering::Relaxed);
        if health == Health::Down {
            node.failures.fetch_add(1, Ordering::Relaxed);
        }
        if let (Some(admission), true) = (self.admission, health != Health::Unknown) {
            admission.report(health == Health::Down, Instant::now());
        }
    }
}

/// The endpoints that failed since the last wait of a call, as a set of bits. They are not chosen before the
/// next wait.
#[derive(Debug, Default)]
pub(crate) struct Failed(u64);

impl Failed {
    pub(crate) fn add(&mut self, choice: &Choice<'_>) {
        self.0 |= 1 << choice.index;
    }
}

impl Endpoints {
    /// The maximum number of endpoints.
    pub(crate) const MAX: usize = u64::BITS as usize;

    /// Returns the primary and its replicas. There must be at most [`MAX`](Endpoints::MAX) in all.
    pub(crate) fn new(primary: Endpoint, options: EndpointOptions) -> Endpoints {
        let EndpointOptions {
            replicas,
            read_from,
            fail_over_writes,
            breaker,
        } = options;
        let skip = (!replicas.is_empty()).then_some(SKIP_FAILED);
        let node = |endpoint: Endpoint| Node {
            breaker: match breaker {
                Some(settings) => {
                    let reported = metrics::Breaker::new(endpoint.as_str());
                    Some(Breaker::refusing(settings, reported))
                }
                None => skip.map(Breaker::skipping),
            },
            endpoint,
            attempts: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        };
        Endpoints {
            nodes: [primary].into_iter().chain(replicas).map(node).collect(),
            read_from,
            fails_over_writes: fail_over_writes,
            refuses_calls: breaker.is_some(),
            next: AtomicUsize::new(0),
        }
    }

    /// Returns the endpoint for writes.
    pub(crate) fn primary(&self) -> &Endpoint {
        &self.nodes[0].endpoint
    }

    /// Returns the state and the counts of each endpoint.
    pub(crate) fn metrics(&self) -> Vec<EndpointMetrics> {
        let metrics = |node: &Node| EndpointMetrics {
            url: node.endpoint.as_str().to_owned(),
            attempts: node.attempts.load(Ordering::Relaxed),
            failures: node.failures.load(Ordering::Relaxed),
            breaker: node.breaker.as_ref().map(Breaker::shown),
        };
        self.nodes.iter().map(metrics).collect()
    }

    /// Returns all endpoints, the primary first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Endpoint> {
        self.nodes.iter().map(|node| &node.endpoint)
    }

    /// Returns how long the breakers will refuse all endpoints.
    pub(crate) fn refused_for(&self, is_for_any: bool) -> Duration {
        if !self.refuses_calls {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let left = |node: &Node| {
            let breaker = node.breaker.as_ref();
            breaker.map_or(Duration::ZERO, |breaker| breaker.refuses_for(now))
        };
        let nodes = self.nodes[..self.count(is_for_any)].iter();
        nodes.map(left).min().unwrap_or_default()
    }

    /// Returns the number of endpoints that may get the request.
    fn count(&self, is_for_any: bool) -> usize {
        if is_for_any || self.fails_over_writes {
            self.nodes.len()
        } else {
            1
        }
    }

    /// Returns the index of the endpoint that a new call tries first.
    pub(crate) fn first(&self, is_for_any: bool) -> usize {
        match self.read_from {
            ReadFrom::RoundRobin if is_for_any => {
                self.next.fetch_add(1, Ordering::Relaxed) % self.nodes.len()
            }
            _ => 0,
        }
    }

    /// Returns the next healthy endpoint from `first` on that has not failed in this call. If there is none
    /// and breakers do not refuse calls, returns one that has not failed.
    ///
    /// # Errors
    /// The wait until a breaker lets a call through. `None` if all endpoints have failed in this call.
    pub(crate) fn choose(
        &self,
        is_for_any: bool,
        first: usize,
        failed: &Failed,
    ) -> Result<Choice<'_>, Option<Duration>> {
        let count = self.count(is_for_any);
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
        match candidates().next() {
            Some((index, node)) if !self.refuses_calls => {
                let forced = node.breaker.as_ref().map(Breaker::force);
                Ok(choice((index, node), forced))
            }
            _ => Err(shortest),
        }
    }
}
