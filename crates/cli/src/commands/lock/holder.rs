//! Who acts on the bus when a command does.

use crate::context::Context;
use crate::failure::Failure;
use bus::{Bus, LOCK_TTL_MAX, Liveness, NewRegistration};
use clap::Args;
use model::RegistrationId;

/// Vendor of registrations that commands make.
pub(crate) const VENDOR: &str = "cli";

#[derive(Debug, Args)]
pub(crate) struct Holder {
    /// Act for this registration; without it CODITECT_HOLDER, the agent whose run this is, or a new one
    #[arg(long, value_name = "REGISTRATION")]
    holder: Option<RegistrationId>,
    /// What a new registration is called; without it the user's name
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
}

/// A registration to act for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acting {
    pub(crate) id: RegistrationId,
    /// Made for this command; whoever made it ends it.
    pub(crate) made: bool,
}

impl Holder {
    /// The registration named by flag, variable or run; none when a new one would be needed.
    pub(crate) fn known(&self, context: &Context) -> Result<Option<RegistrationId>, Failure> {
        let named = match (self.holder, context.variable("CODITECT_HOLDER")) {
            (Some(given), _) => Some(given),
            (None, Some(given)) => Some(given.parse().map_err(|error| {
                Failure::usage("bad_holder", format!("CODITECT_HOLDER: {error}"))
                    .hint("unset it, or give --holder")
            })?),
            (None, None) => None,
        };
        if !context.in_run() {
            return Ok(named);
        }
        let own = of_run(context)?;
        if named.is_some_and(|named| named != own) {
            context.not_for_agents("act for another holder")?;
        }
        Ok(Some(own))
    }
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
    if let Some(id) = holder.known(context)? {
        return Ok(Acting { id, made: false });
    }
    let name = holder.name.clone().or_else(|| context.variable("USER").map(str::to_owned));
    let registration = bus.register(NewRegistration {
        id: None,
        agent: name.unwrap_or_else(|| "terminal".to_owned()),
        vendor: VENDOR.to_owned(),
        model: None,
        session: None,
        worktree,
        // Nobody stays behind whose life could prove it. The leases of its locks end long before this one.
        liveness: Liveness::Lease { ttl: LOCK_TTL_MAX },
    })?;
    Ok(Acting { id: registration.id, made: true })
}
