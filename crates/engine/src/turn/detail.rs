//! What a status is about, in a few words.

/// Longest detail of a status, in characters.
pub(crate) const DETAIL_MAX: usize = 120;

/// On one line, and short enough to stand beside a status: the whole is in the message or the task.
pub(crate) fn short(detail: &str) -> String {
    let mut words = String::new();
    for word in detail.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        // A word alone may be a megabyte.
        words.extend(word.chars().take(DETAIL_MAX + 1));
        if words.chars().count() > DETAIL_MAX {
            let kept: String = words.chars().take(DETAIL_MAX - 1).collect();
            return format!("{}…", kept.trim_end());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_one_short_line() {
        assert_eq!(short("src/a.rs"), "src/a.rs");
        assert_eq!(short("  two\n lines\t here "), "two lines here");
        assert_eq!(short(" \n"), "");
        let most = "ä".repeat(DETAIL_MAX);
        assert_eq!(short(&most), most);
        for long in [format!("{most}x"), "word ".repeat(1000), "x".repeat(1 << 20)] {
            let shown = short(&long);
            assert!(shown.ends_with('…') && shown.chars().count() <= DETAIL_MAX, "{shown}");
        }
    }
}
