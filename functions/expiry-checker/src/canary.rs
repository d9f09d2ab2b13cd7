//! When many rotations are due at once, some go before the others: what is wrong with all of them stops a few. Pure.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::record::{Record, Rotation, Standing};

/// Up to so many are begun without one that goes before.
const MANY: usize = 10;

/// So many go before the others, each of another tenant: what fails in one tenant need not fail in the next.
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
    let under_way = records
        .iter()
        .filter(ours)
        .any(|record| record.rotation == Rotation::UnderWay);
    let before = match under_way {
        true => BTreeSet::new(),
        false => first_of_each_tenant(&due),
    };
    let waits = due
        .iter()
        .filter(|(at, record)| !record.past_hard_stop && !before.contains(at));
    waits.map(|(at, _)| *at).collect()
}

/// The most urgent ones, each of another tenant.
fn first_of_each_tenant(due: &[(usize, &Record)]) -> BTreeSet<usize> {
    let mut due = due.to_vec();
    due.sort_by_key(|(_, record)| record.expires_at);
    let mut tenants = BTreeSet::new();
    let first = due
        .into_iter()
        .filter(|(_, record)| tenants.insert(record.tenant.clone()));
    first.take(BEFORE).map(|(at, _)| at).collect()
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
        assert_eq!(begun(&fleet()), [0, 1]);
        assert_eq!(begun(&fleet()[..10]).len(), 10);
    }

    #[test]
    fn while_those_before_are_under_way_or_fail_the_others_wait_but_not_past_their_hard_stop() {
        let mut records = fleet();
        records[0].rotation = Rotation::UnderWay;
        records[7].past_hard_stop = true;
        assert_eq!(begun(&records), [0, 7]);
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
        assert_eq!(begun(&long_ago), [0, 1]);
    }
}
