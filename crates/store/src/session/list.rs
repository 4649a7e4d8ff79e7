//! Lists of sessions: filtered, sorted, page by page.
//!
//! A page goes on behind the last session of the one before, by what it was sorted by, so nothing that stays where it is comes twice
//! or not at all, whatever is written meanwhile. Filters that no index serves are applied to the rows as they are walked through.
//!
//! Invariant: one page looks at no more than [`LOOKED_MAX`] sessions. A page may therefore be short, or empty, and have a next one.

use super::{SessionRow, read_session, session_columns};
use crate::sql::{Row, params};
use crate::statement::{Statement, statements};
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{AgentName, BoardId, RepoId, SessionId, SessionState};

use std::cmp::Ordering;

/// Sessions one page looks at.
pub const LOOKED_MAX: usize = 10_000;
/// Sessions read at once while most of them are passed over.
const BATCH: usize = 512;

/// What about archived sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Archived {
    #[default]
    No,
    Only,
    Too,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SessionSort {
    #[default]
    Created,
    Updated,
    Title,
    Cost,
}

/// What a session is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortValue {
    Number(i64),
    Text(String),
}

/// The place of a session in a sorted list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionMark {
    pub value: SortValue,
    /// Number of the event that made the session: tells equal ones apart.
    pub seq: i64,
}

/// Which sessions to list. What is not said does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFilter {
    pub archived: Archived,
    pub state: Option<SessionState>,
    /// The agent that joined first.
    pub agent: Option<AgentName>,
    pub repo: Option<RepoId>,
    pub board: Option<BoardId>,
    pub tag: Option<String>,
    /// Forks and children of this session.
    pub source: Option<SessionId>,
    /// Somewhere in the title, in either case.
    pub text: Option<String>,
    pub sort: SessionSort,
    /// The smallest first, instead of the newest or greatest.
    pub ascending: bool,
    /// Goes on behind this place.
    pub after: Option<SessionMark>,
    pub limit: usize,
}

impl Default for SessionFilter {
    fn default() -> Self {
        Self {
            archived: Archived::No,
            state: None,
            agent: None,
            repo: None,
            board: None,
            tag: None,
            source: None,
            text: None,
            sort: SessionSort::Created,
            ascending: false,
            after: None,
            limit: 50,
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPage {
    pub rows: Vec<SessionRow>,
    /// Where the list goes on; none at its end.
    pub next: Option<SessionMark>,
}

macro_rules! in_order_of_making {
    () => {
        concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions s WHERE s.listed = ?1 AND s.seq < ?2 ORDER BY s.seq DESC LIMIT ?3"
        )
    };
    (up) => {
        concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions s WHERE s.listed = ?1 AND s.seq > ?2 ORDER BY s.seq LIMIT ?3"
        )
    };
}
macro_rules! in_order_of {
    ($column:literal, $only:expr) => {
        concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions s WHERE s.listed = ?1 AND ",
            $only,
            "(",
            $column,
            ", s.seq) < (?4, ?2) ORDER BY ",
            $column,
            " DESC, s.seq DESC LIMIT ?3"
        )
    };
    ($column:literal, $only:expr, up) => {
        concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions s WHERE s.listed = ?1 AND ",
            $only,
            "(",
            $column,
            ", s.seq) > (?4, ?2) ORDER BY ",
            $column,
            ", s.seq LIMIT ?3"
        )
    };
}
// That they are sorted by the filter's column as well leaves PostgreSQL one index to walk. With `= ?4` it also walks the one
// by `seq` alone, through all the sessions that are newer than the few that are looked for.
macro_rules! only {
    ($column:literal) => {
        in_order_of!($column, concat!($column, " >= ?4 AND "))
    };
    ($column:literal up) => {
        in_order_of!($column, concat!($column, " <= ?4 AND "), up)
    };
}

statements! { QUERIES in Sessions {
    ALL_DOWN = in_order_of_making!();
    ALL_UP = in_order_of_making!(up);
    STATUS_DOWN = only!("s.status");
    STATUS_UP = only!("s.status" up);
    AGENT_DOWN = only!("s.agent");
    AGENT_UP = only!("s.agent" up);
    REPO_DOWN = only!("s.repo_id");
    REPO_UP = only!("s.repo_id" up);
    BOARD_DOWN = only!("s.board_id");
    BOARD_UP = only!("s.board_id" up);
    SOURCE_DOWN = only!("s.source_id");
    SOURCE_UP = only!("s.source_id" up);
    TAG_DOWN = concat!(
        "SELECT ", session_columns!(), " FROM session_tags g CROSS JOIN sessions s
         WHERE g.tag = ?4 AND g.seq < ?2 AND s.session_id = g.session_id AND s.listed = ?1
         ORDER BY g.seq DESC LIMIT ?3"
    );
    TAG_UP = concat!(
        "SELECT ", session_columns!(), " FROM session_tags g CROSS JOIN sessions s
         WHERE g.tag = ?4 AND g.seq > ?2 AND s.session_id = g.session_id AND s.listed = ?1
         ORDER BY g.seq LIMIT ?3"
    );
    UPDATED_DOWN = in_order_of!("s.updated_at", "");
    UPDATED_UP = in_order_of!("s.updated_at", "", up);
    TITLE_DOWN = in_order_of!("s.sort_title", "");
    TITLE_UP = in_order_of!("s.sort_title", "", up);
    COST_DOWN = in_order_of!("s.cost_micros", "");
    COST_UP = in_order_of!("s.cost_micros", "", up);
    NEWEST_SESSION = concat!(
        "SELECT ", session_columns!(), " FROM sessions s WHERE s.listed = 0 ORDER BY s.seq DESC LIMIT 1"
    );
} }

impl View<'_> {
    pub fn sessions(&self, filter: &SessionFilter) -> Result<SessionPage, StoreError> {
        let halves: &[i64] = match filter.archived {
            Archived::No => &[0],
            Archived::Only => &[1],
            Archived::Too => &[0, 1],
        };
        let mut found = Vec::new();
        let mut reached: Option<SessionMark> = None;
        for listed in halves {
            let half = Walk { view: self, filter, listed: *listed }.page()?;
            if found.is_empty() {
                found = half.rows
            } else {
                found.extend(half.rows)
            }
            // What lies behind the end of either half is not known yet.
            reached = match (reached, half.reached) {
                (Some(one), Some(other)) => {
                    Some(if filter.order(&one, &other).is_le() { one } else { other })
                }
                (one, other) => one.or(other),
            };
        }
        found.sort_by(|(one, _), (other, _)| filter.order(one, other));
        if let Some(reached) = &reached {
            found.retain(|(mark, _)| filter.order(mark, reached).is_le());
        }
        if found.len() > filter.limit {
            found.truncate(filter.limit);
            reached = found.last().map(|(mark, _)| mark.clone());
        }
        Ok(SessionPage { rows: found.into_iter().map(|(_, row)| row).collect(), next: reached })
    }

    /// The session that was made last, of those that are listed and not archived.
    pub fn newest_session(&self) -> Result<Option<SessionRow>, StoreError> {
        self.row(&NEWEST_SESSION, [], read_session)
    }
}

impl SessionFilter {
    /// As they are listed.
    fn order(&self, one: &SessionMark, other: &SessionMark) -> Ordering {
        if self.ascending { one.cmp(other) } else { other.cmp(one) }
    }

    /// The one filter an index is walked by, and its value. The others are applied on the way.
    fn driver(&self) -> (Driver, Option<String>) {
        if let Some(source) = self.source {
            (Driver::Source, Some(source.to_string()))
        } else if let Some(tag) = &self.tag {
            (Driver::Tag, Some(tag.clone()))
        } else if let Some(board) = self.board {
            (Driver::Board, Some(board.to_string()))
        } else if let Some(state) = self.state {
            (Driver::Status, Some(state.as_str().to_owned()))
        } else if let Some(repo) = self.repo {
            (Driver::Repo, Some(repo.to_string()))
        } else if let Some(agent) = &self.agent {
            (Driver::Agent, Some(agent.as_str().to_owned()))
        } else {
            (Driver::None, None)
        }
    }

    /// Whether every session walked through is one that is wanted.
    fn is_plain(&self) -> bool {
        let filters = [
            self.source.is_some(),
            self.tag.is_some(),
            self.board.is_some(),
            self.state.is_some(),
            self.repo.is_some(),
            self.agent.is_some(),
            self.text.is_some(),
        ];
        let served = usize::from(self.driver().0 != Driver::None && self.sort == SessionSort::Created);
        filters.into_iter().filter(|set| *set).count() == served
    }

    /// Where the row stands in the list.
    fn mark(&self, row: &Row<'_>) -> Result<SessionMark, StoreError> {
        let value = match self.sort {
            SessionSort::Created => SortValue::Number(row.get("seq")?),
            SessionSort::Updated => SortValue::Number(row.get("updated_at")?),
            SessionSort::Cost => SortValue::Number(row.get("cost_micros")?),
            SessionSort::Title => SortValue::Text(row.get("sort_title")?),
        };
        Ok(SessionMark { value, seq: row.get("seq")? })
    }

    /// Before the first of all values.
    fn edge(&self) -> SortValue {
        match (self.sort, self.ascending) {
            (SessionSort::Title, true) => SortValue::Text(String::new()),
            (SessionSort::Title, false) => SortValue::Text(char::MAX.to_string()),
            (_, true) => SortValue::Number(i64::MIN),
            (_, false) => SortValue::Number(i64::MAX),
        }
    }

    fn wants(&self, row: &Row<'_>) -> Result<bool, StoreError> {
        let is = |column: &'static str, wanted: Option<String>| -> Result<bool, StoreError> {
            let Some(wanted) = wanted else { return Ok(true) };
            Ok(row.get::<_, Option<String>>(column)?.is_some_and(|found| found == wanted))
        };
        Ok(is("status", self.state.map(|state| state.as_str().to_owned()))?
            && is("agent", self.agent.as_ref().map(|agent| agent.as_str().to_owned()))?
            && is("repo_id", self.repo.map(|repo| repo.to_string()))?
            && is("board_id", self.board.map(|board| board.to_string()))?
            && is("source_id", self.source.map(|source| source.to_string()))?
            && self.wants_title(row)?
            && self.wants_tag(row)?)
    }

    fn wants_title(&self, row: &Row<'_>) -> Result<bool, StoreError> {
        let Some(text) = &self.text else { return Ok(true) };
        Ok(row.get::<_, String>("sort_title")?.contains(&text.to_lowercase()))
    }

    fn wants_tag(&self, row: &Row<'_>) -> Result<bool, StoreError> {
        let Some(tag) = &self.tag else { return Ok(true) };
        Ok(column::json::<Vec<String>>(row, "tags")?.contains(tag))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    None,
    Status,
    Agent,
    Repo,
    Board,
    Source,
    Tag,
}

/// One walk through the current sessions, or through the archived ones.
struct Walk<'a> {
    view: &'a View<'a>,
    filter: &'a SessionFilter,
    listed: i64,
}

struct Half {
    rows: Vec<(SessionMark, SessionRow)>,
    /// The last place that was looked at; none at the end of the list.
    reached: Option<SessionMark>,
}

/// How rows are walked through.
struct Way<'a> {
    statement: &'static Statement,
    up: bool,
    /// By the order of making, and not by another figure.
    by_making: bool,
    /// What the statement's own filter is held against.
    value: Option<&'a str>,
}

impl Walk<'_> {
    fn page(&self) -> Result<Half, StoreError> {
        let filter = self.filter;
        let (driver, value) = filter.driver();
        if filter.sort == SessionSort::Created {
            let (statement, up) = (of_driver(driver, filter.ascending), filter.ascending);
            return self.walk(&Way { statement, up, by_making: true, value: value.as_deref() });
        }
        if driver != Driver::None {
            let statement = of_driver(driver, false);
            let few = Way { statement, up: false, by_making: true, value: value.as_deref() };
            if let Some(rows) = self.gather(&few)? {
                return Ok(Half { rows, reached: None });
            }
        }
        let statement = of_sort(filter.sort, filter.ascending);
        self.walk(&Way { statement, up: filter.ascending, by_making: false, value: None })
    }

    /// Walks in the order of the list until there are enough, or enough was looked at.
    fn walk(&self, way: &Way<'_>) -> Result<Half, StoreError> {
        let filter = self.filter;
        let mut at = filter.after.clone();
        // Rows are large, and a vector that grows moves them.
        let (mut rows, mut looked) = (Vec::with_capacity(filter.limit.min(BATCH)), 0);
        loop {
            let batch = if filter.is_plain() { filter.limit - rows.len() } else { BATCH };
            let (before, from) = (looked, at.clone());
            self.read(way, from.as_ref(), batch, |mark, row| {
                looked += 1;
                if rows.len() < filter.limit {
                    at = Some(mark.clone());
                    rows.extend(row.map(|row| (mark, row)));
                }
            })?;
            if rows.len() == filter.limit {
                return Ok(Half { rows, reached: at });
            }
            if looked - before < batch {
                return Ok(Half { rows, reached: None });
            }
            if looked >= LOOKED_MAX {
                return Ok(Half { rows, reached: at });
            }
        }
    }

    /// All that fit, sorted by nothing yet, where there are few by the way's own filter; none when there are many.
    fn gather(&self, way: &Way<'_>) -> Result<Option<Vec<(SessionMark, SessionRow)>>, StoreError> {
        let filter = self.filter;
        let (mut rows, mut looked) = (Vec::new(), 0);
        self.read(way, None, LOOKED_MAX + 1, |mark, row| {
            looked += 1;
            rows.extend(row.map(|row| (mark, row)));
        })?;
        if looked > LOOKED_MAX {
            return Ok(None);
        }
        if let Some(after) = &filter.after {
            rows.retain(|(mark, _)| filter.order(mark, after).is_gt());
        }
        Ok(Some(rows))
    }

    /// The next rows behind a place; those that are not wanted by their place alone.
    fn read(
        &self,
        way: &Way<'_>,
        after: Option<&SessionMark>,
        most: usize,
        mut take: impl FnMut(SessionMark, Option<SessionRow>),
    ) -> Result<(), StoreError> {
        let filter = self.filter;
        let seq = after.map_or(if way.up { i64::MIN } else { i64::MAX }, |mark| mark.seq);
        let (plain, most, listed) = (filter.is_plain(), limit(most), self.listed);
        let read = |row: &Row<'_>| {
            let wanted = plain || filter.wants(row)?;
            take(filter.mark(row)?, if wanted { Some(read_session(row)?) } else { None });
            Ok(())
        };
        match (way.value, way.by_making) {
            (Some(value), _) => self.view.each(way.statement, params![listed, seq, most, value], read),
            (None, true) => self.view.each(way.statement, params![listed, seq, most], read),
            (None, false) => match after.map_or_else(|| filter.edge(), |mark| mark.value.clone()) {
                SortValue::Number(at) => self.view.each(way.statement, params![listed, seq, most, at], read),
                SortValue::Text(at) => self.view.each(way.statement, params![listed, seq, most, at], read),
            },
        }
    }
}

const fn of_driver(driver: Driver, up: bool) -> &'static Statement {
    match (driver, up) {
        (Driver::None, false) => &ALL_DOWN,
        (Driver::None, true) => &ALL_UP,
        (Driver::Status, false) => &STATUS_DOWN,
        (Driver::Status, true) => &STATUS_UP,
        (Driver::Agent, false) => &AGENT_DOWN,
        (Driver::Agent, true) => &AGENT_UP,
        (Driver::Repo, false) => &REPO_DOWN,
        (Driver::Repo, true) => &REPO_UP,
        (Driver::Board, false) => &BOARD_DOWN,
        (Driver::Board, true) => &BOARD_UP,
        (Driver::Source, false) => &SOURCE_DOWN,
        (Driver::Source, true) => &SOURCE_UP,
        (Driver::Tag, false) => &TAG_DOWN,
        (Driver::Tag, true) => &TAG_UP,
    }
}

const fn of_sort(sort: SessionSort, up: bool) -> &'static Statement {
    match (sort, up) {
        (SessionSort::Created, false) => &ALL_DOWN,
        (SessionSort::Created, true) => &ALL_UP,
        (SessionSort::Updated, false) => &UPDATED_DOWN,
        (SessionSort::Updated, true) => &UPDATED_UP,
        (SessionSort::Title, false) => &TITLE_DOWN,
        (SessionSort::Title, true) => &TITLE_UP,
        (SessionSort::Cost, false) => &COST_DOWN,
        (SessionSort::Cost, true) => &COST_UP,
    }
}
