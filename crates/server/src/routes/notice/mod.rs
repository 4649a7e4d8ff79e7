mod ack;
mod channels;
mod inbox;
mod list;
mod publish;
mod receipts;

use crate::failure::Failure;
use crate::router::Binder;
use model::Refusal;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("list_notices", list::handle)
        .bind("publish_notice", publish::handle)
        .bind("list_inbox", inbox::handle)
        .bind("ack_notice", ack::handle)
        .bind("list_receipts", receipts::handle)
        .bind("list_channels", channels::handle)
}

/// A notice is named by its place on the bus.
fn number(given: &str) -> Result<i64, Failure> {
    let number = given.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| {
        Refusal::invalid("notice_id", "a notice is named by its id, which is a number")
            .hint("`coditect msg list` shows the ids")
            .into()
    })
}
