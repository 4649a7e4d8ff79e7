//! The bus: registrations, locks, notices and doorbells in messaging.db, with no daemon needed.
//!
//! Every process that takes part opens the same SQLite file; COMMIT decides, a FIFO wakes. The one
//! invariant: whoever passes [`Bus::check`] with an exclusive lock is the only one who does, and a
//! fencing token never comes twice.
//!
//! messaging.db, its -wal and -shm are opened by SQLite only. Closing any other descriptor on them
//! would drop every POSIX lock this process has there, and with them committed rows.

mod bus;
mod doorbell;
mod error;
mod lock;
mod notice;
mod outbox;
mod registration;
pub mod system;

pub use bus::Bus;
pub use doorbell::{Bell, Doorbell, SAFETY_POLL};
pub use error::{BusError, Contended, LockLost};
pub use lock::{Acquired, LOCK_PATHS_MAX, LOCK_TTL_MAX, LockRequest, Wait};
pub use notice::{NOTICE_KEY_MAX, NOTICE_PAGE_MAX, NOTICE_TTL_MAX, NewNotice, NoticePage, NoticeQuery};
pub use outbox::{OUTBOX_PAGE_MAX, OutboxRow};
pub use registration::{Liveness, NewRegistration, Reaped};

/// Longest time a write waits for other writers before it gives up with [`BusError::Busy`].
pub const WRITE_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(5);
