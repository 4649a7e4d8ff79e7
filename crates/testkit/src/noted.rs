//! What a process that may be killed at any moment writes down for its judge, each thing on a line of a file.

use std::fs::File;
use std::path::Path;

/// For the next life, which must not go on in the middle of a line that a kill broke off.
///
/// # Panics
///
/// When the file cannot be read or written.
pub fn go_on(path: &Path) -> File {
    let file = File::options().append(true).create(true).open(path).expect("open the notes");
    file.set_len(whole(path).len() as u64).expect("cut the notes");
    file
}

/// Empty when nobody has begun.
pub fn lines(path: &Path) -> Vec<String> {
    whole(path).lines().map(str::to_owned).collect()
}

/// Without a last line that was broken off.
fn whole(path: &Path) -> String {
    let mut bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        read => read.expect("read the notes"),
    };
    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    String::from_utf8(bytes).expect("the notes are text")
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
        // A letter of two bytes, of which one came to the disk.
        for life in [&b"one\nbrok\xc3"[..], b"two\n", b"off"] {
            go_on(&path).write_all(life).unwrap();
        }
        assert_eq!(lines(&path), ["one", "two"]);
    }
}
