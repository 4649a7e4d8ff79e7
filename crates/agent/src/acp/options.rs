//! How a question for permission is answered: by the kind of its options, never by their names or their order.

use serde_json::{Value, json};

/// Yes, this once. None when the agent offers no such thing: what would be allowed for longer would not be asked again.
pub(crate) fn once(params: &Value) -> Option<Value> {
    option(params, "allow_once").map(selected)
}

/// No; the turn goes on.
pub(crate) fn no(params: &Value) -> Value {
    option(params, "reject_once").or_else(|| option(params, "reject_always")).map_or_else(canceled, selected)
}

/// The turn was canceled before there was an answer.
pub(crate) fn canceled() -> Value {
    json!({"outcome": {"outcome": "cancelled"}})
}

fn option<'a>(params: &'a Value, kind: &str) -> Option<&'a Value> {
    let options = params.get("options")?.as_array()?;
    options.iter().find(|option| option.get("kind").and_then(Value::as_str) == Some(kind))?.get("optionId")
}

fn selected(id: &Value) -> Value {
    json!({"outcome": {"outcome": "selected", "optionId": id}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kinds: &[&str]) -> Value {
        let options: Vec<Value> =
            kinds.iter().map(|kind| json!({"optionId": format!("id-{kind}"), "kind": kind})).collect();
        json!({"options": options})
    }

    #[test]
    fn options_are_chosen_by_kind() {
        let all = asked(&["allow_always", "reject_always", "allow_once", "reject_once"]);
        assert_eq!(once(&all).unwrap()["outcome"]["optionId"], "id-allow_once");
        assert_eq!(no(&all)["outcome"]["optionId"], "id-reject_once");
        assert_eq!(once(&asked(&["allow_always"])), None, "an answer is for one call");
        assert_eq!(no(&asked(&["reject_always"]))["outcome"]["optionId"], "id-reject_always");
        assert_eq!(no(&asked(&["allow_once"])), canceled());
        assert_eq!(no(&json!({})), canceled());
    }
}
