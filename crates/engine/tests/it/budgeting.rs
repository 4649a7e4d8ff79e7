//! Budgets: work that may cost no more stops, says why, and goes on when it may.

use crate::scene::{Scene, call};
use engine::{SpendingBy, TaskView};
use model::{BudgetKind, CostSource, Event, ParticipantStatus, SessionId, TaskState, TurnOutcome};
use serde_json::{Value, json};

fn answered(cost_micros: u64) -> Value {
    json!({
        "event": "model_answered", "latency_ms": 1, "retries": 0,
        "usage": { "input_tokens": 90, "output_tokens": 10, "cache_read_tokens": 0, "cache_write_tokens": 0, "cost_micros": cost_micros },
    })
}

fn ended() -> Value {
    json!({
        "event": "ended", "outcome": { "state": "completed", "summary": "done" }, "iterations": 1,
        "usage": { "input_tokens": 90, "output_tokens": 10, "cache_read_tokens": 0, "cache_write_tokens": 0, "cost_micros": 0 },
    })
}

async fn prompted(scene: &Scene) -> (SessionId, TaskView) {
    let session = scene.session(None, &["claude"]).await;
    (session, scene.prompt(session, "work", &[]).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_goes_beyond_its_budget_is_ended_and_the_next_waits_until_it_is_raised() {
    let budgets = json!({ "session_usd": "1.00" });
    let scene = Scene::scripted(json!({ "budgets": budgets })).await;
    scene.script(
        &[json!({ "event": "ready" }), answered(700_000), answered(200_000), answered(200_000)],
        1,
        &[],
    );
    let (session, task) = prompted(&scene).await;
    let over = scene.task_over(task.task.id).await;
    assert_eq!(over.state, TaskState::Failed);
    let outcome = over.turns[0].outcome.clone().unwrap();
    assert!(
        matches!(&outcome, TurnOutcome::Failed { code, message }
        if code == "budget_exceeded" && message.contains("$1.10 of $1.00") && message.contains("budgets.session_usd")),
        "{outcome:?}"
    );
    assert_eq!((over.usage.cost_micros, over.usage.cost_source), (1_100_000, CostSource::Table));
    let warned: Vec<_> = scene
        .events()
        .into_iter()
        .filter_map(|event| if let Event::BudgetWarned(warning) = event { Some(warning) } else { None })
        .collect();
    assert_eq!(warned.len(), 1, "said once");
    assert_eq!(
        (warned[0].budget, warned[0].spent, warned[0].limit),
        (BudgetKind::Session, 900_000, 1_000_000)
    );

    scene.script(&[json!({ "event": "ready" }), answered(1)], 0, &[ended()]);
    let next = scene.prompt(session, "more", &[]).await.unwrap();
    let seat = scene
        .until("it is paused", || {
            let seat = scene.engine().participants(session).unwrap().remove(0);
            Some(seat).filter(|seat| seat.status == ParticipantStatus::Paused)
        })
        .await;
    assert!(seat.detail.unwrap().contains("the session's budget is used up"));
    assert_eq!(scene.engine().task(next.task.id).unwrap().state, TaskState::Submitted);
    let held = scene.engine().doctor().await;
    assert!(held.iter().any(|finding| finding.check == "work_held"
        && finding.hint.as_ref().is_some_and(|hint| hint.contains("budgets.session_usd"))));

    scene.configure_with(json!({ "budgets": { "session_usd": "5.00" } }));
    scene.engine().reload_config().unwrap();
    assert_eq!(scene.task_over(next.task.id).await.state, TaskState::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_does_more_beyond_its_budget_is_ended_and_one_that_is_done_stays_done() {
    let scene = Scene::scripted(json!({ "budgets": { "task_usd": "1.00" } })).await;
    let said = |blocks: Value| json!({ "event": "message", "role": "assistant", "blocks": blocks, "usage": null, "latency_ms": null });
    let words = said(json!([{ "type": "text", "text": "Done." }]));
    let call = said(json!([{ "type": "tool_call", "call_id": "1", "tool": "Read", "arguments": {} }]));
    let turn = |then: Value| [json!({ "event": "ready" }), answered(1_500_000), then, ended()];
    for (then, state) in [(words, TaskState::Completed), (call, TaskState::Failed)] {
        scene.script(&turn(then), 0, &[]);
        let (_, task) = prompted(&scene).await;
        let over = scene.task_over(task.task.id).await;
        assert_eq!((over.state, over.usage.cost_micros), (state, 1_500_000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_names_agents_whose_programs_do_not_say_what_they_use() {
    use engine::Severity;
    let scene = Scene::scripted(json!({})).await;
    let budgets = json!({ "day_tokens": 100 });
    for (agent, budgets, severity) in [
        (json!({ "driver": "acp", "command": ["goose", "acp"] }), budgets.clone(), Some(Severity::Warning)),
        (json!({ "driver": "acp", "command": ["goose", "acp"] }), json!({}), Some(Severity::Ok)),
        (json!({ "driver": "acp", "command": ["/opt/kimi"] }), budgets.clone(), Some(Severity::Warning)),
        (json!({ "driver": "acp", "command": ["gemini"] }), budgets.clone(), None),
        (json!({ "driver": "native" }), budgets, None),
    ] {
        scene.configure_with(json!({ "agent": agent, "budgets": budgets }));
        scene.engine().reload_config().unwrap();
        let found = scene.engine().doctor().await;
        let found = found.iter().find(|finding| finding.check == "agent_usage");
        assert_eq!(found.map(|finding| finding.severity), severity, "{agent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_a_budget_where_nobody_knows_a_price_and_costs_are_told_apart() {
    let scene =
        Scene::scripted(json!({ "budgets": { "agents": { "claude": { "day_tokens": 150 } } } })).await;
    scene.script(&[json!({ "event": "ready" }), answered(0)], 0, &[ended()]);
    let (session, task) = prompted(&scene).await;
    assert_eq!(scene.task_over(task.task.id).await.state, TaskState::Completed);
    let second = scene.prompt(session, "again", &[]).await.unwrap();
    assert_eq!(scene.task_over(second.task.id).await.state, TaskState::Completed, "200 of 150, and done");
    for by in [SpendingBy::Session, SpendingBy::Task, SpendingBy::Agent, SpendingBy::Model, SpendingBy::Day] {
        for of in [None, Some(session)] {
            let spending = scene.engine().spending(by, of, None).unwrap();
            let calls: u64 = spending.rows.iter().map(|row| row.calls).sum();
            let rows = if by == SpendingBy::Task { 2 } else { 1 };
            assert_eq!(
                (spending.rows.len(), calls, spending.total.tokens()),
                (rows, 2, 200),
                "{by:?} {of:?}"
            );
        }
    }
    let total = scene.engine().spending(SpendingBy::Agent, None, Some("9999-01-01")).unwrap();
    assert!(total.rows.is_empty() && total.total.is_empty(), "nothing since then");
    assert_eq!(scene.engine().session(session).unwrap().usage.cost_source, CostSource::None);
    let doctor = scene.engine().doctor().await;
    assert!(
        doctor
            .iter()
            .any(|finding| finding.check == "agent_price" && finding.message.contains("claude-test"))
    );
    assert_eq!(
        scene.prompt(session, "third", &[]).await.unwrap().state,
        TaskState::Submitted,
        "accepted, and waits"
    );
    scene.engine().archive_session(&call(), session).await.unwrap_err();
}
