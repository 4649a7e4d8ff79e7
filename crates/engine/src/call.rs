//! Who asks, and how often they may have asked before.

use model::{Actor, AgentName, ParticipantId, RegistrationId, RunId, SessionId};

/// What every mutation carries.
#[derive(Debug, Clone)]
pub struct Call {
    pub caller: Caller,
    /// Makes a repeated request harmless: the second one gets the first one's answer.
    pub key: Option<Key>,
    /// The attached client somebody acts in; it must not be another one that has the session's input. None: nobody's typing, which
    /// goes through.
    pub client: Option<String>,
    /// Ties log lines to the request; made by the face when the client gave none. What a request makes is logged
    /// with it, and whatever happens to that later with the id of what was made.
    pub correlation: String,
}

/// An idempotency key and what it was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// At most [`journal::KEY_MAX`] characters.
    pub key: String,
    /// Hash of method, path and body; the same key with another hash is a conflict.
    pub request_hash: String,
}

/// Identity comes from the credential, never from what a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    User,
    /// A running agent, by the credential minted for its run.
    Run {
        run: RunId,
        registration: RegistrationId,
        participant: ParticipantId,
        session: SessionId,
        agent: AgentName,
    },
    /// A session on the bus that is no run of ours, by the token that was lent to it.
    Terminal {
        registration: RegistrationId,
    },
}

impl Call {
    pub fn user(correlation: impl Into<String>) -> Self {
        Self { caller: Caller::User, key: None, client: None, correlation: correlation.into() }
    }

    /// The same, done in this attached client.
    #[must_use]
    pub fn in_client(self, client: Option<String>) -> Self {
        Self { client, ..self }
    }

    pub(crate) fn actor(&self) -> Actor {
        match &self.caller {
            Caller::User => Actor::User,
            Caller::Run { agent, .. } => Actor::Agent(agent.clone()),
            // It acts on the bus alone; what is committed asks for the user.
            Caller::Terminal { .. } => Actor::System,
        }
    }

    /// One of several commits of the same request, under a key of its own, so each of them is done once.
    pub(crate) fn part(&self, of: &str) -> Self {
        let key = self.key.as_ref().map(|whole| {
            let key = blake3::hash(format!("{}\0{of}", whole.key).as_bytes()).to_hex().to_string();
            Key { key, request_hash: whole.request_hash.clone() }
        });
        Self { key, ..self.clone() }
    }

    /// Most commands are the user's alone.
    pub(crate) fn only_user(&self) -> Result<(), model::Refusal> {
        match &self.caller {
            Caller::User => Ok(()),
            Caller::Run { .. } | Caller::Terminal { .. } => Err(model::Refusal::new(
                model::RefusalKind::Forbidden,
                "not_for_agents",
                "an agent's credential may not do this",
            )
            .hint("agents may send notices and hold locks; ask the user for the rest")),
        }
    }
}
