//! [`CallOptions`]: the retry policy, deadline and cancel flag of one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::retry::RetryPolicy;

/// How often a wait looks at the cancel flag.
const CANCEL_POLL: Duration = Duration::from_millis(20);

/// How a call is made: its retry policy, its deadline, its cancel flag, and which server its reads go to.
#[derive(Debug, Clone)]
pub(crate) struct CallOptions {
    policy: RetryPolicy,
    deadline: Option<Instant>,
    reads_from_primary: bool,
    cancel: Option<Arc<AtomicBool>>,
    max_response_size: Option<u64>,
}

impl From<RetryPolicy> for CallOptions {
    fn from(policy: RetryPolicy) -> CallOptions {
        CallOptions {
            policy,
            deadline: None,
            reads_from_primary: false,
            cancel: None,
            max_response_size: None,
        }
    }
}

impl CallOptions {
    /// Returns options for a single attempt that ends at `deadline`.
    #[cfg(feature = "gemini")]
    pub(crate) fn single_attempt(deadline: Option<Instant>) -> CallOptions {
        CallOptions {
            deadline,
            ..CallOptions::from(RetryPolicy::none())
        }
    }

    /// Returns the options of calls with another retry policy. The cancel flag stays.
    pub(crate) fn with_policy(self, policy: RetryPolicy) -> CallOptions {
        CallOptions {
            cancel: self.cancel,
            ..CallOptions::from(policy)
        }
    }

    /// Starts the clock of the policy's deadline. Does nothing if the call has already begun.
    pub(crate) fn begin(mut self) -> CallOptions {
        if self.deadline.is_none() {
            // `None` if the deadline is too far away for the clock.
            self.deadline = self
                .policy
                .deadline
                .and_then(|time| Instant::now().checked_add(time));
        }
        self
    }

    /// Ends the call after this time, from now on, unless its deadline is earlier. A time that the clock cannot
    /// represent is ignored.
    #[cfg(feature = "hybrid")]
    pub(crate) fn within(mut self, time: Duration) -> CallOptions {
        let end = Instant::now().checked_add(time);
        self.deadline = [self.deadline, end].into_iter().flatten().min();
        self
    }

    /// Turns retries off. The deadline stays.
    pub(crate) fn without_retries(mut self) -> CallOptions {
        self.policy = RetryPolicy::none();
        self
    }

    /// Sends reads to the primary, so that they see what was written.
    pub(crate) fn reading_from_primary(mut self) -> CallOptions {
        self.reads_from_primary = true;
        self
    }

    /// Sets the flag that cancels the call. The transport checks it before each attempt and while it waits.
    pub(crate) fn with_cancel(mut self, flag: Arc<AtomicBool>) -> CallOptions {
        self.cancel = Some(flag);
        self
    }

    /// Sets the maximum size of a response with rows, in bytes. The client's own maximum applies as well.
    #[cfg(feature = "gemini")]
    pub(crate) fn with_max_response_size(mut self, bytes: u64) -> CallOptions {
        self.max_response_size = Some(bytes);
        self
    }

    /// Returns the maximum size of a response with rows, in bytes, if the call has one.
    pub(super) fn max_response_size(&self) -> Option<u64> {
        self.max_response_size
    }

    /// Returns the retry policy.
    pub(crate) fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Whether reads go to the primary, like writes.
    pub(super) fn reads_from_primary(&self) -> bool {
        self.reads_from_primary
    }

    /// Returns the time left until the deadline; `None` without a deadline.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether the deadline has passed.
    pub(super) fn is_out_of_time(&self) -> bool {
        self.time_left().is_some_and(|left| left.is_zero())
    }

    /// Whether a wait ends before the deadline.
    pub(crate) fn has_time_for(&self, wait: Duration) -> bool {
        self.time_left().is_none_or(|left| wait < left)
    }

    /// Returns the flag that cancels the call, if there is one.
    pub(crate) fn cancel_flag(&self) -> Option<&AtomicBool> {
        self.cancel.as_deref()
    }

    /// Whether the caller has cancelled the call.
    pub(crate) fn is_cancelled(&self) -> bool {
        let flag = self.cancel_flag();
        flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Sleeps for `wait`, or until the caller cancels the call.
    pub(crate) fn sleep(&self, wait: Duration) {
        if self.cancel.is_none() {
            thread::sleep(wait);
            return;
        }
        let started = Instant::now();
        while !self.is_cancelled() {
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(CANCEL_POLL));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::mpsc;

    use ureq::http::Method;

    use super::*;
    use crate::error::Error;
    use crate::transport::dialect::tests::Plain;
    use crate::transport::{
        ConnectOptions, Endpoint, EndpointOptions, Endpoints, HttpRequest, Kind, Operation,
        Transport,
    };

    const SECOND: Duration = Duration::from_secs(1);
    const UPSERT: Operation = Operation {
        name: "upsert",
        method: Method::POST,
        path: "/",
        kind: Kind::Idempotent,
    };

    #[test]
    fn the_deadline_starts_once() {
        let options = CallOptions::from(RetryPolicy::default().deadline(SECOND)).begin();
        assert!(options.time_left().unwrap() <= SECOND);
        assert!(!options.has_time_for(SECOND) && options.has_time_for(Duration::ZERO));
        assert_eq!(options.clone().begin().deadline, options.deadline);
        assert_eq!(options.clone().without_retries().deadline, options.deadline);
        let unbounded = CallOptions::from(RetryPolicy::default()).begin();
        assert_eq!(unbounded.time_left(), None);
        assert!(unbounded.has_time_for(Duration::MAX));
    }

    #[test]
    fn a_deadline_beyond_the_clock_is_none() {
        let endless = RetryPolicy::default().deadline(Duration::MAX);
        assert_eq!(CallOptions::from(endless).begin().time_left(), None);
    }

    #[test]
    fn a_cancelled_sleep_ends_at_once() {
        let flag = Arc::new(AtomicBool::new(false));
        let options = CallOptions::from(RetryPolicy::default()).with_cancel(flag.clone());
        options.sleep(Duration::from_millis(1));
        assert!(!options.is_cancelled());
        flag.store(true, Ordering::Relaxed);
        assert!(options.is_cancelled());
        options.sleep(Duration::MAX);
    }

    fn transport(address: &str) -> Transport {
        let endpoint = Endpoint::parse("host", address, 8000).unwrap();
        let endpoints = Endpoints::new(endpoint, EndpointOptions::default());
        Transport::new(endpoints, ConnectOptions::default(), &Plain)
    }

    fn upsert(transport: &Transport, options: CallOptions) -> Error {
        let request = HttpRequest {
            operation: &UPSERT,
            subject: None,
            namespace: None,
            path: "/",
            body: None,
        };
        transport.send(options, request, |_| Ok(())).unwrap_err()
    }

    #[test]
    fn a_cancelled_call_sends_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let transport = transport(&listener.local_addr().unwrap().to_string());
        let flag = Arc::new(AtomicBool::new(true));
        let error = upsert(
            &transport,
            CallOptions::from(RetryPolicy::default()).with_cancel(flag),
        );
        let Error::Cancelled { call } = error else {
            panic!("{error}");
        };
        assert_eq!((call.attempts, call.may_have_acted), (0, false));
    }

    #[test]
    fn the_flag_ends_a_wait_between_attempts() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let transport = transport(&listener.local_addr().unwrap().to_string());
        let (answered, was_answered) = mpsc::channel();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while !lines.next().unwrap().unwrap().is_empty() {}
            let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).unwrap();
            answered.send(()).unwrap();
        });
        let flag = Arc::new(AtomicBool::new(false));
        let raise = flag.clone();
        let caller = thread::spawn(move || {
            was_answered.recv().unwrap();
            raise.store(true, Ordering::Relaxed);
        });
        let minute = RetryPolicy::default().base_delay(Duration::from_secs(60));
        let started = Instant::now();
        let error = upsert(&transport, CallOptions::from(minute).with_cancel(flag));
        assert!(started.elapsed() < 10 * SECOND, "{:?}", started.elapsed());
        let Error::Cancelled { call } = error else {
            panic!("{error}");
        };
        assert_eq!((call.attempts, call.may_have_acted), (1, true));
        assert!(call.elapsed <= started.elapsed() && !call.url.is_empty());
        server.join().unwrap();
        caller.join().unwrap();
    }
}
