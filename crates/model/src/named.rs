//! Some of many, in words.

use std::fmt::Display;

/// These, and how many more there are: `a, b and 3 more`.
pub fn named<T: Display>(these: impl IntoIterator<Item = T>, more: usize) -> String {
    let these: Vec<String> = these.into_iter().map(|one| one.to_string()).collect();
    match (these.is_empty(), more) {
        (_, 0) => these.join(", "),
        (true, more) => format!("{more} more"),
        (false, more) => format!("{} and {more} more", these.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_counted() {
        let check = |these: &[&str], more, expected: &str| assert_eq!(named(these, more), expected);
        check(&[], 0, "");
        check(&["a"], 0, "a");
        check(&["a", "b"], 0, "a, b");
        check(&["a", "b"], 3, "a, b and 3 more");
        check(&[], 3, "3 more");
    }
}
