//! [`Agents`]: the HTTP client `ureq`, set up to pool connections.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::unversioned::transport::Connector;

use super::connect_options::{ConnectOptions, FOREVER};
use super::endpoints::Endpoints;
use super::pool::CountingConnector;
use super::proxied::ProxyConnector;
use super::tcp;
use crate::metrics::PoolCounters;

/// The maximum number of idle connections to keep.
const IDLE_CONNECTIONS: usize = 64;
/// How long to keep an idle connection.
const IDLE_AGE: Duration = Duration::from_secs(90);

/// The two ways to send a request.
#[derive(Debug)]
pub(super) struct Agents {
    /// Reuses connections.
    pub(super) pooled: Agent,
    /// Opens a connection for each request, so the server cannot have closed it while it was idle.
    pub(super) fresh: Agent,
}

impl Agents {
    pub(super) fn new(
        endpoints: &Endpoints,
        options: &ConnectOptions,
        pool: &Arc<PoolCounters>,
    ) -> Agents {
        let agent = |idle_connections| {
            let connector =
                ().chain(ProxyConnector::new(endpoints))
                    .chain(tcp::TcpConnector::default());
            #[cfg(feature = "tls")]
            let connector =
                connector.chain(ureq::unversioned::transport::RustlsConnector::default());
            let connector = connector.chain(CountingConnector(pool.clone()));
            let config = config(options, idle_connections);
            Agent::with_parts(config, connector, tcp::NoLookup)
        };
        Agents {
            pooled: agent(IDLE_CONNECTIONS),
            fresh: agent(0),
        }
    }
}

fn config(options: &ConnectOptions, idle_connections: usize) -> ureq::config::Config {
    let timeouts = options.timeouts;
    let config = Agent::config_builder()
        .user_agent(concat!("chroma-blocking/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        // A redirect would carry the key to another host, so it becomes an error that names the new address.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .no_delay(true)
        // `ProxyConnector` connects to proxies. Without this line, ureq would read the environment.
        .proxy(None)
        .max_idle_connections(idle_connections)
        .max_idle_connections_per_host(idle_connections)
        .max_idle_age(IDLE_AGE)
        .timeout_resolve(Some(timeouts.connect.min(FOREVER)))
        .timeout_connect(Some(timeouts.connect.min(FOREVER)))
        .timeout_per_read(timeouts.silence)
        .timeout_global(Some(timeouts.request.min(FOREVER)));
    #[cfg(feature = "tls")]
    let config = if options.root_certificates.is_empty() {
        config
    } else {
        let roots = ureq::tls::RootCerts::new_with_certs(&options.root_certificates);
        let tls = ureq::tls::TlsConfig::builder().root_certs(roots).build();
        config.tls_config(tls)
    };
    config.build()
}
