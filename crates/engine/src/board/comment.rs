//! Comments on boards and cards, in threads of one level: an answer to an answer belongs to the same thread.

use super::{check_room, present};
use crate::message::clean_text;
use crate::{Call, Engine};
use model::{
    BoardId, COMMENT_MAX, COMMENTS_MAX, CardId, Comment, CommentId, CommentRemoved, CommentResolved, Event,
    Refusal,
};
use store::{CommentRow, View};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewComment {
    pub text: String,
    /// None: it is on the board itself.
    pub card: Option<CardId>,
    /// Any comment of the thread it belongs to.
    pub reply_to: Option<CommentId>,
}

impl Engine {
    pub async fn add_comment(
        &self,
        call: &Call,
        board: BoardId,
        new: NewComment,
    ) -> Result<CommentRow, Refusal> {
        call.only_user()?;
        let text = checked_text(&new.text)?;
        let (id, created_at) = (self.shared.new_id(), self.shared.now());
        let author = call.actor();
        let command = move |view: &View<'_>| {
            present(view, board)?;
            check_room(view.board_counts(board)?.comments, 1, COMMENTS_MAX, "comments")?;
            let mut card = new.card;
            if let Some(card) = card
                && super::card::there(view, card)?.board != board
            {
                return Err(Refusal::not_found("card of this board", card.short()));
            }
            let mut reply_to = None;
            if let Some(given) = new.reply_to {
                let first = there(view, given)?.comment;
                if first.board != board {
                    return Err(Refusal::not_found("comment of this board", given.short()));
                }
                card = first.card;
                reply_to = Some(first.reply_to.unwrap_or(first.id));
            }
            Ok(vec![Event::CommentAdded(Comment { id, board, card, reply_to, author, text, created_at })])
        };
        let receipt = self.shared.commit(call.actor(), call.key.clone(), command).await?;
        let added = receipt.records.iter().find_map(|record| match &record.event {
            Event::CommentAdded(comment) => Some(comment.id),
            _ => None,
        });
        let id = added.ok_or_else(|| Refusal::internal("the commit added no comment"))?;
        self.shared.store.read_or_refuse(|view| there(view, id))
    }

    /// Settles the thread a comment belongs to, or opens it again; gives the first comment of it.
    pub async fn settle_comment(
        &self,
        call: &Call,
        comment: CommentId,
        resolved: bool,
    ) -> Result<CommentRow, Refusal> {
        call.only_user()?;
        let first = self.shared.store.read_or_refuse(|view| {
            let row = there(view, comment)?;
            Ok(row.comment.reply_to.unwrap_or(comment))
        })?;
        let command = move |view: &View<'_>| {
            let row = there(view, first)?;
            let settled = CommentResolved { board: row.comment.board, comment: first, resolved };
            Ok((row.resolved != resolved).then_some(Event::CommentResolved(settled)).into_iter().collect())
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.shared.store.read_or_refuse(|view| there(view, first))
    }

    /// Removes a comment; with the first of a thread its replies.
    pub async fn remove_comment(&self, call: &Call, comment: CommentId) -> Result<(), Refusal> {
        call.only_user()?;
        let command = move |view: &View<'_>| {
            let board = there(view, comment)?.comment.board;
            Ok(vec![Event::CommentRemoved(CommentRemoved { board, comment })])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await.map(drop)
    }
}

fn there(view: &View<'_>, comment: CommentId) -> Result<CommentRow, Refusal> {
    view.comment(comment)?.ok_or_else(|| {
        Refusal::not_found("comment", comment.short()).hint("`coditect board show BOARD` shows its comments")
    })
}

pub(super) fn checked_text(given: &str) -> Result<String, Refusal> {
    let text = clean_text(given);
    if text.trim().is_empty() {
        return Err(Refusal::invalid("comment_empty", "the comment is empty").hint("say something"));
    }
    if text.len() > COMMENT_MAX {
        let message = format!("a comment has at most {COMMENT_MAX} bytes, this one has {}", text.len());
        return Err(Refusal::invalid("comment_too_long", message).hint("make a note card of it"));
    }
    if text.contains('\0') {
        return Err(
            Refusal::invalid("comment_characters", "a comment has no NUL characters").hint("take them out")
        );
    }
    Ok(text)
}
