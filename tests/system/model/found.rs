//! Schedules that failed once, in their shortest form.

use super::run::run;
use super::schedule::{
    Deed, Direction, Mishap, Owner, Schedule, Setting, Step, Tag, TagEdit, Trouble, Value, Which,
};

pub const PLAIN: Setting = Setting {
    days_left: 20,
    attended: false,
    granted: true,
    foreign: false,
    two_places: false,
    lag: 0,
    lagging_reads: 0,
    pending_stays: false,
    late_labels: 0,
    labels_stay: true,
    hints: true,
    by_connection: false,
    labels_taken: 0,
    neighbour: false,
    moved: false,
    reattempts: 0,
};

fn runs(steps: Vec<Step>) {
    let setting = PLAIN;
    assert_eq!(run(&Schedule { setting, steps }), Ok(()));
}

#[test]
fn a_drift_that_stays_is_told_once_though_another_is_mended() {
    runs(vec![
        Step::Person(Deed::Disable(Direction::Receiving)),
        Step::Person(Deed::Deauthorize(Direction::Sending)),
    ]);
}

#[test]
fn several_versions_that_are_first_seen_superseded_together_end_their_quarantine_together() {
    runs(vec![
        Step::RotateNow(None),
        Step::RotateNow(None),
        Step::Person(Deed::PutValue(Value::MadeByHand)),
        Step::RotateNow(None),
    ]);
}

#[test]
fn what_a_person_promoted_is_told_once_it_is_delivered() {
    let promoted = Trouble {
        at: 10,
        mishap: Mishap::Meanwhile(Deed::MoveCurrentToPending),
    };
    runs(vec![Step::RotateNow(Some(promoted))]);
}

#[test]
fn what_a_connection_holds_is_not_swept_away_under_it() {
    runs(vec![
        Step::RotateNow(None),
        Step::Person(Deed::DropKeyLabel(Which::Current)),
        Step::Person(Deed::MoveCurrentToPrevious),
    ]);
}

#[test]
fn a_drift_that_a_rotation_mended_and_that_comes_back_is_told_again() {
    let mistyped = Trouble {
        at: 2,
        mishap: Mishap::Meanwhile(Deed::PutValue(Value::Mistyped)),
    };
    runs(vec![
        Step::Check(None),
        Step::RotateNow(Some(mistyped)),
        Step::Check(None),
        Step::Person(Deed::MoveCurrentToPrevious),
    ]);
}

#[test]
fn what_leaked_and_was_removed_is_no_orphan_to_a_check_that_sees_it_late() {
    let setting = Setting { lag: 15, ..PLAIN };
    let leaked = Trouble {
        at: 1,
        mishap: Mishap::Meanwhile(Deed::EditTag(Tag::Emergency, TagEdit::CurrentVersion)),
    };
    let steps = vec![
        Step::RotateNow(None),
        Step::RotateNow(Some(leaked)),
        Step::Check(None),
        Step::Check(None),
    ];
    assert_eq!(run(&Schedule { setting, steps }), Ok(()));
}

#[test]
fn what_a_version_stores_is_no_orphan_though_its_label_was_taken_away() {
    let off = Trouble {
        at: 1,
        mishap: Mishap::Meanwhile(Deed::Disable(Direction::Receiving)),
    };
    let throttled = Trouble {
        at: 3,
        mishap: Mishap::Throttled,
    };
    runs(vec![
        Step::RotateNow(Some(off)),
        Step::Check(None),
        Step::Person(Deed::DropKeyLabel(Which::Pending)),
        Step::Check(Some(throttled)),
    ]);
}

#[test]
fn what_a_check_delivers_is_told_wherever_it_is_killed() {
    let setting = Setting {
        days_left: 60,
        ..PLAIN
    };
    for at in 1..45 {
        let killed = Trouble {
            at,
            mishap: Mishap::KilledBefore,
        };
        let steps = vec![
            Step::Check(None),
            Step::Person(Deed::Deauthorize(Direction::Sending)),
            Step::Check(Some(killed)),
        ];
        let schedule = Schedule {
            setting: setting.clone(),
            steps,
        };
        assert_eq!(run(&schedule), Ok(()), "at call {at}");
    }
}

#[test]
fn what_a_rotation_that_gives_up_puts_back_is_told() {
    let setting = Setting {
        days_left: 60,
        granted: false,
        ..PLAIN
    };
    let steps = vec![
        Step::RotateNow(None),
        Step::Person(Deed::DeleteCredential(Which::Pending)),
    ];
    assert_eq!(run(&Schedule { setting, steps }), Ok(()));
}

#[test]
fn a_value_that_is_current_under_anothers_id_is_not_removed_as_superseded() {
    for hints in [false, true] {
        let setting = Setting {
            days_left: 20,
            hints,
            ..PLAIN
        };
        let steps = vec![
            Step::Check(None),
            Step::Person(Deed::PutValue(Value::IdOfAnother)),
            Step::Wait(200),
            Step::Check(None),
        ];
        assert_eq!(run(&Schedule { setting, steps }), Ok(()), "hints: {hints}");
    }
}

#[test]
fn a_rotation_that_finds_no_room_for_labels_twice_is_told_with_what_each_attempt_saw() {
    let setting = Setting {
        granted: false,
        hints: false,
        labels_stay: false,
        labels_taken: 17,
        ..PLAIN
    };
    let steps = vec![Step::RotateNow(None)];
    assert_eq!(run(&Schedule { setting, steps }), Ok(()));
}

#[test]
fn on_a_replica_the_owner_changes_nothing() {
    for granted in [false, true] {
        for attended in [false, true] {
            let setting = Setting {
                attended,
                granted,
                ..PLAIN
            };
            let steps = vec![
                Step::Check(None),
                Step::Person(Deed::MakeReplica),
                Step::Owner(Owner::Helps, None),
            ];
            let result = run(&Schedule { setting, steps });
            assert_eq!(result, Ok(()), "granted: {granted}, attended: {attended}");
        }
    }
}

#[test]
fn what_lost_its_label_in_a_freeze_is_superseded_from_the_freezes_end() {
    let setting = Setting {
        granted: false,
        labels_stay: false,
        hints: false,
        ..PLAIN
    };
    let steps = vec![
        Step::RotateNow(None),
        Step::Person(Deed::EditTag(Tag::Policy, TagEdit::Freeze)),
        Step::Person(Deed::DropKeyLabel(Which::Pending)),
    ];
    assert_eq!(run(&Schedule { setting, steps }), Ok(()));
}

#[test]
fn what_a_person_deleted_keeps_its_label_while_the_value_beside_it_signs_in() {
    let setting = Setting {
        granted: false,
        foreign: true,
        labels_stay: false,
        hints: false,
        ..PLAIN
    };
    let steps = vec![
        Step::Person(Deed::PutValue(Value::IdOfAnother)),
        Step::Person(Deed::DeleteCredential(Which::Foreign)),
    ];
    assert_eq!(run(&Schedule { setting, steps }), Ok(()));
}

#[test]
fn what_an_earlier_attempt_stored_is_waited_for_before_room_is_made() {
    let setting = Setting {
        attended: true,
        granted: false,
        two_places: true,
        late_labels: 3,
        labels_stay: false,
        hints: false,
        reattempts: 1,
        ..PLAIN
    };
    let killed = Trouble {
        at: 44,
        mishap: Mishap::KilledBefore,
    };
    let steps = vec![Step::Check(Some(killed))];
    assert_eq!(run(&Schedule { setting, steps }), Ok(()));
}

#[test]
fn an_end_that_is_reckoned_anew_after_another_rotation_is_another_event() {
    let setting = Setting {
        granted: false,
        labels_stay: false,
        ..PLAIN
    };
    let outage = Trouble {
        at: 39,
        mishap: Mishap::Outage,
    };
    let steps = vec![
        Step::RotateNow(None),
        Step::Owner(Owner::Helps, None),
        Step::Check(Some(outage)),
        Step::RotateNow(None),
    ];
    assert_eq!(run(&Schedule { setting, steps }), Ok(()));
}
