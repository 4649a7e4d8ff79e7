//! The contract between agents, as every server tells it. Vendors show it to the model, some of them nothing else.

/// Short and imperative, for a model of any vendor.
pub const INSTRUCTIONS: &str = "\
You share this repository with other agents and people who work in it right now. Keep to this contract:
1. Before you change a file, take it: lock_acquire with every path the step needs, in one call. This goes for files you \
change by a shell command, too.
2. If you are refused (lock_held, or a denied edit), do not work around it. Read who holds the file, then wait \
(wait_seconds), ask the holder (notice_send), or do other work first. Never write a file somebody else holds.
3. After you get a lock, read the file again: it may have changed. If a lock is lost (lock_lost), stop writing and \
start from the file as it is now.
4. Give locks back (lock_release) as soon as the step is done, and before you end your turn.
5. Read notices (notice_read) when you start, between steps and before you end; answer what is asked of you.
6. Say what you do: notice_send on channel `state`, one line, when you begin and end a piece of work. who shows who \
is there.
7. Decisions others depend on go into the shared context: context_get first, then context_set with the version you read.
8. Offered work: task_claim before you begin it, task_done when you end it. Do not do work somebody else has claimed.
Every refusal has a code and a next step. Follow the next step.";

#[cfg(test)]
mod tests {
    use super::*;

    /// Vendors that defer tools show this text alone, and cut long ones.
    const MOST: usize = 2048;

    #[test]
    fn the_contract_is_short_and_of_no_vendor() {
        assert!(INSTRUCTIONS.len() < MOST, "{}", INSTRUCTIONS.len());
        let small = INSTRUCTIONS.to_lowercase();
        for vendor in ["claude", "codex", "gemini", "kimi"] {
            assert!(!small.contains(vendor), "{vendor}");
        }
    }

    #[test]
    fn every_tool_it_names_exists() {
        let names: Vec<&str> = crate::tools().iter().map(|tool| tool.name).collect();
        let named = INSTRUCTIONS.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        let fields = ["wait_seconds", "lock_held", "lock_lost"];
        let tools: Vec<&str> = named.filter(|word| word.contains('_') && !fields.contains(word)).collect();
        assert!(tools.len() > 6);
        for tool in tools {
            assert!(names.contains(&tool), "{tool}");
        }
    }
}
