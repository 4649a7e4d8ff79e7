//! Rules: which calls they fit, and what they say together.
//!
//! A `deny` that fits wins. Else the rule that says most about the call decides; of two that say as much, the one that
//! asks. The order in which rules are written means nothing. To be allowed, all of a call must fit: every path, and every
//! command of a shell line. To be denied or asked about, a trace of it is enough. So whatever is unclear is never allowed
//! by a rule about its first words.

use super::shell;
use bus::Pattern;
use model::{AgentName, PermissionEffect, PermissionRule, RepoPath, ToolCategory};
use serde::{Deserialize, Serialize};

/// Before a text that is meant exactly as it is.
const EXACTLY: char = '=';

/// A rule of config.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionRuleConfig {
    /// A category, or a glob over the vendor's names of tools; none: every tool.
    #[serde(default)]
    pub tool: Option<String>,
    /// Globs over paths of the worktree.
    #[serde(default)]
    pub paths: Vec<String>,
    /// The first words of a shell command, or a glob over the whole, or `=` and the exact line.
    #[serde(default)]
    pub command: Option<String>,
    #[serde(default)]
    pub agent: Option<AgentName>,
    pub decision: PermissionEffect,
}

/// A call, as far as rules look at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) agent: &'a AgentName,
    pub(crate) tool: &'a str,
    pub(crate) category: ToolCategory,
    pub(crate) paths: &'a [RepoPath],
    /// The line a shell is to run.
    pub(crate) command: Option<&'a str>,
}

impl Asked<'_> {
    /// What kind of call it is when nobody looks at what it touches.
    pub(crate) fn at_heart(&self) -> ToolCategory {
        match self.category {
            ToolCategory::Admin if self.command.is_some() => ToolCategory::Shell,
            ToolCategory::Admin if !self.paths.is_empty() => ToolCategory::Edit,
            category => category,
        }
    }
}

/// A rule, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    tool: ToolTest,
    /// Only calls of this category.
    category: Option<ToolCategory>,
    paths: Vec<TextTest>,
    command: Option<CommandTest>,
    agent: Option<AgentName>,
    effect: PermissionEffect,
}

#[derive(Debug, Clone)]
enum ToolTest {
    Any,
    Category(ToolCategory),
    Name(TextTest),
}

#[derive(Debug, Clone)]
enum TextTest {
    Exact(String),
    Glob(Pattern),
}

#[derive(Debug, Clone)]
enum CommandTest {
    /// The whole line.
    Line(String),
    /// The first words of a command.
    Words(Vec<String>),
    /// A command, its words with single spaces between. `*` is any text.
    Glob(String),
}

/// How much a rule says of a call: its command, its paths, its tool, its agent, in this order.
type Weight = (u32, u32, u32, u32);

impl Rule {
    pub(crate) fn of_config(rule: &PermissionRuleConfig) -> Result<Self, String> {
        let paths = rule.paths.iter().map(|path| TextTest::parse(path)).collect::<Result<_, _>>()?;
        Ok(Self {
            tool: rule.tool.as_deref().map_or(Ok(ToolTest::Any), ToolTest::parse)?,
            category: None,
            paths,
            command: rule.command.as_deref().map(CommandTest::parse).transpose()?,
            agent: rule.agent.clone(),
            effect: rule.decision,
        })
    }

    pub(crate) fn of_decision(rule: &PermissionRule) -> Result<Self, String> {
        let paths = rule.paths.iter().map(|path| TextTest::parse(path)).collect::<Result<_, _>>()?;
        Ok(Self {
            tool: ToolTest::parse(&rule.tool)?,
            category: Some(rule.category),
            paths,
            command: rule.command.as_deref().map(CommandTest::parse).transpose()?,
            agent: None,
            effect: rule.effect,
        })
    }

    /// What the rule says of the call alone; none when it says nothing.
    pub(crate) fn alone(&self, asked: &Asked<'_>) -> Option<PermissionEffect> {
        verdict(std::slice::from_ref(self), asked)
    }

    fn fits_beside_command(&self, asked: &Asked<'_>) -> bool {
        let tool = match &self.tool {
            ToolTest::Any => true,
            // A call that is taken for administration stays what it is for whoever forbids that.
            ToolTest::Category(category) => {
                *category == asked.category
                    || (self.effect != PermissionEffect::Allow && *category == asked.at_heart())
            }
            ToolTest::Name(name) => name.fits(asked.tool),
        };
        // What administers agents is allowed only by a rule that says so.
        let means_admin = matches!(self.tool, ToolTest::Category(ToolCategory::Admin))
            || self.category == Some(ToolCategory::Admin);
        let admin =
            asked.category != ToolCategory::Admin || self.effect != PermissionEffect::Allow || means_admin;
        let fits = |path: &RepoPath| self.paths.iter().any(|test| test.fits(path.as_str()));
        let paths = match self.effect {
            _ if self.paths.is_empty() => true,
            PermissionEffect::Allow => !asked.paths.is_empty() && asked.paths.iter().all(fits),
            PermissionEffect::Ask | PermissionEffect::Deny => asked.paths.iter().any(fits),
        };
        tool && admin
            && paths
            && self.category.is_none_or(|category| category == asked.category)
            && self.agent.as_ref().is_none_or(|agent| agent == asked.agent)
    }

    /// A trace of what the rule is about is enough.
    fn is_touched(&self, asked: &Asked<'_>) -> bool {
        self.fits_beside_command(asked)
            && match (&self.command, asked.command) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(test), Some(line)) => test.is_traced_in(line),
            }
    }

    /// All of the command must be what the rule is about. `part` is none for a line that is unclear.
    fn covers(&self, asked: &Asked<'_>, part: Option<&[String]>) -> bool {
        self.fits_beside_command(asked)
            && match (&self.command, asked.command) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(test), Some(line)) => test.covers(line, part),
            }
    }

    fn weight(&self, asked: &Asked<'_>) -> Weight {
        let command = self.command.as_ref().map_or(0, CommandTest::weight);
        let paths = self.paths.iter().filter(|test| asked.paths.iter().any(|path| test.fits(path.as_str())));
        let tool = match &self.tool {
            ToolTest::Any => 0,
            ToolTest::Category(_) => 1,
            ToolTest::Name(name) => 1 + name.weight(),
        };
        (command, paths.map(TextTest::weight).max().unwrap_or(0), tool, u32::from(self.agent.is_some()))
    }
}

/// What all the rules together say of the call; none when none of them says anything.
pub(crate) fn verdict(rules: &[Rule], asked: &Asked<'_>) -> Option<PermissionEffect> {
    if rules.iter().any(|rule| rule.effect == PermissionEffect::Deny && rule.is_touched(asked)) {
        return Some(PermissionEffect::Deny);
    }
    let parts = asked.command.map(shell::commands);
    let said: Vec<Option<PermissionEffect>> = match &parts {
        // No command at all, or one that cannot be looked into.
        None | Some(None) => vec![strongest(rules, asked, None)],
        Some(Some(parts)) => parts.iter().map(|part| strongest(rules, asked, Some(part))).collect(),
    };
    // Where nothing is said of a part, nothing is said of the whole; a part that is asked about makes the whole so.
    if said.contains(&Some(PermissionEffect::Ask)) {
        return Some(PermissionEffect::Ask);
    }
    said.iter().copied().reduce(|one, other| one.and(other)).flatten()
}

fn strongest(rules: &[Rule], asked: &Asked<'_>, part: Option<&[String]>) -> Option<PermissionEffect> {
    rules
        .iter()
        .filter(|rule| match rule.effect {
            PermissionEffect::Allow => rule.covers(asked, part),
            PermissionEffect::Ask => rule.is_touched(asked),
            PermissionEffect::Deny => false,
        })
        .map(|rule| (rule.weight(asked), rule.effect))
        .max()
        .map(|(_, effect)| effect)
}

impl ToolTest {
    fn parse(given: &str) -> Result<Self, String> {
        let category = ToolCategory::ALL.into_iter().find(|category| category.as_str() == given);
        match (category, given) {
            (Some(category), _) => Ok(Self::Category(category)),
            (None, "*") => Ok(Self::Any),
            (None, name) => TextTest::parse(name).map(Self::Name),
        }
    }
}

impl TextTest {
    fn parse(given: &str) -> Result<Self, String> {
        match given.strip_prefix(EXACTLY) {
            Some(text) => Ok(Self::Exact(text.to_owned())),
            None => Pattern::parse(given).map(Self::Glob).map_err(|error| error.to_string()),
        }
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Glob(pattern) => pattern.matches(text),
        }
    }

    /// The letters that must be there.
    fn weight(&self) -> u32 {
        match self {
            Self::Exact(_) => u32::MAX - 1,
            Self::Glob(pattern) if !pattern.is_glob() => u32::MAX - 1,
            Self::Glob(pattern) => literal(pattern.as_str()),
        }
    }
}

impl CommandTest {
    fn parse(given: &str) -> Result<Self, String> {
        if let Some(line) = given.strip_prefix(EXACTLY) {
            return Ok(Self::Line(line.trim().to_owned()));
        }
        if given.trim().is_empty() {
            return Err("a command is empty".to_owned());
        }
        if given.contains(['*', '?']) {
            return Ok(Self::Glob(given.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
        Ok(Self::Words(given.split_whitespace().map(str::to_owned).collect()))
    }

    fn covers(&self, line: &str, part: Option<&[String]>) -> bool {
        match (self, part) {
            (Self::Line(exact), _) => exact == line.trim(),
            (_, None) => false,
            (Self::Words(first), Some(words)) => words.starts_with(first),
            (Self::Glob(glob), Some(words)) => fits_glob(glob, &words.join(" ")),
        }
    }

    fn is_traced_in(&self, line: &str) -> bool {
        match self {
            Self::Line(exact) => exact == line.trim(),
            Self::Words(first) => shell::traces(line).windows(first.len()).any(|some| some == first),
            Self::Glob(glob) => {
                let words = shell::traces(line);
                (0..words.len()).any(|from| fits_glob(glob, &words[from..].join(" ")))
            }
        }
    }

    fn weight(&self) -> u32 {
        match self {
            Self::Line(_) => u32::MAX,
            Self::Words(words) => literal(&words.join(" ")) + 1,
            Self::Glob(glob) => literal(glob) + 1,
        }
    }
}

fn literal(pattern: &str) -> u32 {
    u32::try_from(pattern.chars().filter(|c| !matches!(c, '*' | '?')).count()).unwrap_or(u32::MAX / 2)
}

/// `*` is any text, `?` one letter.
fn fits_glob(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut g, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if g < glob.len() && glob[g] == '*' {
            star = Some((g, t));
            g += 1;
        } else if g < glob.len() && (glob[g] == '?' || glob[g] == text[t]) {
            (g, t) = (g + 1, t + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (g, t) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests;
