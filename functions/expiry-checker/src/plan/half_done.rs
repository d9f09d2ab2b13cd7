//! Where the delivery of a rotation under way came to, if that is half way.

use shared::half_done::HalfDone;
use shared::ids::ConnectionId;
use shared::mailbox_secret::Direction;
use shared::rotation::inspection::Facts;

use super::found::Found;

/// `None` also where not all connections could be asked.
pub(super) fn half_done(found: &Found, facts: &Facts) -> Option<HalfDone> {
    let token = found.secret.versions.in_progress()?;
    let pending = found.secret.versions.keys_of(token);
    let has = |id: &ConnectionId| {
        if facts.attended.contains(id) {
            return Some(facts.attested.contains(id));
        }
        let held = facts.held.iter().find(|held| held.connection == *id)?;
        let has_it = held.key_id.is_some_and(|key_id| pending.contains(&key_id));
        Some(held.authorized && has_it)
    };
    let each = facts.connections.iter().map(|id| {
        let direction = match facts.sending.contains(id) {
            true => Direction::Sending,
            false => Direction::Receiving,
        };
        Some((direction, has(id)?))
    });
    let each: Option<Vec<(Direction, bool)>> = each.collect();
    HalfDone::of(each?)
}

#[cfg(test)]
mod tests {
    use shared::rotation::inspection::HeldSecret;
    use shared::secret_store::versions::{CURRENT, PENDING};

    use super::*;
    use crate::plan::tests::{connection, found};

    const KEY: &str = "key-33333333-3333-4333-8333-333333333333";
    const NEW: &str = "key-33333333-3333-4333-8333-000000000000";

    fn held(id: &str, key: &str) -> HeldSecret {
        HeldSecret {
            connection: connection(id),
            key_id: key.strip_prefix("key-").unwrap().parse().ok(),
            authorized: true,
            enabled: true,
        }
    }

    fn of(change: impl FnOnce(&mut Facts)) -> Option<HalfDone> {
        let found = found(&[("c", &[CURRENT, KEY]), ("t", &[PENDING, NEW])]);
        let mut facts = found.facts.clone().unwrap();
        facts.connections = vec![connection("in"), connection("out")];
        facts.sending = vec![connection("out")];
        facts.attended.clear();
        facts.held = vec![held("in", NEW), held("out", KEY)];
        change(&mut facts);
        half_done(&found, &facts)
    }

    #[test]
    fn it_is_told_by_what_shopctrl_holds_and_by_what_people_said() {
        assert_eq!(of(|_| {}), Some(HalfDone::SendingNotYet));
        assert_eq!(of(|facts| facts.held[1] = held("out", NEW)), None);
        assert_eq!(of(|facts| facts.held[0] = held("in", KEY)), None);
        let by_hand = |facts: &mut Facts| {
            facts.attended = facts.connections.clone();
            facts.held.clear();
            facts.attested = vec![connection("out")];
        };
        assert_eq!(of(by_hand), Some(HalfDone::ReceivingNotYet));
    }

    #[test]
    fn nothing_is_said_where_a_connection_could_not_be_asked_or_no_rotation_is_under_way() {
        assert_eq!(of(|facts| drop(facts.held.pop())), None);
        let at_rest = found(&[("c", &[CURRENT, KEY])]);
        let mut facts = at_rest.facts.clone().unwrap();
        facts.connections = vec![connection("in"), connection("out")];
        facts.attended = facts.connections.clone();
        facts.attested = vec![connection("in")];
        assert_eq!(half_done(&at_rest, &facts), None);
    }
}
