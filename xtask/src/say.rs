//! What this program tells people. Standard output belongs to what it runs, so all of it goes to standard error.

use std::io::Write;

/// One line on standard error. Nobody listening is no reason to stop.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
