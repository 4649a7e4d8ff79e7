//! Stdout and stderr: who reads them, and in which form they want it.
//!
//! Invariant: with `--json` stdout is one JSON document, or one JSON value per line for streams. What a program or an agent
//! said reaches a terminal without its control characters.

use crate::failure::{Exit, Failure};
use crate::line::{Color, Global};
use crate::render::{Paint, Sheet, Table, clean};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

/// Version of the documents on stdout.
pub(crate) const SCHEMA_VERSION: u32 = 1;
/// Width of a terminal that does not say.
const WIDTH_DEFAULT: usize = 100;

/// How the user wants to be spoken to.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    pub(crate) json: bool,
    quiet: bool,
    out_is_terminal: bool,
    err_is_terminal: bool,
    color_out: bool,
    color_err: bool,
    width: usize,
}

impl Screen {
    pub(crate) fn new(global: &Global, environment: &BTreeMap<String, String>) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let (out_is_terminal, err_is_terminal) = (out.is_terminal(), err.is_terminal());
        let width = rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col));
        Self {
            json: global.json,
            quiet: global.quiet,
            out_is_terminal,
            err_is_terminal,
            color_out: colored(global.color, environment, out_is_terminal),
            color_err: colored(global.color, environment, err_is_terminal),
            width: if width == 0 { WIDTH_DEFAULT } else { width },
        }
    }

    pub(crate) fn color_err(&self) -> bool {
        self.color_err
    }

    pub(crate) fn quiet(&self) -> bool {
        self.quiet
    }

    /// True when progress may redraw a line.
    pub(crate) fn may_redraw(&self) -> bool {
        self.err_is_terminal && !self.quiet
    }

    /// The one document of a command.
    pub(crate) fn document(&self, value: &impl Serialize) -> Result<(), Failure> {
        let mut value =
            serde_json::to_value(value).map_err(|error| Failure::failed("json", error.to_string()))?;
        if let Value::Object(fields) = &mut value {
            fields.insert("schema_version".to_owned(), SCHEMA_VERSION.into());
        }
        let text = if self.out_is_terminal {
            serde_json::to_string_pretty(&value)
        } else {
            serde_json::to_string(&value)
        };
        self.print(&text.map_err(|error| Failure::failed("json", error.to_string()))?)
    }

    /// One value of a stream.
    pub(crate) fn streamed(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string(value).map_err(|error| Failure::failed("json", error.to_string()))?;
        self.print(&text)
    }

    /// The document with `--json`, else what `table` makes for a person or a pipe.
    pub(crate) fn show(&self, value: &impl Serialize, table: impl FnOnce() -> Table) -> Result<(), Failure> {
        if self.json { self.document(value) } else { self.table(&table()) }
    }

    /// The document with `--json`, else a sheet of names and values.
    pub(crate) fn show_sheet(
        &self,
        value: &impl Serialize,
        sheet: impl FnOnce() -> Sheet,
    ) -> Result<(), Failure> {
        if self.json { self.document(value) } else { self.sheet(&sheet()) }
    }

    pub(crate) fn table(&self, table: &Table) -> Result<(), Failure> {
        let text = match self.out_is_terminal {
            true => table.aligned(self.width, self.color_out),
            false => table.separated(),
        };
        self.print_block(&text)
    }

    pub(crate) fn sheet(&self, sheet: &Sheet) -> Result<(), Failure> {
        let text = match self.out_is_terminal {
            true => sheet.aligned(self.color_out),
            false => sheet.separated(),
        };
        self.print_block(&text)
    }

    /// Data for a person: cleaned of what could steer a terminal.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        self.print(&clean(text))
    }

    /// A line of a stream with its speaker in front.
    pub(crate) fn spoken(&self, who: &str, paint: Paint, text: &str) -> Result<(), Failure> {
        self.print(&format!("{}  {}", paint.on(&clean(who), self.color_out), clean(text)))
    }

    /// Data as it is.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    fn print_block(&self, text: &str) -> Result<(), Failure> {
        if text.is_empty() { Ok(()) } else { self.print(text) }
    }

    /// A word to the person on stderr; nothing with `--quiet`.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            tell(&clean(text));
        }
    }

    /// As [`Screen::say`], with the first word painted.
    pub(crate) fn say_of(&self, who: &str, paint: Paint, text: &str) {
        if !self.quiet {
            tell(&format!("{}  {}", paint.on(&clean(who), self.color_err), clean(text)));
        }
    }

    /// Draws over the line that was drawn last; for terminals only.
    pub(crate) fn redraw(&self, text: &str) {
        let mut err = io::stderr().lock();
        let _ = write!(err, "\r\x1b[K{}", clean(text));
        let _ = err.flush();
    }

    /// Says why the command failed, in both forms that were asked for.
    pub(crate) fn fail(&self, failure: &Failure) -> Exit {
        if failure.silent {
            return failure.exit;
        }
        if self.json {
            print_error_document(failure);
        }
        tell(&format!("{} {}", Paint::Bad.on("error:", self.color_err), clean(&failure.detail.message)));
        if let Some(hint) = &failure.detail.hint {
            tell(&format!("{} {}", Paint::Note.on("hint:", self.color_err), clean(hint)));
        }
        // Where the daemon failed, its log has more; what it refused, it has told.
        if let Some(correlation) =
            failure.detail.correlation.as_ref().filter(|_| failure.exit == Exit::Failed)
        {
            tell(&format!("{} {correlation}", Paint::Dim.on("log:", self.color_err)));
        }
        failure.exit
    }
}

/// A failure as the one document on stdout.
pub(crate) fn print_error_document(failure: &Failure) {
    if let Ok(text) = serde_json::to_string(&failure.body()) {
        // Nobody to tell about a closed pipe.
        let _ = writeln!(io::stdout().lock(), "{text}");
    }
}

/// Stderr may be closed; then nobody wants to know.
fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The flag decides; then the variables everybody honours; then whether a person reads.
fn colored(wish: Color, environment: &BTreeMap<String, String>, terminal: bool) -> bool {
    let set = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty());
    match wish {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR") => false,
        Color::Auto
            if environment.get("CLICOLOR_FORCE").is_some_and(|value| value != "0" && !value.is_empty()) =>
        {
            true
        }
        Color::Auto => terminal && environment.get("TERM").is_none_or(|term| term != "dumb"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_follows_flag_then_variables_then_terminal() {
        let env = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        for (wish, pairs, terminal, expected) in [
            (Color::Auto, &[][..], true, true),
            (Color::Auto, &[], false, false),
            (Color::Auto, &[("NO_COLOR", "1")], true, false),
            (Color::Auto, &[("NO_COLOR", "")], true, true),
            (Color::Auto, &[("TERM", "dumb")], true, false),
            (Color::Auto, &[("CLICOLOR_FORCE", "1")], false, true),
            (Color::Auto, &[("CLICOLOR_FORCE", "0")], false, false),
            (Color::Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true, false),
            (Color::Always, &[("NO_COLOR", "1")], false, true),
            (Color::Never, &[("CLICOLOR_FORCE", "1")], true, false),
        ] {
            assert_eq!(colored(wish, &env(pairs), terminal), expected, "{wish:?} {pairs:?} {terminal}");
        }
    }
}
