//! The engine's configuration is what the schema says, in both directions.

use serde_json::{Value, json};
use testkit::mismatch;

#[test]
fn the_engines_defaults_fit_the_schema_and_fill_it() {
    let schema = protocol::config_schema();
    let defaults = serde_json::to_value(engine::Config::default()).unwrap();
    assert_eq!(mismatch(&schema, &schema, &defaults), None);
    for (name, section) in [
        ("Limits", "limits"),
        ("ServerConfig", "server"),
        ("BusConfig", "bus"),
        ("DatabaseConfig", "database"),
        ("PermissionConfig", "permissions"),
        ("BudgetConfig", "budgets"),
        ("TranscriptsConfig", "transcripts"),
    ] {
        let described = keys(&schema["$defs"][name]["properties"]);
        assert_eq!(described, keys(&defaults[section]), "{name}");
    }
    let agent = &defaults["agents"]["claude"];
    assert_eq!(keys(&schema["$defs"]["AgentConfig"]["properties"]), keys(agent));
}

#[test]
fn what_the_schema_allows_the_engine_reads() {
    let agents = json!({ "fast": { "vendor": "openai", "model": "m", "api_key_env": "K" } });
    for config in
        [json!({}), json!({ "agents": agents }), json!({ "limits": { "queue_depth": 3 } }), careful()]
    {
        let schema = protocol::config_schema();
        assert_eq!(mismatch(&schema, &schema, &config), None, "{config}");
        assert!(serde_json::from_value::<engine::Config>(config.clone()).is_ok(), "{config}");
    }
}

/// With a rule and a budget of every kind.
fn careful() -> Value {
    let rule = json!({ "tool": "shell", "paths": ["src/**"], "command": "make", "agent": "kimi", "decision": "ask" });
    let agents = json!({ "kimi": { "day_usd": "1.00", "day_tokens": 9 } });
    json!({
        "agents": { "kimi": { "vendor": "moonshot", "model": "m", "permissions": "edits", "unattended": "deny" } },
        "permissions": { "rules": [rule], "default": { "network": "deny" }, "watched": true },
        "budgets": { "task_usd": "0.50", "warn_percent": 50, "agents": agents },
    })
}

fn keys(object: &Value) -> Vec<String> {
    let mut keys: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}
