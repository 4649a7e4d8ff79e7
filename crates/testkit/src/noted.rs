//! What a process that may be killed at any moment writes down for its judge, each thing on a line of a file.

use std::fs::File;
use std::path::Path;

/// For the next life, which must not go on in the middle of a line that a kill broke off.
///
/// # Panics
///
/// When the file cannot be written.
pub fn go_on(path: &Path) -> File {
    let file = File::options().append(true).create(true).open(path).expect("open the notes");
    file.set_len(whole(path).len() as u64).expect("cut the notes");
    file
}

/// None when nobody has begun.
pub fn lines(path: &Path) -> Vec<String> {
    whole(path).lines().map(str::to_owned).collect()
}

/// Without a last line that was broken off.
fn whole(path: &Path) -> String {
    let mut text = std::fs::read_to_string(path).unwrap_or_default();
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn nobody_goes_on_in_the_middle_of_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        assert_eq!(lines(&path), [""; 0]);
        for life in ["one\nbrok", "two\n", "off"] {
            go_on(&path).write_all(life.as_bytes()).unwrap();
        }
        assert_eq!(lines(&path), ["one", "two"]);
    }
}
