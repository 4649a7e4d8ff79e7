//! What a session does at each step: takes its locks, hears its notices, and says what it did.

use super::identity::Actor;
use super::memory::{self, Turn, UnderWay};
use super::place::Spot;
use super::{Step, look, notices, shell, words};
use crate::decision;
use agent::{Answer, HookEvent, Moment, ToolUse};
use bus::{Bus, BusError, Contended, Contents, LOCK_PATHS_MAX, LockRequest};
use model::{Clock, Lock, LockMode, ParticipantStatus, WorkspaceDir};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How long a file stays locked after the session's last sign. A turn's end frees it at once.
pub(super) const LEASE: Duration = Duration::from_secs(15 * 60);

/// One step of one session.
pub(super) struct Call<'a> {
    pub(super) bus: &'a Bus,
    pub(super) workspace: &'a WorkspaceDir,
    pub(super) clock: &'a dyn Clock,
    pub(super) event: &'a HookEvent,
    pub(super) step: &'a Step<'a>,
}

impl Call<'_> {
    pub(super) fn answer(&self, actor: &Actor) -> Result<Answer, BusError> {
        match &self.event.moment {
            Moment::SessionStart => {
                memory::sweep(self.workspace);
                self.thin();
                self.begin(actor, ParticipantStatus::Idle)
            }
            Moment::Compacted => self.again(actor),
            Moment::Prompt => self.begin(actor, ParticipantStatus::Thinking),
            Moment::BeforeTool(tool) => self.before(actor, tool),
            Moment::AfterTool(tool) => self.after(actor, tool),
            Moment::Stop => self.stop(actor),
            Moment::SubagentStart => Ok(Answer::Quiet),
            Moment::SubagentStop | Moment::SessionEnd => self.end(actor),
            Moment::Other => Ok(Answer::Quiet),
        }
    }

    /// What was known of files long ago goes when it has become too much, also where no daemon runs.
    fn thin(&self) {
        let living = || self.bus.locks(None).unwrap_or_default().iter().map(|lock| lock.token).collect();
        let _ = Contents::new(self.workspace.known()).thin_when_grown(living);
    }

    fn turn(&self, actor: &Actor) -> Result<Turn, BusError> {
        let mut turn = Turn::take(self.workspace, actor.id);
        if turn.memory.generation.is_empty() {
            notices::begin(self.bus, &mut turn.memory)?;
        }
        Ok(turn)
    }

    /// A session, or a turn of it, begins. What an interrupted turn left is over.
    fn begin(&self, actor: &Actor, status: ParticipantStatus) -> Result<Answer, BusError> {
        let mut turn = self.turn(actor)?;
        turn.memory.under_way.clear();
        self.rest(actor, &mut turn)?;
        let answer = self.tell(actor, &mut turn)?;
        turn.keep();
        self.bus.show(actor.id, status)?;
        Ok(answer)
    }

    /// The turn goes on, with a shorter memory.
    fn again(&self, actor: &Actor) -> Result<Answer, BusError> {
        let mut turn = self.turn(actor)?;
        let answer = self.tell(actor, &mut turn)?;
        turn.keep();
        Ok(answer)
    }

    /// Nothing of a turn goes on: its locks are free. A run's are its daemon's to free, after the turn's checkpoint.
    fn rest(&self, actor: &Actor, turn: &mut Turn) -> Result<(), BusError> {
        turn.memory.own.clear();
        if !actor.driven && self.bus.locks(None)?.iter().any(|lock| lock.holder == actor.id) {
            self.bus.release_all(actor.id)?;
        }
        Ok(())
    }

    fn before(&self, actor: &Actor, tool: &ToolUse) -> Result<Answer, BusError> {
        if self.step.blind {
            let why = format!("the input of {} names no file", tool.name);
            return Err(BusError::Malformed { what: "a hook's input", detail: why });
        }
        let mut trees: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for spot in &self.step.spots {
            trees.entry(&spot.worktree).or_default().push(spot.path.clone());
        }
        for (worktree, paths) in &trees {
            for paths in paths.chunks(LOCK_PATHS_MAX) {
                if let Some(no) = self.lock(actor, worktree, paths)? {
                    return Ok(Answer::Deny(no));
                }
            }
        }
        if let Some(command) = &tool.command {
            let locks = self.bus.locks(Some(&self.step.worktree))?;
            if let Some(no) = self.plainly(actor, command, &locks)? {
                return Ok(Answer::Deny(no));
            }
            self.under_way(actor, tool, &locks)?;
            self.bus.show(actor.id, ParticipantStatus::RunningTool)?;
        } else if tool.mutates && !trees.is_empty() {
            self.under_way(actor, tool, &[])?;
            self.bus.show(actor.id, ParticipantStatus::Editing)?;
        }
        Ok(Answer::Quiet)
    }

    /// Takes the locks of an edit; why not, when somebody else has one.
    fn lock(&self, actor: &Actor, worktree: &str, paths: &[String]) -> Result<Option<String>, BusError> {
        let request = LockRequest {
            worktree: worktree.to_owned(),
            paths: paths.to_vec(),
            mode: LockMode::Exclusive,
            holder: actor.id,
            ttl: LEASE,
        };
        let first = paths.first().map(String::as_str).unwrap_or_default();
        match self.bus.acquire(&request) {
            Ok(acquired) => {
                self.keep(actor, &acquired.locks);
                Ok(None)
            }
            Err(BusError::Contended(contended)) => Ok(Some(self.contended(paths, &contended))),
            Err(BusError::Upgrade { path, holders }) => {
                Ok(Some(decision::held(self.clock.now(), &path, &holders)))
            }
            Err(error @ BusError::Invalid(_)) => Ok(Some(format!("do not change `{first}`: {error}"))),
            Err(error) => Err(error),
        }
    }

    /// Keeps what is in the files now that nobody else may change them. The files of a run of ours its daemon keeps.
    fn keep(&self, actor: &Actor, locks: &[Lock]) {
        if actor.driven {
            return;
        }
        let contents = Contents::new(self.workspace.known());
        for lock in locks {
            // Without it the lock is as good; only nothing of before it can be restored.
            let _ = contents.granted(lock);
        }
    }

    /// Keeps what a call of its own left in the files it holds. A command may have changed any of them.
    fn keep_edits<'l>(
        &self,
        actor: &Actor,
        tool: &ToolUse,
        mine: impl Iterator<Item = &'l Lock>,
        (before, now): (&BTreeMap<String, memory::Mark>, &BTreeMap<String, memory::Mark>),
    ) {
        if actor.driven {
            return;
        }
        let contents = Contents::new(self.workspace.known());
        for lock in mine {
            let top = Path::new(&lock.worktree);
            let Some(page) = contents.page(top, &lock.path).filter(|page| page.token == lock.token) else {
                continue;
            };
            let is_its = |spot: &Spot| spot.worktree == lock.worktree && spot.path == lock.path;
            let key = memory::key(&lock.worktree, &lock.path);
            let ran = || tool.command.is_some() && before.get(&key) != now.get(&key);
            let theirs = || page.explains(bus::hash_of(&top.join(&lock.path)).as_deref());
            if self.step.spots.iter().any(is_its) || (ran() && !theirs()) {
                // What is not kept cannot be restored; nothing else depends on it.
                let _ = contents.edited(top, &lock.path);
            }
        }
    }

    fn contended(&self, paths: &[String], contended: &Contended) -> String {
        let now = self.clock.now();
        let Some(lock) = contended.holders.first() else {
            let path = paths.first().map(String::as_str).unwrap_or_default();
            return format!(
                "do not change `{path}`: {contended}. Wait in line with `coditect lock acquire {path} --wait`, or work on \
                 another file"
            );
        };
        let covers =
            |path: &&String| bus::Pattern::parse(&lock.path).is_ok_and(|held| held.matches(path.as_str()));
        let path = paths.iter().find(covers).or(paths.first()).map(String::as_str).unwrap_or_default();
        decision::held(now, path, &contended.holders)
    }

    /// Why a command is not to be run, when it plainly changes what a living session holds.
    fn plainly(&self, actor: &Actor, command: &str, locks: &[Lock]) -> Result<Option<String>, BusError> {
        let mut living: Vec<&Lock> = Vec::new();
        for lock in look::of_others(locks, actor.id) {
            if self.bus.is_alive(lock.holder)? {
                living.push(lock);
            }
        }
        let place = (self.step.worktree.as_str(), self.step.inside.as_str());
        let Some(path) = shell::changes(command, place, living.iter().map(|lock| lock.path.as_str())) else {
            return Ok(None);
        };
        let holders: Vec<Lock> = living.into_iter().filter(|lock| lock.path == path).cloned().collect();
        Ok(Some(decision::held(self.clock.now(), path, &holders)))
    }

    fn under_way(&self, actor: &Actor, tool: &ToolUse, locks: &[Lock]) -> Result<(), BusError> {
        let mut turn = self.turn(actor)?;
        let seen = look::look(look::of_others(locks, actor.id));
        turn.memory.under_way.push(UnderWay { call: call(tool), seen });
        turn.keep();
        Ok(())
    }

    fn after(&self, actor: &Actor, tool: &ToolUse) -> Result<Answer, BusError> {
        let mut turn = self.turn(actor)?;
        let locks = self.bus.locks(None)?;
        let mine = || locks.iter().filter(|lock| lock.holder == actor.id && lock.mode == LockMode::Exclusive);
        let own = look::own(mine());
        self.keep_edits(actor, tool, mine(), (&turn.memory.own, &own));
        turn.memory.own = own;
        let name = call(tool);
        let before = match turn.memory.under_way.iter().position(|known| known.call == name) {
            Some(at) => turn.memory.under_way.remove(at).seen,
            None => BTreeMap::new(),
        };
        let by = if tool.name.is_empty() { "call" } else { &tool.name };
        self.report(actor, &mut turn, before, by, &locks)?;
        for lock in mine() {
            self.renew(actor, lock)?;
        }
        let answer = self.tell(actor, &mut turn)?;
        let rests = turn.memory.under_way.is_empty();
        turn.keep();
        // Others go by it: while a call of its runs, nobody can say who changed a file.
        if rests {
            self.bus.show(actor.id, ParticipantStatus::Thinking)?;
        }
        Ok(answer)
    }

    /// Finds what changed without its lock, tells both sides, and remembers to tell the model.
    fn report(
        &self,
        actor: &Actor,
        turn: &mut Turn,
        before: BTreeMap<String, memory::Seen>,
        by: &str,
        locks: &[Lock],
    ) -> Result<(), BusError> {
        if before.is_empty() && turn.memory.doubts.is_empty() {
            return Ok(());
        }
        for change in look::changes(self.bus, self.workspace, &mut turn.memory, (before, by), locks)? {
            look::announce(self.bus, (actor.id, &actor.agent), &change)?;
            turn.memory.pending.push(look::told(self.clock.now(), &change));
        }
        Ok(())
    }

    /// A lease that is half over begins anew.
    fn renew(&self, actor: &Actor, lock: &Lock) -> Result<(), BusError> {
        let left = lock.expires_at.as_millis().saturating_sub(self.clock.now().as_millis());
        if u128::from(left.max(0).unsigned_abs()) * 2 >= LEASE.as_millis() {
            return Ok(());
        }
        match self.bus.renew(lock.token, actor.id, LEASE) {
            // It ran out while we looked; the next edit asks for it again.
            Ok(_) | Err(BusError::Lost(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn stop(&self, actor: &Actor) -> Result<Answer, BusError> {
        let mut turn = self.turn(actor)?;
        turn.memory.under_way.clear();
        if !turn.memory.doubts.is_empty() {
            let locks = self.bus.locks(None)?;
            self.report(actor, &mut turn, BTreeMap::new(), "call", &locks)?;
        }
        self.rest(actor, &mut turn)?;
        turn.keep();
        self.bus.show(actor.id, ParticipantStatus::Idle)?;
        Ok(Answer::Quiet)
    }

    /// The session, or the sub-agent, is over.
    fn end(&self, actor: &Actor) -> Result<Answer, BusError> {
        if actor.driven {
            return Ok(Answer::Quiet);
        }
        if self.event.moment == Moment::SessionEnd {
            let me = actor.id.to_string();
            for one in self.bus.sessions()? {
                if one.parent.as_deref() == Some(me.as_str()) && one.machine.is_none() {
                    self.bus.end(one.registration.id, "finished")?;
                    Turn::take(self.workspace, one.registration.id).forget();
                }
            }
        }
        self.bus.end(actor.id, "finished")?;
        Turn::take(self.workspace, actor.id).forget();
        Ok(Answer::Quiet)
    }

    /// What the model is to hear now: who it is, when it has not been told; what was found; what others say.
    fn tell(&self, actor: &Actor, turn: &mut Turn) -> Result<Answer, BusError> {
        if !self.event.is_heard() {
            return Ok(Answer::Quiet);
        }
        let mut texts = Vec::new();
        // A vendor's own session start is said again when its context was cleared or made shorter.
        let anew = matches!(self.event.moment, Moment::SessionStart | Moment::Compacted);
        if !turn.memory.introduced || anew {
            texts.push(words::introduction(actor, &self.bus.sessions()?, &self.step.worktree));
            turn.memory.introduced = true;
        }
        texts.append(&mut turn.memory.pending);
        texts.extend(notices::waiting(self.bus, actor.id, &mut turn.memory)?);
        Ok(if texts.is_empty() { Answer::Quiet } else { Answer::Context(texts.join("\n\n")) })
    }
}

/// What tells a call from the others of its session. Not every vendor numbers them.
fn call(tool: &ToolUse) -> String {
    tool.call.clone().unwrap_or_else(|| {
        let text = format!(
            "{}\0{}\0{}",
            tool.name,
            tool.paths.join("\0"),
            tool.command.as_deref().unwrap_or_default()
        );
        blake3::hash(text.as_bytes()).to_hex().to_string()
    })
}
