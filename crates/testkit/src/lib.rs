//! What tests share: a clock that is set by hand, dice that are loaded. Dev-only.

mod clock;
mod entropy;

pub use clock::ManualClock;
pub use entropy::SeededEntropy;
