//! What work has cost, on the wire.

use crate::operation::{Access::User, Method::Get, Operation};
use crate::{Usage, words};
use model::Refusal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// By what spending is told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostBy {
    Session,
    Task,
    #[default]
    Agent,
    Model,
    Day,
}

impl CostBy {
    pub const ALL: [Self; 5] = [Self::Session, Self::Task, Self::Agent, Self::Model, Self::Day];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Task => "task",
            Self::Agent => "agent",
            Self::Model => "model",
            Self::Day => "day",
        }
    }
}

/// What was used, in rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CostReport {
    #[schema(value_type = words::CostBy)]
    pub by: CostBy,
    /// The first day that counts, in UTC; none: all of them.
    pub since: Option<String>,
    /// The day the list prices are of that stand in where a vendor gave no figure.
    pub prices_as_of: String,
    /// The costliest first; of days, the newest. At most 200; the total is of all.
    pub rows: Vec<CostRow>,
    pub total: Usage,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CostRow {
    /// Id of the session or task, name of the agent or model, or the day. Empty: nobody knows whose it was.
    pub key: String,
    /// Title of the session or task.
    pub title: Option<String>,
    /// Answers of models.
    pub calls: u64,
    pub usage: Usage,
}

/// What to reckon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct CostQuery {
    /// `session`, `task`, `agent`, `model` or `day`; `agent` without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The first day, as in `2026-01-31` (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only this session, by id or short id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

impl CostQuery {
    pub fn by(&self) -> Result<CostBy, Refusal> {
        let Some(given) = self.by.as_deref() else { return Ok(CostBy::default()) };
        CostBy::ALL.into_iter().find(|by| by.as_str() == given).ok_or_else(|| {
            let words: Vec<&str> = CostBy::ALL.into_iter().map(CostBy::as_str).collect();
            let shown: String = given.chars().take(40).collect();
            Refusal::invalid("unknown_by", format!("costs cannot be told apart by `{shown}`"))
                .hint(format!("one of {}", words.join(", ")))
        })
    }

    /// The first day that counts.
    pub fn since(&self) -> Result<Option<String>, Refusal> {
        let Some(given) = &self.since else { return Ok(None) };
        let midnight: Result<model::Timestamp, _> = format!("{given}T00:00:00.000Z").parse();
        match midnight {
            Ok(midnight) if midnight.day() == *given => Ok(Some(given.clone())),
            _ => {
                let shown: String = given.chars().take(40).collect();
                Err(Refusal::invalid("not_a_day", format!("`{shown}` is no day"))
                    .hint("write it as in 2026-01-31"))
            }
        }
    }
}

/// What can be asked of costs.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("costs", "get_cost", Get, "/cost", User, "Reckons what was used, and what it cost.")
            .query::<CostQuery>()
            .returns::<CostReport>(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(by: Option<&str>, since: Option<&str>) -> CostQuery {
        CostQuery { by: by.map(str::to_owned), since: since.map(str::to_owned), session: None }
    }

    #[test]
    fn words_are_the_serde_words() {
        for by in CostBy::ALL {
            assert_eq!(serde_json::to_string(&by).unwrap(), format!("\"{}\"", by.as_str()));
            assert_eq!(query(Some(by.as_str()), None).by(), Ok(by));
        }
        assert_eq!(query(Some("mood"), None).by().unwrap_err().code, "unknown_by");
    }

    #[test]
    fn a_day_is_one_of_the_calendar() {
        assert_eq!(query(None, Some("2026-01-31")).since(), Ok(Some("2026-01-31".to_owned())));
        for bad in ["", "2026-02-30", "yesterday", "2026-1-3", "2026-01-31T10:00:00Z"] {
            assert_eq!(query(None, Some(bad)).since().unwrap_err().code, "not_a_day", "{bad}");
        }
    }
}
