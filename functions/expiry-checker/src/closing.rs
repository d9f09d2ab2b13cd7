//! What people were told is wrong, and is over: each is told to be over once. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shared::drift::{Drift, DriftKind};
use shared::events::{EventKind, OpenTrouble, Trouble};
use shared::ids::ConnectionId;
use shared::rotation::inspection::Facts;
use shared::secret_store::SecretMetadata;
use shared::tags;
use shared::tags::open_troubles::{OpenTroubles, published};
use shared::tags::published_failures::PublishedFailures;
use shared::tags::seen_drift::SeenDrift;
use shared::tags::state::State;

/// What a check has seen and done.
pub(crate) struct Checked<'a> {
    /// As the check found it.
    pub(crate) secret: &'a SecretMetadata,
    pub(crate) facts: Option<&'a Facts>,
    /// The tags, as they are now.
    pub(crate) tags: &'a BTreeMap<String, String>,
    /// The drift that this check published and did not put right.
    pub(crate) drift: &'a BTreeSet<Trouble>,
    /// The connections at which it put something right.
    pub(crate) mended: &'a [ConnectionId],
    /// Nothing is due, under way, or fails.
    pub(crate) at_rest: bool,
}

/// What is to be published and noted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Closing {
    pub(crate) events: Vec<EventKind>,
    pub(crate) tags: Vec<(&'static str, String)>,
}

impl Closing {
    #[cfg(test)]
    fn none() -> Self {
        Self {
            events: Vec::new(),
            tags: Vec::new(),
        }
    }
}

pub(crate) fn closing(checked: &Checked<'_>, now: Timestamp) -> Closing {
    let Checked {
        secret,
        facts,
        tags,
        ..
    } = checked;
    let tag = |key: &str| tags.get(key).map(String::as_str);
    let before = OpenTroubles::read(tag(tags::OPEN));
    let current = secret.versions.current().unwrap_or(before.version());
    let by_hand = before.version() != current && !before.version().is_empty();
    let connections = facts.map(|facts| facts.connections.as_slice());
    let ended = ended(checked, current);
    let mut as_noted: BTreeMap<String, String> = (*tags).clone();
    let noted = ended
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()));
    as_noted.extend(noted);
    let mut open = published(&as_noted, &secret.versions, current);
    open.extend(drift_now(checked));
    open.extend(still_open(checked, current, &before, by_hand));
    let seen = SeenDrift::read(tag(tags::DRIFT));
    let kept = before.drift_still_seen(&seen, connections);
    let next = before.next(current, now, &open, &kept);
    let mut over = before.over(&next, connections.unwrap_or_default());
    over.extend(begun_and_over(checked, current, &before, &open));
    // What ended is past nearing its end, and not over.
    let ended_since = open.contains(&Trouble::Expired);
    over.retain(|closes| !(ended_since && closes.trouble == Trouble::Expiring));
    let events = over.into_iter().map(|closes| EventKind::MailboxRecovered {
        seen: seen_over(&closes, by_hand).to_owned(),
        closes,
        at: now,
    });
    let nothing = before == OpenTroubles::default() && open.is_empty();
    let next = next.to_string();
    let changed = !nothing && tags.get(tags::OPEN) != Some(&next);
    let noted = changed.then_some((tags::OPEN, next));
    Closing {
        events: events.collect(),
        tags: ended.into_iter().chain(noted).collect(),
    }
}

/// Whether `Client Secret Rotated` will say what is over, or nobody knows: then nothing is closed here.
pub(crate) fn is_said_by_the_promotion(checked: &Checked<'_>) -> bool {
    let promoted = checked.facts.is_none_or(|facts| facts.issued_here);
    let rotated = checked.tags.get(tags::ROTATED_VERSION).map(String::as_str);
    promoted && rotated != checked.secret.versions.current()
}

/// The drift that was published, by this check or another one, and that this check sees.
fn drift_now(checked: &Checked<'_>) -> BTreeSet<Trouble> {
    let seen = SeenDrift::read(checked.tags.get(tags::DRIFT).map(String::as_str));
    let drift = checked
        .facts
        .map_or(&[][..], |facts| facts.drift.as_slice());
    let mended = |drift: &Drift| {
        let at = drift.connection.as_ref();
        at.is_some_and(|connection| checked.mended.contains(connection))
    };
    let stands = drift
        .iter()
        .filter(|drift| seen.published(drift) && !mended(drift));
    let stands = stands.cloned().map(Trouble::of);
    stands.chain(checked.drift.iter().cloned()).collect()
}

/// What stands though the tags do not say so any more.
fn still_open(
    checked: &Checked<'_>,
    current: &str,
    before: &OpenTroubles,
    by_hand: bool,
) -> Vec<Trouble> {
    let secret = checked.secret;
    let mut stands = Vec::new();
    // A rotation has taken the place of the request in the tag; its promotion ends both.
    let asked = published(&secret.tags, &secret.versions, current);
    let permission = Trouble::PermissionEnding;
    if secret.versions.in_progress().is_some()
        && (before.has(&permission) || asked.contains(&permission))
    {
        stands.push(permission);
    }
    // What was put by hand is taken as good only once Entra was seen to take it.
    let bad = |drift: &Drift| match drift.what {
        DriftKind::SecretRefused
        | DriftKind::CredentialMissing
        | DriftKind::RegistrationMissing => true,
        DriftKind::NoCurrentVersion
        | DriftKind::KeyIdIsAnothers
        | DriftKind::ClientSecretIsAnId
        | DriftKind::ClientSecretEndsInLineBreak
        | DriftKind::ConnectionNotAuthorized
        | DriftKind::ConnectionDisabled
        | DriftKind::ConnectionHoldsAnotherSecret
        | DriftKind::RotationOff
        | DriftKind::BackstopEarly
        | DriftKind::BackstopLate
        | DriftKind::LeakedSecretStillValid
        | DriftKind::SupersededSecretInUse
        | DriftKind::MailNotChecked
        | DriftKind::RotatorMayNotManage
        | DriftKind::RotatorIsNoOwner
        | DriftKind::NoRoomForSecret
        | DriftKind::ClientSecretsForbidden
        | DriftKind::RedirectUriMissing
        | DriftKind::ShopNotVisible
        | DriftKind::Unusable(_) => false,
    };
    let good = checked
        .facts
        .is_some_and(|facts| facts.all_seen() && !facts.drift.iter().any(bad));
    if by_hand && !good {
        let ends = [Trouble::Expiring, Trouble::Expired, Trouble::RotationFailed];
        stands.extend(ends.into_iter().filter(|trouble| before.has(trouble)));
    }
    stands
}

/// Where another version is current now than was looked at: only what is being published is noted beside the rest.
pub(crate) fn only_begun(
    secret: &SecretMetadata,
    publishing: &[EventKind],
    now: Timestamp,
) -> Closing {
    let begun = publishing.iter().filter_map(|kind| match kind {
        EventKind::DriftFound {
            what,
            connection,
            mended: false,
            ..
        } => Some(Trouble::Drift {
            what: *what,
            connection: connection.clone(),
        }),
        EventKind::ClientSecretExpired { .. } => Some(Trouble::Expired),
        EventKind::ClientSecretExpiring { .. } => Some(Trouble::Expiring),
        EventKind::RotationStalled { .. } => Some(Trouble::Stalled),
        _ => None,
    });
    let tag = secret.tags.get(tags::OPEN).map(String::as_str);
    let before = OpenTroubles::read(tag);
    let current = secret.versions.current().unwrap_or_default();
    let next = begun.fold(before.clone(), |open, trouble| {
        open.with(current, now, &trouble)
    });
    let changed = (next != before).then(|| (tags::OPEN, next.to_string()));
    Closing {
        events: Vec::new(),
        tags: changed.into_iter().collect(),
    }
}

/// What rotations noted that have ended: should it come again, it is another time.
fn ended(checked: &Checked<'_>, current: &str) -> Vec<(&'static str, String)> {
    let tag = |key: &str| checked.tags.get(key).map(String::as_str);
    let mut ended = Vec::new();
    if failed_before_another_was_put(checked.tags, current) {
        let none = PublishedFailures::read(None, current);
        ended.push((tags::PUBLISHED_FAILURES, none.to_string()));
    } else if checked.at_rest {
        let published = PublishedFailures::read(tag(tags::PUBLISHED_FAILURES), current);
        let stand = published.clone().of_tests();
        let changed = stand != published;
        ended.extend(changed.then(|| (tags::PUBLISHED_FAILURES, stand.to_string())));
    }
    if waited_in_vain(checked.secret, checked.tags, current) {
        ended.push((tags::STATE, State::Rotated.to_string()));
    }
    ended
}

/// Whether a rotation failed while a version was current in whose place a person put another one.
fn failed_before_another_was_put(tags: &BTreeMap<String, String>, current: &str) -> bool {
    let tag = |key: &str| tags.get(key).map(String::as_str);
    // What failed before a promotion is closed by it.
    let promoted = tag(tags::ROTATED_VERSION) == Some(current);
    !promoted && PublishedFailures::of_another_version(tag(tags::PUBLISHED_FAILURES), current)
}

/// Whether a rotation asked a person for something, and was ended.
fn waited_in_vain(secret: &SecretMetadata, tags: &BTreeMap<String, String>, current: &str) -> bool {
    match State::read(tags.get(tags::STATE).map(String::as_str)) {
        Some(State::Waiting { token, .. }) => {
            token != current && secret.versions.in_progress() != Some(&token)
        }
        Some(State::Rotated | State::Stalled { .. }) | None => false,
    }
}

/// What was published since the last check, and is over already.
fn begun_and_over(
    checked: &Checked<'_>,
    current: &str,
    before: &OpenTroubles,
    open: &BTreeSet<Trouble>,
) -> Vec<OpenTrouble> {
    let secret = checked.secret;
    let mut begun = published(&secret.tags, &secret.versions, current);
    if waited_in_vain(secret, &secret.tags, current) {
        begun.insert(Trouble::WaitingForPerson);
    }
    if failed_before_another_was_put(&secret.tags, current) {
        begun.insert(Trouble::RotationFailed);
    }
    let begun = begun.into_iter();
    let over = begun.filter(|trouble| !open.contains(trouble) && !before.has(trouble));
    over.map(|trouble| OpenTrouble {
        trouble,
        since: None,
    })
    .collect()
}

/// What the check saw of it.
fn seen_over(closes: &OpenTrouble, by_hand: bool) -> &'static str {
    match &closes.trouble {
        Trouble::WaitingForPerson => {
            "The renewal that waited was ended. The client secret in use stays, and the last link is needed no more."
        }
        Trouble::PermissionEnding => {
            "The mailbox's owner has signed in, and the permission works: renewals need nobody for it. Mail was not affected."
        }
        Trouble::Expiring | Trouble::Expired | Trouble::RotationFailed if by_hand => {
            "Another client secret was put into the mailbox document by hand, and Entra knows it."
        }
        Trouble::Expiring | Trouble::Expired => "Another client secret is the current one.",
        Trouble::RotationFailed => {
            "No renewal is due and none is under way, or the test of the configuration passed since."
        }
        Trouble::Stalled => "All could be looked at, and nothing stands still.",
        Trouble::Drift { what, .. } => what.seen_over(),
    }
}

#[cfg(test)]
mod tests {

    use shared::secret_store::versions::{CURRENT, PENDING};

    use super::*;
    use crate::samples::{self, ID};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    struct Case {
        secret: SecretMetadata,
        facts: Option<Facts>,
        drift: BTreeSet<Trouble>,
        at_rest: bool,
    }

    impl Case {
        fn new(tags: &[(&str, &str)]) -> Self {
            Self {
                secret: samples::secret("shopmail/orders", &[("c", &[CURRENT])], tags),
                facts: Some(Facts {
                    key_id: Some(ID.parse().unwrap()),
                    expires_at: Some(at(9_000_000_000)),
                    ..samples::facts()
                }),
                drift: BTreeSet::new(),
                at_rest: false,
            }
        }

        fn closing(&self) -> Closing {
            let checked = Checked {
                secret: &self.secret,
                facts: self.facts.as_ref(),
                tags: &self.secret.tags,
                drift: &self.drift,
                mended: &[],
                at_rest: self.at_rest,
            };
            match is_said_by_the_promotion(&checked) {
                true => Closing::none(),
                false => closing(&checked, at(5000)),
            }
        }

        /// What is left in the tag.
        fn open(&self) -> Option<String> {
            let tags = self.closing().tags.into_iter();
            let mut open = tags.filter(|(key, _)| *key == tags::OPEN);
            open.next().map(|(_, value)| value)
        }
    }

    fn over(closing: &Closing) -> Vec<Trouble> {
        let closed = closing.events.iter().map(|event| match event {
            EventKind::MailboxRecovered { closes, .. } => closes.trouble.clone(),
            other => panic!("{other:?}"),
        });
        closed.collect()
    }

    #[test]
    fn a_healthy_mailbox_has_nothing_noted_and_nothing_published() {
        assert_eq!(Case::new(&[]).closing(), Closing::none());
        let well = Case::new(&[(tags::OPEN, "c:"), (tags::STALLED, tags::NONE)]);
        assert_eq!(well.closing(), Closing::none());
    }

    #[test]
    fn what_was_published_is_noted_once_and_told_to_be_over_once() {
        let stalled = Case::new(&[(tags::STALLED, "1000:2000/")]);
        assert_eq!(over(&stalled.closing()), []);
        assert_eq!(stalled.open().as_deref(), Some("c:s@5000"));
        let stands = Case::new(&[(tags::STALLED, "1000:2000/"), (tags::OPEN, "c:s@3000")]);
        assert_eq!(stands.closing(), Closing::none());
        let well = Case::new(&[(tags::STALLED, tags::NONE), (tags::OPEN, "c:s@3000")]);
        assert_eq!(over(&well.closing()), [Trouble::Stalled]);
        assert_eq!(well.open().as_deref(), Some("c:"));
    }

    #[test]
    fn a_drift_that_is_seen_no_more_is_over_and_one_that_could_not_be_looked_for_is_not() {
        let what = DriftKind::SecretRefused;
        let mut case = Case::new(&[]);
        case.drift.insert(Trouble::of(what.into()));
        let opened = case.open().unwrap();
        let seen = SeenDrift::default().next(at(5000), &[Drift::from(what)], &[], true);
        let stands = Case::new(&[(tags::OPEN, &opened), (tags::DRIFT, &seen.to_string())]);
        assert_eq!(over(&stands.closing()), []);
        let gone = Case::new(&[(tags::OPEN, &opened), (tags::DRIFT, "none@5000")]);
        assert_eq!(over(&gone.closing()), [Trouble::of(what.into())]);
    }

    #[test]
    fn a_rotation_that_waited_and_was_ended_is_over_and_one_that_waits_is_not() {
        let waiting = [
            (tags::STATE, "waiting:t:9000/:ab"),
            (tags::OPEN, "c:w@3000"),
        ];
        let mut waits = Case::new(&waiting);
        let pending = [PENDING.to_owned()].into();
        waits.secret.versions.0.insert("t".to_owned(), pending);
        assert_eq!(over(&waits.closing()), []);
        assert_eq!(
            over(&Case::new(&waiting).closing()),
            [Trouble::WaitingForPerson]
        );
    }

    #[test]
    fn what_began_and_ended_between_two_checks_is_over_once() {
        let mut asked = Case::new(&[(tags::STATE, "waiting:t:9000/:ab")]);
        let closed = asked.closing();
        assert_eq!(over(&closed), [Trouble::WaitingForPerson]);
        asked.secret.tags.extend(
            closed
                .tags
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value)),
        );
        assert_eq!(asked.closing(), Closing::none());
        let replaced = Case::new(&[(tags::PUBLISHED_FAILURES, "older:0badcafe")]);
        assert_eq!(over(&replaced.closing()), [Trouble::RotationFailed]);
        let mut failed = Case::new(&[(tags::PUBLISHED_FAILURES, "c:0badcafe")]);
        failed.at_rest = true;
        assert_eq!(over(&failed.closing()), [Trouble::RotationFailed]);
    }

    #[test]
    fn a_rotation_that_failed_is_over_when_none_is_wanted_and_a_test_that_failed_is_not() {
        let failed = |failures: &str, at_rest: bool| {
            let tags = [
                (tags::PUBLISHED_FAILURES, failures),
                (tags::OPEN, "c:f@3000"),
            ];
            let mut case = Case::new(&tags);
            case.at_rest = at_rest;
            over(&case.closing())
        };
        assert_eq!(failed("c:0badcafe", false), []);
        assert_eq!(failed("c:0badcafe", true), [Trouble::RotationFailed]);
        assert_eq!(failed("c:0badcafe.t0badcafe", true), []);
        assert_eq!(failed("c:", true), [Trouble::RotationFailed]);
    }

    #[test]
    fn what_a_promotion_closed_is_not_closed_again_and_nothing_before_that_is_known() {
        let noted = (tags::OPEN, "older:w@3000.e@3000");
        let rotated = Case::new(&[(tags::OPEN, "c:"), (tags::ROTATED_VERSION, "c")]);
        assert_eq!(rotated.closing(), Closing::none());
        let mut unpublished = Case::new(&[noted]);
        unpublished.facts.as_mut().unwrap().issued_here = true;
        assert_eq!(unpublished.closing(), Closing::none());
        unpublished.facts = None;
        assert_eq!(unpublished.closing(), Closing::none());
        let by_hand = Case::new(&[noted]).closing();
        assert_eq!(
            over(&by_hand),
            [Trouble::Expired, Trouble::WaitingForPerson]
        );
    }
}
