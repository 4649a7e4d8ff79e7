//! As much of JSON Schema as our documents use, read strictly: a property that is not described is
//! an error, because the point is that nothing travels undescribed.

use serde_json::Value;

/// Why the value is not what the schema says.
pub fn mismatch(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    check(document, schema, value, "$", true).err()
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, closed: bool) -> Result<(), String> {
    if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
        let target =
            document.pointer(path.trim_start_matches('#')).ok_or_else(|| format!("{at}: no {path}"))?;
        return check(document, target, value, at, closed);
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        return parts
            .iter()
            .try_for_each(|part| check(document, part, value, at, parts.len() == 1 && closed));
    }
    for union in ["oneOf", "anyOf"] {
        let Some(branches) = schema.get(union).and_then(Value::as_array) else { continue };
        let errors: Vec<String> =
            branches.iter().filter_map(|branch| check(document, branch, value, at, closed).err()).collect();
        if branches.len() - errors.len() != 1 {
            return Err(format!(
                "{at}: {} of {} branches fit: {errors:?}",
                branches.len() - errors.len(),
                branches.len()
            ));
        }
        return Ok(());
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return Err(format!("{at}: {value} is not {}", schema["const"]));
    }
    if schema.get("enum").and_then(Value::as_array).is_some_and(|words| !words.contains(value)) {
        return Err(format!("{at}: {value} is none of {}", schema["enum"]));
    }
    kind(schema, value, at)?;
    match value {
        Value::Object(_) => object(document, schema, value, at, closed),
        Value::Array(items) => {
            let item = schema.get("items").unwrap_or(&Value::Null);
            items
                .iter()
                .enumerate()
                .try_for_each(|(n, value)| check(document, item, value, &format!("{at}[{n}]"), true))
        }
        _ => Ok(()),
    }
}

fn kind(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    let fits = match schema.get("type") {
        None => true,
        Some(Value::String(name)) => is(name),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(is),
        Some(_) => false,
    };
    if fits { Ok(()) } else { Err(format!("{at}: {value} is no {}", schema["type"])) }
}

fn object(document: &Value, schema: &Value, value: &Value, at: &str, closed: bool) -> Result<(), String> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    for name in
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        if value.get(name).is_none() {
            return Err(format!("{at}: no {name}"));
        }
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        match properties.get(name) {
            Some(schema) => check(document, schema, value, &format!("{at}.{name}"), true)?,
            None if closed => return Err(format!("{at}: {name} is not described")),
            None => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_described_is_a_mismatch() {
        let schema = json!({
            "type": "object", "required": ["a"],
            "properties": { "a": { "type": ["integer", "null"] }, "b": { "$ref": "#/defs/word" } },
        });
        let document = json!({ "defs": { "word": { "enum": ["x", "y"] } } });
        let of = |value: Value| mismatch(&document, &schema, &value);
        assert_eq!(of(json!({ "a": 1, "b": "x" })), None);
        assert_eq!(of(json!({ "a": null })), None);
        for wrong in [
            json!({}),
            json!({ "a": "1" }),
            json!({ "a": 1, "b": "z" }),
            json!({ "a": 1, "c": 1 }),
            json!([]),
        ] {
            assert!(of(wrong.clone()).is_some(), "{wrong}");
        }
    }
}
