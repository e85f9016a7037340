//! [`Options`]: the options of all functions over HTTP.

use super::engine::CallSettings;
use crate::transport::Timeouts;

/// The options that the builders of all functions over HTTP can set.
#[derive(Clone, Default)]
pub(in crate::embed) struct Options {
    pub(in crate::embed) key: Option<String>,
    /// The first of these variables that is set holds the key. Empty: the provider's own.
    pub(in crate::embed) key_variables: Vec<String>,
    /// The key if none of the variables is set: that of a client of Chroma Cloud.
    pub(in crate::embed) fallback_key: Option<String>,
    pub(in crate::embed) base_url: Option<String>,
    /// `None`: the provider's limit.
    pub(in crate::embed) batch_size: Option<usize>,
    pub(in crate::embed) requests_per_minute: Option<u32>,
    pub(in crate::embed) tokens_per_minute: Option<u32>,
    pub(in crate::embed) timeouts: Timeouts,
    pub(in crate::embed) calls: CallSettings,
}

/// Writes the setters of [`Options`] for a builder that has them in its field `options`.
macro_rules! setters {
    ($Builder:ident) => {
        impl $Builder {
            /// Sets the API key. Default: the value of the first of the provider's variables that is set.
            ///
            /// A collection does not store the key, only the name of a variable. Another program that opens the
            /// collection reads its key from that variable.
            pub fn api_key(mut self, key: impl Into<String>) -> $Builder {
                self.options.key = Some(key.into());
                self
            }

            /// Sets the variable that holds the API key. A collection that is created with this function
            /// stores the name of the variable, never the key. Default: the first of the provider's variables
            /// that is set.
            ///
            /// If the variable is not one of the provider's own, a client that opens the collection without
            /// naming the function must allow it:
            /// [`ClientBuilder::allow_key_variable`](crate::ClientBuilder::allow_key_variable).
            pub fn api_key_env_var(mut self, variable: impl Into<String>) -> $Builder {
                self.options.key_variables = vec![variable.into()];
                self
            }

            /// Sets the maximum number of texts per request, at least 1. Default: the provider's limit.
            pub fn batch_size(mut self, texts: usize) -> $Builder {
                self.options.batch_size = Some(texts);
                self
            }

            /// Sets the maximum number of requests in flight, from 1 to 64. Default: 4.
            ///
            /// After the server has reported a rate limit (429) or an overload (503), fewer requests are in
            /// flight for a while. Clones share this limit and the limits per minute. The function has its
            /// own threads for sending. They start when a call first needs several requests.
            pub fn concurrency(mut self, requests: usize) -> $Builder {
                self.options.calls.concurrency = requests;
                self
            }

            /// Sets your quota of requests per minute, at least 1. For Gemini, every text counts as one
            /// request, as Google counts. Default: no limit.
            ///
            /// Requests are spread over the minute, so that no minute exceeds the quota. Other programs with
            /// the same key are not counted.
            pub fn requests_per_minute(mut self, requests: u32) -> $Builder {
                self.options.requests_per_minute = Some(requests);
                self
            }

            /// Sets your quota of tokens per minute, at least 1. Four bytes of text count as one token.
            /// Default: no limit.
            pub fn tokens_per_minute(mut self, tokens: u32) -> $Builder {
                self.options.tokens_per_minute = Some(tokens);
                self
            }

            /// Sets what happens to a call when one of its texts is refused. Default:
            /// [`RefusedTexts::Stop`](crate::embed::RefusedTexts::Stop).
            pub fn refused_texts(mut self, then: $crate::embed::RefusedTexts) -> $Builder {
                self.options.calls.refused_texts = then;
                self
            }

            /// Sets what happens to a text that is too long for the model. Default:
            /// [`LongTexts::Refuse`](crate::embed::LongTexts::Refuse).
            pub fn long_texts(mut self, then: $crate::embed::LongTexts) -> $Builder {
                self.options.calls.long_texts = then;
                self
            }

            /// Sets the longest time that a call may take, including all waits. If the [retry
            /// policy](Self::retry) has a deadline as well, the shorter one applies. Default: none.
            pub fn deadline(mut self, deadline: std::time::Duration) -> $Builder {
                self.options.calls.deadline = Some(deadline);
                self
            }

            /// Sets a flag that stops calls. While it is `true`, nothing more is sent. A call that has more
            /// to send waits for the requests in flight and ends with
            /// [`Error::Cancelled`](crate::Error::Cancelled). Default: none.
            pub fn cancel(
                mut self,
                flag: std::sync::Arc<std::sync::atomic::AtomicBool>,
            ) -> $Builder {
                self.options.calls.cancel = Some(flag);
                self
            }

            /// Sets a cache of vectors: in memory ([`MemoryCache`](crate::embed::MemoryCache)), on disk
            /// (`DiskCache`), or your own. Share one cache through an `Arc`. Default: none.
            ///
            /// Texts whose vectors are in the cache are not sent. New vectors are stored after each request,
            /// so a program that is killed loses only the requests in flight. The key has everything that a
            /// vector depends on. It is the same as that of [`Cached`](crate::embed::Cached).
            ///
            /// ```
            /// use chroma_blocking::Gemini;
            /// use chroma_blocking::embed::MemoryCache;
            ///
            /// let gemini = Gemini::builder()
            ///     .api_key("secret")
            ///     .cache(MemoryCache::new(64 << 20)) // 64 MiB
            ///     .build()?;
            /// # Ok::<(), chroma_blocking::Error>(())
            /// ```
            pub fn cache(
                mut self,
                cache: impl $crate::embed::EmbeddingCache + 'static,
            ) -> $Builder {
                self.options.calls.cache = Some(std::sync::Arc::new(cache));
                self
            }

            /// Sets the longest time to wait for a connection. Default: 30 s.
            pub fn connection_timeout(mut self, timeout: std::time::Duration) -> $Builder {
                self.options.timeouts.connect = timeout;
                self
            }

            /// Sets the longest time that one attempt of a request may take. Default: 60 s, or the timeout
            /// that a collection stores for Ollama.
            pub fn request_timeout(mut self, timeout: std::time::Duration) -> $Builder {
                self.options.timeouts.request = timeout;
                self
            }

            /// Sets when and how often a request is sent again. A rate limit (429) makes all requests wait,
            /// and counts as a retry only if no request has succeeded since the last one. Default:
            /// [`RetryPolicy::default`](crate::RetryPolicy::default).
            pub fn retry(mut self, policy: $crate::RetryPolicy) -> $Builder {
                self.options.calls.retry = policy;
                self
            }
        }
    };
}
pub(in crate::embed) use setters;
