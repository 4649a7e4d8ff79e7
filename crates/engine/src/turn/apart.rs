//! How a turn is kept apart from others, and from the machine.

use super::Order;
use super::standing::Standing;
use super::start::{Scene, agent_config, writes};
use crate::engine::Shared;
use crate::fence;
use crate::plan;
use crate::strays::{self, Sight};
use crate::worktree::{self, Claim};
use agent::Fence;
use model::{Isolation, Participant, Refusal, Repo, TaskKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) struct Apart {
    pub(super) isolation: Isolation,
    /// It works in a worktree of its own.
    pub(super) lent: bool,
    /// Keeps that worktree from being taken away.
    pub(super) claim: Option<Claim>,
    /// The registered checkout.
    checkout: Option<PathBuf>,
}

impl Apart {
    /// Moves the scene to the participant's own worktree, where it has one.
    pub(super) async fn settle(
        shared: &Arc<Shared>,
        order: &Order,
        scene: &mut Scene,
    ) -> Result<Self, Refusal> {
        let isolation = worktree::isolation(shared, &scene.participant.agent, order);
        let checkout = scene.repo.as_ref().map(|repo| PathBuf::from(&repo.path));
        let mut claim = None;
        if let Some((own, taken)) = in_plan(shared, order, scene).await? {
            scene.repo = Some(own);
            let isolation = if isolation == Isolation::Shared { Isolation::Worktree } else { isolation };
            return Ok(Self { isolation, lent: true, claim: Some(taken), checkout });
        }
        // What the user said of the session goes before what the configuration says of the agent.
        if order.task.plan.is_none()
            && let Some(repo) = &scene.repo
            && let Some((named, taken)) =
                worktree::shared_place(shared, scene.session.id, scene.participant.agent.as_str(), repo)
                    .await?
        {
            scene.repo = Some(named);
            return Ok(Self { isolation, lent: false, claim: Some(taken), checkout });
        }
        // A question is read off the checkout: it is asked in a session that is nobody's place of work.
        let lent =
            isolation != Isolation::Shared && order.task.plan.is_none() && order.task.kind != TaskKind::Ask;
        if lent && let Some(repo) = scene.repo.take() {
            let (own, taken) =
                worktree::own(shared, scene.session.id, &scene.participant.agent, repo).await?;
            scene.repo = Some(own);
            claim = Some(taken);
        }
        Ok(Self { isolation, lent, claim, checkout })
    }

    /// The fence of a sandboxed run; else, where one was wanted and may be done without, why there is none.
    pub(super) async fn fence(
        &self,
        shared: &Arc<Shared>,
        participant: &Participant,
        scratch: &Path,
        worktree: &Path,
    ) -> Result<(Option<Fence>, Option<String>), Refusal> {
        let agent = agent_config(shared, participant).filter(|_| self.isolation == Isolation::Sandbox);
        let Some(agent) = agent else { return Ok((None, None)) };
        let (scratch, worktree) = (scratch.to_owned(), worktree.to_owned());
        let checkout = self.checkout.clone();
        let held = shared.blocking(move |shared| {
            let repo = checkout.as_deref();
            fence::around(
                shared,
                &fence::Yard { agent: &agent, worktree: &worktree, scratch: &scratch, repo },
            )
        });
        match held.await? {
            Ok(fence) => Ok((Some(fence), None)),
            Err(reason) => {
                tracing::warn!(agent = %participant.agent, reason, "UNSANDBOXED");
                Ok((None, Some(reason)))
            }
        }
    }

    /// The look at what shells change. In a worktree of its own an agent's shell is in nobody's way.
    pub(super) async fn sight(
        &self,
        shared: &Arc<Shared>,
        order: &Order,
        scene: &Scene,
        standing: Option<&Standing>,
    ) -> Option<Sight> {
        let repo = scene.repo.as_ref().filter(|_| writes(order.task.kind) && !self.lent)?;
        let changed = standing.map(|standing| standing.changed.as_slice());
        Some(strays::watch(shared, repo.path.as_ref(), changed).await)
    }
}

/// The agent's worktree in a plan in worktrees. Proposals are read off the checkout, in which nobody works meanwhile.
async fn in_plan(
    shared: &Arc<Shared>,
    order: &Order,
    scene: &Scene,
) -> Result<Option<(Repo, Claim)>, Refusal> {
    let (Some(plan), TaskKind::Work | TaskKind::Review) = (order.task.plan, order.task.kind) else {
        return Ok(None);
    };
    let Some(repo) = &scene.repo else { return Ok(None) };
    let Some(row) = shared.store.read(|view| view.plan(plan))?.filter(|row| row.plan.worktrees) else {
        return Ok(None);
    };
    plan::worktree::place(shared, &row.plan, order, &scene.participant.agent, repo).await.map(Some)
}
