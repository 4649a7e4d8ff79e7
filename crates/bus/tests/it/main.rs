//! The bus against real files and real processes: one module per promise.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail like the tests themselves")]

mod actor;
mod answers;
mod bridge;
mod claims;
mod conformance;
mod contest;
mod context;
mod deliveries;
mod encrypted;
mod fence;
mod gate;
mod history;
mod hostile;
mod janitor;
mod locks;
mod nats;
mod notices;
mod opening;
mod outbox;
mod postgresql;
mod process;
mod registrations;
mod slots;
mod stage;
mod stopped;
mod undecided;
mod waiting;
