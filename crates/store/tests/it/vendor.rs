//! What the history tells of agents whose vendor's own program is driven.

use model::{
    Event, Opening, Outline, OutlineState, OutlineStep, Permission, PermissionAsk, PermissionDecision,
    PermissionId, PermissionScope, ToolCategory, Turn, VendorRecords,
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
