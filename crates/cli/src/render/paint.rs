//! Colour, and text that is safe to show.

/// What a word means; the colour follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Good,
    Bad,
    /// Wants attention: a question, a wait.
    Warm,
    Note,
    Dim,
    Strong,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Warm => "33",
            Self::Note => "36",
            Self::Dim => "2",
            Self::Strong => "1",
        }
    }

    /// The text, painted when `color` is wanted.
    pub(crate) fn on(self, text: &str, color: bool) -> String {
        match self.code() {
            code if color && !code.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// The text without characters that steer a terminal or turn the direction of reading. Line breaks and tabs stay.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter(|&c| c == '\n' || c == '\t' || !steers(c)).collect()
}

/// The text in one line, for a cell: also breaks and tabs become spaces.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|&c| !steers(c)).collect()
}

fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wished_for_colour_is_there() {
        assert_eq!(Paint::Good.on("ok", true), "\x1b[32mok\x1b[0m");
        assert_eq!(Paint::Good.on("ok", false), "ok");
        assert_eq!(Paint::Plain.on("ok", true), "ok");
    }

    #[test]
    fn what_an_agent_says_cannot_steer_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\r\x07c\u{9b}d\u{202e}e\nf\tg"), "a[2Jbcde\nf\tg");
        assert_eq!(one_line("a\nb\tc\r\n\x1b[0md"), "a b c  [0md");
    }
}
