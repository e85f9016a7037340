//! Attached functions: what a server runs over a collection's records as they come. Distributed servers and Chroma
//! Cloud have them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Collection;
use crate::client::reconcile::{self, Outcome};
use crate::client::{Client, operations as op};
use crate::error::{Call, InvalidInput, Result};
use crate::model::name;
use crate::transport::Operation;
use crate::wire::read;

/// A function attached to a collection, as [`Collection::get_attached_function`] describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct AttachedFunction {
    /// The id that the server gave it, a UUID.
    pub id: String,
    /// Its name on this collection.
    pub name: String,
    /// Which function it is: `record_counter`, `statistics` …
    pub function_name: String,
    /// The collection whose records it reads.
    pub input_collection_id: String,
    /// The name of the collection that it writes to.
    #[serde(rename = "output_collection")]
    pub output_collection_name: String,
    /// The id of that collection, once it is there.
    #[serde(default)]
    pub output_collection_id: Option<String>,
    /// Its parameters: JSON, as a text.
    #[serde(default)]
    pub params: Option<String>,
    /// How much of the collection's log it has read.
    #[serde(default)]
    pub completion_offset: u64,
    /// How many new records make it run.
    #[serde(default)]
    pub min_records_for_invocation: u64,
}

/// What [`AttachFunction::run`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attached {
    /// The id that the server gave the attached function, a UUID.
    pub id: String,
    /// Its name on this collection.
    pub name: String,
    /// Which function it is.
    pub function_name: String,
    /// Whether it is new; `false` where it was attached already. Where the answer was lost and it is there, `true`.
    pub created: bool,
}

impl Collection {
    /// Attaches the server's function `function_id` under a name of yours: it reads this collection's records, and
    /// writes to the collection `output_collection`, which the server makes.
    pub fn attach_function(
        &self,
        name: impl Into<String>,
        function_id: impl Into<String>,
        output_collection: impl Into<String>,
    ) -> AttachFunction {
        AttachFunction {
            collection: self.clone(),
            name: name.into(),
            function_id: function_id.into(),
            output_collection: output_collection.into(),
            params: Value::Null,
        }
    }

    /// An attached function, by its name on this collection.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) when none of this name is attached;
    /// [`Error::Unsupported`](crate::Error::Unsupported) on some single-node servers.
    pub fn get_attached_function(&self, name: &str) -> Result<AttachedFunction> {
        let operation = &op::GET_ATTACHED_FUNCTION;
        self.check_function(operation, name)?;
        self.request(operation).function(name).send(described)
    }

    /// Detaches a function, by its name on this collection.
    pub fn detach_function(&self, name: impl Into<String>) -> DetachFunction {
        DetachFunction {
            collection: self.clone(),
            name: name.into(),
            delete_output: false,
        }
    }

    fn check_function(&self, operation: &Operation, function: &str) -> Result<()> {
        name::check_in_path("function", function)
            .map_err(|reason| self.unsent_call(operation).invalid(reason))
    }
}

/// A function to be attached; see [`Collection::attach_function`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct AttachFunction {
    collection: Collection,
    name: String,
    function_id: String,
    output_collection: String,
    params: Value,
}

impl AttachFunction {
    /// The function's parameters, a JSON object. Default: none.
    pub fn params(mut self, params: Value) -> AttachFunction {
        self.params = params;
        self
    }

    /// Attaches it. When the answer is lost, it asks whether it is attached.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) on single-node servers.
    pub fn run(self) -> Result<Attached> {
        let operation = &op::ATTACH_FUNCTION;
        self.collection.check_function(operation, &self.name)?;
        let output = self.output_collection.as_str();
        name::check("collection", output)
            .map_err(|reason| Call::new(operation.name, Some(output)).invalid(reason))?;
        if !matches!(self.params, Value::Null | Value::Object(_)) {
            return Err(self
                .collection
                .unsent_call(operation)
                .invalid(InvalidInput::Setting {
                    name: "params",
                    value: self.params.to_string(),
                    why: "it must be a JSON object".to_owned(),
                }));
        }
        let body = json!({
            "name": self.name,
            "function_id": self.function_id,
            "output_collection": output,
            "params": self.params,
        })
        .to_string();
        let collection = self.collection.begin();
        let send = || {
            collection
                .request(operation)
                .body(body.as_bytes())
                .send(attached)
        };
        let ask = |client: &Client| {
            let there = self
                .collection
                .on(client)
                .get_attached_function(&self.name)?;
            let same = there.function_name == self.function_id
                && there.output_collection_name == self.output_collection;
            Ok(match same {
                true => Outcome::Done(Attached {
                    id: there.id,
                    name: there.name,
                    function_name: there.function_name,
                    created: true,
                }),
                false => Outcome::Refused(reconcile::name_taken(operation, &self.name)),
            })
        };
        collection
            .client
            .reconcile(send, |client| reconcile::created(ask(client)))
    }
}

/// A function to be detached; see [`Collection::detach_function`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct DetachFunction {
    collection: Collection,
    name: String,
    delete_output: bool,
}

impl DetachFunction {
    /// Deletes the collection that it wrote to as well. Default: no.
    pub fn delete_output(mut self, delete: bool) -> DetachFunction {
        self.delete_output = delete;
        self
    }

    /// Detaches it; whether the server did. When the answer is lost, it asks whether it is gone.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) on single-node servers;
    /// [`Error::NotFound`](crate::Error::NotFound) when none of this name is attached.
    pub fn run(self) -> Result<bool> {
        let operation = &op::DETACH_FUNCTION;
        self.collection.check_function(operation, &self.name)?;
        let body = json!({ "delete_output": self.delete_output }).to_string();
        let collection = self.collection.begin();
        let send = || {
            let request = collection.request(operation).function(&self.name);
            request.body(body.as_bytes()).send(detached)
        };
        let ask = |client: &Client| {
            let collection = self.collection.on(client);
            let seen = reconcile::deleted(collection.get_attached_function(&self.name))?;
            Ok(seen.map(|()| true))
        };
        collection.client.reconcile(send, ask)
    }
}

/// Reads the answer to `get_attached_function`.
pub(super) fn described(answer: &[u8]) -> Result<AttachedFunction, String> {
    #[derive(Deserialize)]
    struct Answer {
        attached_function: AttachedFunction,
    }
    read::json(answer).map(|Answer { attached_function }| attached_function)
}

/// Reads the answer to `attach_function`.
pub(super) fn attached(answer: &[u8]) -> Result<Attached, String> {
    #[derive(Deserialize)]
    struct Answer {
        attached_function: Info,
        created: bool,
    }
    #[derive(Deserialize)]
    struct Info {
        id: String,
        name: String,
        function_name: String,
    }
    let Answer {
        attached_function,
        created,
    } = read::json(answer)?;
    let Info {
        id,
        name,
        function_name,
    } = attached_function;
    Ok(Attached {
        id,
        name,
        function_name,
        created,
    })
}

/// Reads the answer to `detach_function`.
pub(super) fn detached(answer: &[u8]) -> Result<bool, String> {
    #[derive(Deserialize)]
    struct Answer {
        success: bool,
    }
    read::json(answer).map(|Answer { success }| success)
}
