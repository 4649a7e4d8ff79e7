//! Boards: a view of sessions that owns only positions.

use crate::{BoardId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    pub id: BoardId,
    pub slug: String,
    pub name: String,
    pub created_at: Timestamp,
}
