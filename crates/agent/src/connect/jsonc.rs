//! Changes one place of a JSON text and nothing else: comments, order, indentation and line ends stay.
//!
//! Reads JSON with comments and trailing commas, as the vendors' programs do.

use serde_json::Value;
use std::ops::Range;

/// Deepest nesting that is read.
pub(super) const DEPTH_MAX: usize = 64;

/// Why a text is no JSON object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(crate) struct Fault {
    line: usize,
    what: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    span: Range<usize>,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Object(Vec<Member>),
    Array(Vec<Node>),
    Scalar,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    key: String,
    begin: usize,
    value: Node,
}

/// A text that holds one JSON object.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    text: String,
}

impl Text {
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        let root = tree(text)?;
        match root.kind {
            Kind::Object(_) => Ok(Self { text: text.to_owned() }),
            _ => Err(Fault { line: 1, what: "not an object" }),
        }
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }

    fn root(&self) -> Result<Node, Fault> {
        tree(&self.text)
    }

    /// What is there, as plain JSON; none when it is not there.
    pub(crate) fn get(&self, path: &[&str]) -> Result<Option<Value>, Fault> {
        let root = self.root()?;
        Ok(find(&root, path).map(|node| self.value(node)))
    }

    fn value(&self, node: &Node) -> Value {
        match &node.kind {
            Kind::Object(members) => {
                let members = members.iter().map(|member| (member.key.clone(), self.value(&member.value)));
                Value::Object(members.collect())
            }
            Kind::Array(items) => Value::Array(items.iter().map(|item| self.value(item)).collect()),
            Kind::Scalar => serde_json::from_str(&self.text[node.span.clone()]).unwrap_or(Value::Null),
        }
    }

    /// Sets a member; the objects on the way are made when they are not there.
    pub(super) fn set(&mut self, path: &[&str], value: &Value) -> Result<(), Fault> {
        let root = self.root()?;
        if let Some(node) = find(&root, path) {
            if self.value(node) != *value {
                let indent = self.indent_at(node.span.start);
                self.text.replace_range(node.span.clone(), &self.pretty(value, &indent));
            }
            return Ok(());
        }
        // The deepest object there is gets the rest.
        let mut have = path.len().saturating_sub(1);
        while have > 0 && find(&root, &path[..have]).is_none() {
            have -= 1;
        }
        let mut value = value.clone();
        for name in path[have + 1..].iter().rev() {
            value = Value::Object([((*name).to_owned(), value)].into_iter().collect());
        }
        let Some(Node { span, kind: Kind::Object(members) }) = find(&root, &path[..have]) else {
            return Err(self.fault_at(&root, &path[..have], "not an object"));
        };
        let last = members.last().map(|member| member.begin..member.value.span.end);
        self.insert(span, last, Some(path[have]), &value);
        Ok(())
    }

    /// Adds to an array, which is made when it is not there.
    pub(super) fn push(&mut self, path: &[&str], value: &Value) -> Result<(), Fault> {
        let root = self.root()?;
        match find(&root, path) {
            None => self.set(path, &Value::Array(vec![value.clone()])),
            Some(Node { span, kind: Kind::Array(items) }) => {
                let last = items.last().map(|item| item.span.clone());
                self.insert(span, last, None, value);
                Ok(())
            }
            Some(_) => Err(self.fault_at(&root, path, "not an array")),
        }
    }

    /// Takes elements out of an array.
    pub(super) fn retain(&mut self, path: &[&str], keep: impl Fn(&Value) -> bool) -> Result<(), Fault> {
        loop {
            let root = self.root()?;
            let Some(Node { span, kind: Kind::Array(items) }) = find(&root, path) else { return Ok(()) };
            let Some(at) = items.iter().position(|item| !keep(&self.value(item))) else { return Ok(()) };
            let spans: Vec<Range<usize>> = items.iter().map(|item| item.span.clone()).collect();
            self.cut(span, &spans, at);
        }
    }

    /// Takes a member out, and what holds nothing any more of the objects above it, down to `keep` of them.
    pub(super) fn remove(&mut self, path: &[&str], keep: usize) -> Result<(), Fault> {
        let mut path = path.to_vec();
        while path.len() > keep {
            let root = self.root()?;
            let Some((name, above)) = path.split_last() else { return Ok(()) };
            let Some(Node { span, kind: Kind::Object(members) }) = find(&root, above) else { return Ok(()) };
            let Some(at) = members.iter().rposition(|member| member.key == *name) else { return Ok(()) };
            let spans: Vec<Range<usize>> =
                members.iter().map(|member| member.begin..member.value.span.end).collect();
            self.cut(span, &spans, at);
            if spans.len() > 1 {
                return Ok(());
            }
            path.pop();
        }
        Ok(())
    }

    /// Puts a new last element between brackets.
    fn insert(&mut self, span: &Range<usize>, last: Option<Range<usize>>, name: Option<&str>, value: &Value) {
        let end = self.newline();
        let label = name.map(|name| format!("{}: ", Value::from(name))).unwrap_or_default();
        let Some(last) = last else {
            let indent = self.indent_at(span.start);
            let deeper = format!("{indent}{}", self.unit());
            let text = self.pretty(value, &deeper);
            let inner = span.start + 1..span.end - 1;
            if self.text[inner.clone()].trim().is_empty() {
                self.text.replace_range(inner, &format!("{end}{deeper}{label}{text}{end}{indent}"));
            } else {
                // A comment stands there alone.
                self.text.insert_str(inner.end, &format!("{end}{deeper}{label}{text}{end}{indent}"));
            }
            return;
        };
        let line = self.text[..last.start].rfind('\n').map_or(0, |at| at + 1);
        let alone = self.text[line..last.start].trim().is_empty() && line > span.start;
        let comma = comma_after(&self.text, last.end);
        let at = comma.unwrap_or(last.end);
        let before = if comma.is_some() { "" } else { "," };
        let after = if comma.is_some() { "," } else { "" };
        let text = if alone {
            let indent = self.text[line..last.start].to_owned();
            format!("{before}{end}{indent}{label}{}{after}", self.pretty(value, &indent))
        } else {
            format!("{before} {label}{value}{after}")
        };
        self.text.insert_str(at, &text);
    }

    /// Takes one of the elements between brackets out, with its comma and its line.
    fn cut(&mut self, span: &Range<usize>, all: &[Range<usize>], at: usize) {
        let mut range = all[at].clone();
        if at + 1 == all.len() {
            // The last one: with everything since the one before, or alone in the brackets.
            match at.checked_sub(1).map(|before| all[before].end) {
                Some(before) => range.start = before,
                None => {
                    let inner = span.start + 1..span.end - 1;
                    let others = self.text[inner.start..range.start].trim().is_empty()
                        && self.text[range.end..inner.end]
                            .trim_matches([' ', '\t', '\r', '\n', ','])
                            .is_empty();
                    if others {
                        range = inner;
                    }
                }
            }
        } else {
            range.end = all[at + 1].start;
        }
        self.text.replace_range(range, "");
    }

    fn fault_at(&self, root: &Node, path: &[&str], what: &'static str) -> Fault {
        let mut at = path.len();
        while at > 0 && find(root, &path[..at]).is_none() {
            at -= 1;
        }
        let start = find(root, &path[..at]).map_or(0, |node| node.span.start);
        Fault { line: line_of(&self.text, start), what }
    }

    fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// What one level is indented by.
    fn unit(&self) -> String {
        let indented =
            self.text.lines().find(|line| line.starts_with([' ', '\t']) && !line.trim().is_empty());
        match indented {
            Some(line) => line.chars().take_while(|c| matches!(c, ' ' | '\t')).take(8).collect(),
            None => "  ".to_owned(),
        }
    }

    /// The white space at the beginning of the line.
    fn indent_at(&self, at: usize) -> String {
        let line = self.text[..at].rfind('\n').map_or(0, |at| at + 1);
        self.text[line..at].chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
    }

    fn pretty(&self, value: &Value, indent: &str) -> String {
        let mut out = Vec::new();
        let unit = self.unit();
        let form = serde_json::ser::PrettyFormatter::with_indent(unit.as_bytes());
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, form);
        let written = serde::Serialize::serialize(value, &mut serializer);
        let text =
            written.ok().and_then(|()| String::from_utf8(out).ok()).unwrap_or_else(|| value.to_string());
        text.replace('\n', &format!("{}{indent}", self.newline()))
    }
}

fn find<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    let Some((name, rest)) = path.split_first() else { return Some(node) };
    let Kind::Object(members) = &node.kind else { return None };
    // Of two with one name the last one counts, as for every reader of JSON.
    find(&members.iter().rfind(|member| member.key == *name)?.value, rest)
}

/// Behind the comma that follows, if one does.
fn comma_after(text: &str, at: usize) -> Option<usize> {
    let mut reader = Reader { text, at };
    reader.space().ok()?;
    text[reader.at..].starts_with(',').then_some(reader.at + 1)
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].matches('\n').count() + 1
}

fn tree(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 } };
    reader.space()?;
    let node = reader.node(0)?;
    reader.space()?;
    if reader.at < text.len() {
        return Err(reader.fault("something follows the end"));
    }
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn fault(&self, what: &'static str) -> Fault {
        Fault { line: line_of(self.text, self.at), what }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            if blank > 0 {
                self.at += blank;
            } else if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.at += rest.find("*/").ok_or_else(|| self.fault("a comment without an end"))? + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn eat(&mut self, c: char) -> bool {
        let is = self.rest().starts_with(c);
        self.at += if is { c.len_utf8() } else { 0 };
        is
    }

    fn node(&mut self, depth: usize) -> Result<Node, Fault> {
        if depth > DEPTH_MAX {
            return Err(self.fault("nested too deeply"));
        }
        let start = self.at;
        let kind = if self.eat('{') {
            Kind::Object(self.members(depth)?)
        } else if self.eat('[') {
            Kind::Array(self.items(depth)?)
        } else {
            self.scalar()?;
            Kind::Scalar
        };
        Ok(Node { span: start..self.at, kind })
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, Fault> {
        let mut members = Vec::new();
        loop {
            self.space()?;
            if self.eat('}') {
                return Ok(members);
            }
            let begin = self.at;
            if !self.rest().starts_with('"') {
                return Err(self.fault("a name in quotes, or `}`, was expected"));
            }
            self.scalar()?;
            let key: String = serde_json::from_str(&self.text[begin..self.at])
                .map_err(|_| self.fault("a name cannot be read"))?;
            self.space()?;
            if !self.eat(':') {
                return Err(self.fault("`:` was expected"));
            }
            self.space()?;
            let value = self.node(depth + 1)?;
            members.push(Member { key, begin, value });
            self.space()?;
            if !self.eat(',') && !self.rest().starts_with('}') {
                return Err(self.fault("`,` or `}` was expected"));
            }
        }
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        loop {
            self.space()?;
            if self.eat(']') {
                return Ok(items);
            }
            items.push(self.node(depth + 1)?);
            self.space()?;
            if !self.eat(',') && !self.rest().starts_with(']') {
                return Err(self.fault("`,` or `]` was expected"));
            }
        }
    }

    /// A string, number, or word.
    fn scalar(&mut self) -> Result<(), Fault> {
        let start = self.at;
        if self.eat('"') {
            loop {
                let rest = self.rest();
                let stop = rest.find(['"', '\\']).ok_or_else(|| self.fault("a text without an end"))?;
                let escaped = rest[stop..].starts_with('\\');
                self.at += stop + 1;
                if !escaped {
                    break;
                }
                let skipped =
                    self.rest().chars().next().ok_or_else(|| self.fault("a text without an end"))?;
                self.at += skipped.len_utf8();
            }
        } else {
            let rest = self.rest();
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
            self.at += end.unwrap_or(rest.len());
        }
        let read: Result<Value, _> = serde_json::from_str(&self.text[start..self.at]);
        read.map(drop).map_err(|_| Fault { line: line_of(self.text, start), what: "a value was expected" })
    }
}

#[cfg(test)]
mod tests;
