//! Which worktree the user stands in: the bus's own word, for locks are keyed on it.

pub(crate) use bus::Worktree;
