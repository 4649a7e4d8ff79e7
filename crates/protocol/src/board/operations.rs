//! What can be done with boards.

use super::{
    Board, BoardDocument, BoardPatch, BoardSummary, Card, CardAnswer, CardPatch, Comment, CommentPatch,
    NewBoard, NewCard, NewComment, NewImportedBoard, NewZone, WholeBoard, Zone, ZonePatch,
};
use crate::operation::{
    Access::User,
    Answer, Method,
    Method::{Delete, Get, Patch, Post},
    Operation,
};

pub(crate) fn operations() -> Vec<Operation> {
    [of_boards(), of_what_is_on_them()].concat()
}

fn op(id: &'static str, method: Method, path: &str, summary: &'static str) -> Operation {
    Operation::new("boards", id, method, path, User, summary)
}

fn gone(operation: Operation) -> Operation {
    operation.answers(204, Answer::Nothing)
}

fn of_boards() -> Vec<Operation> {
    vec![
        op("list_boards", Get, "/boards", "Lists the boards, by their short names.").lists::<BoardSummary>(),
        op("create_board", Post, "/boards", "Makes a board.").body::<NewBoard>().creates::<Board>(),
        op("get_board", Get, "/boards/{id}", "Shows a board with all that is on it.").returns::<WholeBoard>(),
        op("change_board", Patch, "/boards/{id}", "Gives a board another name.")
            .body::<BoardPatch>()
            .returns::<Board>(),
        gone(op(
            "remove_board",
            Delete,
            "/boards/{id}",
            "Removes a board with its cards, zones and comments, and nothing else.",
        )),
        op("clone_board", Post, "/boards/{id}/clone", "Makes another board with the same on it.")
            .body::<NewBoard>()
            .creates::<WholeBoard>(),
        op("export_board", Get, "/boards/{id}/export", "Gives a board as one document.")
            .returns::<BoardDocument>(),
        op("import_board", Post, "/boards/import", "Makes a board from a document.")
            .body::<NewImportedBoard>()
            .creates::<WholeBoard>(),
    ]
}

fn of_what_is_on_them() -> Vec<Operation> {
    vec![
        op(
            "place_card",
            Post,
            "/boards/{id}/cards",
            "Puts a session, a worktree or a note on a board; in a zone that sets its trigger off.",
        )
        .body::<NewCard>()
        .creates::<Card>(),
        op(
            "change_card",
            Patch,
            "/cards/{id}",
            "Moves a card or changes its note; dropped in another zone, it sets the zone's trigger off once.",
        )
        .body::<CardPatch>()
        .returns::<Card>(),
        op(
            "answer_card",
            Post,
            "/cards/{id}/answer",
            "Says whether a trigger that waits is to be carried out.",
        )
        .body::<CardAnswer>()
        .returns::<Card>(),
        gone(op(
            "remove_card",
            Delete,
            "/cards/{id}",
            "Takes a card off its board; what it stands for stays.",
        )),
        op("place_zone", Post, "/boards/{id}/zones", "Makes a zone on a board.")
            .body::<NewZone>()
            .creates::<Zone>(),
        op("change_zone", Patch, "/zones/{id}", "Changes a zone; no trigger is set off by that.")
            .body::<ZonePatch>()
            .returns::<Zone>(),
        gone(op("remove_zone", Delete, "/zones/{id}", "Removes a zone; its cards stay.")),
        op("add_comment", Post, "/boards/{id}/comments", "Says something about a board or a card.")
            .body::<NewComment>()
            .creates::<Comment>(),
        op("resolve_comment", Patch, "/comments/{id}", "Settles a thread of comments, or opens it again.")
            .body::<CommentPatch>()
            .returns::<Comment>(),
        gone(op(
            "remove_comment",
            Delete,
            "/comments/{id}",
            "Removes a comment, and the replies of a first one.",
        )),
    ]
}
