//! What each event means for the resources a client shows.

use model::{Cursor, Event, LockPhase, Timestamp};
use protocol::{Action, Noun, Resource, resources};

fn of(event: &Event) -> Vec<Resource> {
    resources(Cursor { epoch: 1, seq: 2 }, Timestamp::from_millis(1000), event)
}

fn story(kind: &str) -> Event {
    testkit::every_event().into_iter().find(|event| event.kind() == kind).unwrap()
}

fn check(kind: &str, expected: &[(Action, Noun)]) {
    let found: Vec<(Action, Noun)> = of(&story(kind)).iter().map(|r| (r.action, r.noun)).collect();
    assert_eq!(found, expected, "{kind}");
}

#[test]
fn each_kind_of_event_changes_its_resources() {
    use Action::{Created, Patched, Removed};
    check("board.created", &[(Created, Noun::Board)]);
    check("board.removed", &[(Removed, Noun::Board)]);
    check("card.placed", &[(Created, Noun::Card)]);
    check("card.moved", &[(Patched, Noun::Card)]);
    check("card.edited", &[(Patched, Noun::Card)]);
    check("card.removed", &[(Removed, Noun::Card)]);
    check("zone.placed", &[(Created, Noun::Zone)]);
    check("zone.removed", &[(Removed, Noun::Zone)]);
    check("trigger.fired", &[(Created, Noun::Firing)]);
    check("trigger.ended", &[(Patched, Noun::Firing)]);
    check("comment.added", &[(Created, Noun::Comment)]);
    check("comment.resolved", &[(Patched, Noun::Comment)]);
    check("comment.removed", &[(Removed, Noun::Comment)]);
    check("repo.added", &[(Removed, Noun::Clone), (Created, Noun::Repo)]);
    check("repo.clone_started", &[(Created, Noun::Clone)]);
    check("repo.clone_progressed", &[(Patched, Noun::Clone)]);
    check("repo.clone_failed", &[(Removed, Noun::Clone)]);
    check("worktree.created", &[(Created, Noun::Worktree)]);
    check("worktree.assigned", &[(Patched, Noun::Session)]);
    check("worktree.merged", &[(Patched, Noun::Worktree)]);
    check("worktree.trashed", &[(Patched, Noun::Worktree)]);
    check("worktree.restored", &[(Patched, Noun::Worktree)]);
    check("worktree.purged", &[(Removed, Noun::Worktree)]);
    check("worktree.script_started", &[(Patched, Noun::Worktree)]);
    check("worktree.script_ended", &[(Patched, Noun::Worktree)]);
    check("merge.added", &[(Created, Noun::Merge)]);
    check("merge.moved", &[(Patched, Noun::Merge)]);
    check("merge.changed", &[(Patched, Noun::Merge)]);
    check("conflict.changed", &[(Patched, Noun::Conflict)]);
    check("repo.removed", &[(Removed, Noun::Repo)]);
    check("session.created", &[(Created, Noun::Session)]);
    check("session.renamed", &[(Patched, Noun::Session)]);
    check("session.compacted", &[(Created, Noun::Compaction), (Patched, Noun::Session)]);
    check("session.compaction_failed", &[(Patched, Noun::Session)]);
    check("participant.status_changed", &[(Patched, Noun::Participant)]);
    check("task.submitted", &[(Created, Noun::Task), (Patched, Noun::Session)]);
    check("task.completed", &[(Patched, Noun::Task), (Patched, Noun::Session)]);
    check("turn.ended", &[(Patched, Noun::Turn)]);
    check("message.drafted", &[(Patched, Noun::Draft)]);
    check("message.appended", &[(Removed, Noun::Draft), (Created, Noun::Message)]);
    check("plan.proposed", &[(Created, Noun::Proposal)]);
    check("plan.completed", &[(Patched, Noun::Plan)]);
    check("registration.ended", &[(Removed, Noun::Registration)]);
    check("notice.published", &[(Created, Noun::Notice)]);
    check("permission.requested", &[(Created, Noun::Permission), (Patched, Noun::Session)]);
    check("permission.decided", &[(Patched, Noun::Permission), (Patched, Noun::Session)]);
    check("permission.rule_added", &[(Created, Noun::PermissionRule)]);
    check("permission.rule_removed", &[(Removed, Noun::PermissionRule)]);
    check("budget.warned", &[]);
    check("context.changed", &[(Created, Noun::ContextEntry)]);
    check("journal.repaired", &[]);
}

#[test]
fn a_lock_comes_and_goes_by_its_token() {
    let Event::LockChanged(mut change) = story("lock.changed") else { unreachable!("the story has a lock") };
    for (phase, expected) in [
        (LockPhase::Waiting, None),
        (LockPhase::Acquired, Some(Action::Created)),
        (LockPhase::TakenOver, Some(Action::Created)),
        (LockPhase::Released, Some(Action::Removed)),
        (LockPhase::Expired, Some(Action::Removed)),
        (LockPhase::Broken, Some(Action::Removed)),
    ] {
        change.phase = phase;
        let found = of(&Event::LockChanged(change.clone()));
        assert_eq!(found.first().map(|r| r.action), expected, "{phase:?}");
        assert!(found.iter().all(|r| r.id == change.token.to_string()));
    }
}

#[test]
fn patches_over_the_created_task_give_the_present_task() {
    let mut shown = serde_json::Map::new();
    for kind in
        ["task.submitted", "task.started", "task.input_requested", "task.input_answered", "task.completed"]
    {
        for resource in of(&story(kind)).into_iter().filter(|r| r.noun == Noun::Task) {
            shown.extend(resource.body.as_object().cloned().unwrap());
        }
    }
    let task: protocol::Task = serde_json::from_value(shown.into()).unwrap();
    assert_eq!(task.state, protocol::TaskState::Completed);
    assert_eq!(task.text.as_deref(), Some("leases are in"));
    assert_eq!(task.question, None);
    assert_eq!(task.updated_at, Timestamp::from_millis(1000));
}
