//! What a session is told about itself and about the others.

use super::identity::Actor;
use crate::render::clean;
use model::{Presence, Vitality};

/// Most others who are named.
pub(super) const OTHERS_MAX: usize = 8;
/// Most files named of each.
const FILES_MAX: usize = 4;

/// Who it is, who else works here, and how to get on with them.
pub(super) fn introduction(actor: &Actor, sessions: &[Presence], worktree: &str) -> String {
    let short = actor.id.short();
    let here: Vec<&Presence> = sessions
        .iter()
        .filter(|one| one.registration.id != actor.id && one.vitality != Vitality::Dead)
        .filter(|one| one.registration.worktree.as_deref() == Some(worktree))
        .collect();
    let named: Vec<String> = here.iter().take(OTHERS_MAX).map(|one| other(one)).collect();
    let more = here.len().saturating_sub(OTHERS_MAX);
    let others = match (named.is_empty(), more) {
        (true, _) => "Nobody else works in this worktree now.".to_owned(),
        (false, 0) => format!("Here also work: {}.", named.join("; ")),
        (false, more) => format!("Here also work: {}; and {more} more (`coditect who`).", named.join("; ")),
    };
    format!(
        "You are {agent} {short} on the coditect bus: several agents may work in this repository at once. {others} A file is \
         locked for you when you edit it and freed when your turn ends; an edit of a file another session holds is denied, \
         and the denial says who has it. Then wait with `coditect lock acquire PATH --wait`, or do something else first. Do \
         not write to held files with shell commands: it is noticed and both sides are told. `coditect who` shows the \
         sessions, `coditect lock list` the locks, `coditect msg send CHANNEL TEXT --to ID` talks to one of them.",
        agent = clean(&actor.agent),
    )
}

fn other(one: &Presence) -> String {
    let name = format!("{} {}", clean(&one.registration.agent), one.registration.id.short());
    let files: Vec<String> =
        one.active_files.iter().take(FILES_MAX).map(|file| format!("`{}`", clean(file))).collect();
    match files.is_empty() {
        true => name,
        false => format!("{name} (has locked {})", files.join(", ")),
    }
}
