//! The calls whose responses are measured.

use std::any::Any;

use chroma_blocking::{Client, Error, Include, Key, Search};

/// The call that reads a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Get,
    Query,
    Search,
    List,
    Open,
    Identity,
    OpenApi,
    Version,
    #[cfg(feature = "gemini")]
    Gemini,
}

/// A call that is ready. Its result holds what was read.
pub type Ready = Box<dyn FnOnce() -> Result<Box<dyn Any>, Error>>;

impl Call {
    /// Returns whether the response has rows, which may be long. Others have at most 16 MiB.
    pub fn reads_rows(self) -> bool {
        matches!(self, Call::Get | Call::Query | Call::Search)
    }

    /// Returns the end of the path of the request whose response is measured.
    pub fn path(self) -> &'static str {
        match self {
            Call::Get => "/get",
            Call::Query => "/query",
            Call::Search => "/search",
            Call::List => "/collections",
            Call::Open => "/collections/abc",
            Call::Identity => "/auth/identity",
            Call::OpenApi => "/openapi.json",
            Call::Version => "/version",
            #[cfg(feature = "gemini")]
            Call::Gemini => ":batchEmbedContents",
        }
    }

    /// Makes everything ready for the call, such as the collection.
    pub fn prepare(self, url: &str) -> Result<Ready, Error> {
        #[cfg(feature = "gemini")]
        if self == Call::Gemini {
            return gemini(url);
        }
        let client = Client::builder().host(url).build()?;
        match self {
            Call::Get | Call::Query | Call::Search | Call::OpenApi => self.of_collection(&client),
            _ => {
                let _ = client.heartbeat()?;
                Ok(match self {
                    Call::List => Box::new(move || boxed(client.list_collections().run())),
                    Call::Open => Box::new(move || boxed(client.collection("abc").get())),
                    Call::Identity => Box::new(move || boxed(client.identity())),
                    _ => Box::new(move || boxed(client.version())),
                })
            }
        }
    }

    fn of_collection(self, client: &Client) -> Result<Ready, Error> {
        // With metadata or URIs, the client asks for at most 30,000 records. A server may return more, and
        // columns that were not asked for.
        const COLUMNS: [Include; 2] = [Include::Documents, Include::Embeddings];

        let notes = client.collection("abc").get()?;
        Ok(match self {
            Call::Query => Box::new(move || {
                let query = notes.query([0.5, 0.5]).n_results(usize::MAX);
                boxed(query.include([Include::Embeddings]).run())
            }),
            Call::Search => {
                let search = Search::new().limit(u32::MAX as usize);
                Box::new(move || boxed(notes.search(search).run()))
            }
            Call::OpenApi => {
                let filter = Key::field("a").eq(1);
                Box::new(move || boxed(notes.delete().filter(filter).limit(1).run()))
            }
            _ => Box::new(move || boxed(notes.get().include(COLUMNS).run())),
        })
    }
}

#[cfg(feature = "gemini")]
fn gemini(url: &str) -> Result<Ready, Error> {
    let google = chroma_blocking::Gemini::builder()
        .api_key("key")
        .base_url(url)
        .dimension(768)
        .build()?;
    let texts = (0..100).map(|index| format!("a{index}"));
    Ok(Box::new(move || boxed(google.embed(texts).run())))
}

fn boxed<T: 'static, E>(result: Result<T, E>) -> Result<Box<dyn Any>, E> {
    result.map(|found| Box::new(found) as Box<dyn Any>)
}
