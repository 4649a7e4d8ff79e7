//! A scripted model server: the demo's model and the tests'.
//!
//! It speaks the dialects of all four vendors over real HTTP on a port of 127.0.0.1 and says what
//! the *prompt* tells it to say. It keeps nothing between requests (save which `error_once` it has
//! played), so any number of conversations and agents share one server, and whoever writes a prompt
//! writes the script. Requests are read strictly: what a real API would refuse is refused here, with
//! the vendor's own error shape, so a test that passes has proved what was sent.
//!
//! | vendor | base URL | endpoint |
//! |---|---|---|
//! | anthropic | `http://127.0.0.1:PORT/v1` | `POST /messages` |
//! | google | `http://127.0.0.1:PORT/v1beta` | `POST /models/M:streamGenerateContent?alt=sse`, `:generateContent` |
//! | moonshot | `http://127.0.0.1:PORT/v1` | `POST /chat/completions` |
//! | openai | `http://127.0.0.1:PORT/v1` | `POST /responses` |
//!
//! Any key will do except none and [`REFUSED_KEY`]; any model name will do.
//!
//! Claude Code, Codex, Gemini CLI and Kimi Code themselves may ask too: who names another program than
//! ours in `user-agent` is read leniently, and each abstract directive becomes the tool that program
//! offers. By hand, for any of them: `coditect __scripted --port 8099 --keep` prints the URLs, and with
//! `--log FILE` what was asked. `[[for claude]]`, `codex`, `gemini`, `kimi` name them when nobody else
//! gave them a name. What a program wraps around a prompt is not a script, a request that offers no tools
//! (for a title, for a class) is answered beside it, and what a program needs before a call can be made
//! (a search for a deferred tool, a wait for a sub-agent) is done without counting.
//!
//! # Scripts
//!
//! A directive is `[[word arguments]]`, anywhere in a user message; all other text is prose and means
//! nothing. The **last user message with a directive** is the script. An answer plays the directives
//! up to and including the next **call**; how many calls are behind it is counted by the tool results
//! that came since that message. After the last call comes one more answer with what is left, or
//! `Done.` if nothing is.
//!
//! Calls (one per answer, unless joined by `with`):
//!
//! | directive | tool |
//! |---|---|
//! | `[[write PATH\|CONTENT]]` | `write_file {path, content}` |
//! | `[[edit PATH\|OLD\|NEW]]` | `edit_file {path, old, new}` |
//! | `[[read PATH]]` | `read_file {path}` |
//! | `[[list PATH]]` | `list_directory {path}` |
//! | `[[search REGEX]]`, `[[search REGEX\|PATH]]` | `search_files {pattern, path}` |
//! | `[[bash COMMAND]]` | `bash {command}` |
//! | `[[ask QUESTION]]` | `ask_user {question}` |
//! | `[[plan {json}]]` | `propose_plan`, the JSON being its arguments: `{"tasks": […]}` |
//! | `[[notice CHANNEL\|TEXT]]` | `send_notice {channel, text}` |
//! | `[[agent PROMPT]]` | a sub-agent; its prompt holds its own script in `<<…>>` |
//! | `[[tool NAME\|{json}]]` | any tool, offered or not; MCP's are `mcp__server__tool` everywhere |
//!
//! Codex writes and edits by patches, which have whole lines only, and reads with its shell.
//! A call whose tool the request does not offer is **skipped** (and noted in the log); so a prompt may
//! hold what only some kinds of turns can do. Vendors' own names of these tools are known too.
//!
//! What else an answer does, in its order before the call:
//!
//! | directive | does |
//! |---|---|
//! | `[[say TEXT]]` | text; `{{result}}` stands for the last tool result |
//! | `[[think TEXT]]` | thinking, signed as the vendor signs |
//! | `[[sleep MS]]` | waits in the middle of the answer |
//! | `[[hold MS]]` | waits before the head of the response, wherever it stands in the answer |
//! | `[[flood KIB]]` | that many KiB of text |
//! | `[[with]]` | between two calls: both in one answer |
//!
//! Trouble:
//!
//! | directive | does |
//! |---|---|
//! | `[[error STATUS]]`, `[[error STATUS SECONDS]]` | the HTTP status, every time, with `Retry-After` |
//! | `[[error_once STATUS]]`, `[[error_once STATUS SECONDS]]` | the same, but a repeated request is answered |
//! | `[[limit SECONDS]]` | the account's limit is used up for so long, every time, as the vendor says it; needs a clock |
//! | `[[fault]]` | the vendor's error event in the middle of the answer |
//! | `[[cut]]` | the connection breaks in the middle of the answer |
//! | `[[nonsense KIND]]` | an answer that is none: `json` (default), `shape`, `html`, `empty`; `args` is a call with broken arguments |
//!
//! Sections: `[[for AGENT]] … [[end]]` counts for that agent only (`[[for a, b]]` for two). The agent
//! is named by the line `You are AGENT,` of the system prompt. What stands outside is for everybody.
//!
//! Nested scripts: `<<word arguments>>` is how a directive is written inside another one, for instance
//! in the instructions of a planned task. It is nothing there; but in a message with a `<<…>>`
//! directive outside of `[[…]]`, those are the script and the `[[…]]` are not.
//!
//! Writing arguments:
//! - `\n` and `\t` are a line break and a tab; `\\ \| \] \>` are the character; other backslashes stay.
//! - A bar splits only where another field may begin: `CONTENT` and `NEW` may hold bars, `OLD` needs `\|`.
//! - A line break right after a bar is dropped, so contents can begin on their own line:
//!   `[[write a.rs|` ⏎ `fn main() {}` ⏎ `]]` writes one line with its line break.
//! - `]]` ends a directive; of a longer run of brackets the last two do (`[[write a|v[i[0]]]]` writes
//!   `v[i[0]]`). Elsewhere write `]\]`. The same holds for `>>` in nested ones: `Vec<Vec<u8>\>`.
//! - The JSON of `plan` and `tool` needs none of this: it ends where it ends.
//! - Paths and single arguments are trimmed; contents are not.
//!
//! `[[wrte a|b]]` is an error of the request (400), `[[bin]]` and `[[ -f x ]]` are prose.
//!
//! Token figures are a fourth of the bytes and the same in all dialects; see [`Exchange`].

mod conversation;
mod dialect;
mod directive;
mod errand;
mod grammar;
mod limit;
mod program;
mod record;
mod reply;
mod script;
mod server;
mod tools;

pub use dialect::REFUSED_KEY;
pub use directive::{Directive, Nonsense};
pub use grammar::{FLOOD_MAX, GrammarError, Line, SLEEP_MAX, parse};
pub use record::{Ended, Exchange, ExchangeUsage};
pub use server::BODY_MAX;

use model::{Clock, Vendor};
use record::Record;
use server::{Face, router};
use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

#[derive(Clone, Default)]
pub struct ScriptedOptions {
    /// File that gets one JSON line per request (an [`Exchange`]); appended to.
    pub request_log: Option<PathBuf>,
    /// 0 for any free one.
    pub port: u16,
    /// Pause between two pieces of an answer; none by default.
    pub pace: Duration,
    /// Stamps the requests.
    pub clock: Option<Arc<dyn Clock>>,
}

/// A running server. It has a thread of its own, so it also answers while its owner blocks; dropping
/// it stops it and breaks what is open.
pub struct Scripted {
    addr: SocketAddr,
    record: Record,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    /// Starts listening; requests are answered from the moment it returns.
    pub fn start(options: ScriptedOptions) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let record = Record::new(options.request_log.as_deref(), options.clock)?;
        let face =
            Face { record: record.clone(), pace: options.pace, failed: Arc::new(Mutex::new(HashSet::new())) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let server = axum::serve(listener, router(face));
                tokio::select! {
                    _ = std::future::IntoFuture::into_future(server) => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("scripted".into()).spawn(serve)?;
        Ok(Self { addr, record, stop: Some(stop), thread: Some(thread) })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What an agent of that vendor is configured with.
    pub fn base_url(&self, vendor: Vendor) -> String {
        let version = if vendor == Vendor::Google { "v1beta" } else { "v1" };
        format!("http://{}/{version}", self.addr)
    }

    /// What the vendor's own program is configured with: Claude Code and Gemini CLI add the version themselves.
    pub fn program_url(&self, vendor: Vendor) -> String {
        match vendor {
            Vendor::Anthropic | Vendor::Google => format!("http://{}", self.addr),
            Vendor::Openai | Vendor::Moonshot => self.base_url(vendor),
        }
    }

    /// All requests so far, the oldest first.
    pub fn requests(&self) -> Vec<Exchange> {
        self.record.all()
    }

    /// Returns once the requests are as wanted; set a time limit around it.
    pub fn until(&self, wanted: impl Fn(&[Exchange]) -> bool) -> impl Future<Output = ()> {
        let record = self.record.clone();
        async move { record.until(wanted).await }
    }

    /// Stops at once and returns when the port is free again.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
