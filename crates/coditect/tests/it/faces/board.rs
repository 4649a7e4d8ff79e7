//! The rows of boards. Dragging a card into a zone is the same from the page, which speaks HTTP, from a command and from a tool.

use super::{Names, Place, Row, Stage, id};
use serde_json::{Value, json};

/// What is prompted when a card is dropped.
const TEMPLATE: &str = "[[say reviewed]] {{session.title}} in {{zone.name}}: {{card.note}}";

/// `{board}` with `{zone}`, which prompts, and `{ask}`, which asks first; `{card}` of the session outside of both, `{waiting}` in the
/// latter; `{comment}` on the card; and `{file}` with a document.
pub(super) fn stage(place: &Place, session: &str, names: &mut Names) {
    let board = id(&place.made("/boards", &json!({ "name": "Parity" })));
    let made = |what: &str, body: Value| id(&place.made(&format!("/boards/{board}/{what}"), &body));
    let zone = |y: i32, confirm: bool| {
        json!({
            "name": "Review", "place": { "x": 0, "y": y, "width": 400, "height": 400 },
            "trigger": { "action": "prompt", "template": TEMPLATE, "agents": ["claude"], "confirm": confirm },
        })
    };
    let (prompts, asks) = (made("zones", zone(0, false)), made("zones", zone(1000, true)));
    let at = |x: i32, y: i32| json!({ "x": x, "y": y, "width": 100, "height": 60 });
    let card = made("cards", json!({ "session": session, "note": "Mind it", "place": at(-500, 0) }));
    let other = id(&place.made("/sessions", &json!({ "title": "Other", "agents": ["claude"] })));
    let waiting = made("cards", json!({ "session": other, "place": at(50, 1050) }));
    let comment = made("comments", json!({ "text": "Why?", "card": card }));
    let file = place.home.path("board.json");
    std::fs::write(&file, document().to_string()).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let all = [("board", board), ("zone", prompts), ("ask", asks), ("card", card), ("waiting", waiting)];
    names.extend(all);
    names.extend([("comment", comment), ("file", file)]);
}

fn document() -> Value {
    let place = json!({ "x": 0, "y": 0, "width": 240, "height": 120 });
    json!({
        "format": "coditect.board", "version": 1, "name": "Brought",
        "cards": [{ "key": "a", "note": "One", "place": place }],
        "zones": [{ "name": "Done", "colour": "green", "place": place }],
        "comments": [{ "key": "b", "card": "a", "author": "user", "text": "Two", "created_at": "2026-01-31T14:23:01.000Z" }],
    })
}

pub(super) fn rows() -> Vec<Row> {
    [boards(), cards(), zones(), comments()].into_iter().flatten().collect()
}

#[expect(clippy::too_many_lines, reason = "a table is as long as what is in it")]
fn boards() -> Vec<Row> {
    let none = || Value::Null;
    let made = ["", "", "/board"];
    vec![
        Row::new(
            "list_boards",
            Stage::Board,
            ("GET", "/boards", none()),
            &["board", "list"],
            Ok(("board_get", json!({}))),
            made,
            &[],
        ),
        Row::new(
            "create_board",
            Stage::Board,
            ("POST", "/boards", json!({ "name": "New" })),
            &["board", "new", "New"],
            Ok(("board_change", json!({ "name": "New" }))),
            made,
            &["name"],
        ),
        Row::new(
            "get_board",
            Stage::Board,
            ("GET", "/boards/{board}", none()),
            &["board", "show", "{board}"],
            Ok(("board_get", json!({ "board": "{board}" }))),
            ["/cards", "/cards", "/cards"],
            &["title", "note", "revision", "conflicts"],
        ),
        Row::new(
            "change_board",
            Stage::Board,
            ("PATCH", "/boards/{board}", json!({ "name": "Other" })),
            &["board", "rename", "{board}", "Other"],
            Ok(("board_change", json!({ "board": "{board}", "name": "Other" }))),
            made,
            &["name"],
        ),
        Row::new(
            "clone_board",
            Stage::Board,
            ("POST", "/boards/{board}/clone", json!({ "name": "Copy" })),
            &["board", "clone", "{board}", "Copy"],
            Ok(("board_change", json!({ "board": "{board}", "name": "Copy", "copy": true }))),
            made,
            &["name"],
        ),
        Row::new(
            "export_board",
            Stage::Board,
            ("GET", "/boards/{board}/export", none()),
            &["board", "export", "{board}"],
            Err("a document is for a file; board_get shows what is on a board"),
            ["", "", ""],
            &["format", "version", "name", "cards", "zones", "comments"],
        ),
        Row::new(
            "import_board",
            Stage::Board,
            ("POST", "/boards/import", json!({ "document": document() })),
            &["board", "import", "{file}"],
            Err("a document is in a file; board_change copies a board"),
            ["", "", ""],
            &["name"],
        ),
        Row::new(
            "remove_board",
            Stage::Board,
            ("DELETE", "/boards/{board}", none()),
            &["board", "rm", "{board}"],
            Ok(("board_change", json!({ "board": "{board}", "remove": true }))),
            ["", "", ""],
            &[],
        ),
    ]
}

fn cards() -> Vec<Row> {
    const CARD: &[&str] = &["title", "note", "revision"];
    let changed = ["", "", "/card"];
    let fired = ["/firing", "/firing", "/card/firing"];
    vec![
        Row::new(
            "place_card",
            Stage::Board,
            ("POST", "/boards/{board}/cards", json!({ "note": "# Ask Ann" })),
            &["board", "card", "add", "{board}", "--note", "# Ask Ann"],
            Ok(("board_card", json!({ "board": "{board}", "note": "# Ask Ann" }))),
            changed,
            CARD,
        ),
        // A drag into a zone.
        Row::new(
            "change_card",
            Stage::Board,
            ("PATCH", "/cards/{card}", json!({ "x": 100, "y": 100 })),
            &["board", "card", "move", "{card}", "100,100"],
            Ok(("board_card", json!({ "card": "{card}", "x": 100, "y": 100 }))),
            fired,
            &["state", "prompt", "text"],
        ),
        Row::new(
            "change_card",
            Stage::Board,
            ("PATCH", "/cards/{card}", json!({ "note": "Done" })),
            &["board", "card", "note", "{card}", "Done"],
            Ok(("board_card", json!({ "card": "{card}", "note": "Done" }))),
            changed,
            CARD,
        ),
        Row::new(
            "change_card",
            Stage::Board,
            ("PATCH", "/cards/{card}", json!({ "x": 9, "y": 9, "revision": 7 })),
            &["board", "card", "move", "{card}", "9,9", "--revision", "7"],
            Ok(("board_card", json!({ "card": "{card}", "x": 9, "y": 9, "revision": 7 }))),
            ["", "", ""],
            &[],
        )
        .refused("card_changed"),
        Row::new(
            "answer_card",
            Stage::Board,
            ("POST", "/cards/{waiting}/answer", json!({ "confirm": true })),
            &["board", "card", "confirm", "{waiting}"],
            Ok(("board_card", json!({ "card": "{waiting}", "confirm": true }))),
            fired,
            &["state", "prompt", "text"],
        ),
        Row::new(
            "answer_card",
            Stage::Board,
            ("POST", "/cards/{waiting}/answer", json!({ "confirm": false })),
            &["board", "card", "dismiss", "{waiting}"],
            Ok(("board_card", json!({ "card": "{waiting}", "confirm": false }))),
            fired,
            &["state", "prompt", "text"],
        ),
        Row::new(
            "remove_card",
            Stage::Board,
            ("DELETE", "/cards/{card}", Value::Null),
            &["board", "card", "rm", "{card}"],
            Ok(("board_card", json!({ "card": "{card}", "remove": true }))),
            ["", "", ""],
            &[],
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table is as long as what is in it")]
fn zones() -> Vec<Row> {
    const ZONE: &[&str] = &["name", "colour", "revision"];
    let drawn = ["", "", "/zone"];
    let place = || json!({ "x": 900, "y": 0, "width": 400, "height": 600 });
    let wish = |fields: Value| {
        let mut wish =
            json!({ "board": "{board}", "name": "Test", "x": 900, "y": 0, "width": 400, "height": 600 });
        wish.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        wish
    };
    vec![
        Row::new(
            "place_zone",
            Stage::Board,
            (
                "POST",
                "/boards/{board}/zones",
                json!({
                    "name": "Test", "colour": "blue", "place": place(),
                    "trigger": { "action": "spawn", "template": "Test {{branch}}", "confirm": true },
                }),
            ),
            &[
                "board",
                "zone",
                "add",
                "{board}",
                "Test",
                "--at",
                "900,0",
                "--size",
                "400x600",
                "--colour",
                "blue",
                "--spawn",
                "Test {{branch}}",
                "--confirm",
            ],
            Ok((
                "board_zone",
                wish(
                    json!({ "colour": "blue", "action": "spawn", "template": "Test {{branch}}", "confirm": true }),
                ),
            )),
            drawn,
            ZONE,
        ),
        Row::new(
            "place_zone",
            Stage::Board,
            (
                "POST",
                "/boards/{board}/zones",
                json!({
                    "name": "Test", "place": place(),
                    "trigger": { "action": "prompt", "template": "{{password}}" },
                }),
            ),
            &[
                "board",
                "zone",
                "add",
                "{board}",
                "Test",
                "--at",
                "900,0",
                "--size",
                "400x600",
                "--prompt",
                "{{password}}",
            ],
            Ok(("board_zone", wish(json!({ "action": "prompt", "template": "{{password}}" })))),
            ["", "", ""],
            &[],
        )
        .refused("template_name_unknown"),
        Row::new(
            "change_zone",
            Stage::Board,
            ("PATCH", "/zones/{zone}", json!({ "colour": "red", "trigger": null })),
            &["board", "zone", "change", "{zone}", "--colour", "red", "--no-trigger"],
            Ok(("board_zone", json!({ "zone": "{zone}", "colour": "red", "action": "none" }))),
            drawn,
            ZONE,
        ),
        Row::new(
            "remove_zone",
            Stage::Board,
            ("DELETE", "/zones/{zone}", Value::Null),
            &["board", "zone", "rm", "{zone}"],
            Ok(("board_zone", json!({ "zone": "{zone}", "remove": true }))),
            ["", "", ""],
            &[],
        ),
    ]
}

fn comments() -> Vec<Row> {
    const COMMENT: &[&str] = &["author", "text", "resolved"];
    let said = ["", "", "/comment"];
    vec![
        Row::new(
            "add_comment",
            Stage::Board,
            ("POST", "/boards/{board}/comments", json!({ "text": "So", "reply_to": "{comment}" })),
            &["board", "comment", "add", "{board}", "So", "--reply-to", "{comment}"],
            Ok(("board_comment", json!({ "board": "{board}", "text": "So", "reply_to": "{comment}" }))),
            said,
            COMMENT,
        ),
        Row::new(
            "resolve_comment",
            Stage::Board,
            ("PATCH", "/comments/{comment}", json!({ "resolved": true })),
            &["board", "comment", "resolve", "{comment}"],
            Ok(("board_comment", json!({ "comment": "{comment}" }))),
            said,
            COMMENT,
        ),
        Row::new(
            "remove_comment",
            Stage::Board,
            ("DELETE", "/comments/{comment}", Value::Null),
            &["board", "comment", "rm", "{comment}"],
            Ok(("board_comment", json!({ "comment": "{comment}", "remove": true }))),
            ["", "", ""],
            &[],
        ),
    ]
}
