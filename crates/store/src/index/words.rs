//! From texts to the words they are found by, the same way for what is kept and for what is looked for.
//!
//! A word is what a language would take for a name: letters, digits and `_`. A name of several words is found by each of them,
//! too: `checkRoom`, `check_room` and `CHECK_ROOM` by `check` and by `room`.

use std::collections::HashMap;

/// Raised when the same text gives other words than before, so that the index is made anew.
pub(super) const VERSION: u32 = 1;
/// How often one word counts in one text. It is enough to tell what a text is about, and the rest would be most of the index.
const COUNTED: u8 = 4;
/// Longest word, in characters. What is longer is no name but data.
const WORD_MAX: usize = 64;
/// Words of one query.
pub const QUERY_WORDS_MAX: usize = 16;

/// What is looked for: words that must all be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// In the language of FTS5.
    pub(super) expression: String,
    /// In small letters; a line that has one of them is worth showing.
    shown: Vec<String>,
}

impl Wanted {
    /// None when there is no word in it, or more than [`QUERY_WORDS_MAX`].
    pub fn parse(query: &str) -> Option<Self> {
        let words: Vec<&str> = names(query).collect();
        if words.is_empty() || words.len() > QUERY_WORDS_MAX {
            return None;
        }
        // Only letters, digits and `_` are between the quotes. The beginning of a word is enough, the whole counts more;
        // what begins with one letter would be much of all there is.
        let either = |word: &str| match word.chars().count() {
            1 => format!("\"{word}\""),
            _ => format!("(\"{word}\" OR \"{word}\" *)"),
        };
        let term = |name: &str| {
            let whole = either(&name.to_lowercase());
            let parts = parts(name);
            match parts.len() {
                0 | 1 => whole,
                _ => {
                    let parts: Vec<String> = parts.iter().map(|part| either(part)).collect();
                    format!("({whole} OR ({}))", parts.join(" AND "))
                }
            }
        };
        let expression = words.iter().map(|name| term(name)).collect::<Vec<_>>().join(" AND ");
        let shown = words.iter().flat_map(|name| parts(name)).collect();
        Some(Self { expression, shown })
    }

    /// How many of its words are in the line; case does not matter.
    pub fn hits(&self, line: &str) -> usize {
        let line = line.to_lowercase();
        self.shown.iter().filter(|word| line.contains(word.as_str())).count()
    }
}

/// The words of a text, as often as they count.
pub(super) fn of(text: &str) -> String {
    let mut seen: HashMap<String, u8> = HashMap::new();
    let mut out = String::new();
    let mut add = |word: &str| {
        let times = seen.entry(word.to_owned()).or_default();
        *times = times.saturating_add(1);
        if *times <= COUNTED {
            out.push_str(word);
            out.push(' ');
        }
    };
    for name in names(text) {
        add(&name.to_lowercase());
        let parts = parts(name);
        if parts.len() > 1 {
            parts.iter().for_each(|part| add(part));
        }
    }
    out
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    let is_sign = |c: char| !(c.is_alphanumeric() || c == '_');
    text.split(is_sign)
        .filter(|name| name.chars().any(char::is_alphanumeric) && name.chars().nth(WORD_MAX).is_none())
}

/// What a name is put together from, in small letters.
fn parts(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for piece in name.split('_').filter(|piece| !piece.is_empty()) {
        let letters: Vec<char> = piece.chars().collect();
        let mut begun = 0;
        for at in 1..letters.len() {
            let (before, here) = (letters[at - 1], letters[at]);
            let next_is_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
            // `checkRoom` before the R, `HTTPServer` before the S.
            let rises = here.is_uppercase() && (!before.is_uppercase() || next_is_small);
            if rises {
                parts.push(letters[begun..at].iter().collect::<String>().to_lowercase());
                begun = at;
            }
        }
        parts.push(letters[begun..].iter().collect::<String>().to_lowercase());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_its_parts() {
        for (name, expected) in [
            ("check_room", vec!["check", "room"]),
            ("checkRoom", vec!["check", "room"]),
            ("HTTPServer", vec!["http", "server"]),
            ("CHECK_ROOM", vec!["check", "room"]),
            ("sha256", vec!["sha256"]),
            ("__init__", vec!["init"]),
            ("x", vec!["x"]),
        ] {
            assert_eq!(parts(name), expected, "{name}");
        }
        assert_eq!(of("fn check_room(x)"), "fn check_room check room x ");
    }

    #[test]
    fn a_word_counts_so_often_and_data_is_no_word() {
        assert_eq!(of(&"lock ".repeat(50)), "lock ".repeat(COUNTED.into()));
        let longest = "a".repeat(WORD_MAX);
        assert_eq!(of(&format!("{longest} {longest}a _ -")), format!("{longest} "));
    }

    #[test]
    fn a_query_is_words_and_nothing_else() {
        assert_eq!(Wanted::parse("Lock").unwrap().expression, "(\"lock\" OR \"lock\" *)");
        assert_eq!(Wanted::parse("x").unwrap().expression, "\"x\"");
        let odd = Wanted::parse("\"a\" OR b* NEAR(c) -d path:e").unwrap();
        assert_eq!(odd.expression.matches(" AND ").count(), 7, "{}", odd.expression);
        assert_eq!((Wanted::parse(""), Wanted::parse("\"*-()"), Wanted::parse("___")), (None, None, None));
        assert!(Wanted::parse(&"w ".repeat(QUERY_WORDS_MAX)).is_some());
        assert_eq!(Wanted::parse(&"w ".repeat(QUERY_WORDS_MAX + 1)), None);
        let wanted = Wanted::parse("check Room").unwrap();
        assert_eq!(
            (wanted.hits("fn checkRoom() {"), wanted.hits("the ROOM"), wanted.hits("nothing")),
            (2, 1, 0)
        );
    }
}
