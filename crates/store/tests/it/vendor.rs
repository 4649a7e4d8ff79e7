//! What the history tells of agents whose vendor's own program is driven.

use model::{
    BudgetKind, BudgetUnit, BudgetWarning, Event, FileRestored, Opening, Outline, OutlineState, OutlineStep,
    Permission, PermissionAsk, PermissionDecision, PermissionEffect, PermissionId, PermissionRule,
    PermissionRuleId, PermissionRuleRemoval, PermissionScope, RepoId, Timestamp, ToolCategory, Turn,
    VendorRecords,
};

/// It opens its session, says what it intends, asks for a command, and is told no.
pub(crate) fn driven(turn: &Turn, permission: PermissionId) -> Vec<Event> {
    let Turn { session, task, participant, id: turn, .. } = *turn;
    let ask = PermissionAsk {
        tool: "Bash".to_owned(),
        category: ToolCategory::Shell,
        summary: "run `make install`".to_owned(),
        arguments: serde_json::json!({"command": "make install"}),
        paths: Vec::new(),
    };
    let steps = vec![OutlineStep { text: "Read the module".to_owned(), state: OutlineState::InProgress }];
    vec![
        Event::ParticipantOpened(Opening {
            session,
            participant,
            turn,
            vendor_session: "0b9f3c52".to_owned(),
            version: Some("2.1.329".to_owned()),
            goes_on: true,
        }),
        Event::TurnOutlined(Outline { session, turn, participant, steps }),
        Event::TurnRecorded(VendorRecords {
            session,
            turn,
            participant,
            from: 0,
            lines: vec!["{\"type\":\"system\"}".to_owned()],
        }),
        Event::PermissionRequested(Permission {
            id: permission,
            session,
            task,
            turn,
            participant,
            ask,
            arguments_hash: "00cc".to_owned(),
        }),
        Event::PermissionDecided(PermissionDecision {
            permission,
            session,
            turn,
            participant,
            allowed: false,
            scope: PermissionScope::Once,
            by: "user".to_owned(),
            reason: "not now".to_owned(),
        }),
    ]
}

/// A yes that is to hold for more than once, one that does no more, and a budget that comes to its end.
pub(crate) fn bounded(
    turn: &Turn,
    permission: PermissionId,
    rules: [PermissionRuleId; 2],
    at: Timestamp,
) -> Vec<Event> {
    let Turn { session, task, participant, id: turn, .. } = *turn;
    let rule = |id| {
        Event::PermissionRuleAdded(PermissionRule {
            id,
            scope: PermissionScope::Session,
            session: Some(session),
            repo: None,
            tool: "=Bash".to_owned(),
            category: ToolCategory::Shell,
            paths: Vec::new(),
            command: Some("=make test".to_owned()),
            effect: PermissionEffect::Allow,
            permission,
            created_at: at,
        })
    };
    vec![
        rule(rules[0]),
        rule(rules[1]),
        Event::PermissionRuleRemoved(PermissionRuleRemoval { rule: rules[1], session: Some(session) }),
        Event::BudgetWarned(BudgetWarning {
            session,
            task,
            turn,
            participant,
            agent: "claude".parse().unwrap(),
            budget: BudgetKind::Day,
            unit: BudgetUnit::Usd,
            spent: 8_100_000,
            limit: 10_000_000,
        }),
    ]
}

/// What a shell had overwritten is back.
pub(crate) fn restored(repo: RepoId) -> Event {
    Event::FileRestored(FileRestored {
        repo,
        path: "src/generated.rs".parse().unwrap(),
        to: "before_lock".to_owned(),
        restored: "b".repeat(64),
        overwritten: Some("c".repeat(64)),
        holder: Some("kimi".to_owned()),
    })
}
