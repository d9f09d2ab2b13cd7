//! What is known about a superseded credential, and what follows of it: that it goes, or that it is
//! warned of. Pure.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use shared::credential::{Credential, Fit, IssuedBy};
use shared::events::RetiredReason;
use shared::ids::KeyId;
use shared::mailbox_secret::MailboxSecret;
use shared::policy;
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::Claim;
use shared::short_hash::short_hash;
use shared::tags;

/// The credentials that labels name on versions that are neither current nor being made, and that the
/// current document does not name either.
pub(crate) fn superseded<'a>(
    secret: &'a SecretMetadata,
    mailbox: &MailboxSecret,
) -> Vec<(KeyId, &'a str, Claim)> {
    let versions = &secret.versions;
    let claims = versions.claims();
    let in_use = |key_id: KeyId| {
        key_id == mailbox.key_id
            || claims
                .keys()
                .any(|(named, version)| *named == key_id && versions.in_use(version))
    };
    let superseded = claims.iter().filter(|((key_id, _), _)| !in_use(*key_id));
    superseded
        .map(|((key_id, version), claim)| (*key_id, *version, *claim))
        .collect()
}

/// Whose a superseded credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Ours: with our marker, or typed in, and then it is the one whose value the version holds.
    Us,
    /// Somebody else's: another secret's by its marker, or the id that was typed is another's.
    SomebodyElse,
    /// Graph shows no hint, or the version no document.
    NotKnown,
}

/// Whose it is, by its marker and by the document of the version whose label names it.
pub(crate) fn owner(
    credential: &Credential,
    secret: &SecretMetadata,
    document: Option<&MailboxSecret>,
) -> Owner {
    match credential
        .marker()
        .map(|marker| marker.issued_by(&secret.arn))
    {
        Some(IssuedBy::This) => return Owner::Us,
        Some(IssuedBy::Another) => return Owner::SomebodyElse,
        // It was a replica once: the secret in the other region may live by the same credential.
        Some(IssuedBy::ThisOrReplica) | None if began_elsewhere(secret) => return Owner::NotKnown,
        Some(IssuedBy::ThisOrReplica) | None => {}
    }
    let Some(document) = document else {
        return Owner::NotKnown;
    };
    if document.key_id != credential.key_id {
        return Owner::SomebodyElse;
    }
    match credential.fits(&document.client_secret) {
        Fit::Yes => Owner::Us,
        Fit::No => Owner::SomebodyElse,
        Fit::CannotTell => Owner::NotKnown,
    }
}

/// Whether the tags were first set on another secret than this one.
fn began_elsewhere(secret: &SecretMetadata) -> bool {
    let origin = secret.tags.get(tags::ORIGIN);
    origin.is_some_and(|origin| *origin != short_hash(&secret.arn))
}

/// What is known about a superseded credential.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Superseded<'a> {
    /// The credential, as Entra shows it.
    pub(crate) credential: &'a Credential,
    /// Since when another version is current.
    pub(crate) since: Timestamp,
    /// The version that holds it leaked.
    pub(crate) leaked: bool,
    /// Some connection of ShopCtrl's still holds it, or could not be asked.
    pub(crate) held: bool,
    /// A person delivers its successor to some connection, and flowing mail does not prove which
    /// secret ShopCtrl uses: then it may end, but is not ended.
    pub(crate) attended: bool,
    /// What Entra reports of its use.
    pub(crate) used: Use,
    /// A freeze holds: nothing that works is taken away.
    pub(crate) frozen: bool,
}

impl Superseded<'_> {
    pub(crate) fn has_ended(&self, now: Timestamp) -> bool {
        self.credential.end.is_some_and(|end| end <= now)
    }
}

/// What Entra reports of a superseded credential's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Nothing, or it may not be read.
    Unknown,
    /// It was used before it was superseded, and not since.
    NotSince,
    /// Somebody uses it still.
    Since,
}

/// Entra's report and Secrets Manager's date come from two clocks.
const SLACK: SignedDuration = SignedDuration::from_hours(1);

pub(crate) fn used_since(last_used: Option<Timestamp>, since: Timestamp) -> Use {
    match last_used {
        None => Use::Unknown,
        Some(last) if last.duration_since(since) > SLACK => Use::Since,
        Some(_) => Use::NotSince,
    }
}

/// Whether a superseded credential is to be removed now, and why.
pub(crate) fn verdict(
    of: Superseded<'_>,
    now: Timestamp,
    quarantine: SignedDuration,
) -> Option<RetiredReason> {
    if of.leaked {
        return Some(RetiredReason::Emergency);
    }
    let quarantine_over = now.duration_since(of.since) >= quarantine;
    let proved = match of.used {
        Use::NotSince => true,
        Use::Unknown => !of.attended,
        Use::Since => false,
    };
    let may_go = quarantine_over && proved && !of.held && !of.frozen;
    // The quarantine keeps the way back open, and there is none to what has ended.
    (of.has_ended(now) || may_go).then_some(RetiredReason::QuarantineOver)
}

/// What there is to say of a superseded credential that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Warning {
    /// It ends within so many days: 7, 3 or 1.
    pub(crate) rung: Option<i64>,
    /// Somebody uses it.
    pub(crate) used: bool,
    /// It was made by hand: whoever else was given it should know that it goes.
    pub(crate) by_hand: bool,
    /// It leaked, and is kept.
    pub(crate) leaked: bool,
}

impl Warning {
    pub(crate) fn of(of: Superseded<'_>, now: Timestamp) -> Option<Self> {
        let by_hand = of.credential.marker().is_none();
        let used = of.used == Use::Since;
        let watched = of.attended && of.used != Use::NotSince;
        let rung = of
            .credential
            .end
            .and_then(|end| policy::threshold(now, end));
        let rung = rung.filter(|rung| *rung <= 7 && watched);
        let warning = Self {
            rung,
            used,
            by_hand,
            leaked: false,
        };
        (used || by_hand || rung.is_some()).then_some(warning)
    }

    /// Of one that leaked and is kept all the same.
    pub(crate) fn of_a_leak() -> Self {
        Self {
            rung: None,
            used: false,
            by_hand: false,
            leaked: true,
        }
    }

    pub(crate) fn says_more_than(self, told: Self) -> bool {
        let nearer = self
            .rung
            .is_some_and(|rung| told.rung.is_none_or(|told| rung < told));
        nearer || self.used && !told.used || self.leaked && !told.leaked
    }

    fn flag(self) -> &'static str {
        match (self.used, self.leaked) {
            (_, true) => "leaked",
            (true, false) => "used",
            (false, false) => "",
        }
    }
}

/// What was told of superseded credentials, as a tag keeps it: `<hash of the keyId>:<rung>:<used or leaked>.…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told(BTreeMap<String, Warning>);

/// A tag has 256 characters.
const MOST_TOLD: usize = 13;

impl Told {
    /// What the tag says of those that are superseded yet.
    pub(crate) fn read(tag: Option<&String>, keys: impl Iterator<Item = KeyId>) -> Self {
        let keys: Vec<String> = keys.map(|key_id| short_hash(&key_id.to_string())).collect();
        let entries = tag.map_or("", String::as_str).split('.');
        let told = entries.filter_map(|entry| {
            let (key, rest) = entry.split_once(':')?;
            let (rung, used) = rest.split_once(':')?;
            let known = keys.iter().any(|known| known == key);
            let warning = Warning {
                rung: rung.parse().ok(),
                used: used == "used",
                by_hand: true,
                leaked: used == "leaked",
            };
            known.then(|| (key.to_owned(), warning))
        });
        Self(told.collect())
    }

    pub(crate) fn of(&self, key_id: KeyId) -> Option<Warning> {
        self.0.get(&short_hash(&key_id.to_string())).copied()
    }

    pub(crate) fn note(&mut self, key_id: KeyId, warning: Warning) {
        let told = Warning {
            by_hand: true,
            ..warning
        };
        self.0.insert(short_hash(&key_id.to_string()), told);
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.0.iter().take(MOST_TOLD).map(|(key, told)| {
            let rung = told.rung.map(|rung| rung.to_string()).unwrap_or_default();
            format!("{key}:{rung}:{}", told.flag())
        });
        f.write_str(&entries.collect::<Vec<_>>().join("."))
    }
}

#[cfg(test)]
mod tests {
    use shared::credential::{Hint, Marker};
    use shared::secret_store::versions::Versions;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn credential() -> Credential {
        Credential {
            key_id: "33333333-3333-4333-8333-333333333333".parse().unwrap(),
            display_name: None,
            start: None,
            end: Some(at("2027-01-15T00:00:00Z")),
            hint: None,
        }
    }

    fn issued() -> Credential {
        Credential {
            display_name: Some(Marker::new("arn-AbC123", "t").display_name("")),
            ..credential()
        }
    }

    fn secret(arn: &str, tags: &[(&str, &str)]) -> SecretMetadata {
        let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        SecretMetadata {
            arn: arn.to_owned(),
            name: "name".to_owned(),
            rotation_enabled: true,
            versions: Versions::default(),
            tags: tags.collect(),
            last_rotated: None,
            deleted: false,
            primary_region: None,
        }
    }

    fn of(credential: &Credential) -> Superseded<'_> {
        Superseded {
            credential,
            since: at("2026-12-01T00:00:00Z"),
            leaked: false,
            held: false,
            attended: false,
            used: Use::Unknown,
            frozen: false,
        }
    }

    const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

    #[test]
    fn a_superseded_credential_goes_when_its_quarantine_is_over_and_not_before() {
        let credential = credential();
        let verdict = |now| verdict(of(&credential), at(now), WEEK);
        assert_eq!(verdict("2026-12-07T23:59:59Z"), None);
        let over = Some(RetiredReason::QuarantineOver);
        assert_eq!(verdict("2026-12-08T00:00:00Z"), over);
    }

    #[test]
    fn one_that_leaked_goes_at_once_though_it_is_held() {
        let credential = credential();
        let leaked = Superseded {
            leaked: true,
            held: true,
            ..of(&credential)
        };
        let now = at("2026-12-01T00:00:00Z");
        assert_eq!(verdict(leaked, now, WEEK), Some(RetiredReason::Emergency));
    }

    #[test]
    fn one_that_is_held_or_attended_stays_until_its_own_end() {
        let credential = credential();
        let held = Superseded {
            held: true,
            ..of(&credential)
        };
        let attended = Superseded {
            attended: true,
            ..of(&credential)
        };
        for of in [held, attended] {
            assert_eq!(verdict(of, at("2027-01-14T23:59:59Z"), WEEK), None);
            let end = verdict(of, at("2027-01-15T00:00:00Z"), WEEK);
            assert_eq!(end, Some(RetiredReason::QuarantineOver));
        }
    }

    #[test]
    fn one_that_entra_shows_unused_goes_though_a_person_delivers_and_one_in_use_stays() {
        let credential = credential();
        let attended = |used| Superseded {
            attended: true,
            used,
            ..of(&credential)
        };
        let week = at("2026-12-08T00:00:00Z");
        let over = Some(RetiredReason::QuarantineOver);
        assert_eq!(verdict(attended(Use::NotSince), week, WEEK), over);
        assert_eq!(verdict(attended(Use::Since), week, WEEK), None);
        let before = at("2026-12-07T23:59:59Z");
        assert_eq!(verdict(attended(Use::NotSince), before, WEEK), None);
    }

    #[test]
    fn a_use_counts_from_an_hour_after_the_promotion_and_no_report_says_nothing() {
        let since = at("2026-12-01T00:00:00Z");
        assert_eq!(used_since(None, since), Use::Unknown);
        let used = |time| used_since(Some(at(time)), since);
        assert_eq!(used("2026-11-30T23:00:00Z"), Use::NotSince);
        assert_eq!(used("2026-12-01T01:00:00Z"), Use::NotSince);
        assert_eq!(used("2026-12-01T01:00:01Z"), Use::Since);
    }

    #[test]
    fn a_freeze_keeps_what_works_and_neither_what_leaked_nor_what_has_ended() {
        let credential = credential();
        let frozen = |leaked| Superseded {
            leaked,
            frozen: true,
            ..of(&credential)
        };
        let (week, end) = (at("2026-12-08T00:00:00Z"), at("2027-01-15T00:00:00Z"));
        assert_eq!(verdict(frozen(false), week, WEEK), None);
        let over = Some(RetiredReason::QuarantineOver);
        assert_eq!(verdict(frozen(false), end, WEEK), over);
        assert_eq!(
            verdict(frozen(true), week, WEEK),
            Some(RetiredReason::Emergency)
        );
    }

    #[test]
    fn an_absurd_time_in_a_label_is_reckoned_with_all_the_same() {
        let credential = credential();
        for since in [Timestamp::MIN, Timestamp::MAX] {
            let absurd = Superseded {
                since,
                ..of(&credential)
            };
            let _ = verdict(absurd, at("2026-12-08T00:00:00Z"), WEEK);
            let _ = used_since(Some(Timestamp::MAX), since);
            let _ = used_since(Some(Timestamp::MIN), since);
        }
    }

    #[test]
    fn a_typed_credential_is_ours_only_if_its_hint_fits_the_value() {
        let document = |key: &str, value: &str| -> MailboxSecret {
            let text = serde_json::json!({
                "version": 1, "tenant_id": key, "client_id": key, "lifetime": "P180D", "key_id": key,
                "client_secret": value, "expires_at": "2027-01-15T00:00:00Z", "rotator": {"kind": "self"},
                "connections": [{"id": "in", "direction": "receiving", "protocol": "graph",
                    "mailbox": "orders@shop.example", "shopctrl": {"ui": "https://shop.example",
                    "api": "https://shop.example/v1", "shop_id": 1, "credentials": "x"}}],
            });
            MailboxSecret::read(&text.to_string().into()).unwrap()
        };
        let key = "33333333-3333-4333-8333-333333333333";
        let other = "44444444-4444-4444-8444-444444444444";
        let hinted = |hint: &str| Credential {
            hint: Hint::new(hint),
            ..credential()
        };
        let of = |credential: &Credential, document: Option<&MailboxSecret>| {
            owner(credential, &secret("arn-AbC123", &[]), document)
        };
        let own = document(key, "abc~");
        assert_eq!(of(&hinted("abc"), Some(&own)), Owner::Us);
        assert_eq!(of(&hinted("xyz"), Some(&own)), Owner::SomebodyElse);
        assert_eq!(of(&hinted(""), Some(&own)), Owner::NotKnown);
        assert_eq!(of(&hinted("abc"), None), Owner::NotKnown);
        let not_named = document(other, "abc~");
        assert_eq!(of(&hinted("abc"), Some(&not_named)), Owner::SomebodyElse);
        assert_eq!(of(&issued(), None), Owner::Us);
        let replicas = Credential {
            display_name: Some(Marker::new("other-arn-AbC123", "t").display_name("")),
            ..hinted("abc")
        };
        assert_eq!(of(&replicas, Some(&own)), Owner::SomebodyElse);
        // Tags that were set on the secret of which this one was a replica.
        let promoted = secret("arn-AbC123", &[(tags::ORIGIN, "0a0a0a0a")]);
        let seen = owner(&hinted("abc"), &promoted, Some(&own));
        assert_eq!(seen, Owner::NotKnown);
        assert_eq!(owner(&issued(), &promoted, None), Owner::Us);
    }

    #[test]
    fn the_end_of_a_superseded_secret_is_told_once_on_each_rung_of_the_last_week() {
        let credential = issued();
        let attended = Superseded {
            attended: true,
            ..of(&credential)
        };
        let at_days =
            |days: i64| at("2027-01-15T00:00:00Z") - SignedDuration::from_hours(24 * days);
        assert_eq!(Warning::of(attended, at_days(8)), None);
        let week = Warning::of(attended, at_days(7)).unwrap();
        let three = Warning::of(attended, at_days(3)).unwrap();
        assert!(
            !Warning::of(attended, at_days(4))
                .unwrap()
                .says_more_than(week)
        );
        assert!(three.says_more_than(week));
        let unused = Superseded {
            used: Use::NotSince,
            ..attended
        };
        assert_eq!(Warning::of(unused, at_days(1)), None);
    }

    #[test]
    fn what_was_told_of_one_credential_does_not_overwrite_what_was_told_of_another() {
        let keys: Vec<KeyId> = [1, 2, 3]
            .map(|n| {
                format!("33333333-3333-4333-8333-00000000000{n}")
                    .parse()
                    .unwrap()
            })
            .into();
        let warning = |rung, used| Warning {
            rung,
            used,
            by_hand: true,
            leaked: false,
        };
        let mut told = Told::default();
        told.note(keys[0], warning(Some(7), false));
        told.note(keys[1], warning(None, true));
        let tag = told.to_string();
        let read = Told::read(Some(&tag), keys.iter().copied());
        assert_eq!(read, told);
        assert_eq!(read.of(keys[0]), Some(warning(Some(7), false)));
        assert_eq!(read.of(keys[2]), None);
        let gone = Told::read(Some(&tag), keys.iter().copied().skip(1));
        assert_eq!(gone.of(keys[0]), None);
        let mut many = Told::default();
        for n in 0..100 {
            let key = format!("33333333-3333-4333-8333-{n:012}");
            many.note(key.parse().unwrap(), warning(Some(7), true));
        }
        assert!(many.to_string().len() <= 256);
    }
}
