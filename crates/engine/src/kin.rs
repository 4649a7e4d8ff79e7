//! Families: where a session came from, and what came out of it.

use crate::Engine;
use crate::session::visible;
use model::{Refusal, SessionId};
use store::Kin;

/// Relatives one look shows at most.
pub const KIN_MAX: usize = 2_000;
/// Generations down when nothing is said.
const DEPTH_DEFAULT: u32 = store::GENEALOGY_DEPTH;

/// How much of a family is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KinQuery {
    /// Generations down from the top; all without.
    pub depth: Option<u32>,
    /// Relatives at most; 0: as many as one look shows.
    pub limit: usize,
    /// From the oldest ancestor on, instead of from the session itself.
    pub whole: bool,
}

/// A session's family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyView {
    pub session: SessionId,
    /// From whom the descendants are told: the session, or its oldest ancestor.
    pub top: Kin,
    /// Nearest first.
    pub ancestors: Vec<Kin>,
    /// Of the top; nearest first, then in the order of their making.
    pub descendants: Vec<Kin>,
    /// There are more than were asked for.
    pub more: bool,
}

impl Engine {
    pub fn family(&self, session: SessionId, query: KinQuery) -> Result<FamilyView, Refusal> {
        let depth = query.depth.unwrap_or(DEPTH_DEFAULT);
        if !(1..=store::GENEALOGY_DEPTH).contains(&depth) {
            let message = format!("a depth is between 1 and {}", store::GENEALOGY_DEPTH);
            return Err(Refusal::invalid("depth_out_of_range", message).hint("leave it out for all there is"));
        }
        let limit = if query.limit == 0 { KIN_MAX } else { query.limit.min(KIN_MAX) };
        self.shared.store.read_or_refuse(|view| {
            visible(view, session)?;
            let ancestors = view.ancestors(session)?;
            let oldest = ancestors.last().filter(|_| query.whole).map_or(session, |kin| kin.session);
            let top = view.kin(oldest)?.ok_or_else(|| Refusal::not_found("session", oldest))?;
            let mut descendants = view.descendants(oldest, depth, limit + 1)?;
            let more = descendants.len() > limit;
            descendants.truncate(limit);
            Ok(FamilyView { session, top, ancestors, descendants, more })
        })
    }
}
