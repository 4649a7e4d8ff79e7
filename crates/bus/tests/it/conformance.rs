//! One set of cases, run against every backend: what the words of [`bus::Backend`] mean.
//!
//! A case gets a [`Fixture`] and opens handles on one bus, each as another process or another machine would. It asserts
//! by cause and effect, never by the wall clock. A backend whose server is not named in the environment is skipped, and
//! says so.

mod bad_input;
mod claims;
mod clocks;
mod crash;
mod cursors;
mod locks;
pub(crate) mod nats;
mod notices;
pub(crate) mod postgres;
mod receipts;
mod registrations;
mod sqlite;
mod waiting;
mod wakes;

pub(crate) use crash::run;

use bus::{Backend, Liveness, NewNotice, Position};
use model::{Channel, Notice, RegistrationId};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Longer than any case takes: a wait that ends by it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// A registration's lease nobody lets run out.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
/// Shorter, even when it is over, than everything a case does not let run out: [`crate::stage::TTL`], the life of a notice
/// on `state`, [`PATIENCE`].
const BRIEF_SECONDS: u32 = 20;

/// How a handle is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handle {
    /// How wrong this client's wall clock is.
    pub(crate) wall_shift_ms: i64,
    /// How long a receiver trusts its bell.
    pub(crate) safety_poll: Duration,
}

impl Default for Handle {
    fn default() -> Self {
        Self { wall_shift_ms: 0, safety_poll: bus::SAFETY_POLL }
    }
}

/// One bus of a backend, made for one case.
pub(crate) trait Fixture: Sync {
    /// As another process or machine would: with connections and a clock of its own.
    fn open_with(&self, handle: Handle) -> Arc<dyn Backend>;

    fn open(&self) -> Arc<dyn Backend> {
        self.open_with(Handle::default())
    }

    /// Lets this much time go by on the clock of the bus: by moving it, or by waiting.
    fn pass(&self, time: Duration);

    /// The lease or the life that a case lets run out, in seconds. What a case does before its end takes the time the
    /// machine takes, so it is long where time passes by moving a clock, and no longer than it must be where it passes by
    /// waiting.
    fn brief_seconds(&self) -> u32 {
        BRIEF_SECONDS
    }

    fn brief(&self) -> Duration {
        Duration::from_secs(self.brief_seconds().into())
    }

    /// So little of it that most is left; three times this is more than the whole.
    fn pass_part(&self) {
        self.pass(self.brief() * 2 / 5);
    }

    /// More than the whole, by so much that it is over also for who knows the time only roughly.
    fn pass_all(&self) {
        self.pass(self.brief() * 7 / 5);
    }

    /// The bus is lost and made anew under the same name. Handles opened before may be of no more use.
    fn remake(&self);

    /// A notice to everybody on `task_broadcast`, committed by a process that died before it could ring.
    fn slip_in(&self, sender: RegistrationId, payload: &Value);

    /// What another process needs to open the same bus; begins with the backend's name and a space.
    fn address(&self) -> String;
}

/// Runs one case, if the backend is there.
pub(crate) fn check(stage: Option<Box<dyn Fixture>>, case: fn(&dyn Fixture)) {
    if let Some(fixture) = stage {
        case(&*fixture);
    }
}

/// The server a variable names; without it the backend is skipped, and a line says so.
#[expect(clippy::disallowed_methods, reason = "the environment names the servers of these tests")]
pub(crate) fn server(backend: &str, variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        testkit::skipped(backend, &format!("set {variable} or run cargo xtask test"));
    }
    url
}

/// The bus at an address, in another process.
pub(crate) fn open_at(address: &str) -> Arc<dyn Backend> {
    let (backend, place) = address.split_once(' ').unwrap();
    match backend {
        "sqlite" => sqlite::open_at(place),
        "postgres" => postgres::open_at(place),
        "nats" => nats::open_at(place),
        other => panic!("no such backend: {other}"),
    }
}

/// A test for every case on every backend.
macro_rules! conformance {
    ($($backend:ident: $stage:expr),+ $(,)?) => {
        $(mod $backend {
            cases! { $stage }
        })+
    };
}

macro_rules! cases {
    ($stage:expr) => {
        tests! { $stage;
            notices: a_batch_keeps_its_order, a_batch_is_all_or_none, a_key_publishes_once,
                a_key_is_given_back_when_its_notice_is_over, a_payload_comes_back_as_it_was_sent,
                addressed_to_one_a_set_or_everybody, who_subscribes_hears_only_those_channels,
                a_notice_lives_for_its_time, a_query_filters, no_reader_misses_what_writers_commit_at_once,
                promises_are_kept_or_refused;
            wakes: a_reader_is_woken_by_what_is_published, a_lost_ring_costs_time_only, a_wait_ends_with_its_time,
                nobody_waits_for_a_registration_that_has_ended, what_comes_again_wakes;
            cursors: a_cursor_goes_forward_and_outlives_its_handle, a_gap_is_an_error_for_who_asks_for_none,
                a_position_ahead_is_an_error, a_bus_made_anew_changes_its_generation,
                replay_from_the_beginning_a_time_a_position_and_now;
            receipts: marks_are_kept_apart, what_nobody_acknowledges_comes_again_and_is_given_up,
                who_ends_will_not_answer, only_who_was_addressed_answers;
            registrations: the_same_again_is_the_same, a_lease_is_life, whose_lease_ran_out_comes_back,
                everybody_sees_everybody,
                ending_frees_and_is_final, between_machines_life_is_a_lease;
            locks: modes_exclude_each_other_as_they_say, globs_overlap, all_paths_or_none,
                tokens_rise_whatever_happens, a_write_is_checked, a_lease_is_renewed_or_lost,
                asking_again_gives_the_same_lock, a_shared_lock_is_not_upgraded_beside_others,
                a_broken_lock_is_lost, a_conflict_is_announced, the_dead_hold_nothing,
                one_winner_among_many_who_reach_for_it;
            waiting: who_came_first_goes_first, a_ring_of_waiters_is_named, nobody_overtakes_a_waiter,
                the_end_of_a_holder_hands_on, a_lease_that_ran_out_hands_on, a_dead_holder_hands_on,
                patience_ends_and_leaves_the_queue, a_waiter_that_ends_is_canceled,
                a_release_rings_its_waiter;
            claims: one_winner_among_many, a_claim_that_ran_out_is_somebody_elses,
                the_most_urgent_first, only_offered_work_is_claimed, finished_work_is_not_claimed_again;
            clocks: a_clients_wall_clock_decides_nothing;
            bad_input: notices_beyond_their_limits, locks_beyond_their_limits, paths_that_escape, a_glob_bomb,
                the_unknown_and_the_ended, registrations_beyond_their_limits, cursors_without_names;
            crash: a_killed_publisher_leaves_nothing_half, a_killed_holder_is_succeeded;
        }
    };
}

macro_rules! tests {
    ($stage:expr; $($module:ident: $($case:ident),+);+ $(;)?) => {
        $($(
            #[test]
            fn $case() {
                crate::conformance::check($stage, crate::conformance::$module::$case);
            }
        )+)+
    };
}

conformance! {
    on_sqlite: crate::conformance::sqlite::stage(),
    on_postgres: crate::conformance::postgres::stage(),
    on_nats: crate::conformance::nats::stage(),
}

/// A registration that lives by a lease of a day.
pub(crate) fn agent(bus: &dyn Backend, name: &str) -> RegistrationId {
    lives(bus, name, DAY)
}

pub(crate) fn lives(bus: &dyn Backend, name: &str, lease: Duration) -> RegistrationId {
    bus.register(crate::stage::new(name, Liveness::Lease { ttl: lease })).unwrap().id
}

/// To everybody on `task_broadcast`.
pub(crate) fn say(sender: RegistrationId, text: &str) -> NewNotice {
    NewNotice::new(sender, Channel::task_broadcast(), json!(text))
}

pub(crate) fn publish(bus: &dyn Backend, new: NewNotice) -> Notice {
    bus.publish_all(&[new]).unwrap().remove(0)
}

pub(crate) fn texts(notices: &[Notice]) -> Vec<&str> {
    notices.iter().map(|notice| notice.payload.as_str().unwrap()).collect()
}

pub(crate) fn at(bus: &dyn Backend, notice: &Notice) -> Position {
    Position { generation: bus.newest_position().unwrap().generation, id: notice.id }
}

/// Counts somebody out, also when it fails.
pub(crate) struct Done<'a>(pub(crate) &'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
