//! Requests about tenants and databases.

use serde_json::json;

use super::handle::Client;
use super::info::{Database, Tenant};
use super::lists::ListDatabases;
use super::operations as op;
use super::reconcile::{self, Outcome};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::name;
use crate::printable::short;
use crate::transport::Operation;
use crate::wire::read;

impl Client {
    /// Creates a tenant. The name must have at least 3 characters.
    ///
    /// If the response is lost, the client checks whether the tenant exists. A tenant without databases
    /// counts as created by this call.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if a tenant has this name.
    pub fn create_tenant(&self, name: &str) -> Result<()> {
        let operation = &op::CREATE_TENANT;
        check_tenant(operation, name)?;
        let body = json!({ "name": name }).to_string();
        let client = self.begin();
        let create = || {
            let request = client.request(operation).subject(name);
            request.body(body.as_bytes()).send(read::done)
        };
        let look_up = |client: &Client| {
            client.get_tenant(name)?;
            let databases = client.with_tenant(name).list_databases().limit(1).run()?;
            Ok(reconcile::if_new(databases.is_empty(), operation, name))
        };
        client.reconcile(create, |client| reconcile::created(look_up(client)))
    }

    /// Returns a tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no tenant has this name.
    pub fn get_tenant(&self, name: &str) -> Result<Tenant> {
        let operation = &op::GET_TENANT;
        check_tenant(operation, name)?;
        self.request(operation).tenant(name).send(read::json)
    }

    /// Sets the name that a tenant has in Chroma Resource Names. It can be set only once.
    ///
    /// # Errors
    /// - [`Error::NotFound`] if the tenant does not exist.
    /// - [`Error::Unsupported`] on single-node servers, which have no resource names. Newer ones accept the
    ///   request and store nothing, so the client reads the tenant afterwards to make sure.
    pub fn update_tenant(&self, name: &str, resource_name: &str) -> Result<()> {
        let operation = &op::UPDATE_TENANT;
        check_tenant(operation, name)?;
        let body = json!({ "resource_name": resource_name }).to_string();
        let client = self.begin();
        let update = || {
            let request = client.request(operation).tenant(name);
            request.body(body.as_bytes()).send(read::done)
        };
        let look_up = |client: &Client| match client.get_tenant(name)?.resource_name {
            None => Ok(Outcome::NotDone),
            Some(stored) if stored == resource_name => Ok(Outcome::Done(())),
            Some(_) => Ok(Outcome::Unknown),
        };
        client.reconcile(update, look_up)?;
        let stored = client.at_primary().get_tenant(name)?.resource_name;
        if stored.as_deref() == Some(resource_name) {
            return Ok(());
        }
        let stored = stored.map_or("none".to_owned(), |name| format!("{:?}", short(&name)));
        Err(Error::Unsupported {
            call: Box::new(Call::new(operation.name, Some(name))),
            message: format!(
                "the server accepted the resource name but did not store it; the tenant's resource name is {stored}"
            ),
        })
    }

    /// Creates a database in the client's tenant. The name has 3 to 512 characters of a-z, A-Z, 0-9, '.', '_'
    /// and '-', starts and ends with a letter or a digit, has no two periods in a row, and is not an IPv4
    /// address.
    ///
    /// If the response is lost, the client checks whether the database exists. A database without collections
    /// counts as created by this call.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if a database has this name.
    pub fn create_database(&self, name: &str) -> Result<()> {
        let operation = &op::CREATE_DATABASE;
        name::check("database", name).map_err(|reason| invalid(operation, name, reason))?;
        let body = json!({ "name": name }).to_string();
        let client = self.begin();
        let create = || {
            let request = client.request(operation).subject(name);
            request.body(body.as_bytes()).send(read::done)
        };
        let look_up = |client: &Client| {
            client.get_database(name)?;
            let collections = client.with_database(name).count_collections()?;
            Ok(reconcile::if_new(collections == 0, operation, name))
        };
        client.reconcile(create, |client| reconcile::created(look_up(client)))
    }

    /// Returns a database of the client's tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no database has this name.
    pub fn get_database(&self, name: &str) -> Result<Database> {
        let operation = &op::GET_DATABASE;
        check_database(operation, name)?;
        self.request(operation).database(name).send(read::json)
    }

    /// Lists the databases of the client's tenant: all of them, or a page.
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

    /// Deletes a database of the client's tenant and all of its collections. If the response is lost, the
    /// client checks whether the database still exists.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no database has this name.
    pub fn delete_database(&self, name: &str) -> Result<()> {
        let operation = &op::DELETE_DATABASE;
        check_database(operation, name)?;
        let client = self.begin();
        let delete = || client.request(operation).database(name).send(read::done);
        client.reconcile(delete, |client| {
            reconcile::deleted(client.get_database(name))
        })
    }
}

fn check_tenant(operation: &Operation, name: &str) -> Result<()> {
    name::check_tenant(name).map_err(|reason| invalid(operation, name, reason))
}

/// Checks the name of an existing database, which may be one that newer servers refuse for a new database.
fn check_database(operation: &Operation, name: &str) -> Result<()> {
    name::check_in_path("database", name).map_err(|reason| invalid(operation, name, reason))
}

fn invalid(operation: &Operation, name: &str, reason: InvalidInput) -> Error {
    Call::new(operation.name, Some(name)).invalid(reason)
}
