//! Boards.

use super::Key;
use crate::client::{Ask, Client};
use crate::{ClientError, path};
use protocol::Method::{Delete, Get, Patch, Post};
use protocol::{
    Board, BoardDocument, BoardPatch, BoardSummary, Card, CardAnswer, CardPatch, Comment, CommentPatch,
    NewBoard, NewCard, NewComment, NewImportedBoard, NewZone, Page, WholeBoard, Zone, ZonePatch,
};

impl Client {
    pub async fn boards(&self) -> Result<Page<BoardSummary>, ClientError> {
        self.ask(Ask::new(Get, "/boards")).await
    }

    pub async fn create_board(&self, new: &NewBoard, key: Key<'_>) -> Result<Board, ClientError> {
        self.ask(Ask::new(Post, "/boards").body(new)?.key(key)).await
    }

    /// By id, short id, or short name.
    pub async fn board(&self, id: &str) -> Result<WholeBoard, ClientError> {
        self.ask(Ask::new(Get, path::under("boards", id, ""))).await
    }

    pub async fn change_board(
        &self,
        id: &str,
        patch: &BoardPatch,
        key: Key<'_>,
    ) -> Result<Board, ClientError> {
        self.ask(Ask::new(Patch, path::under("boards", id, "")).body(patch)?.key(key)).await
    }

    pub async fn remove_board(&self, id: &str, key: Key<'_>) -> Result<(), ClientError> {
        self.ask(Ask::new(Delete, path::under("boards", id, "")).key(key)).await
    }

    pub async fn clone_board(
        &self,
        id: &str,
        new: &NewBoard,
        key: Key<'_>,
    ) -> Result<WholeBoard, ClientError> {
        self.ask(Ask::new(Post, path::under("boards", id, "/clone")).body(new)?.key(key)).await
    }

    pub async fn export_board(&self, id: &str) -> Result<BoardDocument, ClientError> {
        self.ask(Ask::new(Get, path::under("boards", id, "/export"))).await
    }

    pub async fn import_board(
        &self,
        new: &NewImportedBoard,
        key: Key<'_>,
    ) -> Result<WholeBoard, ClientError> {
        self.ask(Ask::new(Post, "/boards/import").body(new)?.key(key)).await
    }

    pub async fn place_card(&self, board: &str, new: &NewCard, key: Key<'_>) -> Result<Card, ClientError> {
        self.ask(Ask::new(Post, path::under("boards", board, "/cards")).body(new)?.key(key)).await
    }

    pub async fn change_card(&self, id: &str, patch: &CardPatch, key: Key<'_>) -> Result<Card, ClientError> {
        self.ask(Ask::new(Patch, path::under("cards", id, "")).body(patch)?.key(key)).await
    }

    /// Whether what waits on a card is to be done.
    pub async fn answer_card(
        &self,
        id: &str,
        answer: &CardAnswer,
        key: Key<'_>,
    ) -> Result<Card, ClientError> {
        self.ask(Ask::new(Post, path::under("cards", id, "/answer")).body(answer)?.key(key)).await
    }

    pub async fn remove_card(&self, id: &str, key: Key<'_>) -> Result<(), ClientError> {
        self.ask(Ask::new(Delete, path::under("cards", id, "")).key(key)).await
    }

    pub async fn place_zone(&self, board: &str, new: &NewZone, key: Key<'_>) -> Result<Zone, ClientError> {
        self.ask(Ask::new(Post, path::under("boards", board, "/zones")).body(new)?.key(key)).await
    }

    pub async fn change_zone(&self, id: &str, patch: &ZonePatch, key: Key<'_>) -> Result<Zone, ClientError> {
        self.ask(Ask::new(Patch, path::under("zones", id, "")).body(patch)?.key(key)).await
    }

    pub async fn remove_zone(&self, id: &str, key: Key<'_>) -> Result<(), ClientError> {
        self.ask(Ask::new(Delete, path::under("zones", id, "")).key(key)).await
    }

    pub async fn add_comment(
        &self,
        board: &str,
        new: &NewComment,
        key: Key<'_>,
    ) -> Result<Comment, ClientError> {
        self.ask(Ask::new(Post, path::under("boards", board, "/comments")).body(new)?.key(key)).await
    }

    pub async fn resolve_comment(
        &self,
        id: &str,
        patch: &CommentPatch,
        key: Key<'_>,
    ) -> Result<Comment, ClientError> {
        self.ask(Ask::new(Patch, path::under("comments", id, "")).body(patch)?.key(key)).await
    }

    pub async fn remove_comment(&self, id: &str, key: Key<'_>) -> Result<(), ClientError> {
        self.ask(Ask::new(Delete, path::under("comments", id, "")).key(key)).await
    }
}
