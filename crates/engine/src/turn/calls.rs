//! The calls of a turn that may change files, from when they are told until their results are.

use super::SHELL;
use model::{Block, Driver, Message};
use std::collections::HashSet;

#[derive(Debug, Default)]
pub(super) struct Calls {
    open: HashSet<String>,
    /// Since the last look one was open.
    written: bool,
}

/// What a message means for the look at the worktree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    No,
    /// A call is back that may have written.
    ForStrays,
    /// Only such are back that look: what is different now is not this turn's.
    Quietly,
}

impl Calls {
    /// Whether one is open now.
    pub(super) fn any(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether one was since the last time this was asked.
    pub(super) fn have_written(&mut self) -> bool {
        let goes_on = self.any();
        std::mem::replace(&mut self.written, goes_on)
    }

    pub(super) fn hear(&mut self, driver: Driver, message: &Message) -> Look {
        let may_write = |tool: &str| match driver {
            // Its other tools write by the worktree's writer.
            Driver::Native => tool == SHELL,
            _ => !agent::only_looks(tool),
        };
        let (mut back, mut over) = (false, false);
        for block in &message.blocks {
            match block {
                Block::ToolCall { call_id, tool, .. } if may_write(tool) => {
                    self.open.insert(call_id.clone());
                    self.written = true;
                }
                Block::ToolResult { call_id, tool, .. } => {
                    back = true;
                    over |= self.open.remove(call_id) || may_write(tool);
                    self.written |= over;
                }
                _ => {}
            }
        }
        match (over || (back && self.written), driver) {
            (true, Driver::Native) if !over => Look::No,
            (true, _) => Look::ForStrays,
            (false, Driver::Native) => Look::No,
            (false, _) if back => Look::Quietly,
            (false, _) => Look::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Role;

    fn heard(calls: &mut Calls, driver: Driver, blocks: Vec<Block>) -> Look {
        let id = |kind: &str| format!("{kind}_{:032x}", 1);
        let message = Message {
            id: id("msg").parse().unwrap(),
            session: id("ses").parse().unwrap(),
            task: None,
            turn: None,
            participant: None,
            parent: None,
            role: Role::Tool,
            blocks,
            usage: None,
            latency_ms: None,
            created_at: model::Timestamp::from_millis(0),
        };
        calls.hear(driver, &message)
    }

    fn call(id: &str, tool: &str) -> Vec<Block> {
        let (call_id, tool) = (id.to_owned(), tool.to_owned());
        vec![Block::ToolCall { call_id, tool, arguments: serde_json::Value::Null }]
    }

    fn result(id: &str, tool: &str) -> Vec<Block> {
        let (call_id, tool, output) = (id.to_owned(), tool.to_owned(), String::new());
        vec![Block::ToolResult { call_id, tool, output, is_error: false, exit_code: None }]
    }

    #[test]
    fn a_turn_that_only_looked_has_written_nothing() {
        let mut calls = Calls::default();
        let driver = Driver::Claude;
        assert_eq!(heard(&mut calls, driver, call("1", "Read")), Look::No);
        assert_eq!(heard(&mut calls, driver, result("1", "Read")), Look::Quietly);
        assert!(!calls.have_written() && !calls.any());
        assert_eq!(heard(&mut calls, driver, call("2", "Bash")), Look::No);
        assert_eq!(heard(&mut calls, driver, result("3", "Read")), Look::ForStrays, "the shell is at work");
        assert!(calls.have_written() && calls.any());
        assert_eq!(heard(&mut calls, driver, result("2", "Bash")), Look::ForStrays);
        assert!(calls.have_written() && !calls.have_written() && !calls.any());
        assert_eq!(heard(&mut calls, driver, result("4", "unheard_of")), Look::ForStrays);
    }

    #[test]
    fn of_our_own_loop_the_shell_alone_writes_behind_the_writers_back() {
        let mut calls = Calls::default();
        assert_eq!(heard(&mut calls, Driver::Native, call("1", "edit_file")), Look::No);
        assert_eq!(heard(&mut calls, Driver::Native, result("1", "edit_file")), Look::No);
        assert!(!calls.have_written());
        heard(&mut calls, Driver::Native, call("2", SHELL));
        assert_eq!(heard(&mut calls, Driver::Native, result("2", SHELL)), Look::ForStrays);
    }
}
