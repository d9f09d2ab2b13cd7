//! Schedules that failed once, in their shortest form.

use super::run::run;
use super::schedule::{Deed, Direction, Mishap, Schedule, Setting, Step, Trouble, Value, Which};

fn runs(steps: Vec<Step>) {
    let setting = Setting {
        days_left: 20,
        foreign: false,
        two_places: false,
        lag: 0,
        lagging_reads: 0,
        pending_stays: false,
        reattempts: 0,
    };
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
