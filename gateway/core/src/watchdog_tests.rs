//! What the watchdog does, second by second.

use super::*;

const RULES: Rules = Rules { silence: Duration::from_secs(10), may_cycle: true, may_reset: true };

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One that scans since 0 s and heard a packet then.
fn hearing(rules: Rules) -> Watchdog {
    let mut watchdog = Watchdog::new(rules);
    watchdog.told(Duration::ZERO, Told::Here { powered: true });
    assert_eq!(watchdog.step(Duration::ZERO), Some(Step::Arm));
    watchdog.done(Duration::ZERO, Outcome::Done);
    watchdog.told(Duration::ZERO, Told::Heard);
    watchdog
}

/// The steps until `until`, each with the time at which it was due; each goes as `outcome` has it.
fn steps(watchdog: &mut Watchdog, until: Duration, outcome: impl Fn(Step) -> Outcome) -> Vec<(u64, Step)> {
    let mut steps = Vec::new();
    while let Some(due) = watchdog.deadline().filter(|due| *due <= until) {
        let step = watchdog.step(due).expect("it is due");
        steps.push((due.as_millis() as u64, step));
        watchdog.done(due, outcome(step));
    }
    steps
}

#[test]
fn silence_on_a_busy_air_is_met_by_more_and_more() {
    let found = steps(&mut hearing(RULES), s(60), |_| Outcome::Done);
    let wanted = [
        (10_000, Step::Arm),
        (20_000, Step::PowerCycle),
        (20_000, Step::Arm),
        (30_000, Step::Reset),
        (30_000, Step::Arm),
        (40_000, Step::Arm),
        (50_000, Step::Arm),
        (60_000, Step::Arm),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn what_may_not_be_done_is_not_done() {
    let no_reset = Rules { may_reset: false, ..RULES };
    let found = steps(&mut hearing(no_reset), s(3600), |_| Outcome::Done);
    assert!(found.iter().all(|(_, step)| *step != Step::Reset));
    let nothing = Rules { may_cycle: false, ..no_reset };
    let found = steps(&mut hearing(nothing), s(3600), |_| Outcome::Done);
    assert!(found.iter().all(|(_, step)| *step == Step::Arm));
}

#[test]
fn an_air_that_was_always_silent_is_left_in_peace() {
    let mut watchdog = Watchdog::new(RULES);
    watchdog.told(Duration::ZERO, Told::Here { powered: true });
    let day = steps(&mut watchdog, s(24 * 3600), |_| Outcome::Done);
    assert_eq!(day[..3], [(0, Step::Arm), (60_000, Step::Arm), (180_000, Step::Arm)]);
    assert!(day.iter().all(|(_, step)| *step == Step::Arm), "nothing but that");
    assert!(day.len() < 110, "{} times", day.len());
}

#[test]
fn an_air_that_fell_silent_for_good_is_left_in_peace_in_the_end() {
    let day = steps(&mut hearing(RULES), s(24 * 3600), |_| Outcome::Done);
    let of = |wanted| day.iter().filter(|(_, step)| *step == wanted).count();
    assert!(of(Step::Reset) <= 2 && of(Step::PowerCycle) <= 5, "{day:?}");
    assert!(day.iter().filter(|(at, _)| *at > 3_600_000).count() < 110);
}

#[test]
fn one_that_is_switched_off_is_switched_on_after_a_moment() {
    let mut watchdog = hearing(RULES);
    watchdog.told(s(1), Told::Powered(false));
    let found = steps(&mut watchdog, s(5), |_| Outcome::Done);
    assert_eq!(found, [(3_000, Step::PowerOn), (3_000, Step::Arm)]);
    assert_eq!(watchdog.deaf_time(), s(2));
}

#[test]
fn what_rfkill_blocks_is_tried_until_it_is_free() {
    let mut watchdog = hearing(RULES);
    watchdog.told(s(1), Told::Powered(false));
    let found = steps(&mut watchdog, s(10), |_| Outcome::Blocked);
    assert_eq!(found, [(3_000, Step::PowerOn), (6_000, Step::PowerOn), (9_000, Step::PowerOn)]);
    assert!(!watchdog.scanning());
}

#[test]
fn a_scan_that_others_switched_off_has_a_moment_to_come_back() {
    let mut watchdog = hearing(RULES);
    watchdog.told(s(1), Told::Scan(false));
    assert!(!watchdog.scanning());
    watchdog.told(s(3), Told::Scan(true));
    assert!(watchdog.scanning());
    watchdog.told(s(3), Told::Heard);
    assert_eq!(watchdog.deadline(), Some(s(13)), "only silence");
    watchdog.told(s(5), Told::Scan(false));
    assert_eq!(steps(&mut watchdog, s(9), |_| Outcome::Done), [(8_000, Step::Arm)]);
    watchdog.told(s(9), Told::Heard);
    assert_eq!(watchdog.deaf_time(), s(4), "since the last one was switched off");
}

#[test]
fn a_scan_that_cannot_be_started_is_tried_again_and_then_more_is_done() {
    let mut watchdog = Watchdog::new(RULES);
    watchdog.told(Duration::ZERO, Told::Here { powered: true });
    let done = |step| if step == Step::Arm { Outcome::Failed } else { Outcome::Done };
    let found = steps(&mut watchdog, ms(9_000), done);
    let wanted = [
        (0, Step::Arm),
        (500, Step::Arm),
        (1_500, Step::Arm),
        (3_500, Step::PowerCycle),
        (3_500, Step::Reset),
        (3_500, Step::Arm),
        (7_500, Step::Arm),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn one_that_cannot_be_switched_on_is_reset_but_seldom() {
    let mut watchdog = Watchdog::new(RULES);
    watchdog.told(Duration::ZERO, Told::Here { powered: false });
    let hour = steps(&mut watchdog, s(3600), |_| Outcome::Off);
    let resets: Vec<_> = hour.iter().filter(|(_, step)| *step == Step::Reset).map(|(at, _)| at / 60_000).collect();
    assert_eq!(resets, [0, 5, 15, 35]);
}

#[test]
fn one_that_is_gone_is_only_waited_for() {
    let mut watchdog = hearing(RULES);
    watchdog.told(s(1), Told::Gone);
    assert_eq!(watchdog.deadline(), None);
    watchdog.told(s(100), Told::Here { powered: true });
    assert_eq!(steps(&mut watchdog, s(101), |_| Outcome::Done), [(100_000, Step::Arm)]);
    assert_eq!(watchdog.deaf_time(), s(99));
}

#[test]
fn others_that_keep_ending_the_scan_are_not_fought_at_full_speed() {
    let mut watchdog = hearing(RULES);
    let mut now = s(2);
    let mut arms = 0;
    while now < s(12) {
        watchdog.told(now, Told::Disturbed);
        arms += steps(&mut watchdog, now, |_| Outcome::Done).len();
        now += ms(10);
    }
    assert!((9..=11).contains(&arms), "{arms}");
}

#[test]
fn a_scan_that_does_not_begin_though_the_kernel_says_so_is_not_believed() {
    let mut watchdog = Watchdog::new(RULES);
    watchdog.told(Duration::ZERO, Told::Here { powered: true });
    watchdog.told(Duration::ZERO, Told::Scan(false));
    let found = steps(&mut watchdog, s(12), |_| Outcome::Done);
    let wanted = [
        (0, Step::Arm),
        (3_000, Step::Arm),
        (6_000, Step::Arm),
        (9_000, Step::Arm),
        (12_000, Step::PowerCycle),
        (12_000, Step::Arm),
    ];
    assert_eq!(found, wanted);
    watchdog.told(s(13), Told::Scan(true));
    assert!(watchdog.scanning());
    assert_eq!(watchdog.deadline(), Some(s(12 + 60)), "an air without a sound");
}
