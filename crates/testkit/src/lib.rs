//! What tests share: a clock that is set by hand, dice that are loaded, events of every kind,
//! the real programs of the vendors. Dev-only.

mod clock;
mod database;
mod entropy;
mod every_event;
mod json_schema;
pub mod noted;
mod skipped;
mod temp_repo;
pub mod vendors;

pub use clock::ManualClock;
pub use database::{DATABASE, database, name_database};
pub use entropy::SeededEntropy;
pub use every_event::every_event;
pub use json_schema::mismatch;
pub use skipped::{SKIPS, no_sandbox, skipped};
pub use temp_repo::{TempRepo, search_path};
