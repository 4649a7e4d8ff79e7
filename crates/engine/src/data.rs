//! The data itself: verify, rebuild, export.

use crate::{Call, DataReport, Engine};
use model::Refusal;
use std::path::PathBuf;

impl Engine {
    pub async fn verify(&self, call: &Call) -> Result<DataReport, Refusal> {
        todo!()
    }

    pub async fn rebuild(&self, call: &Call) -> Result<DataReport, Refusal> {
        todo!()
    }

    pub async fn export(&self, call: &Call, to: Option<PathBuf>) -> Result<DataReport, Refusal> {
        todo!()
    }
}
