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
        for _ in 0..MAX_REFERENCES {
            let Some(variants) = variants(schema) else {
                break;
            };
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reference(name: &str) -> Value {
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// As `utoipa` describes the types of Chroma.
    fn described() -> Value {
        let optional = |name: &str| json!({ "oneOf": [{ "type": "null" }, reference(name)] });
        json!({
            "CreateCollectionPayload": { "type": "object", "properties": {
                "name": { "type": "string" }, "configuration": optional("Configuration"), "schema": optional("Schema"),
            } },
            "Configuration": { "type": "object", "properties": {
                "hnsw": optional("Hnsw"), "embedding_function": optional("Function"),
            } },
            "Hnsw": { "type": "object", "additionalProperties": false, "properties": {
                "space": reference("Space"), "ef_search": { "type": ["integer", "null"] },
            } },
            "Space": { "type": "string", "enum": ["l2", "cosine"] },
            "Function": { "oneOf": [
                { "type": "object", "properties": { "type": { "type": "string", "enum": ["legacy"] } } },
                { "allOf": [
                    reference("Known"),
                    { "type": "object", "properties": { "type": { "type": "string", "enum": ["known"] } } },
                ] },
            ] },
            "Known": { "type": "object", "properties": { "name": { "type": "string" }, "config": {} } },
            "Schema": { "type": "object", "properties": {
                "keys": { "type": "object", "additionalProperties": reference("Types") },
                "cmek": { "type": ["object", "null"] },
            } },
            "Types": { "type": "object", "properties": { "text": optional("Text") } },
            "Text": { "type": "object", "additionalProperties": false },
        })
    }

    #[track_caller]
    fn fits(mut body: Value, fitted: &Value, removed: &[&str]) {
        let accepted = Accepted::of(&described()).unwrap();
        assert_eq!(accepted.fit(&mut body), removed);
        assert_eq!(&body, fitted);
    }

    #[test]
    fn known_settings_stay() {
        let body = json!({
            "configuration": {
                "hnsw": { "space": "cosine", "ef_search": 7, "num_threads": 2, "batch_size": 9 },
                "embedding_function": { "type": "known", "name": "any", "config": { "a": [{}] } },
            },
            "schema": { "keys": { "any": { "text": {} }, "other": {} }, "cmek": { "a": 1 } },
        });
        fits(body.clone(), &body, &[]);
        let legacy = json!({ "configuration": { "embedding_function": { "type": "legacy" } }, "schema": null });
        fits(legacy.clone(), &legacy, &[]);
    }

    #[test]
    fn unknown_settings_are_removed_and_listed() {
        fits(
            json!({
                "configuration": {
                    "hnsw": { "space": "hamming", "ef_search": 7, "layers": 2, "absent": null },
                    "embedding_function": { "type": "known", "name": "any", "since": 2 }, "new": {},
                },
                "schema": { "keys": { "any": { "text": { "fast": true }, "date": {} } }, "since": 1 },
            }),
            &json!({
                "configuration": {
                    "hnsw": { "ef_search": 7 }, "embedding_function": { "type": "known", "name": "any" },
                },
                "schema": { "keys": { "any": { "text": {} } } },
            }),
            &[
                "configuration.embedding_function.since",
                "configuration.hnsw.layers",
                "configuration.hnsw.space",
                "configuration.new",
                "schema.keys.any.date",
                "schema.keys.any.text.fast",
                "schema.since",
            ],
        );
        let function = json!({ "configuration": { "embedding_function": { "type": "unknown" } } });
        let removed = ["configuration.embedding_function"];
        fits(function, &json!({ "configuration": {} }), &removed);
    }

    #[test]
    fn a_server_with_other_types_is_not_judged() {
        assert_eq!(Accepted::of(&json!({})), None);
        let mut dangling = described();
        dangling.as_object_mut().unwrap().remove("Space");
        assert_eq!(Accepted::of(&dangling), None);
        let accepted = Accepted::of(&described()).unwrap();
        assert!(accepted.has_schemas() && accepted.reports_configuration);
        let mut oldest = described();
        oldest["CreateCollectionPayload"]["properties"] = json!({ "configuration": {} });
        oldest["Collection"] = json!({ "properties": { "id": {} } });
        let accepted = Accepted::of(&oldest).unwrap();
        assert!(!accepted.has_schemas() && !accepted.reports_configuration);
    }

    #[test]
    fn secure_types_that_refer_to_themselves_end() {
        let itself = reference("CreateCollectionPayload");
        for payload in [
            itself.clone(),
            json!({ "oneOf": [itself.clone(), itself.clone()] }),
            json!({ "allOf": [itself.clone(), itself.clone()] }),
            json!({ "additionalProperties": itself }),
        ] {
            let accepted = Accepted::of(&json!({ "CreateCollectionPayload": payload })).unwrap();
            let mut body = json!({ "schema": { "keys": { "a": { "b": {} } } } });
            accepted.fit(&mut body);
        }
    }
}
