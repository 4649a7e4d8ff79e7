//! Who acts on the bus when a command does.
//!
//! In this order: who is named, the agent whose run this is, the session or joined terminal above this command, or
//! somebody new who is there for this command.

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::roster::Roster;
use crate::terminal;
use bus::{Bus, LOCK_TTL_MAX, Liveness, NewRegistration};
use clap::Args;
use model::RegistrationId;

/// Vendor of registrations that commands make for themselves.
pub(crate) const VENDOR: &str = "cli";
/// Vendor of the daemon's own registration, which stands for the user on the page.
const DAEMON_VENDOR: &str = "coditect";

#[derive(Debug, Args)]
pub(crate) struct Holder {
    /// Act for this session: its id, a start of its short id, or its name. Without it CODITECT_HOLDER, the agent whose
    /// run this is, the session or joined terminal the command was typed in, or a new one
    #[arg(long, value_name = "SESSION")]
    holder: Option<String>,
    /// Act for a new registration called so; it ends when it holds nothing any more
    #[arg(long = "as", value_name = "NAME", conflicts_with = "holder")]
    name: Option<String>,
}

/// Act for a session that is there already.
#[derive(Debug, Args)]
pub(crate) struct Myself {
    /// Act for this session: its id, a start of its short id, or its name. Without it CODITECT_HOLDER, the agent whose
    /// run this is, or the session or joined terminal the command was typed in
    #[arg(long, value_name = "SESSION")]
    holder: Option<String>,
}

/// A registration to act for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acting {
    pub(crate) id: RegistrationId,
    /// Made for this command; whoever made it ends it.
    pub(crate) made: bool,
}

impl Holder {
    /// Whether somebody said who acts.
    pub(crate) fn is_named(&self, context: &Context) -> bool {
        self.holder.is_some() || context.in_run() || context.variable("CODITECT_HOLDER").is_some()
    }

    /// The registration that is there already; none when a new one would be needed.
    pub(crate) fn known(&self, context: &Context, bus: &Bus) -> Result<Option<RegistrationId>, Failure> {
        known(context, bus, self.holder.as_deref(), self.name.is_some())
    }
}

impl Myself {
    /// Who is asked for; nobody new is made, since nothing would ever be for them.
    pub(crate) fn known(&self, context: &Context, bus: &Bus) -> Result<RegistrationId, Failure> {
        known(context, bus, self.holder.as_deref(), false)?.ok_or_else(|| {
            Failure::usage("not_joined", "this terminal is not on the bus, so nothing is for it")
                .hint("join it with `coditect join`, or name a session with --holder")
        })
    }
}

fn known(
    context: &Context,
    bus: &Bus,
    given: Option<&str>,
    anew: bool,
) -> Result<Option<RegistrationId>, Failure> {
    let variable = context.variable("CODITECT_HOLDER").filter(|_| !anew);
    let named = match (given, variable) {
        (Some(given), _) => Some(Roster::read(bus)?.find(given)?),
        (None, Some(given)) => Some(Roster::read(bus)?.find(given).map_err(|failure| {
            let words = format!("CODITECT_HOLDER: {}", failure.detail.message);
            Failure::new(failure.exit, "bad_holder", words).hint("unset it, or give --holder")
        })?),
        (None, None) => None,
    };
    if context.in_run() {
        let own = of_run(context)?;
        if named.is_some_and(|named| named != own) {
            context.not_for_agents("act for another holder")?;
        }
        return Ok(Some(own));
    }
    if named.is_some() || anew {
        return Ok(named);
    }
    let above = terminal::joined(bus, &[VENDOR, DAEMON_VENDOR])?.map(|one| one.registration.id);
    if let Some(id) = above {
        // Somebody types: a sign of life that nothing rests on.
        let _ = bus.heartbeat(id);
    }
    Ok(above)
}

/// Who asks, where the bus may not be able to say.
pub(crate) fn by_name_alone(context: &Context) -> Option<RegistrationId> {
    let named = ["CODITECT_REGISTRATION", "CODITECT_HOLDER"].into_iter();
    named.filter_map(|name| context.variable(name)).find_map(|id| id.parse().ok())
}

/// The registration of the run inside which this command was started.
fn of_run(context: &Context) -> Result<RegistrationId, Failure> {
    context.variable("CODITECT_REGISTRATION").and_then(|id| id.parse().ok()).ok_or_else(|| {
        Failure::usage(
            "no_registration",
            "this is an agent's run, and CODITECT_REGISTRATION does not name its registration",
        )
        .hint("leave the variables CODITECT_… as the run has them")
    })
}

/// Whom the command acts for, registered now if need be.
pub(crate) fn acting(
    context: &Context,
    bus: &Bus,
    holder: &Holder,
    worktree: Option<String>,
) -> Result<Acting, Failure> {
    if let Some(id) = holder.known(context, bus)? {
        return Ok(Acting { id, made: false });
    }
    let registration = bus.register(NewRegistration {
        id: None,
        agent: holder.name.clone().unwrap_or_else(|| user_name(context)),
        vendor: VENDOR.to_owned(),
        model: None,
        session: None,
        worktree,
        // Nobody stays behind whose life could prove it. The leases of its locks end long before this one.
        liveness: Liveness::Lease { ttl: LOCK_TTL_MAX },
    })?;
    Ok(Acting { id: registration.id, made: true })
}

/// What a terminal is called that gives no name.
pub(crate) fn user_name(context: &Context) -> String {
    context.variable("USER").unwrap_or("terminal").to_owned()
}

/// The session that joined from this terminal, if one did.
pub(crate) fn joined_here(bus: &Bus) -> Result<Option<model::Presence>, Failure> {
    Ok(terminal::joined(bus, &[VENDOR, DAEMON_VENDOR])?)
}

/// Refused inside a run: it is on the bus already.
pub(crate) fn not_in_a_run(context: &Context) -> Result<(), Failure> {
    if context.in_run() {
        let words = "an agent's run is on the bus already";
        return Err(Failure::new(Exit::Conflict, "already_joined", words));
    }
    Ok(())
}
