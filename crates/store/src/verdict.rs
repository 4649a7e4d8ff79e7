//! What becomes of one commit of a batch, whatever the batch is written to.

use crate::{CommitError, Receipt};
use journal::Record;
use model::Refusal;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) type Verdict = Result<Receipt, CommitError>;

/// Why one commit came to nothing; the rest of its batch goes on unless the whole fails, for the reason `F`.
pub(crate) enum Rejection<F> {
    Commit(CommitError),
    Batch(F),
}

impl<F> From<Refusal> for Rejection<F> {
    fn from(refusal: Refusal) -> Self {
        Self::Commit(CommitError::Refused(refusal))
    }
}

/// Has a commit decided and written, behind the `fresh` records of those before it. Its own are added to them. Of one that is
/// refused, the caller takes back what was written.
pub(crate) fn reach<F>(
    fresh: &mut Vec<Record>,
    decide: impl FnOnce(&[Record]) -> Result<Receipt, Rejection<F>>,
) -> Result<Verdict, F> {
    let panicked = |_| Err(Refusal::internal("the command panicked; this is a bug").into());
    match catch_unwind(AssertUnwindSafe(|| decide(fresh))).unwrap_or_else(panicked) {
        Ok(receipt) => {
            if !receipt.replayed {
                fresh.extend(receipt.records.iter().cloned());
            }
            Ok(Ok(receipt))
        }
        Err(Rejection::Commit(error)) => Ok(Err(error)),
        Err(Rejection::Batch(failure)) => Err(failure),
    }
}
