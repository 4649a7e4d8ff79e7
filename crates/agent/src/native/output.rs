//! Output with a limit: the beginning and the end of a text are kept, what lies between is counted.

/// Collects bytes; never holds more than one and a half times its limit.
#[derive(Debug)]
pub(crate) struct Capped {
    head: Vec<u8>,
    /// The last bytes after the head; up to twice what is shown of them, so that it is not moved for
    /// every piece.
    tail: Vec<u8>,
    half: usize,
    bytes: u64,
}

impl Capped {
    pub(crate) fn new(cap: usize) -> Self {
        Self { head: Vec::new(), tail: Vec::new(), half: cap / 2, bytes: 0 }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        let to_head = piece.len().min(self.half - self.head.len());
        self.head.extend_from_slice(&piece[..to_head]);
        let rest = &piece[to_head..];
        let kept = &rest[rest.len().saturating_sub(self.half)..];
        if self.tail.len() + kept.len() > self.half * 2 {
            self.shorten(self.half - kept.len());
        }
        self.tail.extend_from_slice(kept);
    }

    fn shorten(&mut self, to: usize) {
        let surplus = self.tail.len().saturating_sub(to);
        self.tail.drain(..surplus);
    }

    /// The text, with a marker where something was left out. What is not UTF-8 is replaced.
    pub(crate) fn finish(mut self) -> String {
        self.shorten(self.half);
        let Self { head, tail, bytes, .. } = self;
        let kept = (head.len() + tail.len()) as u64;
        if bytes == kept {
            let whole = [head, tail].concat();
            return String::from_utf8_lossy(&whole).into_owned();
        }
        format!(
            "{}\n[… {} bytes left out …]\n{}",
            String::from_utf8_lossy(&head),
            bytes - kept,
            String::from_utf8_lossy(&tail)
        )
    }
}

/// The text cut to at most `max` bytes at a character's edge.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_middle_is_left_out_and_counted() {
        let mut output = Capped::new(8);
        output.push(b"abcdefgh");
        output.push(b"ijkl");
        assert_eq!(output.finish(), "abcd\n[… 4 bytes left out …]\nijkl");
    }

    #[test]
    fn a_cut_stays_on_characters() {
        assert_eq!(cut("aä", 2), "a");
        assert_eq!(cut("aä", 3), "aä");
        assert_eq!(cut("aä", 99), "aä");
    }

    proptest! {
        #[test]
        fn what_fits_is_whole_and_what_does_not_is_bounded(
            pieces in proptest::collection::vec("[a-z]{0,40}", 0..30), cap in 2usize..64,
        ) {
            let whole = pieces.concat();
            let mut output = Capped::new(cap);
            for piece in &pieces {
                output.push(piece.as_bytes());
                prop_assert!(output.head.len() + output.tail.len() <= cap / 2 * 3);
            }
            let text = output.finish();
            let half = cap / 2;
            if whole.len() <= half * 2 {
                prop_assert_eq!(text, whole);
            } else {
                prop_assert!(text.starts_with(&whole[..half]));
                prop_assert!(text.ends_with(&whole[whole.len() - half..]));
                let marker = format!("{} bytes left out", whole.len() - half * 2);
                prop_assert!(text.contains(&marker));
            }
        }
    }
}
