//! Which options have no row because one does not show what they do, and the test that does.

use std::path::Path;

use broker_conf::{Status, options};

/// Option, file, test. The test fails without the option.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("acl_file", OPERATIONS, "the_rules_of_clients_that_are_connected_change_on_sighup"),
    ("autosave_interval", SETUP, "what_only_time_shows_reaches_the_broker"),
    ("autosave_on_changes", SETUP, "what_only_time_shows_reaches_the_broker"),
    ("bind_interface", SOCKETS, "an_interface_has_its_own_addresses_and_a_wrong_one_is_refused_in_mosquittos_words"),
    ("cafile", DOORS, "a_required_client_certificate_is_asked_for_and_its_owner_comes_in_with_both_versions"),
    ("certfile", DOORS, "tls_1_2_and_1_3_open_with_a_certificate_that_verifies"),
    ("ciphers", TLS, "suites_and_versions_are_agreed_on_as_with_mosquitto"),
    ("ciphers_tls1.3", TLS, "suites_and_versions_are_agreed_on_as_with_mosquitto"),
    ("crlfile", TLS, "whose_certificate_is_revoked_is_refused_as_by_mosquitto"),
    (
        "disable_client_cert_date_checks",
        TLS,
        "an_expired_certificate_is_refused_as_by_mosquitto_unless_dates_do_not_count",
    ),
    ("enable_control_api", OPTIONS, "listeners_are_told_of_when_the_control_api_is_enabled"),
    ("http_dir", "tests/appliance/web_pages.rs", "files_of_http_dir_are_served_and_none_outside_it"),
    ("keyfile", DOORS, "tls_1_2_and_1_3_open_with_a_certificate_that_verifies"),
    ("listener", RELOAD, "listeners_are_opened_and_closed_and_the_clients_of_the_others_notice_nothing"),
    ("log_dest", LOGS, "the_log_is_published_as_mosquitto_publishes_it_and_does_not_feed_itself"),
    ("log_facility", LOGS, "syslog_and_the_journal_are_told_each_in_its_own_form"),
    ("memory_limit", OPTIONS, "above_memory_limit_what_would_stay_is_refused_until_the_limit_is_another"),
    (
        "mount_point",
        "tests/appliance/mount_point.rs",
        "clients_of_a_listener_with_a_mount_point_see_its_part_and_mosquittos_publish_to_the_same",
    ),
    ("password_file", OPERATIONS, "passwords_and_rules_edited_well_take_effect_on_sighup"),
    (
        "per_listener_settings",
        "tests/appliance/listeners.rs",
        "a_reload_sends_away_whom_the_file_of_its_own_listener_no_longer_lets_in_and_nobody_else",
    ),
    (
        "persistence_location",
        "tests/durable/full.rs",
        "a_full_disk_refuses_what_is_new_keeps_what_was_taken_and_has_room_again_when_that_was_fetched",
    ),
    ("pid_file", OPTIONS, "in_the_background_the_pid_file_names_the_process_that_runs_and_goes_with_it"),
    ("port", "tests/appliance/scenarios.rs", "scenario_1_open_works_with_the_guides_files"),
    ("protocol", "tests/appliance/websocket.rs", "who_comes_by_websocket_and_who_comes_without_meet"),
    ("psk_file", DOORS, "psk_and_certificate_clients_meet_at_one_port"),
    ("psk_hint", DOORS, "psk_and_certificate_clients_meet_at_one_port"),
    (
        "require_certificate",
        DOORS,
        "a_required_client_certificate_is_asked_for_and_its_owner_comes_in_with_both_versions",
    ),
    ("retain_expiry_interval", SETUP, "what_only_time_shows_reaches_the_broker"),
    ("socket_domain", SOCKETS, "an_interface_has_its_own_addresses_and_a_wrong_one_is_refused_in_mosquittos_words"),
    ("tls_version", DOORS, "tls_version_tlsv1_3_shuts_tls_1_2_out"),
    ("use_identity_as_username", IDENTITIES, "a_psk_identity_is_the_user_name"),
    (
        "use_subject_as_username",
        IDENTITIES,
        "a_certificate_gives_the_user_name_as_in_mosquitto_and_no_password_is_asked_for",
    ),
    (
        "user",
        OPERATIONS,
        "a_user_that_is_not_there_and_files_that_cannot_be_written_are_found_by_check_and_end_a_start",
    ),
    ("websockets_origin", "tests/appliance/websocket.rs", "websockets_origin_is_who_may_connect_from_a_page"),
];

const DOORS: &str = "tests/appliance/doors.rs";
const IDENTITIES: &str = "tests/appliance/identities.rs";
const LOGS: &str = "tests/appliance/logs.rs";
const OPERATIONS: &str = "tests/appliance/operations.rs";
const OPTIONS: &str = "tests/appliance/options.rs";
const RELOAD: &str = "tests/appliance/reload.rs";
const SETUP: &str = "src/setup.rs";
const SOCKETS: &str = "tests/appliance/unix_sockets.rs";
const TLS: &str = "tests/appliance/tls_options.rs";

/// What changes nothing that could be seen; why.
const INVISIBLE: &[(&str, &str)] =
    &[("set_tcp_nodelay", "packets are gathered by us and sent at once, whatever it says")];

#[test]
fn no_option_is_without_a_test_that_fails_without_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut rows = String::new();
    for file in ["clients", "doors", "logs", "messages", "store"] {
        let path = root.join(format!("tests/appliance/each_option/{file}.rs"));
        rows += &std::fs::read_to_string(path).expect("a file of this test");
    }
    // However long its lines are.
    rows.retain(|c| !c.is_whitespace());
    let mut missing = Vec::new();
    for option in options().iter().filter(|option| matches!(option.status(), Status::Carried)) {
        for name in std::iter::once(&option.name).chain(option.aliases) {
            let has_row = rows.contains(&format!("Row::new(\"{name}\","));
            let elsewhere = ELSEWHERE.iter().find(|(other, ..)| other == name);
            match elsewhere {
                _ if has_row => assert!(elsewhere.is_none(), "{name} has a row; it need not be elsewhere"),
                None if INVISIBLE.iter().any(|(other, _)| other == name) => {}
                None => missing.push(*name),
                Some((_, file, test)) => {
                    let text =
                        std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
                    assert!(text.contains(&format!("fn {test}(")), "{name}: {file} has no test {test}");
                }
            }
        }
    }
    assert!(missing.is_empty(), "options that no test is named for: {missing:?}");
}
