//! Templates of triggers: text with names in double braces.
//!
//! A name stands for one value of the card that is dropped, and nothing else can be written: no conditions, no loops, no files. A value
//! is put in as it is and never looked at again, so what an agent writes in a title or a note cannot become a name. An unknown name is
//! refused when the template is made, a value that a card does not have when it is dropped.

use model::{PROMPT_MAX, Refusal, TEMPLATE_MAX};

/// Every name a template may have.
pub const TEMPLATE_NAMES: [&str; 9] = [
    "session.title",
    "session.id",
    "worktree.name",
    "worktree.path",
    "repo.name",
    "branch",
    "card.note",
    "zone.name",
    "board.name",
];

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    Name(&'static str),
}

fn pieces(template: &str) -> Result<Vec<Piece<'_>>, Refusal> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            return Err(Refusal::invalid("template_unclosed", "a `{{` in the template has no `}}` after it")
                .hint("close it, or write a single brace"));
        };
        let name = name.trim();
        let known = TEMPLATE_NAMES.iter().find(|known| **known == name).ok_or_else(|| {
            let shown: String = name.chars().take(40).collect();
            Refusal::invalid("template_name_unknown", format!("`{shown}` is nothing a template knows"))
                .hint(format!("it knows {}", TEMPLATE_NAMES.join(", ")))
        })?;
        pieces.extend([Piece::Text(text), Piece::Name(known)]);
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// Refuses a template that could never be rendered.
pub(super) fn check(template: &str) -> Result<(), Refusal> {
    if template.trim().is_empty() {
        return Err(
            Refusal::invalid("template_empty", "a trigger needs a prompt").hint("say what is to be done")
        );
    }
    if template.len() > TEMPLATE_MAX {
        let message = format!("a template has at most {TEMPLATE_MAX} bytes, this one has {}", template.len());
        return Err(Refusal::invalid("template_too_long", message)
            .hint("put long material into a file of the repository and name it"));
    }
    pieces(template).map(drop)
}

/// The prompt that comes of a template with these values.
pub(super) fn render(template: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, Refusal> {
    let mut out = String::new();
    for piece in pieces(template)? {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Name(name) => out.push_str(&value(name).ok_or_else(|| {
                let message = format!("the card has no `{name}`, which the zone's prompt names");
                Refusal::conflict("template_value_missing", message)
                    .hint("drop another card there, or change the zone's prompt")
            })?),
        }
        if out.len() > PROMPT_MAX {
            let message = format!("the prompt would have more than {PROMPT_MAX} bytes");
            return Err(Refusal::conflict("prompt_too_long", message)
                .hint("shorten the card's note, or the zone's prompt"));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<String> {
        match name {
            "session.title" => Some("Leases {{card.note}}".to_owned()),
            "card.note" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn names_become_values_and_values_stay_as_they_are() {
        for (template, expected) in [
            ("plain", "plain"),
            ("{{session.title}}", "Leases {{card.note}}"),
            ("a {{ session.title }}{{card.note}} b", "a Leases {{card.note}} b"),
            ("one { and } and }} stay", "one { and } and }} stay"),
        ] {
            check(template).unwrap();
            assert_eq!(render(template, value).unwrap(), expected);
        }
        let much = |_: &str| Some("x".repeat(PROMPT_MAX / 2 + 1));
        let long = render("{{card.note}}{{card.note}}", much).unwrap_err();
        assert_eq!((long.code.as_ref(), long.hint.is_some()), ("prompt_too_long", true));
        let missing = render("on {{branch}}", value).unwrap_err();
        assert_eq!((missing.code.as_ref(), missing.hint.is_some()), ("template_value_missing", true));
    }

    #[test]
    fn what_could_never_be_rendered_is_refused_when_it_is_made() {
        let long = "x".repeat(TEMPLATE_MAX + 1);
        for (template, code) in [
            ("", "template_empty"),
            (" \n", "template_empty"),
            ("{{session.password}}", "template_name_unknown"),
            ("{{}}", "template_name_unknown"),
            ("{{#if x}}", "template_name_unknown"),
            ("{{{{branch}}}}", "template_name_unknown"),
            ("a {{branch", "template_unclosed"),
            (long.as_str(), "template_too_long"),
        ] {
            let refused = check(template).unwrap_err();
            assert_eq!(refused.code, code, "{template}");
            assert!(refused.hint.is_some());
        }
        check(&"x".repeat(TEMPLATE_MAX)).unwrap();
        for name in TEMPLATE_NAMES {
            check(&format!("{{{{{name}}}}}")).unwrap();
        }
    }
}
