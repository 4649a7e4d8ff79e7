//! Who stands in a commit: the user's own git identity, and agents.

use crate::{GitError, Repository};
use model::AgentName;
use std::path::PathBuf;

/// Longest name or address taken into a commit, in characters.
const IDENTITY_MAX: usize = 200;
const FALLBACK_NAME: &str = "Coditect";
const FALLBACK_EMAIL: &str = "coditect@localhost.invalid";

/// A name and an address, cleaned of what a commit header cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Author {
    name: String,
    email: String,
}

/// Where the user's own git configuration is looked up; the caller knows the user's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserHome {
    pub home: PathBuf,
    pub xdg_config_home: Option<PathBuf>,
}

impl Author {
    /// Drops control characters and angle brackets, which would end the header early; an empty rest
    /// becomes the fallback.
    pub fn new(name: &str, email: &str) -> Self {
        let clean = |given: &str, fallback: &str| {
            let kept: String = given
                .chars()
                .filter(|c| !c.is_control() && !matches!(c, '<' | '>'))
                .take(IDENTITY_MAX)
                .collect();
            let kept = kept
                .trim_matches(|c: char| c.is_whitespace() || matches!(c, '.' | ',' | ':' | ';' | '"' | '\''));
            if kept.is_empty() { fallback.to_owned() } else { kept.to_owned() }
        };
        Self { name: clean(name, FALLBACK_NAME), email: clean(email, FALLBACK_EMAIL).replace(' ', "") }
    }

    /// An agent as (co-)author. The address is under `.invalid`, so that it never belongs to anybody.
    pub fn agent(agent: &AgentName) -> Self {
        Self::new(agent.as_str(), &format!("{agent}@agents.coditect.invalid"))
    }

    /// Who commits when the user has no git identity.
    pub fn fallback() -> Self {
        Self::new(FALLBACK_NAME, FALLBACK_EMAIL)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn email(&self) -> &str {
        &self.email
    }
}

impl std::fmt::Display for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

impl Repository {
    /// The identity `git commit` would use for this user here, or the fallback for what is not set. Reads
    /// only: the user's configuration and the repository's, as data.
    pub fn identity(&self, user: &UserHome) -> Result<Author, GitError> {
        let value = |key: &str| -> Result<String, GitError> {
            let call = self.call_unsealed_config().args(["-z", "--get", key]).reading(user);
            let answer = call.cut_at(4 * IDENTITY_MAX).codes(&[0, 1]).run()?;
            Ok(String::from_utf8_lossy(&answer.stdout).trim_end_matches('\0').to_owned())
        };
        Ok(Author::new(&value("user.name")?, &value("user.email")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_can_end_the_header_early() {
        let author = Author::new("Eve <eve@x>\nparent 00", " e v e@x\0>");
        assert_eq!(author.to_string(), "Eve eve@xparent 00 <eve@x>");
        assert_eq!(Author::new(" . ", "<>"), Author::fallback());
        assert_eq!(Author::new(&"é".repeat(IDENTITY_MAX + 5), "a@b").name().chars().count(), IDENTITY_MAX);
    }

    #[test]
    fn an_agents_address_belongs_to_nobody() {
        let author = Author::agent(&"claude".parse().unwrap());
        assert_eq!(author.to_string(), "claude <claude@agents.coditect.invalid>");
    }
}
