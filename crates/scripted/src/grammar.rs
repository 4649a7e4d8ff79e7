//! Reads the script a prompt carries.
//!
//! Invariant: prose is never taken for a directive and a mistyped directive never for prose: what
//! begins like one and is not, is an error that names it.

use crate::directive::{Directive, Name};
use serde_json::Value;
use std::time::Duration;

/// Most KiB a `flood` may ask for: more than any client takes.
pub const FLOOD_MAX: u32 = 64 * 1024;
/// Longest `sleep` and `hold`, in milliseconds.
pub const SLEEP_MAX: u64 = 10 * 60 * 1000;

/// Why a prompt's script cannot be played. The text says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    #[error("unknown directive `{0}`")]
    Unknown(String),
    #[error("`{0}` is not closed")]
    Unclosed(String),
    #[error("`{name}` needs {wanted}")]
    Arguments { name: &'static str, wanted: &'static str },
    #[error("the JSON of `{name}` is broken: {detail}")]
    Json { name: &'static str, detail: String },
    #[error("a section for {0} inside another section")]
    Nested(String),
    #[error("`end` without `for`")]
    StrayEnd,
    #[error("the section for {0} has no `end`")]
    OpenSection(String),
}

/// A directive and whom it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Empty: for everybody.
    pub agents: Vec<String>,
    pub directive: Directive,
}

impl Line {
    pub fn is_for(&self, agent: &str) -> bool {
        self.agents.is_empty() || self.agents.iter().any(|name| name == agent)
    }
}

/// The directives of a text in their order; none when it has not one.
///
/// A text with `<<…>>` directives is a part of a plan that has arrived as a prompt: then only those
/// count, for the prompt the plan was made from may stand around them.
pub fn parse(text: &str) -> Result<Option<Vec<Line>>, GrammarError> {
    let nested = lines(text, Marks::ANGLES)?;
    let lines = if nested.is_some() { nested } else { lines(text, Marks::SQUARES)? };
    Ok(lines)
}

#[derive(Clone, Copy)]
struct Marks {
    open: &'static str,
    close: &'static str,
    /// The other kind, inside of which nothing is looked for.
    other: Option<&'static str>,
    /// Whether an unknown name with arguments is an error. `<<` has many other uses.
    strict: bool,
}

impl Marks {
    const SQUARES: Self = Self { open: "[[", close: "]]", other: None, strict: true };
    const ANGLES: Self = Self { open: "<<", close: ">>", other: Some("[["), strict: false };
}

fn lines(text: &str, marks: Marks) -> Result<Option<Vec<Line>>, GrammarError> {
    let mut found: Option<Vec<Line>> = None;
    let mut section: Option<Vec<String>> = None;
    let mut rest = text;
    while let Some((head, after)) = next_head(rest, marks)? {
        let Head { name, foreign } = head;
        let (parsed, behind) = body(name, after, if foreign { Marks::SQUARES } else { marks })?;
        rest = behind;
        if foreign {
            // Directives of the other kind are only read to get past them.
            continue;
        }
        let lines = found.get_or_insert_with(Vec::new);
        match parsed {
            Parsed::For(agents) => {
                if section.is_some() {
                    return Err(GrammarError::Nested(agents.join(", ")));
                }
                section = Some(agents);
            }
            Parsed::End => {
                section.take().ok_or(GrammarError::StrayEnd)?;
            }
            Parsed::Directive(directive) => {
                lines.push(Line { agents: section.clone().unwrap_or_default(), directive });
            }
        }
    }
    match section {
        Some(agents) => Err(GrammarError::OpenSection(agents.join(", "))),
        None => Ok(found),
    }
}

struct Head {
    name: Name,
    /// It is of the other kind of marks.
    foreign: bool,
}

/// The next directive's name and what comes right after it.
fn next_head(text: &str, marks: Marks) -> Result<Option<(Head, &str)>, GrammarError> {
    let mut rest = text;
    loop {
        let own = rest.find(marks.open);
        let other = marks.other.and_then(|open| rest.find(open));
        let foreign = match (own, other) {
            (None, None) => return Ok(None),
            (Some(own), Some(other)) => other < own,
            (own, _) => own.is_none(),
        };
        let marks = if foreign { Marks::SQUARES } else { marks };
        let Some(at) = rest.find(marks.open) else { return Ok(None) };
        let inside = &rest[at + marks.open.len()..];
        let length = inside.bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'_').count();
        let (word, after) = inside.split_at(length);
        let spaced = after.starts_with(char::is_whitespace);
        rest = inside;
        if word.is_empty() || !(spaced || after.starts_with(marks.close)) {
            continue;
        }
        match Name::parse(word) {
            Some(name) => return Ok(Some((Head { name, foreign }, after))),
            None if marks.strict && !foreign && spaced && after.contains(marks.close) => {
                return Err(GrammarError::Unknown(word.to_owned()));
            }
            None => {}
        }
    }
}

enum Parsed {
    Directive(Directive),
    For(Vec<String>),
    End,
}

/// Arguments and end of a directive, and the text behind it.
fn body(name: Name, after: &str, marks: Marks) -> Result<(Parsed, &str), GrammarError> {
    if name == Name::Plan {
        let (value, rest) = json(name, after, marks)?;
        return Ok((Parsed::Directive(Directive::Plan(value)), rest));
    }
    if name == Name::Tool {
        let wanted = GrammarError::Arguments { name: name.as_str(), wanted: "NAME|{json}" };
        let (tool, json_text) = after.split_once('|').ok_or(wanted)?;
        let (arguments, rest) = json(name, json_text, marks)?;
        return Ok((Parsed::Directive(Directive::Tool { name: tool.trim().into(), arguments }), rest));
    }
    let end = closing(after, marks).ok_or_else(|| GrammarError::Unclosed(name.as_str().into()))?;
    let rest = &after[end + marks.close.len()..];
    let raw = after[..end].strip_prefix(char::is_whitespace).unwrap_or(&after[..end]);
    let parsed = match name {
        Name::End => Parsed::End,
        Name::For => {
            let agents: Vec<String> = raw
                .split(|c: char| c == ',' || c.is_whitespace())
                .filter(|agent| !agent.is_empty())
                .map(str::to_owned)
                .collect();
            if agents.is_empty() {
                return Err(GrammarError::Arguments { name: name.as_str(), wanted: "an agent" });
            }
            Parsed::For(agents)
        }
        _ => Parsed::Directive(directive(name, raw)?),
    };
    Ok((parsed, rest))
}

/// JSON ends where JSON ends, whatever brackets it has inside.
fn json(name: Name, text: &str, marks: Marks) -> Result<(Value, &str), GrammarError> {
    let broken = |detail: String| GrammarError::Json { name: name.as_str(), detail };
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = match values.next() {
        Some(Ok(value)) => value,
        Some(Err(error)) => return Err(broken(error.to_string())),
        None => return Err(broken("there is none".into())),
    };
    let rest = text[values.byte_offset()..].trim_start();
    let rest = rest.strip_prefix(marks.close).ok_or_else(|| GrammarError::Unclosed(name.as_str().into()))?;
    Ok((value, rest))
}

/// Where the closing marks are: the first unescaped ones, and of a longer run the last two.
fn closing(text: &str, marks: Marks) -> Option<usize> {
    let mark = marks.close.as_bytes().first().copied()?;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + 1 < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b if b == mark && bytes[at + 1] == mark && bytes.get(at + 2) != Some(&mark) => return Some(at),
            _ => at += 1,
        }
    }
    None
}

fn directive(name: Name, raw: &str) -> Result<Directive, GrammarError> {
    let need = |wanted: &'static str| GrammarError::Arguments { name: name.as_str(), wanted };
    let one = |wanted: &'static str| {
        let text = unescape(raw);
        let text = text.trim();
        if text.is_empty() { Err(need(wanted)) } else { Ok(text.to_owned()) }
    };
    let split = |parts: usize, wanted: &'static str| {
        let found = fields(raw, parts);
        if found.len() == parts { Ok(found) } else { Err(need(wanted)) }
    };
    Ok(match name {
        Name::Write => {
            let [path, content] = pair(split(2, "PATH|CONTENT")?, || need("PATH|CONTENT"))?;
            Directive::Write { path: path.trim().into(), content }
        }
        Name::Edit => {
            let mut found = split(3, "PATH|OLD|NEW")?.into_iter();
            let mut next = || found.next().unwrap_or_default();
            Directive::Edit { path: next().trim().into(), old: next(), new: next() }
        }
        Name::Notice => {
            let [channel, text] = pair(split(2, "CHANNEL|TEXT")?, || need("CHANNEL|TEXT"))?;
            Directive::Notice { channel: channel.trim().into(), text: text.trim().into() }
        }
        Name::Search => {
            let mut found = fields(raw, 2).into_iter();
            let pattern = found.next().unwrap_or_default().trim().to_owned();
            if pattern.is_empty() {
                return Err(need("a regular expression"));
            }
            Directive::Search { pattern, path: found.next().map(|path| path.trim().to_owned()) }
        }
        Name::Bash => Directive::Bash { command: one("a command")? },
        Name::Read => Directive::Read { path: one("a path")? },
        Name::List => Directive::List { path: one("a path")? },
        Name::Agent => Directive::Agent { prompt: one("a prompt")? },
        Name::Ask => Directive::Ask { question: one("a question")? },
        Name::Think => Directive::Think(one("a thought")?),
        Name::Say => Directive::Say(one("a text")?),
        Name::Flood => {
            let kib = one("KiB")?.parse().ok().filter(|kib| *kib <= FLOOD_MAX);
            Directive::Flood { kib: kib.ok_or_else(|| need("KiB, at most 65536"))? }
        }
        Name::Sleep => Directive::Sleep(millis(raw).ok_or_else(|| need("milliseconds, at most 600000"))?),
        Name::Hold => Directive::Hold(millis(raw).ok_or_else(|| need("milliseconds, at most 600000"))?),
        Name::Error | Name::ErrorOnce => status(name == Name::ErrorOnce, raw)
            .ok_or_else(|| need("an HTTP status of 400 to 599, then perhaps seconds to wait"))?,
        Name::Limit => {
            let seconds = one("seconds")?.parse().map_err(|_| need("seconds"))?;
            Directive::Limit { seconds }
        }
        Name::Nonsense => Directive::Nonsense(
            raw.trim().parse().map_err(|()| need("nothing, or one of json shape args html empty"))?,
        ),
        Name::Cut => Directive::Cut,
        Name::Fault => Directive::Fault,
        Name::With => Directive::With,
        Name::Plan | Name::Tool | Name::For | Name::End => return Err(need("another form")),
    })
}

fn pair(found: Vec<String>, need: impl FnOnce() -> GrammarError) -> Result<[String; 2], GrammarError> {
    <[String; 2]>::try_from(found).map_err(|_| need())
}

fn millis(raw: &str) -> Option<Duration> {
    raw.trim().parse().ok().filter(|ms| *ms <= SLEEP_MAX).map(Duration::from_millis)
}

fn status(once: bool, raw: &str) -> Option<Directive> {
    let mut words = raw.split_whitespace();
    let status = words.next()?.parse().ok().filter(|status| (400..600).contains(status))?;
    let retry_after = match words.next() {
        Some(seconds) => Some(seconds.parse().ok()?),
        None => None,
    };
    words.next().is_none().then_some(Directive::Error { status, retry_after, once })
}

/// Splits at the first unescaped bars, into at most that many fields, and unescapes each. A line
/// break right after a bar is not part of the field.
fn fields(raw: &str, most: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = raw;
    while found.len() + 1 < most
        && let Some(bar) = bar(rest)
    {
        found.push(&rest[..bar]);
        rest = &rest[bar + 1..];
    }
    found.push(rest);
    found
        .into_iter()
        .enumerate()
        .map(|(at, field)| if at == 0 { field } else { field.strip_prefix('\n').unwrap_or(field) })
        .map(unescape)
        .collect()
}

fn bar(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'|' => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// `\n` and `\t` are a line break and a tab; `\\`, `\|`, `\]` and `\>` the character itself; any other
/// backslash stays what it is.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some(itself @ ('\\' | '|' | ']' | '>')) => plain.push(itself),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

#[cfg(test)]
#[path = "tests/grammar.rs"]
mod tests;
