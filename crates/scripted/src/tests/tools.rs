//! Directives and the tools they call, by example.

use super::*;

fn tool(name: &str, fields: &[&str]) -> OfferedTool {
    let properties: Map<_, _> =
        fields.iter().map(|field| ((*field).to_owned(), json!({"type": "string"}))).collect();
    OfferedTool { name: name.into(), schema: json!({"properties": properties}), form: Form::Function }
}

fn offering(tools: Vec<OfferedTool>) -> Conversation {
    Conversation { tools, program: true, ..Conversation::empty(Vendor::Openai) }
}

fn arguments(directive: &Directive, tools: &[OfferedTool]) -> Option<Value> {
    call(directive, &offering(tools.to_vec())).map(|call| call.arguments)
}

fn write() -> Directive {
    Directive::Write { path: "a".into(), content: "b\nc\n".into() }
}

#[test]
fn arguments_are_named_as_the_offered_tool_names_them() {
    let ours = tool("write_file", &["path", "content"]);
    let theirs = tool("Write", &["file_path", "content"]);
    assert_eq!(arguments(&write(), &[ours]), Some(json!({"path": "a", "content": "b\nc\n"})));
    assert_eq!(arguments(&write(), &[theirs]), Some(json!({"file_path": "a", "content": "b\nc\n"})));
    assert_eq!(arguments(&write(), &[tool("write_file", &["path"])]), None);
    assert_eq!(arguments(&write(), &[]), None);
    assert_eq!(arguments(&Directive::Cut, &[tool("Write", &["path"])]), None);
}

#[test]
fn what_a_tool_requires_besides_is_made_up() {
    let mut replace = tool("replace", &["file_path", "old_string", "new_string", "instruction"]);
    replace.schema["required"] = json!(["instruction", "file_path", "old_string", "new_string"]);
    let edit = Directive::Edit { path: "a".into(), old: "x".into(), new: "y".into() };
    let wanted = json!({"file_path": "a", "old_string": "x", "new_string": "y", "instruction": AS_ASKED});
    assert_eq!(arguments(&edit, &[replace]), Some(wanted));
}

#[test]
fn codex_edits_by_patches_and_reads_by_its_shell() {
    let patch = OfferedTool { form: Form::Custom, ..tool("apply_patch", &[]) };
    let tools = [patch, tool("exec_command", &["cmd"])];
    let text = |directive: Directive| arguments(&directive, &tools).unwrap();
    assert_eq!(text(write()), "*** Begin Patch\n*** Add File: a\n+b\n+c\n*** End Patch\n");
    let edit = Directive::Edit { path: "a".into(), old: "b".into(), new: "x\ny".into() };
    assert_eq!(text(edit), "*** Begin Patch\n*** Update File: a\n@@\n-b\n+x\n+y\n*** End Patch\n");
    assert_eq!(text(Directive::Read { path: "it's".into() }), json!({"cmd": "cat 'it'\\''s'"}));
    assert_eq!(text(Directive::List { path: ".".into() }), json!({"cmd": "ls '.'"}));
    assert_eq!(text(Directive::Bash { command: "a b".into() }), json!({"cmd": "a b"}));
}

#[test]
fn in_code_mode_tools_are_called_from_a_script() {
    let nested = |name: &str, field: &str| OfferedTool { form: Form::Nested, ..tool(name, &[field]) };
    let conversation = offering(vec![nested("apply_patch", "input"), nested("exec_command", "cmd")]);
    let script = |directive: &Directive| {
        let call = call(directive, &conversation).unwrap();
        assert_eq!((call.tool.as_str(), &call.form), ("exec", &Form::Custom));
        call.arguments.as_str().unwrap().to_owned()
    };
    assert_eq!(
        script(&Directive::Bash { command: "say \"x\"".into() }),
        r#"const r = await tools.exec_command({"cmd":"say \"x\""}); text(r);"#
    );
    let content = "let x = 1;\n".to_owned();
    assert!(script(&Directive::Write { path: "a".into(), content }).starts_with(
        r#"const r = await tools.apply_patch("*** Begin Patch\n*** Add File: a\n+let x = 1;\n"#
    ));
    let mcp = Directive::Tool { name: "mcp__s__t".into(), arguments: json!({"a": 1}) };
    assert_eq!(script(&mcp), r#"const r = await tools.mcp__s__t({"a":1}); text(r);"#);
}

#[test]
fn tools_of_mcp_have_one_name_in_scripts() {
    let directive = Directive::Tool { name: "mcp__coord__take_lock".into(), arguments: json!({}) };
    let called = |tools| call(&directive, &offering(tools)).unwrap().tool;
    assert_eq!(called(vec![tool("mcp_coord_take_lock", &[])]), "mcp_coord_take_lock");
    assert_eq!(called(vec![tool("mcp__coord__take_lock", &[])]), "mcp__coord__take_lock");
    assert_eq!(called(vec![]), "mcp__coord__take_lock", "nobody offers it: that is what is tried");
}

#[test]
fn every_vendor_starts_a_sub_agent_of_its_own_kind() {
    let directive = Directive::Agent { prompt: "p".into() };
    let kind = |vendor, tool: OfferedTool, field: &str| {
        let conversation = Conversation { tools: vec![tool], ..Conversation::empty(vendor) };
        call(&directive, &conversation).unwrap().arguments[field].clone()
    };
    let fields = ["prompt", "description", "subagent_type", "run_in_background"];
    assert_eq!(kind(Vendor::Anthropic, tool("Agent", &fields), "subagent_type"), "general-purpose");
    assert_eq!(kind(Vendor::Anthropic, tool("Agent", &fields), "run_in_background"), false);
    assert_eq!(kind(Vendor::Moonshot, tool("Agent", &fields), "subagent_type"), "coder");
    assert_eq!(
        kind(Vendor::Google, tool("invoke_agent", &["prompt", "agent_name"]), "agent_name"),
        "generalist"
    );
    let spawn = tool("collaboration__spawn_agent", &["message", "task_name"]);
    assert_eq!(kind(Vendor::Openai, spawn, "message"), "p");
}
