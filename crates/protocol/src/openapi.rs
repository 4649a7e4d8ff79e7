//! The generated documents: OpenAPI 3.1 of the API, JSON Schemas of the events and of config.json.
//!
//! Unions are written as `oneOf` with a constant in each branch and never with a `discriminator`:
//! without a mapping, TypeScript generators put the schema's name in place of the constant.

use crate::fact::Fact;
use crate::operation::{Answer, Operation, Shape, operations};
use crate::ws::{ClientMessage, ServerMessage};
use crate::{ContextEntry, ErrorBody, IDEMPOTENCY_HEADER, WorktreeChange, config::Config, limits};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use utoipa::openapi::{RefOr, Schema};

/// Shapes of the journal's own in which what is empty is left out.
const SPARSE: [&str; 2] = ["NoticeRecord", "NoticeEnvelope"];

/// The whole API as an OpenAPI 3.1 document.
pub fn openapi() -> Value {
    let all = operations();
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for operation in &all {
        collect(&mut schemas, operation.body.as_ref());
        if let Answer::Json(shape) = &operation.answer {
            collect(&mut schemas, Some(shape));
        }
        let item = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        item[operation.method.as_str().to_lowercase()] = describe(operation);
    }
    // No operation returns these; the WebSocket tells of them.
    let told = [Shape::of::<ContextEntry>(), Shape::of::<WorktreeChange>()];
    let beside = [Shape::of::<ClientMessage>(), Shape::of::<ServerMessage>(), Shape::of::<ErrorBody>()];
    for shape in beside.into_iter().chain(told) {
        collect(&mut schemas, Some(&shape));
    }
    let inputs = inputs(&all, &schemas);
    for (name, schema) in &mut schemas {
        constants(schema);
        if !inputs.contains(name) && !SPARSE.contains(&name.as_str()) {
            always_there(schema);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Coditect",
            "description": "The daemon's API: sessions, tasks, plans, locks and notices of one workspace. \
                Every mutation takes an idempotency key; every error has a code, a message and a next step.",
            "version": format!("{}", crate::API_REVISION),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }, { "cookie": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "The user's token or a run's." },
                "cookie": {
                    "type": "apiKey", "in": "cookie", "name": "coditect_<port>",
                    "description": "From a launch code; a page sends it with its Origin.",
                },
            },
        },
    })
}

/// Every event payload as a JSON Schema.
pub fn event_schema() -> Value {
    let mut schema = json_schema("Event", "What the journal's records say happened.", &Shape::of::<Fact>());
    if let Some(definitions) = schema["$defs"].as_object_mut() {
        let whole = definitions.iter_mut().filter(|(name, _)| !SPARSE.contains(&name.as_str()));
        whole.for_each(|(_, definition)| always_there(definition));
    }
    schema
}

/// `config.json` as a JSON Schema.
pub fn config_schema() -> Value {
    json_schema("config.json", "Configuration of a data root.", &Shape::of::<Config>())
}

fn json_schema(title: &str, description: &str, shape: &Shape) -> Value {
    let mut schemas = Map::new();
    collect(&mut schemas, Some(shape));
    schemas.values_mut().for_each(constants);
    let text = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": description,
        "allOf": [to_value(&shape.reference)],
        "$defs": schemas,
    })
    .to_string();
    serde_json::from_str(&text.replace("#/components/schemas/", "#/$defs/")).unwrap_or_default()
}

fn to_value(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

fn collect(schemas: &mut Map<String, Value>, shape: Option<&Shape>) {
    for (name, schema) in shape.iter().flat_map(|shape| &shape.schemas) {
        schemas.entry(name.clone()).or_insert_with(|| to_value(schema));
    }
}

fn describe(operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = operation
        .path_parameters()
        .into_iter()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    parameters.extend(operation.query.iter().filter_map(|query| serde_json::to_value(query).ok()));
    if operation.is_mutation() {
        parameters.push(json!({
            "name": IDEMPOTENCY_HEADER, "in": "header", "required": false,
            "description": "The same key with the same request is carried out once and answered alike.",
            "schema": { "type": "string", "maxLength": limits::IDEMPOTENCY_KEY_MAX },
        }));
    }
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": parameters,
        "responses": responses(operation),
        "x-access": operation.access.as_str(),
    });
    if let Some(body) = &operation.body {
        described["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": to_value(&body.reference) } },
        });
    }
    if operation.bytes {
        described["requestBody"] = json!({
            "required": true,
            "content": { "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } },
        });
    }
    if operation.access == crate::Access::Open {
        described["security"] = json!([]);
    }
    described
}

fn responses(operation: &Operation) -> Value {
    let success = match &operation.answer {
        Answer::Json(shape) => json!({
            "description": "Done.",
            "content": { "application/json": { "schema": to_value(&shape.reference) } },
        }),
        Answer::AnyJson => json!({
            "description": "Done.",
            "content": { "application/json": { "schema": { "type": "object" } } },
        }),
        Answer::Text => json!({
            "description": "Done.",
            "content": { "text/plain": { "schema": { "type": "string" } } },
        }),
        Answer::JsonLines => json!({
            "description": "Done. An answer that breaks off is not whole.",
            "content": { "application/jsonl": { "schema": { "type": "string", "format": "binary" } } },
        }),
        Answer::Bytes => json!({
            "description": "Done. It is to be saved and never shown.",
            "content": { "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } },
        }),
        Answer::Nothing => json!({ "description": "Done." }),
        Answer::Redirect => json!({ "description": "The cookie is set; on to the page." }),
        Answer::Upgrade => json!({ "description": "A WebSocket from here on." }),
    };
    let error = json!({
        "description": "It was not done.",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/ErrorBody" } } },
    });
    json!({ operation.status.to_string(): success, "default": error })
}

/// Schemas a client writes: there an absent field means its default.
fn inputs(all: &[Operation], schemas: &Map<String, Value>) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    let roots =
        all.iter().filter_map(|operation| operation.body.as_ref()).map(|body| to_value(&body.reference));
    let mut open: Vec<Value> = roots.collect();
    open.push(to_value(&Shape::of::<ClientMessage>().reference));
    while let Some(value) = open.pop() {
        for name in references(&value) {
            if let (true, Some(schema)) = (found.insert(name.clone()), schemas.get(&name)) {
                open.push(schema.clone());
            }
        }
    }
    found
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
            own.map(str::to_owned).into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// An enum of one word is that word.
fn constants(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some([Value::String(only)]) =
                fields.get("enum").and_then(Value::as_array).map(Vec::as_slice)
            {
                let only = only.clone();
                fields.remove("enum");
                fields.insert("const".to_owned(), Value::String(only));
            }
            fields.values_mut().for_each(constants);
        }
        Value::Array(items) => items.iter_mut().for_each(constants),
        _ => {}
    }
}

/// The daemon writes every field, empty ones as `null`; so all of them are required.
fn always_there(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(names) = fields.get("properties").and_then(Value::as_object) {
                let names: Vec<Value> = names.keys().cloned().map(Value::String).collect();
                fields.insert("required".to_owned(), Value::Array(names));
            }
            fields.values_mut().for_each(always_there);
        }
        Value::Array(items) => items.iter_mut().for_each(always_there),
        _ => {}
    }
}
