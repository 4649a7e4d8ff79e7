//! xtask as a program: what it starts for the tests, and that it is gone afterwards.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail like the tests themselves")]

mod servers;
