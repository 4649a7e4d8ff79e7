//! Sheets: one thing, as names and values.

use super::paint::{Paint, clean, one_line};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sheet {
    rows: Vec<(&'static str, String, Paint)>,
}

impl Sheet {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub(crate) fn row(self, name: &'static str, value: impl Into<String>) -> Self {
        self.painted(name, value, Paint::Plain)
    }

    #[must_use]
    pub(crate) fn painted(mut self, name: &'static str, value: impl Into<String>, paint: Paint) -> Self {
        self.rows.push((name, value.into(), paint));
        self
    }

    /// A row that is left out when there is nothing to say.
    #[must_use]
    pub(crate) fn maybe(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.row(name, value),
            None => self,
        }
    }

    pub(crate) fn separated(&self) -> String {
        let lines = self.rows.iter().map(|(name, value, _)| format!("{name}\t{}", one_line(value)));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Names in a column; further lines of a value stand under its first.
    pub(crate) fn aligned(&self, color: bool) -> String {
        let width = self.rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
        let lines = self.rows.iter().map(|(name, value, paint)| {
            let value = clean(value);
            let mut parts = value.lines();
            let first = parts.next().unwrap_or_default();
            let name = Paint::Dim.on(&format!("{name:width$}"), color);
            let mut line = format!("{name}  {}", paint.on(first, color));
            for part in parts {
                line.push_str(&format!("\n{:width$}  {}", "", paint.on(part, color)));
            }
            line.trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_names_and_values() {
        let sheet = Sheet::new().row("id", "a1").row("prompt", "one\ntwo").maybe("none", None::<String>);
        assert_eq!(sheet.separated(), "id\ta1\nprompt\tone two");
        assert_eq!(sheet.aligned(false), "id      a1\nprompt  one\n        two");
    }
}
