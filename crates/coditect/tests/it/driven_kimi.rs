//! A daemon and the real Kimi Code.

use crate::driven;
use testkit::vendors::VendorCli;

#[test]
fn it_edits_under_locks_and_goes_on() {
    driven::works_and_remembers(VendorCli::Kimi, true);
}

#[test]
fn it_waits_for_a_file_that_another_holds() {
    driven::waits_for_a_lock(VendorCli::Kimi);
}

#[test]
fn its_death_is_noticed() {
    driven::a_killed_program_is_noticed(VendorCli::Kimi);
}

#[test]
fn a_configuration_it_cannot_read_is_left_as_it_is() {
    driven::leaves_a_broken_configuration_alone(VendorCli::Kimi, None);
}

#[test]
fn a_canceled_turn_and_a_killed_daemon_leave_nobody() {
    driven::leaves_nobody(VendorCli::Kimi);
}

#[test]
fn a_limit_of_its_account_pauses_its_vendor() {
    driven::a_used_up_limit_pauses_its_vendor(VendorCli::Kimi);
}
