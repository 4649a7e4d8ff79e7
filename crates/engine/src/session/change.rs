//! What changes of a session that is there: its title, its tags, who is told of its end, and whether it is put away.

use super::{check_title, visible};
use crate::{Call, Engine, SessionView};
use model::{
    Callback, CallbackChange, CallbackMode, Event, Namer, Refusal, SESSION_TAG_MAX, SESSION_TAGS_MAX,
    SessionArchived, SessionId, SessionRenamed, SessionState, SessionTags,
};
use std::collections::BTreeSet;
use store::{SessionRow, View};

/// What is to be different; what is not said stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionChange {
    pub title: Option<String>,
    pub add_tags: Vec<String>,
    pub remove_tags: Vec<String>,
    /// Whether, and how often, the session this one came out of is told of its end.
    pub callback: Option<CallbackWish>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackWish {
    /// Nobody is told.
    Never,
    Once,
    Always,
}

impl CallbackWish {
    pub(crate) const fn mode(self) -> Option<CallbackMode> {
        match self {
            Self::Never => None,
            Self::Once => Some(CallbackMode::Once),
            Self::Always => Some(CallbackMode::Always),
        }
    }
}

impl Engine {
    /// Changes all of what is said, or nothing.
    pub async fn change_session(
        &self,
        call: &Call,
        session: SessionId,
        change: SessionChange,
    ) -> Result<SessionView, Refusal> {
        call.only_user()?;
        if let Some(title) = &change.title {
            check_title(title)?;
            if title.trim().is_empty() {
                return Err(Refusal::invalid("title_empty", "a session needs a title"));
            }
        }
        for tag in change.add_tags.iter().chain(&change.remove_tags) {
            check_tag(tag)?;
        }
        let command = move |view: &View<'_>| {
            let row = visible(view, session)?;
            let mut events = Vec::new();
            events.extend(tags(&row, &change)?);
            events.extend(callback(view, &row, change.callback)?);
            if let Some(title) = change.title {
                let title = title.trim().to_owned();
                events.push(Event::SessionRenamed(SessionRenamed { session, title, by: Namer::User }));
            }
            Ok(events)
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.session(session)
    }

    /// Puts a session out of sight. Nothing is deleted; one that still works is refused.
    pub async fn archive_session(&self, call: &Call, session: SessionId) -> Result<SessionView, Refusal> {
        call.only_user()?;
        let command = move |view: &View<'_>| {
            let row = visible(view, session)?;
            if row.archived_at.is_some() {
                return Ok(Vec::new());
            }
            idle(&row)?;
            Ok(vec![Event::SessionArchived(SessionArchived { session })])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.session(session)
    }

    /// Brings an archived session back.
    pub async fn unarchive_session(&self, call: &Call, session: SessionId) -> Result<SessionView, Refusal> {
        call.only_user()?;
        let command = move |view: &View<'_>| {
            let row = visible(view, session)?;
            let archived = row.archived_at.is_some();
            Ok(archived
                .then_some(Event::SessionUnarchived(SessionArchived { session }))
                .into_iter()
                .collect())
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        // What it was to be told meanwhile it is told now.
        self.wake(session).await;
        self.session(session)
    }
}

/// Refuses a session that still works.
pub(super) fn idle(row: &SessionRow) -> Result<(), Refusal> {
    if row.state == SessionState::Running {
        return Err(Refusal::conflict("session_running", "the session still has open tasks")
            .hint("cancel them first: `coditect task cancel ID`"));
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), Refusal> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '@' | '+');
    if tag.is_empty() || tag.chars().count() > SESSION_TAG_MAX || !tag.chars().all(fits) {
        let message = format!("`{}` is no tag", tag.chars().take(SESSION_TAG_MAX).collect::<String>());
        return Err(Refusal::invalid("tag_invalid", message)
            .hint(format!("a tag has 1 to {SESSION_TAG_MAX} letters, digits and -_.:/@+, and no blanks")));
    }
    Ok(())
}

fn tags(row: &SessionRow, change: &SessionChange) -> Result<Option<Event>, Refusal> {
    let before: BTreeSet<String> = row.tags.iter().cloned().collect();
    let mut after: BTreeSet<String> =
        before.difference(&change.remove_tags.iter().cloned().collect()).cloned().collect();
    after.extend(change.add_tags.iter().cloned());
    if after.len() > SESSION_TAGS_MAX {
        let message = format!("a session has at most {SESSION_TAGS_MAX} tags");
        return Err(Refusal::invalid("too_many_tags", message).hint("take some away first"));
    }
    let tags = after.iter().cloned().collect();
    Ok((before != after).then_some(Event::SessionTagged(SessionTags { session: row.session.id, tags })))
}

fn callback(view: &View<'_>, row: &SessionRow, wish: Option<CallbackWish>) -> Result<Option<Event>, Refusal> {
    let Some(wish) = wish else { return Ok(None) };
    let (session, now) = (row.session.id, row.session.lineage.callback);
    let wished = match wish.mode() {
        None => None,
        Some(mode) => {
            let parent = row.session.parent.ok_or_else(|| {
                Refusal::conflict("no_parent", "nobody spawned the session, so nobody is told of its end")
                    .hint("spawn one that calls back: `coditect session spawn PARENT \"…\" --callback once`")
            })?;
            visible(view, parent)?;
            Some(Callback { session: parent, mode, to: row.session.lineage.spawned_by })
        }
    };
    let change = CallbackChange { session, callback: wished };
    Ok((now != wished).then_some(Event::SessionCallbackChanged(change)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_short_word() {
        for good in ["ui", "v1.2", "team/backend", "größe", "a:b@c+d"] {
            assert_eq!(check_tag(good), Ok(()), "{good}");
        }
        let long = "x".repeat(SESSION_TAG_MAX + 1);
        for bad in ["", " ", "two words", "a,b", "a\n", long.as_str()] {
            assert_eq!(check_tag(bad).unwrap_err().code, "tag_invalid", "{bad}");
        }
    }
}
