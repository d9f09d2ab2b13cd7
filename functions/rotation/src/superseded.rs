//! What is known about a superseded credential, and what follows of it: that it goes, or that it is
//! warned of. Pure.

use jiff::{SignedDuration, Timestamp};
use shared::credential::{Credential, KeyId};
use shared::events::RetiredReason;
use shared::mailbox_secret::MailboxSecret;
use shared::policy;
use shared::secret_store::Described;

/// The credentials that labels name, or call retired, on versions that are neither current nor being made, and that
/// the current document does not name either.
pub(crate) fn superseded<'a>(
    secret: &'a Described,
    mailbox: &MailboxSecret,
) -> Vec<(KeyId, &'a str)> {
    let versions = &secret.versions;
    let in_use = |version: &str| {
        Some(version) == versions.current() || Some(version) == versions.in_progress()
    };
    let named_twice = |key: KeyId| {
        versions
            .keys()
            .iter()
            .any(|(other, v)| *other == key && in_use(v))
    };
    let all = versions.keys_with_retired().into_iter();
    all.filter(|(key, version)| !in_use(version) && *key != mailbox.key_id && !named_twice(*key))
        .collect()
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
        Some(last) if last > since + SLACK => Use::Since,
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
    // The quarantine keeps the way back open, and there is none to what has ended.
    let ended = of.credential.end.is_some_and(|end| end <= now);
    let quarantine_over = now.duration_since(of.since) >= quarantine;
    let proved = match of.used {
        Use::NotSince => true,
        Use::Unknown => !of.attended,
        Use::Since => false,
    };
    (ended || quarantine_over && proved && !of.held).then_some(RetiredReason::QuarantineOver)
}

/// What there is to say of a superseded credential that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Warning {
    /// It ends within so many days: 7, 3 or 1.
    pub(crate) rung: Option<i64>,
    /// Somebody uses it.
    pub(crate) used: bool,
}

impl Warning {
    pub(crate) fn of(of: Superseded<'_>, now: Timestamp) -> Option<Self> {
        if !of.attended || of.used == Use::NotSince {
            return None;
        }
        let rung = of.credential.end.and_then(|end| policy::rung(now, end));
        let warning = Self {
            rung: rung.filter(|rung| *rung <= 7),
            used: of.used == Use::Since,
        };
        (warning.used || warning.rung.is_some()).then_some(warning)
    }

    pub(crate) fn says_more_than(self, told: Self) -> bool {
        let nearer = self
            .rung
            .is_some_and(|rung| told.rung.is_none_or(|told| rung < told));
        nearer || self.used && !told.used
    }

    pub(crate) fn told(self, key_id: KeyId) -> String {
        let rung = self.rung.map(|rung| rung.to_string()).unwrap_or_default();
        let used = if self.used { "used" } else { "" };
        format!("{key_id}:{rung}:{used}")
    }

    pub(crate) fn read(tag: Option<&str>, key_id: KeyId) -> Option<Self> {
        let rest = tag?.strip_prefix(&format!("{key_id}:"))?;
        let (rung, used) = rest.split_once(':')?;
        Some(Self {
            rung: rung.parse().ok(),
            used: used == "used",
        })
    }
}

#[cfg(test)]
mod tests {
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
    fn the_end_of_a_superseded_secret_is_told_once_on_each_rung_of_the_last_week() {
        let credential = credential();
        let attended = Superseded {
            attended: true,
            ..of(&credential)
        };
        let at_days =
            |days: i64| at("2027-01-15T00:00:00Z") - SignedDuration::from_hours(24 * days);
        assert_eq!(Warning::of(attended, at_days(8)), None);
        let week = Warning::of(attended, at_days(7)).unwrap();
        let told = Warning::read(Some(&week.told(credential.key_id)), credential.key_id).unwrap();
        assert_eq!(told, week);
        assert!(
            !Warning::of(attended, at_days(4))
                .unwrap()
                .says_more_than(told)
        );
        assert!(
            Warning::of(attended, at_days(3))
                .unwrap()
                .says_more_than(told)
        );
        let unused = Superseded {
            used: Use::NotSince,
            ..attended
        };
        assert_eq!(Warning::of(unused, at_days(1)), None);
    }
}
