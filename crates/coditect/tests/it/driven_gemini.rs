//! A daemon and the real Gemini CLI. Its sessions are too young to be loaded here, so the second turn is told the first.

use crate::driven;
use testkit::vendors::VendorCli;

#[test]
fn it_edits_under_locks_and_goes_on() {
    driven::works_and_remembers(VendorCli::Gemini, false);
}

#[test]
fn it_waits_for_a_file_that_another_holds() {
    driven::waits_for_a_lock(VendorCli::Gemini);
}

#[test]
fn its_death_is_noticed() {
    driven::a_killed_program_is_noticed(VendorCli::Gemini);
}

#[test]
fn a_configuration_it_cannot_read_is_left_as_it_is() {
    driven::leaves_a_broken_configuration_alone(VendorCli::Gemini, Some("vendor_died"));
}

#[test]
fn a_canceled_turn_and_a_killed_daemon_leave_nobody() {
    driven::leaves_nobody(VendorCli::Gemini);
}

#[test]
fn a_limit_of_its_account_pauses_its_vendor() {
    driven::a_used_up_limit_pauses_its_vendor(VendorCli::Gemini);
}
