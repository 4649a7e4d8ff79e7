//! The person at the keyboard.

use crate::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// A person. A local install has one, made at the first start; teams have many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub name: String,
    pub email: Option<String>,
    pub created_at: Timestamp,
}
