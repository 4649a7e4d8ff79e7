//! The same tests once more, on PostgreSQL: in schemas of their own in the server CODITECT_TEST_POSTGRES names, which are
//! dropped when a test is over.

use crate::workspace::on_server;

macro_rules! on_a_server {
    ($($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(#[test]
            fn $case() {
                super::on_server(crate::$module::$case);
            })+
        })+
    };
}

on_a_server! {
    commit: a_receipt_means_durable_and_readable, a_key_seen_before_is_answered_with_the_records_of_then,
        keys_of_the_outbox_are_forgotten_a_window_behind_the_newest_and_others_never,
        a_refused_or_empty_commit_leaves_its_key_free,
        keys_and_payloads_over_their_limits_are_refused_and_nothing_is_written,
        readers_are_not_blocked_by_a_long_batch_and_see_nothing_of_it,
        a_reader_never_blocks_a_commit_and_keeps_its_view,
        a_read_that_a_commit_overtakes_sees_one_state, a_full_queue_is_busy_and_the_waiting_are_all_answered,
        a_command_sees_the_commits_before_it, a_command_that_panics_is_refused_and_the_next_goes_on,
        the_doorbell_rings_after_the_commit_is_readable,
        after_closing_everything_is_refused_and_what_was_queued_is_done, the_last_handle_may_go_away_in_a_reply;
    query: short_ids_resolve_to_one_none_or_many, every_noun_with_a_short_id_resolves,
        genealogy_goes_up_and_down_over_spawns_and_forks, genealogy_ends_even_where_the_family_does_not,
        sessions_are_listed_newest_first_in_pages_without_the_archived, messages_come_in_pages_from_the_newest,
        a_draft_lives_until_its_message_or_its_turn_is_complete, the_history_reads_back_noun_by_noun,
        participants_and_usage_follow_the_model_calls, the_seeds_view_of_a_session_is_still_there;
    task: a_task_is_worked_on_by_each_target_and_then_completed, two_agents_can_wait_for_answers_on_one_task,
        after_a_crash_what_did_not_complete_is_submitted_again,
        an_ended_task_lets_nobody_start_and_takes_no_more_steps,
        ready_tasks_come_by_priority_then_age_and_wait_for_their_dependencies;
    board: what_is_on_a_board_is_read_back_as_it_is_now,
        a_card_goes_with_what_it_stands_for_and_a_board_takes_nothing_else_along,
        of_a_cards_firings_the_last_is_kept_and_what_is_under_way;
    terms: a_claim_is_fenced_by_its_token_and_given_back_by_a_resubmission,
        what_a_task_depends_on_can_change_until_it_has_ended, what_is_due_is_found_by_its_time;
    session: artifacts_are_listed_until_they_are_removed_by_their_own_session;
    imported: a_record_knows_when_it_happened_and_when_it_was_read_in, nothing_of_it_is_open_running_live_or_due;
    checkpoint: points_are_listed_until_they_are_removed_and_bundles_and_restores_are_known;
    condensed: a_reader_goes_by_the_newest_one_that_reaches_no_further_than_he_does;
    context: the_projection_has_what_is_shared_and_a_rebuild_makes_it_again;
    dump: replay_from_zero_gives_the_same_rows, reopening_changes_nothing,
        rebuild_and_swap_gives_the_same_rows_while_the_store_is_in_use,
        commits_and_reads_go_on_while_files_are_exchanged_and_never_see_half;
    sides: an_order_makes_them_anew_while_the_store_works;
    total: figures_no_model_can_mean_still_apply_and_add_up;
    recovery: the_archive_follows_to_the_end_before_the_store_is_closed;
}
