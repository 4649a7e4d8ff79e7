//! Tables: aligned with a head on a terminal, tab-separated without one in a pipe.

use super::paint::{Paint, one_line};
use super::when::ago;
use model::Timestamp;

/// Spaces between two columns.
const GAP: usize = 2;
/// A column is not made narrower than this to fit a terminal.
const COLUMN_MIN: usize = 8;

/// One value: what a person sees, what a pipe gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    shown: String,
    piped: Option<String>,
    paint: Paint,
}

impl Cell {
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self { shown: one_line(text.as_ref()), piped: None, paint: Paint::Plain }
    }

    #[must_use]
    pub(crate) fn paint(mut self, paint: Paint) -> Self {
        self.paint = paint;
        self
    }

    /// What a pipe gets instead.
    #[must_use]
    pub(crate) fn piped(mut self, text: impl AsRef<str>) -> Self {
        self.piped = Some(one_line(text.as_ref()));
        self
    }

    /// A past moment: relative for a person, exact for a pipe.
    pub(crate) fn time(now: Timestamp, at: Timestamp) -> Self {
        Self::new(ago(now, at)).paint(Paint::Dim).piped(at.to_string())
    }

    pub(crate) fn maybe(text: Option<impl AsRef<str>>) -> Self {
        text.map_or_else(|| Self::new(""), Self::new)
    }

    fn width(&self) -> usize {
        self.shown.chars().count()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    head: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn of<T>(head: &'static [&'static str], items: &[T], cells: impl Fn(&T) -> Vec<Cell>) -> Self {
        Self { head, rows: items.iter().map(cells).collect() }
    }

    /// One line per row and tabs between cells.
    pub(crate) fn separated(&self) -> String {
        let line = |row: &Vec<Cell>| {
            let cells: Vec<&str> =
                row.iter().map(|cell| cell.piped.as_deref().unwrap_or(&cell.shown)).collect();
            cells.join("\t")
        };
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Columns as wide as their content, the widest cut until a line fits. Nothing for no rows.
    pub(crate) fn aligned(&self, width: usize, color: bool) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let widths = self.widths(width);
        let head: Vec<Cell> = self.head.iter().map(|name| Cell::new(name).paint(Paint::Dim)).collect();
        let lines = std::iter::once(&head).chain(&self.rows).map(|row| {
            let mut line = String::new();
            for (at, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                let text = cut(&cell.shown, width);
                let rest = width - text.chars().count();
                line.push_str(&cell.paint.on(&text, color && !text.is_empty()));
                if at + 1 < row.len() {
                    line.extend(std::iter::repeat_n(' ', rest + GAP));
                }
            }
            line.trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn widths(&self, width: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(|name| name.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > width {
            let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > COLUMN_MIN) else { break };
            *widest -= 1;
        }
        widths
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let now = Timestamp::from_millis(100_000);
        let rows = vec![
            vec![
                Cell::new("a1"),
                Cell::new("tidy\tthe\nhouse"),
                Cell::time(now, Timestamp::from_millis(70_000)),
            ],
            vec![Cell::new("b22"), Cell::new("ok").paint(Paint::Good), Cell::new("")],
        ];
        Table { head: &["ID", "TITLE", "WHEN"], rows }
    }

    #[test]
    fn a_pipe_gets_tabs_and_exact_times() {
        assert_eq!(table().separated(), "a1\ttidy the house\t1970-01-01T00:01:10.000Z\nb22\tok\t");
    }

    #[test]
    fn a_terminal_gets_columns_and_relative_times() {
        assert_eq!(
            table().aligned(80, false),
            "ID   TITLE           WHEN\na1   tidy the house  30 s ago\nb22  ok"
        );
        assert!(table().aligned(80, true).contains("\x1b[32mok\x1b[0m"));
        assert_eq!(Table::of(&["ID"], &[(); 0], |()| Vec::new()).aligned(80, false), "");
    }

    #[test]
    fn the_widest_column_gives_way() {
        let shown = table().aligned(25, false);
        assert!(shown.lines().all(|line| line.chars().count() <= 25), "{shown}");
        assert!(shown.contains("tidy the …"), "{shown}");
    }
}
