//! Vendors that take no more calls for a while. The last word counts, also when it is an earlier time.

use super::seq;
use crate::StoreError;
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use journal::Record;
use model::VendorPause;

statements! { STATEMENTS in Sessions {
    PAUSE_VENDOR = "INSERT INTO vendor_pauses (vendor, until, reason, seq) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (vendor) DO UPDATE SET until = excluded.until, reason = excluded.reason, seq = excluded.seq";
} }

pub(super) fn paused(db: &Connection, record: &Record, pause: &VendorPause) -> Result<(), StoreError> {
    let (vendor, until) = (pause.vendor.as_str(), pause.until.as_millis());
    run(db, &PAUSE_VENDOR, params![vendor, until, pause.reason, seq(record)]).map(drop)
}
