//! Each fault of the catalogue has a test at the wire, which this file names: a new one without is found here.

/// Tests by file and name, with the faults whose effect and end they show.
const TESTS: &[(&str, &str, &[&str])] = &[
    (
        "deliveries",
        "a_socket_is_dropped_with_the_code_that_was_asked_for_and_may_come_back",
        &["drop-socket"],
    ),
    ("deliveries", "a_half_open_socket_is_silent_until_the_fault_ends", &["half-open"]),
    ("deliveries", "notifications_are_late_while_the_fault_lasts", &["delay"]),
    ("deliveries", "notifications_come_twice_with_the_same_or_a_new_id", &["duplicate", "duplicate-new-id"]),
    ("deliveries", "neighbours_change_places_and_nothing_is_lost", &["reorder"]),
    ("deliveries", "a_lost_notification_is_in_the_log", &["lose"]),
    (
        "deliveries",
        "a_channel_is_announced_to_be_closed_and_ends_as_at_the_end_of_its_life",
        &["to-be-closed"],
    ),
    ("deliveries", "a_socket_that_returns_gets_nothing_of_what_it_missed", &["no-replay"]),
    ("modes", "two_sockets_share_a_channel_while_the_mode_lasts", &["sockets-share"]),
    (
        "webhooks",
        "a_receiver_is_told_twice_late_in_another_order_or_not_at_all_and_then_as_usual",
        &["webhook-twice", "webhook-late", "webhook-reorder", "webhook-lost"],
    ),
    ("webhooks", "a_signature_fits_no_more_and_then_again", &["webhook-wrong-signature"]),
    (
        "webhooks",
        "another_4xx_and_a_slow_answer_are_failures_while_the_modes_last",
        &["webhook-impatient", "webhook-4xx-retried"],
    ),
    (
        "webhooks",
        "a_receiver_that_is_gone_takes_its_channel_with_it_while_the_mode_lasts",
        &["webhook-404-removes"],
    ),
    (
        "webhooks",
        "an_address_fails_its_proof_or_is_not_asked_for_it",
        &["webhook-unproven", "webhook-unasked"],
    ),
    (
        "answers",
        "refusals_come_so_often_and_then_all_is_well",
        &["unauthorized", "forbidden", "not-found", "conflict", "rate-limited", "server-error"],
    ),
    ("answers", "a_request_is_carried_out_and_its_answer_is_lost_once", &["answer-lost"]),
    ("answers", "a_slow_answer_is_late_once", &["slow"]),
    (
        "answers",
        "a_207_that_is_partial_and_a_201_without_items_subscribe_nothing",
        &["partial-207", "empty-items"],
    ),
    ("answers", "a_report_comes_later_and_is_revised_later", &["report-later", "revision-later"]),
    ("sign_in", "a_token_expires_early_and_a_fresh_one_works", &["expire-token"]),
    (
        "sign_in",
        "the_token_endpoint_answers_otherwise_once",
        &["refresh-refused", "token-type-missing", "old-token-answer", "grant-errors-401"],
    ),
    (
        "sign_in",
        "refresh_tokens_rotate_or_do_not_and_old_ones_may_end",
        &["refresh-rotated", "refresh-not-rotated", "old-refresh-ends"],
    ),
    ("sign_in", "credentials_in_the_body_are_refused_while_the_mode_lasts", &["body-credentials-refused"]),
    (
        "sign_in",
        "a_code_or_its_verifier_is_refused_or_not_looked_at",
        &["pkce-refused", "pkce-ignored", "code-refused"],
    ),
    ("sign_in", "a_new_access_token_ends_the_older_ones_while_the_mode_lasts", &["old-access-ends"]),
    (
        "modes",
        "reports_history_and_recordings_answer_otherwise",
        &[
            "not-admin",
            "scim-no-accounts",
            "user-permissions",
            "report-subscription-200",
            "participant-id",
            "nulls-in-answers",
            "page-size",
            "last-page-marker",
            "marker-expired",
            "marker-forgets-filters",
            "summaries-by-start",
            "history-subscription-200",
            "recording-not-uploaded",
            "content-needs-token",
            "capital-page-marker",
        ],
    ),
    (
        "modes",
        "channels_answer_otherwise",
        &[
            "channel-url-top-level",
            "channel-list-lag",
            "lifetime-ignored",
            "lifetime-10800",
            "channel-quota",
            "strict-nickname",
            "nickname-read-missing",
            "empty-refresh-refused",
            "lifetime-put-refused",
            "callback-url",
        ],
    ),
    ("modes", "a_second_socket_is_refused_and_the_first_goes_on", &["second-socket-refused"]),
    (
        "frames",
        "frames_are_otherwise_on_the_channel_of_the_mode_alone_and_until_it_ends",
        &[
            "short-envelope",
            "ttl-text",
            "event-id-goes-on",
            "foreign-notification",
            "report-of-guide",
            "report-with-ai",
        ],
    ),
    (
        "frames",
        "frames_are_otherwise_for_the_whole_account_until_the_modes_end",
        &[
            "new-members",
            "new-values",
            "empty-lists-left-out",
            "timestamps",
            "recording-documented",
            "caller-number",
            "hold-names",
            "no-answer-outcome",
            "truncated-report",
            "unknown-outcome",
            "history-seconds",
            "history-old-ids",
        ],
    ),
    (
        "modes",
        "live_calls_answer_otherwise",
        &[
            "new-error-code",
            "subscription-list-lag",
            "empty-keys-listed",
            "line-subscription-refused",
            "resubscribe-conflict",
            "unsubscribe-always-204",
            "constraints-key",
            "events-bare",
            "sequence-exclusive",
            "events-gone",
        ],
    ),
    ("ids", "every_id_has_another_form_and_may_be_named_in_it", &["opaque-ids"]),
    ("modes", "a_subscription_is_deleted_with_200", &["unsubscribe-200"]),
    (
        "states",
        "all_doors_tell_the_same_states_under_a_mode_and_as_usual_after_it",
        &[
            "unanswered-starting",
            "same-timestamp",
            "contact-matched",
            "answer-in-one-state",
            "hold-carrier",
            "transfer-carrier",
        ],
    ),
    ("frames", "a_revision_has_another_content_while_the_mode_lasts", &["revision-payload"]),
];

const SOURCES: [(&str, &str); 8] = [
    ("answers", include_str!("answers.rs")),
    ("deliveries", include_str!("deliveries.rs")),
    ("frames", include_str!("frames.rs")),
    ("ids", include_str!("ids.rs")),
    ("modes", include_str!("modes.rs")),
    ("sign_in", include_str!("sign_in.rs")),
    ("states", include_str!("states.rs")),
    ("webhooks", include_str!("webhooks.rs")),
];

/// Names in the tables of the documentation, which another test compares with the catalogue.
fn documented() -> Vec<&'static str> {
    let (tables, _) = include_str!("../../../docs/faults.md").split_once("\n## Open questions\n").unwrap();
    let (_, tables) = tables.split_once("\n## Deliveries\n").unwrap();
    tables.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

#[test]
fn each_fault_of_the_catalogue_has_a_test_at_the_wire() {
    let all = documented();
    assert!(all.len() > 90, "{}", all.len());
    for name in &all {
        let tests = TESTS.iter().filter(|(_, _, shown)| shown.contains(name)).count();
        assert_eq!(tests, 1, "{name}: name here the test that shows its effect at the wire");
    }
    for (file, test, shown) in TESTS {
        let (_, source) = SOURCES.iter().find(|(name, _)| name == file).expect(file);
        assert!(source.contains(&format!("#[tokio::test]\nasync fn {test}(")), "{file} has no test {test}");
        for name in *shown {
            assert!(all.contains(name), "{name} is no fault");
            assert!(source.contains(&format!("\"{name}\"")), "{file} does not meet {name}");
        }
    }
}
