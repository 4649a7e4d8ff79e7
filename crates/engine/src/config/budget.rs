//! What work may cost, as config.json says it.

use model::AgentName;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Digits after the point of an amount.
const DECIMALS: usize = 6;
/// Largest amount, in millionths of a US dollar: a million dollars.
const USD_MAX: u64 = 1_000_000_000_000;
const WARN_PERCENT: u32 = 80;

/// An amount in millionths of a US dollar. Written as text with a decimal point: a number in JSON may come back as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(pub u64);

impl FromStr for Usd {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is no amount in dollars; write it as in \"2.50\"",
                given.chars().take(40).collect::<String>()
            )
        };
        let (whole, part) = given.split_once('.').unwrap_or((given, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > DECIMALS {
            return Err(wrong());
        }
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let part: u64 = format!("{part:0<DECIMALS$}").parse().map_err(|_| wrong())?;
        let micros = whole.checked_mul(1_000_000).and_then(|micros| micros.checked_add(part));
        match micros {
            Some(micros) if (1..=USD_MAX).contains(&micros) => Ok(Self(micros)),
            _ => Err(format!("an amount is more than nothing and at most {} dollars", USD_MAX / 1_000_000)),
        }
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:06}", self.0 % 1_000_000);
        let kept = part.trim_end_matches('0');
        write!(f, "{}.{kept:0<2}", self.0 / 1_000_000)
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Hard bounds; none means that there is none. Days are those of UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    pub task_usd: Option<Usd>,
    pub session_usd: Option<Usd>,
    pub day_usd: Option<Usd>,
    pub task_tokens: Option<u64>,
    pub session_tokens: Option<u64>,
    pub day_tokens: Option<u64>,
    /// The share of a budget, in percent, from which on one is warned.
    pub warn_percent: u32,
    pub agents: BTreeMap<AgentName, AgentBudget>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentBudget {
    pub day_usd: Option<Usd>,
    pub day_tokens: Option<u64>,
}

impl BudgetConfig {
    /// Whether anything is bounded.
    pub(crate) fn is_set(&self) -> bool {
        *self != Self { warn_percent: self.warn_percent, ..Self::default() }
    }
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            task_usd: None,
            session_usd: None,
            day_usd: None,
            task_tokens: None,
            session_tokens: None,
            day_tokens: None,
            warn_percent: WARN_PERCENT,
            agents: BTreeMap::new(),
        }
    }
}

impl BudgetConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=100).contains(&self.warn_percent) {
            return Err("budgets.warn_percent must be between 1 and 100".to_owned());
        }
        let tokens = [self.task_tokens, self.session_tokens, self.day_tokens];
        let of_agents = self.agents.values().map(|agent| agent.day_tokens);
        if tokens.into_iter().chain(of_agents).any(|tokens| tokens == Some(0)) {
            return Err("a budget of tokens must be more than 0".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_text_and_comes_back_as_it_was() {
        for (text, micros) in [("2.50", 2_500_000), ("0.000001", 1), ("10", 10_000_000), ("1000000", USD_MAX)]
        {
            assert_eq!(text.parse(), Ok(Usd(micros)));
            assert_eq!(Usd(micros).to_string().parse(), Ok(Usd(micros)));
        }
        assert_eq!(
            (Usd(2_500_000).to_string(), Usd(1).to_string()),
            ("2.50".to_owned(), "0.000001".to_owned())
        );
        for bad in
            ["", "0", "-1", "1,5", "1.", ".5", "1e3", "0.0000001", "1000000.01", "99999999999999999999", "$5"]
        {
            assert!(bad.parse::<Usd>().is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Usd>("2.5").is_err(), "a number is none");
    }
}
