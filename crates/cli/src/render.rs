//! How data looks: tables and sheets, for people at a terminal and for the next program in a pipe.
//!
//! Invariant: what goes into a pipe is tab-separated, whole, absolute and uncoloured; no cell holds a tab or
//! a line break.

mod paint;
mod saying;
mod sheet;
mod table;
mod when;

pub(crate) use paint::{Paint, clean};
pub(crate) use saying::{Narrator, Saying};
pub(crate) use sheet::Sheet;
pub(crate) use table::{Cell, Table};
pub(crate) use when::{ago, ahead, money, report, span, tokens};
