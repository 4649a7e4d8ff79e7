//! The server: the list of tools, and the way of one call to its tool and back.

use crate::answer;
use crate::call::{Call, Listener};
use crate::caller::{self, Origin, Seat};
use crate::failure::Failure;
use crate::instructions::INSTRUCTIONS;
use crate::taken::Taken;
use crate::tools::{self, Uses, Whose};
use bus::Bus;
use client::{Client, Credential, Options};
use model::{Clock, DataRoot, Entropy, RegistrationId, WorkspaceDir};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Longest wait of one call.
pub const WAIT_MAX: Duration = Duration::from_secs(300);
/// Calls under way at once in one server.
pub const CALLS_MAX: usize = 32;
/// How long the daemon may take to show that it is there, when the tools are listed.
const DAEMON_GLANCE: Duration = Duration::from_millis(500);

/// What a server is told instead of looking it up.
#[derive(Clone)]
pub struct Place {
    pub root: DataRoot,
    pub workspace: WorkspaceDir,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// Where relative paths begin; empty in the daemon, which stands nowhere.
    pub cwd: PathBuf,
    /// Empty in the daemon, too.
    pub environment: Arc<BTreeMap<String, String>>,
    pub version: &'static str,
}

impl Place {
    /// A variable of the environment; an empty one is absent.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).filter(|value| !value.is_empty()).map(String::as_str)
    }

    /// Whether an agent's run is around this process: it acts for that agent then.
    pub(crate) fn in_run(&self) -> bool {
        self.variable("CODITECT_RUN").is_some() || self.variable("CODITECT_TOKEN_FILE").is_some()
    }

    /// As whom the daemon knows this process.
    fn whose(&self) -> Whose {
        if self.in_run() { Whose::Session } else { Whose::User }
    }

    /// Whether there is a folder that relative paths begin at.
    pub(crate) fn stands(&self) -> bool {
        self.cwd.is_absolute()
    }

    fn credential(&self) -> Credential {
        if !self.in_run() {
            return Credential::User;
        }
        let given = self.variable("CODITECT_TOKEN_FILE").map(Path::new);
        let run = || self.workspace.runs().join(self.variable("CODITECT_RUN").unwrap_or_default());
        Credential::RunFile(given.map_or_else(|| run().join("token"), |file| self.cwd.join(file)))
    }
}

pub(crate) struct Shared {
    pub(crate) place: Place,
    origin: Origin,
    bus: OnceLock<Bus>,
    /// Who called last on stdio; asked for again when it has ended.
    own: Mutex<Option<RegistrationId>>,
    pub(crate) taken: Taken,
    calls: Semaphore,
    /// The client has gone: nobody waits for anything any more.
    pub(crate) closing: CancellationToken,
}

/// The tools, for one client or for all that come by HTTP. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    pub(crate) shared: Arc<Shared>,
}

impl Server {
    /// A server for the program that started this process. It opens nothing before a tool is called.
    pub fn of_parent(place: Place) -> Self {
        Self::new(place, Origin::Parent, OnceLock::new())
    }

    /// A server in the daemon, on the bus that is open there.
    pub(crate) fn of_requests(place: Place, bus: Bus) -> Self {
        Self::new(place, Origin::Request, bus.into())
    }

    fn new(place: Place, origin: Origin, bus: OnceLock<Bus>) -> Self {
        let (own, calls) = (Mutex::default(), Semaphore::new(CALLS_MAX));
        let (closing, taken) = (CancellationToken::new(), Taken::default());
        Self { shared: Arc::new(Shared { place, origin, bus, own, taken, calls, closing }) }
    }

    async fn answer(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = tools::find(&request.name) else {
            let words = format!("no tool is called `{}`", request.name);
            return Err(ErrorData::invalid_params(words, None));
        };
        let outcome = async {
            let _place = self.shared.calls.try_acquire().map_err(|_| {
                let words = format!("{CALLS_MAX} calls are under way");
                Failure::new("too_many_calls", words, "wait until one of them has ended")
            })?;
            let call = self.call(context).await?;
            (tool.run)(call, request.arguments.unwrap_or_default()).await
        };
        Ok(answer::result(outcome.await).into())
    }

    async fn call(&self, context: RequestContext<RoleServer>) -> Result<Call, Failure> {
        let shared = Arc::clone(&self.shared);
        let of_request = of_request(&context);
        let program = context.client_info().map(|info| info.name);
        // Over HTTP one answer is one document: no word goes before it.
        let on_stdio = matches!(self.shared.origin, Origin::Parent);
        let listener = context
            .meta
            .get_progress_token()
            .filter(|_| on_stdio)
            .map(|token| Listener { peer: context.peer.clone(), token });
        let found = tokio::task::spawn_blocking(move || {
            let bus = shared.bus()?;
            let seat = match (&shared.origin, of_request) {
                (Origin::Request, Some(seat)) => seat,
                (Origin::Request, None) => {
                    return Err(Failure::internal("a request came without its caller"));
                }
                (Origin::Parent, _) => shared.seat(&bus, program.as_deref())?,
            };
            Ok((bus, seat))
        });
        let (bus, seat) = found.await.map_err(|_| Failure::internal("the bus cannot be opened"))??;
        Ok(Call { shared: Arc::clone(&self.shared), bus, seat, canceled: context.ct, listener })
    }

    /// As whom the daemon knows whoever asks.
    fn whose(&self, context: &RequestContext<RoleServer>) -> Whose {
        match self.shared.origin {
            Origin::Parent => self.shared.place.whose(),
            Origin::Request => of_request(context).map_or(Whose::Anybody, |seat| seat.whose),
        }
    }

    /// Whether a daemon would answer.
    async fn sees_daemon(&self) -> bool {
        let place = &self.shared.place;
        if matches!(self.shared.origin, Origin::Request) {
            return true;
        }
        if !place.root.daemon_info().exists() {
            return false;
        }
        let mut options = Options::user(place.root.clone(), Arc::clone(&place.entropy));
        options.timeout = DAEMON_GLANCE;
        options.credential = place.credential();
        Client::new(options).version().await.is_ok()
    }
}

/// Who came with a request over HTTP.
fn of_request(context: &RequestContext<RoleServer>) -> Option<Seat> {
    let parts = context.extensions.get::<hyper::http::request::Parts>()?;
    parts.extensions.get::<Seat>().cloned()
}

impl Shared {
    fn bus(&self) -> Result<Bus, Failure> {
        if let Some(bus) = self.bus.get() {
            return Ok(bus.clone());
        }
        let place = &self.place;
        let (clock, entropy) = (Arc::clone(&place.clock), Arc::clone(&place.entropy));
        let bus = Bus::open(&place.workspace.bus(), clock, entropy)?;
        Ok(self.bus.get_or_init(|| bus).clone())
    }

    fn seat(&self, bus: &Bus, program: Option<&str>) -> Result<Seat, Failure> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let registration = match *own {
            Some(known) if bus.is_alive(known)? => known,
            _ => caller::of_parent(&self.place, bus, program)?,
        };
        *own = Some(registration);
        Ok(Seat { registration, credential: self.place.credential(), whose: self.place.whose() })
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("coditect", self.shared.place.version))
            .with_instructions(INSTRUCTIONS)
    }

    /// Those with an `initialize`, which all vendors know.
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(ProtocolVersion::known_up_to(&ProtocolVersion::V_2025_11_25))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let daemon = self.sees_daemon().await;
        // What is always refused costs the agent's context nothing.
        let whose = self.whose(&context);
        let open = |tool: &&tools::Tool| tool.whose <= whose && (daemon || tool.uses == Uses::Bus);
        let seen = tools::tools().iter().filter(open);
        Ok(ListToolsResult::with_all_items(seen.map(tools::Tool::described).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.answer(request, context).await
    }
}
