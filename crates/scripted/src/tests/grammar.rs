//! The grammar of directives by example: what is one, what is prose, what is an error.

use super::*;
use crate::directive::Nonsense;
use serde_json::json;

fn read(text: &str) -> Vec<Directive> {
    parse(text).unwrap().unwrap_or_default().into_iter().map(|line| line.directive).collect()
}

fn refused(text: &str) -> GrammarError {
    parse(text).unwrap_err()
}

#[test]
fn every_word_reads_its_arguments() {
    let script = "Please [[think hm]] do [[read a.rs]] and [[list .]] [[search fn \\w+|src]] [[search x]]
        [[write b.txt|one\\ntwo]] [[edit c.rs|let a|let b]] [[bash cargo test]] [[ask Which one?]]
        [[notice team|hello]] [[say done]] [[flood 3]] [[sleep 20]] [[hold 30]] [[error 529]]
        [[error_once 429 2]] [[limit 3600]] [[nonsense]] [[nonsense html]] [[cut]] [[fault]] [[with]]";
    let s = |text: &str| text.to_owned();
    assert_eq!(
        read(script),
        [
            Directive::Think(s("hm")),
            Directive::Read { path: s("a.rs") },
            Directive::List { path: s(".") },
            Directive::Search { pattern: s("fn \\w+"), path: Some(s("src")) },
            Directive::Search { pattern: s("x"), path: None },
            Directive::Write { path: s("b.txt"), content: s("one\ntwo") },
            Directive::Edit { path: s("c.rs"), old: s("let a"), new: s("let b") },
            Directive::Bash { command: s("cargo test") },
            Directive::Ask { question: s("Which one?") },
            Directive::Notice { channel: s("team"), text: s("hello") },
            Directive::Say(s("done")),
            Directive::Flood { kib: 3 },
            Directive::Sleep(Duration::from_millis(20)),
            Directive::Hold(Duration::from_millis(30)),
            Directive::Error { status: 529, retry_after: None, once: false },
            Directive::Error { status: 429, retry_after: Some(2), once: true },
            Directive::Limit { seconds: 3600 },
            Directive::Nonsense(Nonsense::Json),
            Directive::Nonsense(Nonsense::Html),
            Directive::Cut,
            Directive::Fault,
            Directive::With,
        ]
    );
}

#[test]
fn contents_are_taken_as_they_are() {
    let content = |script: &str| match read(script).pop() {
        Some(Directive::Write { content, .. }) => content,
        other => panic!("{other:?}"),
    };
    assert_eq!(content("[[write a|x | y || z]]"), "x | y || z");
    assert_eq!(content("[[write a|\nfn main() {}\n]]"), "fn main() {}\n");
    assert_eq!(content("[[write a|v[i[0]]]]"), "v[i[0]]");
    assert_eq!(content("[[write a|v[i[0\\]\\];]]"), "v[i[0]];");
    assert_eq!(content("[[write a|print(\"\\\\n\")]]"), "print(\"\\n\")");
    assert_eq!(content("[[write a|]]"), "");
    assert_eq!(content("[[write a|Vec<Vec<u8>> << 1]]"), "Vec<Vec<u8>> << 1");
    assert_eq!(content("<<write a|Vec<Vec<u8\\>\\>; [[x]]>>"), "Vec<Vec<u8>>; [[x]]");
    let edit = Directive::Edit { path: "a".into(), old: "|x| x".into(), new: "|y| y".into() };
    assert_eq!(read("[[edit a|\\|x\\| x||y| y]]"), [edit]);
}

#[test]
fn prose_is_left_alone() {
    for prose in [
        "",
        "no script here",
        "[[bin]]\nname = \"x\"",
        "if [[ -f x ]]; then cat << EOF",
        "a << b and c >> d; cat <<eof\n>>",
        "[[Link]] [link](x) [[2]]",
        "[[not closed and no directive",
    ] {
        assert_eq!(parse(prose), Ok(None), "{prose}");
    }
}

#[test]
fn what_looks_like_a_directive_and_is_none_is_named() {
    assert_eq!(refused("[[wrte a|b]]"), GrammarError::Unknown("wrte".into()));
    assert_eq!(refused("[[read a"), GrammarError::Unclosed("read".into()));
    assert_eq!(refused("[[plan {}"), GrammarError::Unclosed("plan".into()));
    for (script, name) in [
        ("[[write a]]", "write"),
        ("[[edit a|b]]", "edit"),
        ("[[read  ]]", "read"),
        ("[[notice x]]", "notice"),
        ("[[tool x]]", "tool"),
        ("[[error 200]]", "error"),
        ("[[error 429 soon]]", "error"),
        ("[[sleep 600001]]", "sleep"),
        ("[[flood 65537]]", "flood"),
        ("[[nonsense loud]]", "nonsense"),
        ("[[for  ]][[end]]", "for"),
    ] {
        match refused(script) {
            GrammarError::Arguments { name: refused, .. } => assert_eq!(refused, name, "{script}"),
            other => panic!("{script}: {other}"),
        }
    }
    assert!(matches!(refused("[[plan {]]"), GrammarError::Json { name: "plan", .. }));
}

#[test]
fn json_ends_where_json_ends() {
    let plan = json!({"tasks": [{"files": [["a"]], "instructions": "<<write a|x>> [[y]]"}]});
    let script = format!("[[plan {plan}]] and [[tool grep|{{\"re\":\"]]\"}} ]] [[say ok]]");
    assert_eq!(
        read(&script),
        [
            Directive::Plan(plan),
            Directive::Tool { name: "grep".into(), arguments: json!({"re": "]]"}) },
            Directive::Say("ok".into()),
        ]
    );
}

#[test]
fn a_section_is_for_the_agents_it_names() {
    let script = parse("[[say all]][[for claude, kimi]][[say two]][[end]][[say last]]").unwrap().unwrap();
    let heard = |agent: &str| -> Vec<&Directive> {
        script.iter().filter(|line| line.is_for(agent)).map(|line| &line.directive).collect()
    };
    assert_eq!(heard("kimi").len(), 3);
    assert_eq!(heard("codex").len(), 2);
    assert_eq!(refused("[[for a]][[for b]][[end]]"), GrammarError::Nested("b".into()));
    assert_eq!(refused("[[end]]"), GrammarError::StrayEnd);
    assert_eq!(refused("[[for a]][[say x]]"), GrammarError::OpenSection("a".into()));
}

#[test]
fn a_nested_script_counts_when_it_arrives_as_the_prompt() {
    let plan = r#"[[plan {"tasks":[{"instructions":"<<write a|x>>"}]}]]"#;
    assert!(matches!(read(plan)[..], [Directive::Plan(_)]));
    let task = "Do this: <<write a|x>> <<say done>>\nIt is a part of: [[for b]][[say no]][[end]]";
    assert_eq!(read(task).len(), 2);
    let quoted = format!("Do this: <<write a|x>>\nIt is a part of: {plan}");
    assert!(matches!(read(&quoted)[..], [Directive::Write { .. }]));
}
