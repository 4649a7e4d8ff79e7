//! Every package's licence is one of those `deny.toml` allows; cargo-deny says more, but is not on every machine.

use super::{Findings, packages};

const DENY: &str = include_str!("../../../deny.toml");

pub(crate) fn all() -> Result<Findings, String> {
    let allowed = allowed(DENY);
    let wrong = packages::tree()?.into_iter().filter(|(_, licence)| !may(licence, &allowed));
    Ok(wrong
        .map(|(package, licence)| format!("deny.toml: {package} is under `{licence}`, not allowed"))
        .collect())
}

/// The strings of `allow = […]` in the section on licences.
fn allowed(text: &str) -> Vec<&str> {
    let section = text.split("[licenses]").nth(1).unwrap_or_default();
    let list = section.split("allow = [").nth(1).unwrap_or_default();
    list.split(']').next().unwrap_or_default().split('"').skip(1).step_by(2).collect()
}

/// Whether an expression can be met: `OR` and the older `/` offer a choice, `AND` binds tighter.
fn may(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any(&words, &mut at, allowed);
    met && at == words.len()
}

fn any(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut met = every(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= every(words, at, allowed);
    }
    met
}

fn every(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let met = any(words, at, allowed);
        *at += 1;
        return met;
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    allowed.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_met_by_what_is_allowed() {
        let check = |expression: &str| may(expression, &["MIT", "Apache-2.0 WITH LLVM-exception"]);
        assert!(check("MIT"));
        assert!(check("GPL-3.0 OR MIT"));
        assert!(check("Unlicense/MIT"));
        assert!(check("(GPL-3.0 OR MIT) AND Apache-2.0 WITH LLVM-exception"));
        assert!(!check("GPL-3.0 AND MIT"));
        assert!(!check("GPL-3.0"));
        assert!(!check(""));
    }

    #[test]
    fn the_list_is_read_from_the_file() {
        assert!(allowed(DENY).contains(&"Apache-2.0"));
        assert!(!allowed(DENY).contains(&"GPL-3.0"));
    }
}
