//! [`CountingConnector`]: counts connections, how many are open, and how often they serve.

use std::sync::Arc;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use crate::metrics::PoolCounters;

/// The last connector of a chain: what it is given is a connection that requests go over, through proxies and TLS.
#[derive(Debug)]
pub(super) struct CountingConnector(pub(super) Arc<PoolCounters>);

impl<In: Transport> Connector<In> for CountingConnector {
    type Out = Counted<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|connection| {
            self.0.opened();
            Counted {
                connection,
                counters: self.0.clone(),
                busy: false,
                served: false,
            }
        }))
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub(super) struct Counted<T> {
    connection: T,
    counters: Arc<PoolCounters>,
    /// Whether a request is on it.
    busy: bool,
    /// Whether there was one before.
    served: bool,
}

impl<T: Transport> Transport for Counted<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.connection.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if !self.busy {
            self.busy = true;
            self.counters.busy();
            if self.served {
                self.counters.reused();
            }
            self.served = true;
        }
        self.connection.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.connection.await_input(timeout)
    }

    /// `ureq` asks when the answer is read to its end, to see whether it keeps the connection.
    fn is_open(&mut self) -> bool {
        if self.busy {
            self.busy = false;
            self.counters.idle();
        }
        self.connection.is_open()
    }

    fn is_tls(&self) -> bool {
        self.connection.is_tls()
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        if self.busy {
            self.counters.idle();
        }
        self.counters.closed();
    }
}
