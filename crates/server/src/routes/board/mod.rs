mod add_comment;
mod answer_card;
mod change;
mod change_card;
mod change_zone;
mod clone;
mod create;
mod export;
mod get;
mod import;
mod list;
mod place_card;
mod place_zone;
mod remove;
mod remove_card;
mod remove_comment;
mod remove_zone;
mod resolve_comment;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_boards", list::handle)
        .bind("create_board", create::handle)
        .bind("get_board", get::handle)
        .bind("change_board", change::handle)
        .bind("remove_board", remove::handle)
        .bind("clone_board", clone::handle)
        .bind("export_board", export::handle)
        .bind("import_board", import::handle)
        .bind("place_card", place_card::handle)
        .bind("change_card", change_card::handle)
        .bind("answer_card", answer_card::handle)
        .bind("remove_card", remove_card::handle)
        .bind("place_zone", place_zone::handle)
        .bind("change_zone", change_zone::handle)
        .bind("remove_zone", remove_zone::handle)
        .bind("add_comment", add_comment::handle)
        .bind("resolve_comment", resolve_comment::handle)
        .bind("remove_comment", remove_comment::handle)
}
