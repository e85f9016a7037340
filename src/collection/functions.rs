//! Attached functions: the server runs them over a collection's new records. Distributed servers and Chroma
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

/// A function attached to a collection; see [`Collection::get_attached_function`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct AttachedFunction {
    /// The id, a UUID that the server chose.
    pub id: String,
    /// The function's name on this collection.
    pub name: String,
    /// The server's name for the function: `record_counter`, `statistics` …
    pub function_name: String,
    /// The id of the collection whose records the function reads.
    pub input_collection_id: String,
    /// The name of the collection that the function writes to.
    #[serde(rename = "output_collection")]
    pub output_collection_name: String,
    /// The id of that collection; `None` until the server has created it.
    #[serde(default)]
    pub output_collection_id: Option<String>,
    /// The function's parameters, as JSON text.
    #[serde(default)]
    pub params: Option<String>,
    /// The function's position in the collection's log: the number of entries that it has read.
    #[serde(default)]
    pub completion_offset: u64,
    /// The number of new records after which the function runs.
    #[serde(default)]
    pub min_records_for_invocation: u64,
}

/// The result of [`AttachFunction::run`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attached {
    /// The id of the attached function, a UUID that the server chose.
    pub id: String,
    /// The function's name on this collection.
    pub name: String,
    /// The server's name for the function.
    pub function_name: String,
    /// Whether this call attached the function; `false` if it was already attached. Also `true` if the
    /// response was lost and the function is attached now.
    pub created: bool,
}

impl Collection {
    /// Attaches the server's function `function_id` under the given name. The function reads this
    /// collection's records, and writes to the collection `output_collection`, which the server creates.
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

    /// Returns the attached function of this name.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if no function of this name is attached;
    /// [`Error::Unsupported`](crate::Error::Unsupported) on some single-node servers.
    pub fn get_attached_function(&self, name: &str) -> Result<AttachedFunction> {
        let operation = &op::GET_ATTACHED_FUNCTION;
        self.check_function(operation, name)?;
        self.request(operation).function(name).send(described)
    }

    /// Lets an asynchronous function that is attached to this collection also read the records of another
    /// collection. Adding the same collection again changes nothing. Needs a server newer than 1.5.9.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if no function of this name is attached;
    /// [`Error::Server`](crate::Error::Server) if the function is not asynchronous;
    /// [`Error::Unsupported`](crate::Error::Unsupported) on servers up to 1.5.9.
    pub fn add_function_input(&self, name: &str, input: &Collection) -> Result<Attached> {
        let operation = &op::ADD_FUNCTION_INPUT;
        self.check_function(operation, name)?;
        let body = json!({ "input_collection_id": input.id() }).to_string();
        let request = self.request(operation).function(name);
        request.body(body.as_bytes()).send(attached)
    }

    /// Detaches the function of this name.
    pub fn detach_function(&self, name: impl Into<String>) -> DetachFunction {
        DetachFunction {
            collection: self.clone(),
            name: name.into(),
            delete_output: false,
        }
    }

    /// Refuses a name that no function can have.
    fn check_function(&self, operation: &Operation, function: &str) -> Result<()> {
        name::check_in_path("function", function)
            .map_err(|reason| self.unsent_call(operation).invalid(reason))
    }
}

/// Attaches a function; see [`Collection::attach_function`].
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
    /// Sets the function's parameters, a JSON object. Default: none.
    pub fn params(mut self, params: Value) -> AttachFunction {
        self.params = params;
        self
    }

    /// Attaches the function. If the response is lost, the call asks the server whether the function is
    /// attached.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a bad name and for parameters that are not a JSON
    /// object; [`Error::Unsupported`](crate::Error::Unsupported) on single-node servers.
    pub fn run(self) -> Result<Attached> {
        let operation = &op::ATTACH_FUNCTION;
        self.collection.check_function(operation, &self.name)?;
        let output = self.output_collection.as_str();
        name::check("collection", output)
            .map_err(|reason| Call::new(operation.name, Some(output)).invalid(reason))?;
        if !matches!(self.params, Value::Null | Value::Object(_)) {
            let value = self.params.to_string();
            let reason = InvalidInput::setting("params", value, "it must be a JSON object");
            return Err(self.collection.unsent_call(operation).invalid(reason));
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
        collection
            .client
            .reconcile(send, |client| reconcile::created(self.find(client)))
    }

    /// Looks for the function on the server.
    fn find(&self, client: &Client) -> Result<Outcome<Attached>> {
        let collection = self.collection.with_client(client);
        let found = collection.get_attached_function(&self.name)?;
        let is_same = found.function_name == self.function_id
            && found.output_collection_name == self.output_collection;
        Ok(if is_same {
            Outcome::Done(Attached {
                id: found.id,
                name: found.name,
                function_name: found.function_name,
                created: true,
            })
        } else {
            Outcome::Refused(reconcile::name_taken(&op::ATTACH_FUNCTION, &self.name))
        })
    }
}

/// Detaches a function; see [`Collection::detach_function`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct DetachFunction {
    collection: Collection,
    name: String,
    delete_output: bool,
}

impl DetachFunction {
    /// Sets whether the function's output collection is deleted as well. Default: `false`.
    pub fn delete_output(mut self, delete: bool) -> DetachFunction {
        self.delete_output = delete;
        self
    }

    /// Detaches the function. Returns whether the server detached it. If the response is lost, the call asks
    /// the server whether the function is still attached.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) on single-node servers;
    /// [`Error::NotFound`](crate::Error::NotFound) if no function of this name is attached.
    pub fn run(self) -> Result<bool> {
        let operation = &op::DETACH_FUNCTION;
        self.collection.check_function(operation, &self.name)?;
        let body = json!({ "delete_output": self.delete_output }).to_string();
        let collection = self.collection.begin();
        let send = || {
            let request = collection.request(operation).function(&self.name);
            request.body(body.as_bytes()).send(detached)
        };
        let find = |client: &Client| {
            let collection = self.collection.with_client(client);
            let outcome = reconcile::deleted(collection.get_attached_function(&self.name))?;
            Ok(outcome.map(|()| true))
        };
        collection.client.reconcile(send, find)
    }
}

/// Reads the response to `get_attached_function`.
pub(super) fn described(answer: &[u8]) -> Result<AttachedFunction, String> {
    #[derive(Deserialize)]
    struct Answer {
        attached_function: AttachedFunction,
    }
    read::json(answer).map(|Answer { attached_function }| attached_function)
}

/// Reads the response to `attach_function`.
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

/// Reads the response to `detach_function`.
pub(super) fn detached(answer: &[u8]) -> Result<bool, String> {
    #[derive(Deserialize)]
    struct Answer {
        success: bool,
    }
    read::json(answer).map(|Answer { success }| success)
}
