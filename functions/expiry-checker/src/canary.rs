//! When many rotations are due at once, some go before the others: what is wrong with all of them stops a few. Pure.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::record::{Record, Rotation, Standing};

/// Up to so many are begun without one that goes before.
const MANY: usize = 10;

/// So many go before the others, of several tenants: what fails in one need not fail in the next.
const BEFORE: usize = 3;

/// A rotation that was promoted since then shows that rotations go through.
const LATELY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Which of the records are not to be begun by this check. None past its hard stop.
pub(crate) fn held_back(records: &[Record], now: Timestamp) -> BTreeSet<usize> {
    let ours = |record: &&Record| record.standing == Standing::LookedAfter;
    let due: Vec<(usize, &Record)> = records
        .iter()
        .enumerate()
        .filter(|(_, record)| ours(record) && record.rotation == Rotation::Due)
        .collect();
    // That a person is waited for is no failure: all before that went through.
    let went_through = |record: &Record| {
        record.rotation == Rotation::WaitsForPerson
            || record
                .promoted_at
                .is_some_and(|at| now.duration_since(at) < LATELY)
    };
    if due.len() <= MANY || records.iter().filter(ours).any(went_through) {
        return BTreeSet::new();
    }
    // What has failed for longer is a trouble of its own: others have gone before since, or may now.
    let is_before = |record: &&Record| {
        let stands = record.stands_since.map(|since| now.duration_since(since));
        record.rotation == Rotation::UnderWay && stands.is_none_or(|stands| stands < LATELY)
    };
    let before = match records.iter().filter(ours).any(|record| is_before(&record)) {
        true => BTreeSet::new(),
        false => go_before(due.clone(), now),
    };
    let waits = due
        .iter()
        .filter(|(at, record)| !record.past_hard_stop && !before.contains(at));
    waits.map(|(at, _)| *at).collect()
}

/// All that are due and not past their hard stop, where they wait.
pub(crate) fn due_all(records: &[Record], wait: bool) -> BTreeSet<usize> {
    let due = records
        .iter()
        .enumerate()
        .filter(|(_, record)| wait && record.rotation == Rotation::Due && !record.past_hard_stop);
    due.map(|(at, _)| at).collect()
}

/// The most urgent ones, each of another tenant, and one of the others, each day another one: what is the most urgent may
/// be what cannot be begun.
fn go_before(mut due: Vec<(usize, &Record)>, now: Timestamp) -> BTreeSet<usize> {
    due.sort_by_key(|(_, record)| record.expires_at);
    let mut tenants = BTreeSet::new();
    let (first, others): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, record)| {
        tenants.len() < BEFORE - 1 && tenants.insert(record.tenant.clone())
    });
    let day = usize::try_from(now.as_second() / 86_400).unwrap_or_default();
    let one_more = others.get(day.checked_rem(others.len()).unwrap_or_default());
    let before = first.iter().chain(one_more);
    before.map(|(at, _)| *at).collect()
}

#[cfg(test)]
mod tests {
    use shared::ids::DirectoryId;
    use shared::tags::apps::Apps;

    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).unwrap()
    }

    fn due(tenant: u8, ends: i64) -> Record {
        Record {
            arn: format!("{tenant} {ends}").into(),
            standing: Standing::LookedAfter,
            apps: Apps::default(),
            keys: Box::default(),
            current_key: None,
            leaked: Box::default(),
            tenant: DirectoryId::read(&format!("00000000-0000-4000-8000-0000000000{tenant:02x}")),
            rotator: None,
            issued_at: None,
            expires_at: Some(at(ends)),
            never_rotated: true,
            rotation: Rotation::Due,
            past_hard_stop: false,
            stands_since: None,
            promoted_at: None,
            pending: None,
            at_rest: false,
            turn: true,
            goes_along_with: None,
            listed: None,
        }
    }

    /// Two tenants with twenty each, on day 100.
    fn fleet() -> Vec<Record> {
        (0..40).map(|n| due(n % 2, 110 + i64::from(n))).collect()
    }

    fn begun(records: &[Record]) -> Vec<usize> {
        let held = held_back(records, at(100));
        (0..records.len()).filter(|at| !held.contains(at)).collect()
    }

    #[test]
    fn of_many_the_most_urgent_of_each_tenant_go_before_and_a_few_need_nobody_before_them() {
        // And of the 38 others that of the day.
        assert_eq!(begun(&fleet()), [0, 1, 2 + 100 % 38]);
        assert_eq!(begun(&fleet()[..10]).len(), 10);
        let tenants: Vec<Record> = (0..40).map(|n| due(n, 110 + i64::from(n))).collect();
        assert_eq!(begun(&tenants).len(), 3);
    }

    #[test]
    fn while_those_before_are_under_way_or_fail_the_others_wait_but_not_past_their_hard_stop() {
        let mut records = fleet();
        records[0].rotation = Rotation::UnderWay;
        records[7].past_hard_stop = true;
        assert_eq!(begun(&records), [0, 7]);
    }

    #[test]
    fn one_that_has_failed_for_a_week_holds_back_nobody_and_each_day_another_one_goes_before() {
        let mut records = fleet();
        records[0].rotation = Rotation::UnderWay;
        records[0].stands_since = Some(at(92));
        assert_eq!(begun(&records), [0, 1, 2, 3 + 100 % 37]);
        let held = held_back(&records, at(101));
        assert!(!held.contains(&(3 + 101 % 37)));
    }

    #[test]
    fn once_one_was_promoted_or_waits_for_a_person_all_are_begun() {
        for went_through in [
            |record: &mut Record| record.promoted_at = Some(at(99)),
            |record: &mut Record| record.rotation = Rotation::WaitsForPerson,
        ] {
            let mut records = fleet();
            records[0].rotation = Rotation::None;
            went_through(&mut records[0]);
            assert_eq!(begun(&records).len(), 40);
        }
        let mut long_ago = fleet();
        long_ago[0].promoted_at = Some(at(90));
        assert_eq!(begun(&long_ago), [0, 1, 2 + 100 % 38]);
    }
}
