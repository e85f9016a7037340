//! Tenants and databases: what collections are in.

use serde::Deserialize;
use serde_json::json;

use super::lists::ListDatabases;
use super::reconcile::{self, Outcome};
use super::{Client, operations as op};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::name;
use crate::transport::Operation;
use crate::wire::read;

/// A tenant: the owner of databases.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Tenant {
    /// The name.
    pub name: String,
    /// The name in Chroma Resource Names (see [`Client::collection_by_crn`]), if it has one.
    #[serde(default)]
    pub resource_name: Option<String>,
}

/// A database of a tenant: a place for collections.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Database {
    /// The id that the server gave it, a UUID.
    pub id: String,
    /// The name.
    pub name: String,
    /// The tenant's name.
    pub tenant: String,
}

impl Client {
    /// Makes a tenant. A name has 3 characters or more.
    ///
    /// When the answer is lost, it asks whether the tenant is there: without databases it counts as made by this call.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when there is one of this name.
    pub fn create_tenant(&self, name: &str) -> Result<()> {
        let operation = &op::CREATE_TENANT;
        check_tenant(operation, name)?;
        let body = json!({ "name": name }).to_string();
        let client = self.begin();
        let ask = |client: &Client| {
            client.get_tenant(name)?;
            let databases = client.with_tenant(name).list_databases().limit(1).run()?;
            Ok(reconcile::if_new(databases.is_empty(), operation, name))
        };
        client.reconcile(
            || {
                client
                    .request(operation)
                    .subject(name)
                    .body(body.as_bytes())
                    .send(read::done)
            },
            |client| reconcile::created(ask(client)),
        )
    }

    /// A tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of this name.
    pub fn get_tenant(&self, name: &str) -> Result<Tenant> {
        let operation = &op::GET_TENANT;
        check_tenant(operation, name)?;
        self.request(operation).tenant(name).send(read::json)
    }

    /// Gives a tenant the name that it has in Chroma Resource Names. It can be given once.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such tenant; [`Error::Unsupported`] on single-node servers, which have no
    /// such names: the newer ones say yes and store nothing, so the tenant is read again to see.
    pub fn update_tenant(&self, name: &str, resource_name: &str) -> Result<()> {
        let operation = &op::UPDATE_TENANT;
        check_tenant(operation, name)?;
        let body = json!({ "resource_name": resource_name }).to_string();
        let client = self.begin();
        client.reconcile(
            || {
                client
                    .request(operation)
                    .tenant(name)
                    .body(body.as_bytes())
                    .send(read::done)
            },
            |client| match client.get_tenant(name)?.resource_name {
                None => Ok(Outcome::NotDone),
                Some(stored) if stored == resource_name => Ok(Outcome::Done(())),
                Some(_) => Ok(Outcome::Unknown),
            },
        )?;
        match client.at_primary().get_tenant(name)?.resource_name {
            Some(stored) if stored == resource_name => Ok(()),
            stored => Err(Error::Unsupported {
                call: Box::new(Call::new(operation.name, Some(name))),
                message: format!("it said yes, but the resource name is {stored:?}"),
            }),
        }
    }

    /// Makes a database in this client's tenant. A name has 3 to 512 characters of a-z, A-Z, 0-9, '.', '_' and '-',
    /// and starts and ends with a letter or a digit.
    ///
    /// When the answer is lost, it asks whether the database is there: without collections it counts as made by this call.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when there is one of this name.
    pub fn create_database(&self, name: &str) -> Result<()> {
        let operation = &op::CREATE_DATABASE;
        name::check("database", name).map_err(|reason| invalid(operation, name, reason))?;
        let body = json!({ "name": name }).to_string();
        let client = self.begin();
        let ask = |client: &Client| {
            client.get_database(name)?;
            let collections = client.with_database(name).count_collections()?;
            Ok(reconcile::if_new(collections == 0, operation, name))
        };
        client.reconcile(
            || {
                client
                    .request(operation)
                    .subject(name)
                    .body(body.as_bytes())
                    .send(read::done)
            },
            |client| reconcile::created(ask(client)),
        )
    }

    /// A database of this client's tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of this name.
    pub fn get_database(&self, name: &str) -> Result<Database> {
        let operation = &op::GET_DATABASE;
        check_database(operation, name)?;
        self.request(operation).database(name).send(read::json)
    }

    /// The databases of this client's tenant: all of them, or a page.
    ///
    /// ```no_run
    /// # let client = chroma_blocking::Client::from_env()?;
    /// for database in client.list_databases().run()? {
    ///     println!("{}", database.name);
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn list_databases(&self) -> ListDatabases {
        ListDatabases::new(self.clone())
    }

    /// Deletes a database of this client's tenant, with all of its collections. When the answer is lost, it asks whether the
    /// database is gone.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of this name.
    pub fn delete_database(&self, name: &str) -> Result<()> {
        let operation = &op::DELETE_DATABASE;
        check_database(operation, name)?;
        let client = self.begin();
        client.reconcile(
            || client.request(operation).database(name).send(read::done),
            |client| reconcile::deleted(client.get_database(name)),
        )
    }
}

fn check_tenant(operation: &Operation, name: &str) -> Result<()> {
    name::check_tenant(name).map_err(|reason| invalid(operation, name, reason))
}

/// Checks the name of an existing database, which may be one that newer servers refuse for a new database.
fn check_database(operation: &Operation, name: &str) -> Result<()> {
    name::check_in_path("database", name).map_err(|reason| invalid(operation, name, reason))
}

fn invalid(operation: &Operation, subject: &str, reason: InvalidInput) -> Error {
    Call::new(operation.name, Some(subject)).invalid(reason)
}
