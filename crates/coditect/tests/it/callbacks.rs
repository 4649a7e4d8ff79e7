//! A daemon that is killed between the end of a session and the word of it to the session that waits.

use crate::house::until;
use crate::kill::Workplace;
use protocol::{CallbackWish, NewFork, NewSpawn, Task, TaskState};

/// Where the daemon is killed, seen from the child's task.
const MOMENTS: [&[TaskState]; 3] = [
    &[TaskState::Submitted, TaskState::Working, TaskState::Completed],
    &[TaskState::Working, TaskState::Completed],
    &[TaskState::Completed],
];
const ROUNDS: usize = 9;

// A command would start a daemon of its own where it finds none; the client does not.
fn tasks(place: &Workplace, session: &str) -> Vec<Task> {
    place.house.api(async |client| client.session_tasks(session).await.unwrap().value.items)
}

/// Tasks of the session that tell of the child.
fn told(place: &Workplace, session: &str, child: &str) -> usize {
    tasks(place, session).iter().filter(|task| task.prompt.contains(child)).count()
}

#[test]
fn a_callback_is_told_once_and_to_nobody_else_however_often_the_daemon_is_killed() {
    let place = Workplace::new();
    let mut daemon = place.daemon();
    let parent = place.session("claude");
    let mut children = Vec::new();
    for round in 0..ROUNDS {
        let new = NewSpawn {
            prompt: format!("[[say built {round}]]"),
            callback: CallbackWish::Once,
            ..NewSpawn::default()
        };
        let spawned =
            place.house.api(async |client| client.spawn_session(&parent, &new, None).await.unwrap());
        let (child, task) = (spawned.session.short_id, spawned.task.id.to_string());
        until("the moment", || {
            let task = place.house.api(async |client| client.task(&task).await.unwrap().value);
            MOMENTS[round % MOMENTS.len()].contains(&task.state).then_some(())
        });
        daemon.kill();
        daemon = place.daemon();
        until("the parent is told", || (told(&place, &parent, &child) > 0).then_some(()));
        children.push(child);
    }
    let new = NewFork::default();
    let fork = place.house.api(async |client| client.fork_session(&parent, &new, None).await.unwrap());
    daemon.kill();
    let _daemon = place.daemon();
    until("the parent has heard it all", || {
        tasks(&place, &parent).iter().all(|task| task.state.is_terminal()).then_some(())
    });
    for child in &children {
        assert_eq!(told(&place, &parent, child), 1, "{child}");
        assert_eq!(tasks(&place, child).len(), 1, "a child has its own work and no word of others");
    }
    assert!(tasks(&place, &fork.id.to_string()).is_empty(), "a fork of the parent waits for nobody");
}
