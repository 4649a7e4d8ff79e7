//! Claims on offered work, all of them under one key: one winner by compare-and-swap, whose token is the revision of the
//! change that made it.

use super::bell::Bell;
use super::letter::Letter;
use super::queue::Tokens;
use super::{Nats, read, written};
use crate::claim::{Claim, is_offered};
use crate::error::{BusError, LockLost};
use crate::lock::lease;
use crate::write::Moment;
use model::{Channel, RegistrationId};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

const KEY: &str = "claims";
const WHAT: &str = "the claims";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    holder: RegistrationId,
    /// As [`Tokens`] writes them.
    token: i64,
    expires_ns: i64,
    attempts: u32,
    done: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    base: u64,
    rows: BTreeMap<i64, Row>,
}

impl Nats {
    /// Changes the claims; `step` gets them with tokens that are final. True keeps what it did.
    fn claims<T>(
        &self,
        mut step: impl FnMut(&mut Claims) -> Result<(bool, T), BusError>,
    ) -> Result<(T, Tokens), BusError> {
        let mut base = 0;
        let (out, revision) = self.change(KEY, |doc| {
            let mut claims = match read::<Claims>(doc, WHAT)? {
                Some(claims) => claims,
                None => Claims { base: self.token_base()?, rows: BTreeMap::new() },
            };
            base = claims.base;
            let tokens = Tokens { base, revision: doc.map_or(0, |doc| doc.revision) };
            for row in claims.rows.values_mut() {
                row.token = tokens.fixed(row.token);
            }
            let (changed, out) = step(&mut claims)?;
            Ok((changed.then(|| written(&claims, WHAT)).transpose()?, out))
        })?;
        Ok((out, Tokens { base, revision }))
    }

    pub(super) fn claim(
        &self,
        notice: i64,
        holder: RegistrationId,
        ttl: Duration,
    ) -> Result<Claim, BusError> {
        let ttl_ns = lease(ttl)?;
        self.living(holder)?;
        self.take(notice, holder, ttl_ns)
    }

    fn take(&self, notice: i64, holder: RegistrationId, ttl_ns: i64) -> Result<Claim, BusError> {
        let found = self.letter(notice)?;
        let lives = |now: Moment| found.as_ref().is_some_and(|(batch, letter)| batch.lives(letter, now));
        let living = lives(self.now()?.middle());
        let offered = found.as_ref().filter(|_| living);
        is_offered(notice, offered.map(|(_, letter)| (is_work(letter), is_for(letter, holder))))?;
        let (taken, tokens) = self.claims(|claims| {
            let now = self.now()?;
            let before = claims.rows.get(&notice).cloned();
            if let Some(before) = &before {
                // Whoever takes it over waits until the lease is over whatever the server's clock shows.
                let held = before.expires_ns > now.early().ns && before.holder != holder;
                if before.done || (held && self.is_living(before.holder)?) {
                    return Err(BusError::Claimed { notice, by: Some(before.holder) });
                }
            }
            let expires_ns = now.middle().ns.saturating_add(ttl_ns);
            let own = before.as_ref().filter(|row| row.holder == holder && row.expires_ns > now.late().ns);
            let row = match own {
                // Asked for twice, it is the same claim.
                Some(own) => Row { expires_ns: own.expires_ns.max(expires_ns), ..own.clone() },
                None => Row {
                    holder,
                    token: Tokens::fresh(0),
                    expires_ns,
                    attempts: before.as_ref().map_or(0, |before| before.attempts) + 1,
                    done: false,
                },
            };
            claims.rows.insert(notice, row.clone());
            Ok((true, (row, now)))
        })?;
        let (row, now) = taken;
        Ok(Claim {
            notice,
            holder,
            token: tokens.unsigned(row.token),
            expires_at: now.middle().wall_at(row.expires_ns),
            attempts: row.attempts,
        })
    }

    fn is_living(&self, id: RegistrationId) -> Result<bool, BusError> {
        let now = self.now()?.early();
        Ok(self.known(&[id])?.get(&id).is_some_and(|entry| entry.death(now).is_none()))
    }

    pub(super) fn claim_next(
        &self,
        holder: RegistrationId,
        ttl: Duration,
    ) -> Result<Option<Claim>, BusError> {
        let ttl_ns = lease(ttl)?;
        self.living(holder)?;
        let mut offered: Vec<(Reverse<i32>, i64)> = Vec::new();
        let now = self.now()?;
        self.scan(0, |_, batch| {
            let now = now.not_before(batch.stamp).middle();
            let open =
                batch.letters.iter().filter(|letter| offers(letter, holder) && batch.lives(letter, now));
            offered.extend(open.map(|letter| (Reverse(letter.notice.envelope.priority), letter.notice.id)));
            Ok(true)
        })?;
        offered.sort_unstable();
        let rows = read::<Claims>(self.link.get_one(KEY)?.as_ref(), WHAT)?.map(|claims| claims.rows);
        let rows = rows.unwrap_or_default();
        let early = self.now()?.early().ns;
        for (_, notice) in offered {
            if rows.get(&notice).is_some_and(|row| row.done || row.expires_ns > early) {
                continue;
            }
            match self.take(notice, holder, ttl_ns) {
                Ok(claim) => return Ok(Some(claim)),
                // Somebody was faster, or it is over: the next one.
                Err(BusError::Claimed { .. } | BusError::NoNotice(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    pub(super) fn renew_claim(
        &self,
        token: u64,
        holder: RegistrationId,
        ttl: Duration,
    ) -> Result<(), BusError> {
        let ttl_ns = lease(ttl)?;
        self.own_claim(token, holder, |row, now| row.expires_ns = now.ns.saturating_add(ttl_ns))?;
        self.living(holder).map(|_| ())
    }

    pub(super) fn finish_claim(&self, token: u64, holder: RegistrationId) -> Result<(), BusError> {
        self.own_claim(token, holder, |row, _| row.done = true)
    }

    /// Changes the claim under this token, in force and the caller's.
    fn own_claim(
        &self,
        token: u64,
        holder: RegistrationId,
        edit: impl Fn(&mut Row, Moment),
    ) -> Result<(), BusError> {
        let gone = || BusError::from(LockLost::Gone { token });
        let key = i64::try_from(token).map_err(|_| gone())?;
        let entry = self.known(&[holder])?;
        self.claims(|claims| {
            let row = claims.rows.values_mut().find(|row| row.token == key).ok_or_else(gone)?;
            if row.holder != holder {
                return Err(LockLost::NotYours { token, owner: row.holder }.into());
            }
            if row.done {
                return Err(gone());
            }
            let now = self.now()?;
            if row.expires_ns <= now.late().ns {
                return Err(LockLost::Expired { token }.into());
            }
            super::registration::present_in(&entry, holder)?;
            edit(row, now.middle());
            Ok((true, ()))
        })?;
        Ok(())
    }

    /// Gives up what the ended had claimed; the others are rung to look for work.
    pub(super) fn abandon_claims(&self, ended: &[RegistrationId]) -> Result<(), BusError> {
        let (freed, _) = self.claims(|claims| {
            let mut freed = false;
            for row in claims.rows.values_mut() {
                if !row.done && row.expires_ns > 0 && ended.contains(&row.holder) {
                    row.expires_ns = 0;
                    freed = true;
                }
            }
            Ok((freed, freed))
        })?;
        if freed {
            self.link.ring(Bell::Notices);
        }
        Ok(())
    }

    /// Forgets claims on notices that are gone.
    pub(super) fn prune_claims(&self, gone: &[i64]) -> Result<(), BusError> {
        self.claims(|claims| {
            let before = claims.rows.len();
            claims.rows.retain(|notice, _| !gone.contains(notice));
            Ok((claims.rows.len() < before, ()))
        })?;
        Ok(())
    }
}

/// Work that somebody else offers, and this one may take.
fn offers(letter: &Letter, holder: RegistrationId) -> bool {
    is_work(letter) && letter.notice.sender != holder && is_for(letter, holder)
}

fn is_work(letter: &Letter) -> bool {
    letter.notice.channel == Channel::task_broadcast()
}

/// Addressed to it, or to everybody.
fn is_for(letter: &Letter, holder: RegistrationId) -> bool {
    let (recipient, audience) = (letter.notice.recipient, &letter.notice.envelope.audience);
    recipient.is_none_or(|recipient| recipient == holder)
        && (audience.is_empty() || audience.contains(&holder))
}
