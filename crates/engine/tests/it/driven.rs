//! Agents with a program of their own, in a whole session: steered, forked, told what they need to know. The program is a script
//! that speaks as Claude Code does.

use crate::scene::{Scene, call};
use engine::TaskView;
use model::{Role, SessionId, TaskState};
use serde_json::json;

/// Shakes hands and opens a session; appends its arguments to `arguments` of its folder.
const HELLO: &str = r#"echo "$@" >>arguments
read -r line
echo '{"type":"control_response","response":{"subtype":"success","request_id":"initialize","response":{}}}'
next() {
    while read -r line; do
        case "$line" in
            *'"type":"user"'*) return 0 ;;
            *'"get_usage"'*) echo '{"type":"control_response","response":{"subtype":"success","request_id":"usage","response":{"session":{"total_cost_usd":0.25}}}}' ;;
        esac
    done
    exit 5
}
done_with() { echo "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"$1\",\"total_cost_usd\":0.5,\"modelUsage\":{}}"; }
"#;
const PROMPTED: &str = r#"next
echo '{"type":"system","subtype":"init","session_id":"s1","claude_code_version":"2.1.329"}'
"#;

async fn scene(script: &str) -> (Scene, SessionId) {
    let scene = Scene::new(&[]).await;
    let repo = scene.add_repo(None).await;
    let script = format!("{HELLO}{script}");
    let command = json!(["bash", "-c", script, "claude"]);
    scene.seat(
        "driven",
        json!({"vendor": "anthropic", "driver": "claude", "model": "default", "command": command}),
    );
    let session = scene.session(Some(&repo), &["driven"]).await;
    (scene, session)
}

fn said(scene: &Scene, session: SessionId, role: Role) -> Vec<String> {
    let page = scene.engine().messages(session, None, 0, false).unwrap();
    page.messages.iter().filter(|message| message.role == role).map(model::Message::text).collect()
}

/// The run of the task, once its program has opened its session.
async fn opened(scene: &Scene, task: &TaskView) {
    scene.task_in(task.task.id, &[TaskState::Working]).await;
    scene
        .until("the program has opened its session", || {
            scene.kinds().contains(&"participant.opened").then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_for_a_task_that_is_worked_on_reach_the_agent_and_the_conversation() {
    let takes_words = r#"next
id=$(sed -n 's/.*"uuid":"\([^"]*\)".*/\1/p' <<<"$line")
echo "{\"type\":\"command_lifecycle\",\"command_uuid\":\"$id\",\"state\":\"started\"}"
case "$line" in *'mind the tests'*) done_with minded ;; *) done_with missed ;; esac
read -r end"#;
    let (scene, session) = scene(&format!("{PROMPTED}{takes_words}")).await;
    let task = scene.prompt(session, "begin", &[]).await.unwrap();
    opened(&scene, &task).await;
    let steered = scene.engine().steer_task(&call(), task.task.id, "mind the tests\r\n").await.unwrap();
    assert_eq!(steered.task.id, task.task.id);
    let done = scene.task_over(task.task.id).await;
    assert_eq!((done.state, done.text.as_deref()), (TaskState::Completed, Some("minded")));
    assert_eq!(said(&scene, session, Role::User), ["begin", "mind the tests"]);
    let over = scene.engine().steer_task(&call(), task.task.id, "too late").await.unwrap_err();
    assert_eq!(over.code, "task_not_running");
    assert_eq!(said(&scene, session, Role::User).len(), 2, "refused words leave no trace");
}

/// Reads words, and ends without having taken them up; what it is asked afterwards it does at once.
const QUEUES_WORDS: &str = r#"if [ -e asked ]; then done_with later; read -r end; exit; fi
touch asked
next
id=$(sed -n 's/.*"uuid":"\([^"]*\)".*/\1/p' <<<"$line")
echo "{\"type\":\"command_lifecycle\",\"command_uuid\":\"$id\",\"state\":\"queued\"}"
while [ ! -e go ]; do sleep 0.05; done
done_with first"#;

#[tokio::test(flavor = "multi_thread")]
async fn words_that_were_queued_and_never_taken_up_become_a_task() {
    let (scene, session) = scene(&format!("{PROMPTED}{QUEUES_WORDS}")).await;
    let task = scene.prompt(session, "begin", &[]).await.unwrap();
    opened(&scene, &task).await;
    std::fs::write(scene.repo.path().join("go"), "").unwrap();
    let steered = scene.engine().steer_task(&call(), task.task.id, "and this").await.unwrap();
    assert_ne!(steered.task.id, task.task.id, "they were not heard");
    assert_eq!(scene.task_over(task.task.id).await.text.as_deref(), Some("first"));
    let later = scene.task_over(steered.task.id).await;
    assert_eq!((later.task.prompt.as_str(), later.text.as_deref()), ("and this", Some("later")));
}

#[tokio::test(flavor = "multi_thread")]
async fn words_for_a_task_that_is_canceled_begin_nothing() {
    let (scene, session) = scene(&format!("{PROMPTED}{QUEUES_WORDS}")).await;
    let task = scene.prompt(session, "begin", &[]).await.unwrap();
    opened(&scene, &task).await;
    let (engine, call) = (scene.engine(), call());
    let steering = engine.steer_task(&call, task.task.id, "and this");
    let canceling = async {
        let kept = || (said(&scene, session, Role::User).len() == 2).then_some(());
        scene.until("the words are kept", kept).await;
        engine.cancel_task(&call, task.task.id).await.unwrap();
    };
    let (steered, ()) = tokio::join!(steering, canceling);
    assert_eq!(steered.unwrap().task.id, task.task.id);
    assert_eq!(
        scene.engine().tasks(session, None, 0).unwrap().tasks.len(),
        1,
        "nothing begins by words for what is canceled"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_come_as_the_turn_ends_become_a_task() {
    // It never shakes hands, so it cannot take words, and ends when it is told to.
    let scene = Scene::new(&[]).await;
    let repo = scene.add_repo(None).await;
    let command = json!(["bash", "-c", "while [ ! -e ../go ] && [ ! -e go ]; do sleep 0.05; done; exit 1"]);
    scene.seat(
        "driven",
        json!({"vendor": "anthropic", "driver": "claude", "model": "default", "command": command}),
    );
    let session = scene.session(Some(&repo), &["driven"]).await;
    let task = scene.prompt(session, "begin", &[]).await.unwrap();
    scene.task_in(task.task.id, &[TaskState::Working]).await;
    let engine = scene.engine();
    let call = call();
    let steering = engine.steer_task(&call, task.task.id, "and this");
    let ending = async {
        scene
            .until("the words are kept", || (said(&scene, session, Role::User).len() == 2).then_some(()))
            .await;
        std::fs::write(scene.repo.path().join("go"), "").unwrap();
    };
    let (steered, ()) = tokio::join!(steering, ending);
    let steered = steered.unwrap();
    assert_ne!(steered.task.id, task.task.id);
    assert_eq!(steered.task.prompt, "and this");
    assert_eq!(scene.task_over(steered.task.id).await.state, TaskState::Failed, "its program is as broken");
    assert_eq!(said(&scene, session, Role::User), ["begin", "and this"], "they are said once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_takes_no_words_is_not_steered() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["codex"]).await;
    let task = scene.prompt(session, "[[ask Red or blue?]]", &[]).await.unwrap();
    scene.task_in(task.task.id, &[TaskState::InputRequired]).await;
    let refusal = scene.engine().steer_task(&call(), task.task.id, "blue").await.unwrap_err();
    assert_eq!(refusal.code, "cannot_steer");
    assert!(refusal.hint.unwrap().contains("task cancel"));
    for (text, code) in [(" \n", "prompt_empty"), ("a\0", "prompt_characters")] {
        assert_eq!(scene.engine().steer_task(&call(), task.task.id, text).await.unwrap_err().code, code);
    }
    scene.engine().cancel_task(&call(), task.task.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_goes_on_from_the_vendors_own_session_and_leaves_it_alone() {
    let (scene, session) = scene(&format!("{PROMPTED}done_with fine\nread -r end")).await;
    let turn = async |session| {
        let task = scene.prompt(session, "go on", &[]).await.unwrap();
        assert_eq!(scene.task_over(task.task.id).await.state, TaskState::Completed);
        let arguments = std::fs::read_to_string(scene.repo.path().join("arguments")).unwrap();
        let last = arguments.lines().last().unwrap().to_owned();
        last.split_once("--resume").map_or(String::new(), |(_, resumed)| resumed.trim().to_owned())
    };
    assert_eq!(turn(session).await, "");
    assert_eq!(turn(session).await, "s1");
    let fork = scene.engine().fork_session(&call(), session, engine::NewFork::default()).await.unwrap();
    assert_eq!(fork.session.forked_from, Some(session));
    assert!(fork.session.fork_point.is_some());
    assert_eq!(turn(fork.session.id).await, "s1 --fork-session");
    assert_eq!(turn(fork.session.id).await, "s1", "then it goes on with its own");
    let cost = scene.engine().session(session).unwrap().usage.cost_micros;
    assert_eq!(cost, 500_000 + 250_000, "a resumed session says what it has cost in all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_of_our_own_loop_is_shown_what_was_said() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude", "kimi"]).await;
    for (text, agent) in [("[[say the word is heliotrope]]", "claude"), ("[[say kimi agrees]]", "kimi")] {
        let task = scene.prompt(session, text, &[agent]).await.unwrap();
        scene.task_over(task.task.id).await;
    }
    let fork =
        scene.engine().fork_session(&call(), session, engine::NewFork::default()).await.unwrap().session.id;
    let later = scene.prompt(session, "[[say after the fork]]", &["claude"]).await.unwrap();
    scene.task_over(later.task.id).await;
    let task = scene.prompt(fork, "[[say here]]", &["claude"]).await.unwrap();
    assert_eq!(scene.task_over(task.task.id).await.state, TaskState::Completed);
    let asked = scene.model.requests().pop().unwrap().body.to_string();
    assert!(asked.contains("heliotrope") && asked.contains("kimi said:"), "{asked}");
    assert!(!asked.contains("after the fork"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_messages_are_shown_and_those_of_tools_are_not() {
    let scene = Scene::new(&[("kept.txt", "one\n")]).await;
    scene.configure_with(json!({"limits": {"history_messages": 3}, "compaction": {"by": "nobody"}}));
    scene.engine().reload_config().unwrap();
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    for text in ["[[say first answer]]", "[[read kept.txt]][[say second answer]]", "[[say third]]"] {
        let task = scene.prompt(session, text, &[]).await.unwrap();
        assert_eq!(scene.task_over(task.task.id).await.state, TaskState::Completed);
    }
    let body = scene.model.requests().pop().unwrap().body;
    let asked = body["messages"].to_string();
    assert!(asked.contains("second answer") && !asked.contains("tool_result"), "{asked}");
    assert!(!asked.contains("first answer"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_loop_is_told_where_it_is_and_what_the_repository_says() {
    let scene = Scene::new(&[("AGENTS.md", "Indent by four."), ("CLAUDE.md", "Indent by four.")]).await;
    std::fs::write(scene.repo.path().join("new.txt"), "").unwrap();
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let task = scene.prompt(session, "[[say here]]", &[]).await.unwrap();
    scene.task_over(task.task.id).await;
    let system = scene.model.requests().pop().unwrap().body["system"].to_string();
    for told in ["You work in ", "The branch is `main`", "Not committed: new.txt.", "Indent by four."] {
        assert!(system.contains(told), "{told}: {system}");
    }
    assert_eq!(system.matches("Indent by four.").count(), 1, "the same text once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_repository_and_the_configuration_say_is_seen_at_the_next_turn() {
    let scene = Scene::new(&[("CLAUDE.md", "Indent by four.")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let told = async || {
        let task = scene.prompt(session, "[[say here]]", &[]).await.unwrap();
        assert_eq!(scene.task_over(task.task.id).await.state, TaskState::Completed);
        scene.model.requests().pop().unwrap().body["system"].to_string()
    };
    assert!(told().await.contains("Indent by four."));
    std::fs::write(scene.repo.path().join("CLAUDE.md"), "Indent by tabs.").unwrap();
    let next = told().await;
    assert!(next.contains("Indent by tabs.") && !next.contains("Indent by four."), "{next}");
    scene.configure_with(json!({"agent": {"instructions": "Be brief."}}));
    scene.engine().reload_config().unwrap();
    let next = told().await;
    assert!(next.contains("Be brief.") && next.contains("Indent by tabs."), "{next}");
}
