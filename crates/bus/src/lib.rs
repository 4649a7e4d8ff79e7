//! The bus: registrations, locks, notices and doorbells in messaging.db, with no daemon needed.
//!
//! Every process that takes part opens the same SQLite file; COMMIT decides, a FIFO wakes. The one
//! invariant: whoever passes [`Bus::check`] with an exclusive lock is the only one who does, and a
//! fencing token never comes twice.
//!
//! messaging.db, its -wal and -shm are opened by SQLite only. Closing any other descriptor on them
//! would drop every POSIX lock this process has there, and with them committed rows.

mod bus;
mod database;
mod doorbell;
mod error;
mod fence;
mod liveness;
mod lock;
mod notice;
mod outbox;
mod pattern;
mod queue;
mod registration;
mod registry;
mod row;
mod scene;
mod schema;
mod slot;
pub mod system;
mod wait;
mod write;

pub use bus::{Bus, Options, WRITE_WAIT_MAX};
pub use doorbell::{Bell, Doorbell, SAFETY_POLL};
pub use error::{BusError, Contended, LockLost};
pub use fence::TOKEN_COUNTER_BITS;
pub use lock::{Acquired, LOCK_PATHS_MAX, LOCK_TTL_MAX, LOCKS_PER_HOLDER_MAX, LockRequest, Wait};
pub use notice::{
    NOTICE_KEY_MAX, NOTICE_PAGE_MAX, NOTICE_TTL_MAX, NewNotice, NoticePage, NoticeQuery, PURGE_ROWS,
};
pub use outbox::{OUTBOX_PAGE_MAX, OUTBOX_ROWS_MAX, OutboxRow};
pub use pattern::{GLOB_WALK_MAX, Pattern};
pub use registration::{HEARTBEAT_FLUSH, LABEL_MAX, Liveness, NewRegistration, Reaped};
pub use wait::LIVENESS_POLL;
