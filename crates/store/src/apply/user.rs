//! Users.

use super::seq;
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::User;

statements! { STATEMENTS in Sessions {
    INSERT_USER = "INSERT INTO users (user_id, seq, created_at, data) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (user_id) DO NOTHING";
} }

pub(super) fn created(db: &Connection, record: &Record, user: &User) -> Result<(), StoreError> {
    let row = params![user.id.to_string(), seq(record), user.created_at.as_millis(), column::to_json(user)?];
    run(db, &INSERT_USER, row)?;
    Ok(())
}
