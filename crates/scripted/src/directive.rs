//! What a script can say, and the words it says it with.

use serde_json::Value;
use std::str::FromStr;
use std::time::Duration;

/// One thing the scripted model does.
#[derive(Debug, Clone, PartialEq)]
pub enum Directive {
    Write { path: String, content: String },
    Edit { path: String, old: String, new: String },
    Bash { command: String },
    Read { path: String },
    List { path: String },
    Search { pattern: String, path: Option<String> },
    Tool { name: String, arguments: Value },
    Agent { prompt: String },
    Ask { question: String },
    Plan(Value),
    Notice { channel: String, text: String },
    Think(String),
    Say(String),
    Flood { kib: u32 },
    Sleep(Duration),
    Hold(Duration),
    Error { status: u16, retry_after: Option<u32>, once: bool },
    Limit { seconds: u32 },
    Nonsense(Nonsense),
    Cut,
    Fault,
    With,
}

/// How an answer makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonsense {
    /// Events whose data is no JSON.
    Json,
    /// JSON of other shapes.
    Shape,
    /// A tool call whose arguments are no JSON.
    Args,
    /// A web page.
    Html,
    /// Nothing at all.
    Empty,
}

impl FromStr for Nonsense {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Ok(match word {
            "" | "json" => Self::Json,
            "shape" => Self::Shape,
            "args" => Self::Args,
            "html" => Self::Html,
            "empty" => Self::Empty,
            _ => return Err(()),
        })
    }
}

impl Directive {
    /// Whether it ends an answer with a tool call.
    pub const fn is_call(&self) -> bool {
        matches!(
            self,
            Self::Write { .. }
                | Self::Edit { .. }
                | Self::Bash { .. }
                | Self::Read { .. }
                | Self::List { .. }
                | Self::Search { .. }
                | Self::Tool { .. }
                | Self::Agent { .. }
                | Self::Ask { .. }
                | Self::Plan(_)
                | Self::Notice { .. }
        )
    }

    /// Its word in a script.
    pub const fn name(&self) -> &'static str {
        let name = match self {
            Self::Write { .. } => Name::Write,
            Self::Edit { .. } => Name::Edit,
            Self::Bash { .. } => Name::Bash,
            Self::Read { .. } => Name::Read,
            Self::List { .. } => Name::List,
            Self::Search { .. } => Name::Search,
            Self::Tool { .. } => Name::Tool,
            Self::Agent { .. } => Name::Agent,
            Self::Ask { .. } => Name::Ask,
            Self::Plan(_) => Name::Plan,
            Self::Notice { .. } => Name::Notice,
            Self::Think(_) => Name::Think,
            Self::Say(_) => Name::Say,
            Self::Flood { .. } => Name::Flood,
            Self::Sleep(_) => Name::Sleep,
            Self::Hold(_) => Name::Hold,
            Self::Error { once: false, .. } => Name::Error,
            Self::Error { once: true, .. } => Name::ErrorOnce,
            Self::Limit { .. } => Name::Limit,
            Self::Nonsense(_) => Name::Nonsense,
            Self::Cut => Name::Cut,
            Self::Fault => Name::Fault,
            Self::With => Name::With,
        };
        name.as_str()
    }
}

macro_rules! names {
    ($($variant:ident $word:literal,)+) => {
        /// The words of the grammar.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Name { $($variant,)+ }

        impl Name {
            pub(crate) fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

names! {
    Write "write",
    Edit "edit",
    Bash "bash",
    Read "read",
    List "list",
    Search "search",
    Tool "tool",
    Agent "agent",
    Ask "ask",
    Plan "plan",
    Notice "notice",
    Think "think",
    Say "say",
    Flood "flood",
    Sleep "sleep",
    Hold "hold",
    Error "error",
    ErrorOnce "error_once",
    Limit "limit",
    Nonsense "nonsense",
    Cut "cut",
    Fault "fault",
    With "with",
    For "for",
    End "end",
}
