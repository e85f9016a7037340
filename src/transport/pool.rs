//! [`CountingConnector`]: counts connections and their uses, for metrics.

use std::sync::Arc;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use crate::metrics::PoolCounters;

/// The last connector of a chain. It gets connections that are ready for requests, through proxies and TLS.
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

/// A counted connection.
#[derive(Debug)]
pub(super) struct Counted<T> {
    connection: T,
    counters: Arc<PoolCounters>,
    /// Whether a request is under way.
    busy: bool,
    /// Whether there was a request before.
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

    /// `ureq` calls this after it has read the whole response, to decide whether to keep the connection.
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
