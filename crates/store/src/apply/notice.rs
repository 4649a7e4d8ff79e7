//! Notices.

use super::{optional, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::Notice;

statements! { STATEMENTS in Sessions {
    INSERT_NOTICE = "INSERT INTO notices (seq, notice_id, channel, sender, recipient, created_at, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
} }

/// The bus counts its notices anew when messaging.db is new, so the row is named by the record.
pub(super) fn published(db: &Connection, record: &Record, notice: &Notice) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_NOTICE,
        params![
            seq(record),
            notice.id,
            notice.channel.as_str(),
            notice.sender.to_string(),
            optional(notice.recipient),
            notice.created_at.as_millis(),
            column::to_json(notice)?
        ],
    )?;
    Ok(())
}
