//! Which credentials are superseded, whose each is, and whether it goes now by what is known of it. Pure.

use jiff::{SignedDuration, Timestamp};
use shared::credential::{Credential, Fit, IssuedBy};
use shared::events::RetiredReason;
use shared::ids::KeyId;
use shared::mailbox_secret::MailboxSecret;
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
        Some(key_id) == mailbox.credential.key_id()
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
    /// Somebody's who named its id and not its value: in use when the mailbox began, and kept to its end.
    NamedOnly,
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
    if document.credential.key_id() != Some(credential.key_id) {
        return Owner::SomebodyElse;
    }
    let Some(stored) = document.credential.stored() else {
        return Owner::NamedOnly;
    };
    match credential.fits(&stored.client_secret) {
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
    /// Whose it is.
    pub(crate) owner: Owner,
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

#[cfg(test)]
pub(super) mod tests {
    use shared::credential::{Hint, Marker};
    use shared::secret_store::versions::Versions;

    use super::*;

    pub(in super::super) fn at(text: &str) -> Timestamp {
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

    pub(in super::super) fn issued() -> Credential {
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
            next_rotation: None,
            deleted: false,
            primary_region: None,
        }
    }

    pub(in super::super) fn of(credential: &Credential) -> Superseded<'_> {
        Superseded {
            credential,
            since: at("2026-12-01T00:00:00Z"),
            leaked: false,
            held: false,
            attended: false,
            owner: Owner::Us,
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
}
