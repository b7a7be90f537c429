//! Known attacks: what has hurt one broker or another, each shape by a test of its own, over real sockets and in raw
//! bytes. What the attacker gets is said to the byte; and after each attack a client that did nothing must have
//! noticed nothing ([`siege::Siege::nobody_noticed`]).
//!
//! | shape | test |
//! |---|---|
//! | `#`, `+`, `/` in the names that pattern rules put in | `patterns::a_name_with_wildcards_opens_nothing_that_is_not_its_own`, `patterns::a_name_with_a_slash_is_put_into_no_pattern` |
//! | a huge length announced before the login | `lengths::fourteen_oversized_first_packets_cost_nothing`, `strangers::nothing_is_allocated_for_a_length_that_is_only_announced` |
//! | every invalid encoding of a length | `lengths::a_length_of_five_bytes_is_refused_at_its_fourth`, `lengths::a_length_of_more_bytes_than_it_needs_is_for_the_old_versions_only`, `lengths::a_packet_shorter_or_longer_than_its_fields_is_malformed` |
//! | invalid UTF-8, U+0000, surrogates in every text | `texts::a_text_that_is_none_is_malformed_in_every_field`, `texts::data_may_be_any_bytes` |
//! | publishing to topics that begin with `$` | `topics::the_brokers_own_topics_are_refused_and_others_that_begin_with_a_dollar_are_not` |
//! | an empty topic | `topics::an_empty_topic_is_no_topic` |
//! | a topic of 65,535 bytes | `topics::a_topic_of_65535_bytes_is_a_topic` |
//! | 65,400 slashes | `topics::more_levels_than_the_broker_goes_into_are_refused_and_200_slashes_are_not` |
//! | thousands of user properties | `properties::thousands_of_user_properties_are_carried_and_kept_no_longer_than_needed` |
//! | properties that stand twice, or in the wrong packet | `properties::a_property_that_stands_twice_is_a_protocol_error`, `properties::a_property_of_another_packet_is_malformed` |
//! | two CONNECTs | `order::a_second_connect_ends_the_connection` |
//! | something else before CONNECT | `order::whoever_begins_with_anything_but_connect_is_closed_without_a_word` |
//! | CONNACK, SUBACK, UNSUBACK, PINGRESP, AUTH to the broker | `order::what_only_a_broker_says_is_a_protocol_error` |
//! | reserved flags of every packet type, and type 0 | `order::reserved_flags_are_malformed_on_every_packet_type` |
//! | Packet Identifier 0 | `identifiers::packet_identifier_0_is_a_protocol_error` |
//! | PUBACK, PUBREC, PUBREL, PUBCOMP for nothing | `identifiers::acknowledgements_of_nothing_are_answered_or_passed_over` |
//! | QoS 2 with one identifier again and again | `identifiers::a_qos2_message_sent_a_thousand_times_is_one_message` |
//! | QoS 2 with every identifier and no PUBREL | `identifiers::qos2_messages_that_are_never_released_are_bounded` |
//! | a will with QoS 3, without a topic, with wildcards | `wills::a_will_that_cannot_be_is_not_let_in` |
//! | a will to `$CONTROL/`, `$SYS/`, `$share/` | `wills::a_will_to_the_brokers_own_topics_is_never_published` |
//! | a will delay beyond the session's end | `wills::a_will_that_would_come_after_its_session_comes_with_its_end` |
//! | SUBSCRIBE with reserved bits, or for nothing | `subscriptions::reserved_options_are_malformed`, `subscriptions::a_list_of_no_filters_is_a_protocol_error` |
//! | `$share` malformed, or mixed with the plain filter | `subscriptions::a_shared_subscription_without_group_or_filter_is_malformed`, `subscriptions::a_group_and_the_plain_filter_in_one_subscribe_are_two_subscriptions` |
//! | a silent connection | `dawdlers::a_client_that_says_nothing_is_let_go_after_one_and_a_half_keep_alives`, `strangers::a_thousand_connections_that_say_nothing_keep_nobody_waiting`; the deadline: `a_link_without_connect_is_closed_after_the_login_time` in `broker-core` |
//! | a slow CONNECT | `strangers::half_packets_and_a_slow_connect_keep_nobody_waiting`; the deadline, which bytes do not move: as above |
//! | a packet that never ends | `dawdlers::a_packet_in_drops_does_not_keep_a_client_alive` |
//! | a connection that never reads | `strangers::a_subscriber_that_never_reads_costs_a_bounded_amount_and_keeps_nobody_waiting`, `strangers::a_client_that_never_reads_its_answers_costs_a_bounded_amount_and_keeps_nobody_waiting` |
//! | WebSocket: a frame's length that is announced and never sent, frames of nothing, in drops | `websocket::a_length_that_is_only_announced_costs_nothing`, `websocket::frames_of_nothing_do_not_keep_a_stranger` |
//! | WebSocket: unmasked, reserved, text, fragments and control frames as they may not be | `websocket::a_frame_that_may_not_be_ends_its_connection_with_its_status` |
//! | WebSocket: a flood of pings that reads no pong | `websocket::pings_without_end_cost_nothing` |
//! | HTTP: a head without end, a smuggled line, a request that is none | `websocket::a_head_without_end_is_cut_off`, `websocket::what_is_no_request_is_answered_or_closed` |

mod siege;
mod wire;

mod dawdlers;
mod identifiers;
mod lengths;
mod order;
mod patterns;
mod properties;
mod subscriptions;
mod texts;
mod topics;
mod websocket;
mod wills;
