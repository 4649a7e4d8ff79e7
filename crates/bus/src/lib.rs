//! The bus: registrations, locks, notices and doorbells in messaging.db, with no daemon needed.
//!
//! Every process that takes part opens the same SQLite file; COMMIT decides, a FIFO wakes. The one
//! invariant: whoever passes [`Bus::check`] with an exclusive lock is the only one who does, and a
//! fencing token never comes twice.
//!
//! messaging.db, its -wal and -shm are opened by SQLite only. Closing any other descriptor on them
//! would drop every POSIX lock this process has there, and with them committed rows.

mod ask;
mod backend;
mod bridge;
mod bus;
mod caller;
mod claim;
mod contents;
mod context;
mod cursor;
mod database;
mod doorbell;
mod error;
mod fence;
mod folding;
mod guard;
mod inbox;
mod janitor;
mod ledger;
mod liveness;
mod lock;
mod lock_rows;
mod managed;
mod mapping;
mod mirror;
mod nats;
mod notice;
mod outbox;
mod pattern;
mod pool;
mod postgresql;
mod presence;
mod purge;
mod queue;
mod receipt;
mod registration;
mod registry;
mod row;
mod scene;
mod schema;
mod slot;
pub mod system;
mod undecided;
mod wait;
mod worktree;
mod write;

pub use ask::ANSWER_WAIT;
pub use backend::{Backend, Promises, open_backend};
pub use bridge::{BEAT, Bridge, BridgeState, Connect, MACHINE_MAX, check_machine};
pub use bus::{Bus, Options, WRITE_WAIT_MAX};
pub use caller::{ancestors, nearest_above, parent_of, program_above};
pub use claim::Claim;
pub use contents::{CONTENTS_BYTES_MAX, Contents, GROWTH_UNSEEN_MAX, KEPT_FILE_MAX, Page, hash_of};
pub use context::{CONTEXT_CHANGES_MAX, CONTEXT_PAGE_MAX, ContextPage, ContextQuery, NewContext};
pub use cursor::{CONSUMER_MAX, SUBSCRIPTIONS_MAX, Subscription};
pub use doorbell::{Bell, Doorbell, SAFETY_POLL};
pub use error::{BusError, Contended, LockLost};
pub use fence::TOKEN_COUNTER_BITS;
pub use guard::Guard;
pub use inbox::{NoticePage, NoticeQuery, Position, Replay};
pub use janitor::{BRIEF_FRAMES, JANITOR_ROUND, JANITOR_STALE, Janitor, Round};
pub use lock::{
    Acquired, GLOBS_PER_HOLDER_MAX, LOCK_GLOBS_MAX, LOCK_PATHS_MAX, LOCK_TTL_MAX, LOCKS_PER_HOLDER_MAX,
    LockRequest, Wait,
};
pub use managed::{MANAGED_MAX, forget, is_managed, manage, managed};
pub use nats::{CONNECT_WAIT_MAX, LOGIN_FILE_MAX, NATS_SAFETY_POLL, Nats, QUEUE_PATHS_MAX, SERVERS_MAX};
pub use notice::{
    ATTEMPTS_MAX, AckRule, Durability, NOTICE_BATCH_MAX, NOTICE_KEY_MAX, NOTICE_PAGE_MAX, NOTICE_TTL_MAX,
    NewNotice, RECIPIENTS_MAX, THREAD_MAX,
};
pub use outbox::{OUTBOX_PAGE_MAX, OUTBOX_ROWS_MAX, OutboxRow};
pub use pattern::{GLOB_WALK_MAX, Pattern};
pub use postgresql::{ANSWER_WAIT_MAX, Postgres, PostgresOptions, WORKSPACE_MAX};
pub use presence::{Details, SUSPECT_AFTER, SUSPECT_ELSEWHERE_AFTER};
pub use purge::PURGE_ROWS;
pub use receipt::{DeadLetter, Receipt, Redelivered};
pub use registration::{HEARTBEAT_FLUSH, LABEL_MAX, Liveness, NewRegistration, Reaped};
pub use slot::SlotFault;
pub use undecided::{Neighbour, UNDECIDED_LOG_MAX, Undecided, Verdict, guard_undecided, undecided_allowed};
pub use wait::LIVENESS_POLL;
pub use worktree::{Worktree, WorktreeError};
