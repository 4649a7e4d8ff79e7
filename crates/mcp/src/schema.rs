//! JSON Schemas of what tools take and give, plain enough for every vendor.
//!
//! Vendors hand them on to their models' function calls, and not all of those know references, formats, or a type that is
//! a list. So definitions are written where they are used, and what may be absent is simply not required.

use rmcp::model::JsonObject;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

/// What a tool takes: what may be absent is not required, and that it may be null is not said.
pub(crate) fn taken<T: JsonSchema>() -> JsonObject {
    let mut schema = Value::Object(given::<T>());
    plain(&mut schema);
    fields(schema)
}

/// What a tool gives: what is not there is null.
pub(crate) fn given<T: JsonSchema>() -> JsonObject {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value();
    usual(&mut schema);
    let mut fields = fields(schema);
    fields.remove("title");
    // The description is of our type, not of the call.
    fields.remove("description");
    fields.entry("properties").or_insert_with(|| Value::Object(JsonObject::new()));
    fields
}

fn fields(schema: Value) -> JsonObject {
    match schema {
        Value::Object(fields) => fields,
        _ => JsonObject::new(),
    }
}

fn usual(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("format").is_some_and(Value::is_string) {
                fields.remove("format");
            }
            // Anything at all is `true` as well as `{}`; of a property some clients take only the second, and with the
            // first the whole list of tools is refused.
            if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                for property in properties.values_mut().filter(|property| property.as_bool() == Some(true)) {
                    *property = Value::Object(JsonObject::new());
                }
            }
            fields.values_mut().for_each(usual);
        }
        Value::Array(items) => items.iter_mut().for_each(usual),
        _ => {}
    }
}

/// Takes out what not everybody reads.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("default").is_some_and(Value::is_null) {
                fields.remove("default");
            }
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(words)) = fields.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Wish {
        /// What it is called.
        name: String,
        count: Option<u64>,
        mode: Option<Mode>,
    }

    #[derive(JsonSchema)]
    #[serde(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum Mode {
        Shared,
        Exclusive,
    }

    #[test]
    fn what_is_optional_is_not_required_and_nothing_is_referred_to() {
        let schema = Value::Object(taken::<Wish>());
        assert_eq!(schema["required"], json!(["name"]));
        assert_eq!(schema["properties"]["count"]["type"], "integer");
        assert_eq!(schema["properties"]["name"]["description"], "What it is called.");
        let text = schema.to_string();
        assert!(!text.contains("$ref") && !text.contains("null") && !text.contains("format"), "{text}");
        assert!(text.contains("shared"), "{text}");
        let count = &given::<Wish>()["properties"]["count"];
        assert_eq!(count["type"], json!(["integer", "null"]), "what is given may be null");
    }
}
