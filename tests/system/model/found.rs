//! Schedules that failed once, in their shortest form.

use super::run::run;
use super::schedule::{
    Deed, Direction, Mishap, Schedule, Setting, Step, Tag, TagEdit, Trouble, Value, Which,
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
