//! Conversations that grow too long for their agents are condensed by a model, and stay what they were.

use crate::scene::{Scene, call};
use engine::{Call, Key, TaskView};
use model::{Compaction, CompactionFailure, Event, SessionId, TaskState};
use serde_json::json;

/// Room for some 4,000 bytes of conversation.
const SMALL: u64 = 2_000;

async fn scene(more: serde_json::Value) -> Scene {
    let scene = Scene::new(&[("kept.txt", "one\n"), ("other.txt", "two\n")]).await;
    reconfigured(&scene, more);
    scene
}

fn reconfigured(scene: &Scene, mut more: serde_json::Value) {
    more["agent"] = json!({"context_window": SMALL, "permissions": "all"});
    scene.configure_with(more);
    scene.engine().reload_config().unwrap();
}

async fn done(scene: &Scene, session: SessionId, text: &str) -> TaskView {
    let task = scene.prompt(session, text, &[]).await.unwrap();
    let over = scene.task_over(task.task.id).await;
    assert_eq!(over.state, TaskState::Completed, "{:?}", over.text);
    over
}

fn made(scene: &Scene) -> Vec<Compaction> {
    let events = scene.events().into_iter();
    events
        .filter_map(|event| if let Event::SessionCompacted(made) = event { Some(made) } else { None })
        .collect()
}

fn failures(scene: &Scene) -> Vec<CompactionFailure> {
    let events = scene.events().into_iter();
    events
        .filter_map(
            |event| if let Event::SessionCompactionFailed(failure) = event { Some(failure) } else { None },
        )
        .collect()
}

/// What the agent was shown at its last request.
fn shown(scene: &Scene) -> String {
    scene.model.requests().pop().unwrap().body["messages"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_condensed_before_the_turn_and_stays_to_be_read() {
    let scene = scene(json!({})).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    done(&scene, session, "[[read kept.txt]][[say the word is heliotrope]]").await;
    done(&scene, session, "[[flood 8]]").await;
    assert_eq!(made(&scene), [], "until then it fitted");
    let said = scene.engine().messages(session, None, 100, false).unwrap().messages;
    let usage = scene.engine().session(session).unwrap().usage;
    done(&scene, session, "[[edit kept.txt|one|three]][[say third]]").await;
    let [first] = made(&scene).try_into().unwrap();
    assert_eq!((first.session, first.generation, first.model.as_str()), (session, 1, "claude-test"));
    assert_eq!(first.upto, said.last().unwrap().id);
    assert!(first.tokens_before > 1_000 && first.tokens_after < first.tokens_before, "{first:?}");
    assert_eq!(
        (first.read_files.as_slice(), first.modified_files.as_slice()),
        (&["kept.txt".to_owned()][..], &[][..])
    );
    let shown = shown(&scene);
    assert!(
        shown.contains("A scripted summary.") && shown.contains("Files read so far: kept.txt"),
        "{shown}"
    );
    assert!(!shown.contains("heliotrope"), "{shown}");
    let asked = scene.model.requests().into_iter().map(|request| request.body.to_string());
    let condensing: Vec<String> = asked.filter(|body| body.contains("You condense conversations.")).collect();
    assert_eq!(condensing.len(), 1);
    assert!(
        condensing[0].contains("heliotrope") && condensing[0].contains("[read_file kept.txt]"),
        "{condensing:?}"
    );
    let after = scene.engine().messages(session, None, 100, false).unwrap().messages;
    assert_eq!(after[..said.len()], said, "what was said is as it was");
    assert!(scene.engine().session(session).unwrap().usage.input_tokens > usage.input_tokens);
    let calls = scene.kinds().into_iter().filter(|kind| *kind == "model.answered").count();
    assert_eq!(calls, scene.model.requests().len(), "the summary is paid for like everything else");
    // The next generation knows the files of the one before, and the summary.
    done(&scene, session, "[[read other.txt]][[flood 8]]").await;
    done(&scene, session, "[[say fifth]]").await;
    let second = made(&scene).pop().unwrap();
    assert_eq!((second.generation, second.messages > first.messages), (2, true));
    assert_eq!(second.read_files, ["other.txt"]);
    assert_eq!(second.modified_files, ["kept.txt"], "it was read first, and is changed now");
    let known: Vec<u32> =
        scene.engine().compactions(session).unwrap().into_iter().map(|made| made.generation).collect();
    assert_eq!(known, [2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_not_answer_keeps_no_turn_and_is_told_of_once() {
    let broken = json!({
        "vendor": "anthropic", "model": "broken", "api_key_env": "CLAUDE_KEY", "base_url": "http://127.0.0.1:9",
    });
    let scene = scene(json!({"limits": {"history_messages": 2}})).await;
    scene.seat("broken", broken);
    let path = scene.root().config();
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["compaction"] = json!({"agent": "broken"});
    std::fs::write(path, config.to_string()).unwrap();
    scene.engine().reload_config().unwrap();
    let session = scene.session(None, &["claude"]).await;
    done(&scene, session, "[[say the word is heliotrope]]").await;
    done(&scene, session, "[[flood 8]]").await;
    for text in ["[[say third]]", "[[say fourth]]"] {
        done(&scene, session, text).await;
    }
    assert_eq!(made(&scene), []);
    let [failure] = failures(&scene).try_into().unwrap();
    assert_eq!((failure.session, failure.code.as_str()), (session, "compaction_failed"));
    assert!(failure.message.contains("compaction.agent"), "{failure:?}");
    let shown = shown(&scene);
    assert!(shown.contains("[[say third]]") && !shown.contains("heliotrope"), "the last messages: {shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_key_and_a_spent_budget_keep_no_turn_either() {
    let keyless = json!({"vendor": "openai", "model": "m", "api_key_env": "KEYLESS_KEY"});
    let scene = scene(json!({"compaction": {"agent": "keyless"}})).await;
    scene.seat("keyless", keyless);
    let session = scene.session(None, &["claude"]).await;
    done(&scene, session, "[[flood 8]]").await;
    done(&scene, session, "[[say second]]").await;
    let [failure] = failures(&scene).try_into().unwrap();
    assert_eq!(failure.code, "missing_api_key");
    let refused = scene.engine().compact_session(&call(), session).await.unwrap_err();
    assert_eq!(refused.code, "missing_api_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_order_it_is_done_at_once_and_once_for_one_order() {
    let scene = scene(json!({"limits": {"history_messages": 2}, "compaction": {"by": "nobody"}})).await;
    let session = scene.session(None, &["claude"]).await;
    done(&scene, session, "[[say first]]").await;
    let refused = scene.engine().compact_session(&call(), session).await.unwrap_err();
    assert_eq!(refused.code, "nothing_to_compact");
    assert!(refused.hint.is_some());
    done(&scene, session, "[[say second]]").await;
    done(&scene, session, "[[say third]]").await;
    let key = Key { key: "order-1".to_owned(), request_hash: "x".to_owned() };
    let order = || Call { key: Some(key.clone()), ..call() };
    let first = scene.engine().compact_session(&order(), session).await.unwrap();
    assert_eq!((first.messages, first.generation), (4, 1));
    let requests = scene.model.requests().len();
    assert_eq!(scene.engine().compact_session(&order(), session).await.unwrap(), first);
    assert_eq!(scene.model.requests().len(), requests, "nobody was asked again");
    let refused = scene.engine().compact_session(&call(), session).await.unwrap_err();
    assert_eq!(refused.code, "nothing_to_compact");
    done(&scene, session, "[[say fourth]]").await;
    let shown = shown(&scene);
    assert!(shown.contains("A scripted summary.") && !shown.contains("[[say second]]"), "{shown}");
    assert!(shown.contains("[[say third]]"), "the last ones are shown as they were: {shown}");
    let unknown = "ses_018f000000007000800000000000000a".parse().unwrap();
    let refused = scene.engine().compact_session(&call(), unknown).await.unwrap_err();
    assert_eq!(refused.kind, model::RefusalKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_condenses_nothing() {
    let scene = scene(json!({})).await;
    let session = scene.session(None, &["claude"]).await;
    done(&scene, session, "[[flood 8]]").await;
    let before = scene.kinds().len();
    let engine = scene.engine();
    engine.messages(session, None, 0, true).unwrap();
    engine.session(session).unwrap();
    engine.compactions(session).unwrap();
    engine.live(session).unwrap();
    assert_eq!(scene.kinds()[before..].iter().filter(|kind| kind.starts_with("session.")).count(), 0);
    assert_eq!(made(&scene), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_orders_at_once_one_is_paid_for() {
    let scene = scene(json!({"limits": {"history_messages": 2}, "compaction": {"by": "nobody"}})).await;
    let session = scene.session(None, &["claude"]).await;
    for text in ["[[say first]]", "[[say second]]", "[[say third]]"] {
        done(&scene, session, text).await;
    }
    let requests = scene.model.requests().len();
    let engine = scene.engine();
    let (user, other) = (call(), call());
    let both = tokio::join!(engine.compact_session(&user, session), engine.compact_session(&other, session));
    let (made, refused) = match both {
        (Ok(made), Err(refused)) | (Err(refused), Ok(made)) => (made, refused),
        other => panic!("{other:?}"),
    };
    assert!(["compaction_running", "nothing_to_compact"].contains(&refused.code.as_ref()), "{refused:?}");
    assert_eq!(made.generation, 1);
    assert_eq!(scene.model.requests().len(), requests + 1);
}
