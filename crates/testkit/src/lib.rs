//! What tests share: a clock that is set by hand, dice that are loaded. Dev-only.

mod clock;
mod entropy;
mod temp_repo;

pub use clock::ManualClock;
pub use entropy::SeededEntropy;
pub use temp_repo::{TempRepo, search_path};
