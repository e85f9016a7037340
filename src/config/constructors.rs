//! The constructors of [`Client`].

use super::builder::ClientBuilder;
use crate::client::Client;
use crate::error::Result;

impl Client {
    /// Returns a client of the server at `host`: a URL, `host:port`, or a host name with Chroma's port 8000.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) if `host` is not an address.
    pub fn new(host: impl Into<String>) -> Result<Client> {
        Client::builder().host(host).build()
    }

    /// Returns a client with the settings in environment variables; see [`ClientBuilder::from_env`].
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) if the value of a variable is not valid.
    pub fn from_env() -> Result<Client> {
        ClientBuilder::from_env()?.build()
    }

    /// Returns a client of Chroma Cloud. It looks up the tenant that the key belongs to, and the tenant's
    /// database if there is exactly one.
    ///
    /// # Errors
    /// - [`Error::Unauthorized`](crate::Error::Unauthorized) if the key is wrong.
    /// - [`InvalidInput::Setting`](crate::InvalidInput::Setting) if there are several databases. The error
    ///   lists them; choose one with [`ClientBuilder::database`].
    pub fn cloud(api_key: impl Into<String>) -> Result<Client> {
        Client::builder().cloud().api_key(api_key).build()
    }

    /// Returns a client of Chroma Cloud with the key in `CHROMA_API_KEY` and the other settings in
    /// environment variables; see [`ClientBuilder::from_env`]. Without `CHROMA_TENANT` or `CHROMA_DATABASE`,
    /// it looks them up like [`Client::cloud`].
    ///
    /// # Errors
    /// Those of [`Client::cloud`], and [`Error::Invalid`](crate::Error::Invalid) if `CHROMA_API_KEY` is not
    /// set.
    pub fn cloud_from_env() -> Result<Client> {
        ClientBuilder::from_env()?.cloud().build()
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }
}
