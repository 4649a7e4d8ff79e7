//! The vendors' tools that change no file. Of every other call it is taken that it may have written: what is not known is not
//! harmless.

/// As Claude Code, Codex, Gemini CLI and Kimi Code name them.
const LOOKING: [&str; 23] = [
    "FetchURL",
    "Glob",
    "Grep",
    "LS",
    "NotebookRead",
    "Read",
    "ReadFile",
    "ReadMediaFile",
    "SearchWeb",
    "TodoWrite",
    "ToolSearch",
    "WebFetch",
    "WebSearch",
    "get_internal_docs",
    "glob",
    "google_web_search",
    "grep_search",
    "list_directory",
    "read_file",
    "read_many_files",
    "search_file_content",
    "view_image",
    "web_search",
];

/// Whether a call of this tool, of a vendor's program, only looks.
pub fn only_looks(tool: &str) -> bool {
    LOOKING.contains(&tool)
}

#[cfg(test)]
mod tests {
    use super::only_looks;

    #[test]
    fn what_is_not_known_may_write() {
        for tool in ["Read", "grep_search", "view_image"] {
            assert!(only_looks(tool), "{tool}");
        }
        for tool in
            ["Bash", "Edit", "apply_patch", "exec_command", "Task", "mcp__any__read", "ReadAndWrite", ""]
        {
            assert!(!only_looks(tool), "{tool}");
        }
    }
}
