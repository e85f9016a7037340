//! [`Accepted`]: the settings of a new collection that a server knows, by the types in its OpenAPI description.

use serde_json::{Map, Value};

/// The type of the request that creates a collection.
const REQUEST: &str = "CreateCollectionPayload";
/// Settings that servers read and do not describe, since they do not return them.
const WRITE_ONLY: [&str; 2] = ["num_threads", "batch_size"];
/// The maximum number of references from one type to the next. A description may refer to itself.
const MAX_REFERENCES: usize = 16;

/// The settings of a new collection that a server knows.
///
/// Servers refuse some of the fields that they do not know, and ignore the others without an error.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Accepted {
    /// The types that the request consists of, by name.
    types: Map<String, Value>,
    /// Whether the server returns the configuration of a collection. Chroma 1.0.0 does not.
    pub(crate) reports_configuration: bool,
}

impl Accepted {
    /// Reads the types of an OpenAPI description. `None` if it does not have the type of the request, so that
    /// nothing is known about the server.
    pub(super) fn of(schemas: &Value) -> Option<Accepted> {
        let mut types = Map::new();
        let mut missing = vec![REQUEST.to_owned()];
        while let Some(name) = missing.pop() {
            if !types.contains_key(&name) {
                let found = schemas.get(&name)?;
                references(found, &mut missing);
                types.insert(name, found.clone());
            }
        }
        let collection = &schemas["Collection"]["properties"];
        Some(Accepted {
            types,
            reports_configuration: collection.get("configuration_json").is_some()
                || collection.is_null(),
        })
    }

    /// Whether the server has schemas, as Chroma has since 1.3.
    pub(crate) fn has_schemas(&self) -> bool {
        self.types[REQUEST]["properties"].get("schema").is_some()
    }

    /// Removes the settings that the server does not know from the body of a request. Returns their paths,
    /// such as `schema.cmek`.
    pub(crate) fn fit(&self, body: &mut Value) -> Vec<String> {
        let mut fitting = Fitting {
            types: &self.types,
            path: Vec::new(),
            removed: Vec::new(),
        };
        fitting.fit(&self.types[REQUEST], body);
        fitting.removed
    }
}

/// Collects the names of the types that a type refers to.
fn references(schema: &Value, names: &mut Vec<String>) {
    names.extend(referenced(schema).map(str::to_owned));
    match schema {
        Value::Object(map) => map.values().for_each(|inner| references(inner, names)),
        Value::Array(all) => all.iter().for_each(|inner| references(inner, names)),
        _ => {}
    }
}

fn referenced(schema: &Value) -> Option<&str> {
    let reference = schema.get("$ref")?.as_str()?;
    reference.strip_prefix("#/components/schemas/")
}

/// The removal of fields from one body.
struct Fitting<'a> {
    types: &'a Map<String, Value>,
    path: Vec<String>,
    removed: Vec<String>,
}

impl<'a> Fitting<'a> {
    /// Removes what the type does not have. Returns whether the server accepts the rest.
    fn fit(&mut self, schema: &'a Value, value: &mut Value) -> bool {
        let mut schema = self.resolve(schema);
        if let Some(variants) = variants(schema) {
            let Some(variant) = self.variant(variants, value) else {
                return false;
            };
            schema = variant;
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
            return allowed.contains(value);
        }
        if let Value::Object(fields) = value {
            self.fit_fields(schema, fields);
        }
        true
    }

    fn fit_fields(&mut self, schema: &'a Value, fields: &mut Map<String, Value>) {
        let known = self.fields(schema);
        let others = schema.get("additionalProperties");
        // A type without any fields may be any object.
        if known.is_empty() && others.is_none() {
            return;
        }
        fields.retain(|name, field| {
            let of_field = known.iter().find(|(known, _)| *known == name);
            self.path.push(name.clone());
            let is_accepted = match (of_field, others) {
                (Some((_, schema)), _) => self.fit(schema, field),
                (None, Some(schema @ Value::Object(_))) => self.fit(schema, field),
                (None, Some(Value::Bool(true))) => true,
                _ => WRITE_ONLY.contains(&name.as_str()),
            };
            if !is_accepted && !field.is_null() {
                self.removed.push(self.path.join("."));
            }
            self.path.pop();
            is_accepted
        });
    }

    /// Returns the alternative that a value is: the only one of its kind, or else the first one whose fixed
    /// fields have these values.
    fn variant(&self, variants: &'a [Value], value: &Value) -> Option<&'a Value> {
        let variants = variants.iter().map(|variant| self.resolve(variant));
        let mut of_kind = variants.filter(|variant| is_of_kind(variant, value));
        let first = of_kind.next()?;
        let Some(second) = of_kind.next() else {
            return Some(first);
        };
        let mut all = [first, second].into_iter().chain(of_kind);
        all.find(|variant| {
            self.fields(variant).iter().all(|(name, schema)| {
                let allowed = self.resolve(schema).get("enum").and_then(Value::as_array);
                let field = value.get(name.as_str());
                let (Some(allowed), Some(field)) = (allowed, field) else {
                    return true;
                };
                allowed.contains(field)
            })
        })
    }

    /// Returns the type that a reference stands for.
    fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..MAX_REFERENCES {
            match referenced(schema).and_then(|name| self.types.get(name)) {
                Some(found) => schema = found,
                None => break,
            }
        }
        schema
    }

    /// Returns the fields of a type, with those of the types that it is made of.
    fn fields(&self, schema: &'a Value) -> Vec<(&'a String, &'a Value)> {
        let own = |schema: &'a Value| schema.get("properties").and_then(Value::as_object);
        let parts = schema.get("allOf").and_then(Value::as_array);
        let parts = parts.into_iter().flatten();
        let parts = parts.filter_map(|part| own(self.resolve(part)));
        own(schema).into_iter().chain(parts).flatten().collect()
    }
}

/// Whether a value has the JSON type that a type of the description names.
fn is_of_kind(schema: &Value, value: &Value) -> bool {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is = |name: &Value| name == kind || (name == "number" && kind == "integer");
    match schema.get("type") {
        None => true,
        Some(Value::Array(kinds)) => kinds.iter().any(is),
        Some(name) => is(name),
    }
}

/// Returns the alternatives that a type consists of.
fn variants(schema: &Value) -> Option<&Vec<Value>> {
    let variants = schema.get("oneOf").or_else(|| schema.get("anyOf"))?;
    variants.as_array()
}
