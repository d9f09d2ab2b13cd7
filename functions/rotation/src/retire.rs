//! retire: removes superseded credentials whose quarantine is over, and warns of those that end while
//! ShopCtrl may use them yet.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::credential::{Credential, KeyId};
use shared::entra::App;
use shared::entra::credential_use::last_used;
use shared::entra::token::Tokens;
use shared::events::{EventKind, RetiredReason, StoppedConnection, StoppedWhy, Stops};
use shared::failure::Failure;
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret};
use shared::policy;
use shared::retry::{Deadline, with_retries};
use shared::secret_store::versions::{CURRENT, PREVIOUS, retired_label, superseded_label};
use shared::secret_store::{Described, MoveLabel, Swap, Value as Current};
use shared::tags;
use tracing::{info, warn};

use crate::person::{contact, described};
use crate::{Rotation, event};

/// So many superseded versions are marked in one second.
const MOST_AT_ONCE: usize = 20;

/// What is known about a superseded credential.
#[derive(Debug, Clone, Copy)]
struct Superseded<'a> {
    /// The credential, as Entra shows it.
    credential: &'a Credential,
    /// Since when another version is current.
    since: Timestamp,
    /// The version that holds it leaked.
    leaked: bool,
    /// Some connection of ShopCtrl's still holds it, or could not be asked.
    held: bool,
    /// A person delivers its successor to some connection, and flowing mail does not prove which
    /// secret ShopCtrl uses: then it may end, but is not ended.
    attended: bool,
    /// What Entra reports of its use.
    used: Use,
}

/// What Entra reports of a superseded credential's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Nothing, or it may not be read.
    Unknown,
    /// It was used before it was superseded, and not since.
    NotSince,
    /// Somebody uses it still.
    Since,
}

/// Entra's report and Secrets Manager's date come from two clocks.
const SLACK: SignedDuration = SignedDuration::from_hours(1);

fn used_since(last_used: Option<Timestamp>, since: Timestamp) -> Use {
    match last_used {
        None => Use::Unknown,
        Some(last) if last > since + SLACK => Use::Since,
        Some(_) => Use::NotSince,
    }
}

/// Whether a superseded credential is to be removed now, and why.
fn verdict(
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

impl Rotation {
    pub(crate) async fn retire(&self, secret: &str, deadline: Deadline) -> Result<Value, Failure> {
        let (secret, current) = tokio::join!(
            self.store.describe(secret),
            self.store.value_with_label(secret, CURRENT),
        );
        let (secret, current) = (secret?, current?);
        let mailbox = MailboxSecret::read(&current.text)?;
        let superseded = superseded(&secret, &mailbox);
        if superseded.is_empty() || secret.versions.current() != Some(&current.version) {
            return Ok(json!({ "removed": [], "kept": [] }));
        }
        let tokens = self.rotators.token(&mailbox, deadline).await?;
        let app = self.app(&mailbox);
        let registration = self.registration(&app, &tokens);
        let (application, held) = tokio::join!(
            with_retries(deadline, async || registration.read().await),
            self.look_at_held(&mailbox, deadline),
        );
        let application = application?;
        let emergency = secret.tags.get(tags::EMERGENCY);
        let leaked = |version: &str| emergency.is_some_and(|leaked| leaked == version);
        let retired = |key_id, reason| EventKind::CredentialRetired {
            key_id,
            reason,
            stops: (reason == RetiredReason::Emergency).then(|| stops(&mailbox, &held, key_id)),
        };
        let (mut removed, mut kept) = (Vec::new(), Vec::new());
        for (key_id, version) in superseded {
            let told = secret.versions.has(version, &retired_label(key_id));
            let Some(credential) = application.credential(key_id) else {
                // Removed by an earlier run or by a person, or this replica of Graph lags.
                if self.is_gone(&registration, key_id, deadline).await? {
                    if !told {
                        let reason = if leaked(version) {
                            RetiredReason::Emergency
                        } else {
                            RetiredReason::QuarantineOver
                        };
                        let retired = event(&secret, None, retired(key_id, reason));
                        self.events.put(&[retired]).await?;
                    }
                    self.forget(&secret, key_id, version).await?;
                    removed.push(key_id);
                }
                continue;
            };
            if told {
                // A replica that lags; and should it be there indeed, it goes now.
                let removal = async || registration.remove_password(key_id).await;
                with_retries(deadline, removal).await?;
                continue;
            }
            let since = self
                .superseded_since(&secret, &current, version, credential, tokens.now)
                .await?;
            let attended = mailbox.has_attended();
            let used = if attended {
                self.use_since(&app, &tokens, key_id, since).await
            } else {
                Use::Unknown
            };
            let superseded = Superseded {
                credential,
                since,
                leaked: leaked(version),
                held: held.iter().any(|look| look.may_hold(key_id)),
                attended,
                used,
            };
            match verdict(superseded, tokens.now, self.settings.quarantine.signed()) {
                None => {
                    kept.push(key_id);
                    self.warn(&secret, &mailbox, superseded, tokens.now).await?;
                }
                Some(reason) => {
                    self.remove_credential(&registration, key_id, deadline)
                        .await?;
                    info!(%key_id, "retired a superseded credential");
                    let retired = event(&secret, None, retired(key_id, reason));
                    self.events.put(&[retired]).await?;
                    self.mark_retired(&secret, key_id, version).await?;
                    removed.push(key_id);
                }
            }
        }
        Ok(json!({ "removed": removed, "kept": kept }))
    }

    async fn use_since(&self, app: &App, tokens: &Tokens, key_id: KeyId, since: Timestamp) -> Use {
        match last_used(&self.http, app, &tokens.access, key_id).await {
            Ok(last_used) => used_since(last_used, since),
            Err(error) => {
                info!(failure = %error.failure, "Entra's report of the credential's use cannot be read");
                Use::Unknown
            }
        }
    }

    /// Says that somebody uses a superseded credential, or that it ends soon and nothing shows that
    /// nobody does. Once for each state and rung.
    async fn warn(
        &self,
        secret: &Described,
        mailbox: &MailboxSecret,
        of: Superseded<'_>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let key_id = of.credential.key_id;
        let tag = secret.tags.get(tags::SUPERSEDED).map(String::as_str);
        let Some(warning) = Warning::of(of, now) else {
            return Ok(());
        };
        if Warning::read(tag, key_id).is_some_and(|told| !warning.says_more_than(told)) {
            return Ok(());
        }
        let mut events = Vec::new();
        if let (Some(rung), Some(ends_at)) = (warning.rung, of.credential.end) {
            let attended = mailbox
                .connections
                .iter()
                .filter(|c| c.delivery == Delivery::Attended);
            let ending = EventKind::SupersededSecretEnding {
                key_id,
                ends_at,
                rung,
                connections: attended.map(described).collect(),
                contact: contact(secret, mailbox),
            };
            events.push(event(secret, None, ending));
        }
        if warning.used {
            let drift = EventKind::DriftFound {
                what: "superseded_secret_in_use".to_owned(),
                connection: None,
                found_at: of.since,
                time: key_id.to_string(),
            };
            events.push(event(secret, None, drift));
        }
        self.events.put(&events).await?;
        let told = (tags::SUPERSEDED, warning.told(key_id));
        self.store.tag(&secret.arn, &[told]).await?;
        Ok(())
    }

    /// After the event: a kill between the two repeats it.
    async fn mark_retired(
        &self,
        secret: &Described,
        key_id: KeyId,
        version: &str,
    ) -> Result<(), Failure> {
        let mark = MoveLabel {
            secret: &secret.arn,
            label: &retired_label(key_id),
            to: Some(version),
            from: None,
        };
        self.store.swap(mark).await?;
        Ok(())
    }

    /// Drops the labels of a credential that no replica shows. `retired-` goes last: a kill on the way
    /// does not have the removal told again.
    async fn forget(
        &self,
        secret: &Described,
        key_id: KeyId,
        version: &str,
    ) -> Result<(), Failure> {
        let versions = &secret.versions;
        let mut labels = versions.superseded_labels(version);
        labels.extend(versions.labels_naming(version, key_id));
        let retired = retired_label(key_id);
        labels.extend(versions.has(version, &retired).then_some(retired.as_str()));
        for label in labels {
            let drop = MoveLabel {
                secret: &secret.arn,
                label,
                to: None,
                from: Some(version),
            };
            self.store.swap(drop).await?;
        }
        Ok(())
    }

    /// Since when a version is superseded. Secrets Manager's own date counts only if it is of the
    /// rotation that made the current version; where it says nothing, a label is set on first sight.
    async fn superseded_since(
        &self,
        secret: &Described,
        current: &Current,
        version: &str,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Timestamp, Failure> {
        if let Some(since) = secret.versions.superseded_since(version) {
            return Ok(Timestamp::from_second(since).unwrap_or(now));
        }
        // Not of a rotation that was given up, nor of one that was taken back.
        let made = current.created;
        let replaced = secret.versions.has(version, PREVIOUS)
            && credential
                .start
                .zip(made)
                .is_some_and(|(start, made)| start < made);
        let rotated = secret
            .last_rotated
            .filter(|rotated| replaced && made.is_some_and(|made| *rotated >= made));
        if let Some(rotated) = rotated {
            return Ok(rotated);
        }
        // A label is on one version only: what is seen first in the same second gets a second of its own.
        for since in (now.as_second()..).take(MOST_AT_ONCE) {
            let mark = MoveLabel {
                secret: &secret.arn,
                label: &superseded_label(since),
                to: Some(version),
                from: None,
            };
            if self.store.swap(mark).await? == Swap::Done {
                break;
            }
        }
        Ok(now)
    }

    /// What each `api` connection holds.
    pub(crate) async fn look_at_held<'a>(
        &self,
        mailbox: &'a MailboxSecret,
        deadline: Deadline,
    ) -> Vec<Look<'a>> {
        let api = |c: &&Connection| c.delivery == Delivery::Api;
        if !mailbox.connections.iter().any(|c| api(&c)) {
            return Vec::new();
        }
        let logins = self.shopctrls(mailbox).await;
        let looks = mailbox.connections.iter().filter(api);
        let looks = looks.map(async |connection| {
            let look = async {
                let shopctrl = self.shopctrl(&logins, connection)?;
                let held = with_retries(deadline, async || shopctrl.connection(connection).await);
                Ok::<_, Failure>(held.await?.key_id.map_or(Holds::Unnamed, Holds::Key))
            };
            let holds = look.await.unwrap_or_else(|failure| {
                warn!(%failure, "a connection could not be asked; only what leaked is removed");
                Holds::NotAsked
            });
            Look { connection, holds }
        });
        futures_util::future::join_all(looks).await
    }
}
/// What a connection was seen to hold.
pub(crate) struct Look<'a> {
    connection: &'a Connection,
    holds: Holds,
}

#[derive(Debug, Clone, Copy)]
enum Holds {
    /// This credential.
    Key(KeyId),
    /// A secret that was entered by hand: it has no id, and may be any.
    Unnamed,
    /// It could not be asked.
    NotAsked,
}

impl Look<'_> {
    fn may_hold(&self, key_id: KeyId) -> bool {
        match self.holds {
            Holds::Key(held) => held == key_id,
            Holds::Unnamed | Holds::NotAsked => true,
        }
    }

    /// Whether a credential whose value was never stored may go: nobody can have entered that by hand.
    pub(crate) fn lets_go_of_lost(&self, key_id: KeyId) -> bool {
        match self.holds {
            Holds::Key(held) => held != key_id,
            Holds::Unnamed => true,
            Holds::NotAsked => false,
        }
    }
}

/// What stops working once a credential is gone that leaked: it goes whether it is in use or not.
fn stops(mailbox: &MailboxSecret, looks: &[Look<'_>], removed: KeyId) -> Stops {
    let why = |connection: &Connection| {
        let look = looks.iter().find(|look| look.connection == connection);
        match look.map(|look| look.holds) {
            // Nobody can look into an attended one.
            None => Some(StoppedWhy::OnlyAttested),
            Some(Holds::Unnamed | Holds::NotAsked) => Some(StoppedWhy::NotKnown),
            Some(Holds::Key(held)) => (held == removed).then_some(StoppedWhy::HoldsIt),
        }
    };
    let stopped = mailbox.connections.iter().filter_map(|connection| {
        Some(StoppedConnection {
            id: connection.id.clone(),
            direction: connection.direction,
            why: why(connection)?,
        })
    });
    let connections: Vec<StoppedConnection> = stopped.collect();
    let named: Vec<&str> = connections.iter().map(|c| c.id.as_str()).collect();
    let of_the_document = match named.as_slice() {
        [] => "Every connection holds the new secret.".to_owned(),
        named => format!(
            "Not seen to hold the new secret, and without mail until they do: {}.",
            named.join(", ")
        ),
    };
    Stops {
        connections,
        in_words: format!(
            "The leaked secret is gone. {of_the_document} Whatever else used it has stopped working: scripts, reports, shops that the document does not name."
        ),
    }
}

/// What there is to say of a superseded credential that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Warning {
    /// It ends within so many days: 7, 3 or 1.
    rung: Option<i64>,
    /// Somebody uses it.
    used: bool,
}

impl Warning {
    fn of(of: Superseded<'_>, now: Timestamp) -> Option<Self> {
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

    fn says_more_than(self, told: Self) -> bool {
        let nearer = self
            .rung
            .is_some_and(|rung| told.rung.is_none_or(|told| rung < told));
        nearer || self.used && !told.used
    }

    fn told(self, key_id: KeyId) -> String {
        let rung = self.rung.map(|rung| rung.to_string()).unwrap_or_default();
        let used = if self.used { "used" } else { "" };
        format!("{key_id}:{rung}:{used}")
    }

    fn read(tag: Option<&str>, key_id: KeyId) -> Option<Self> {
        let rest = tag?.strip_prefix(&format!("{key_id}:"))?;
        let (rung, used) = rest.split_once(':')?;
        Some(Self {
            rung: rung.parse().ok(),
            used: used == "used",
        })
    }
}

/// The credentials that labels name, or call retired, on versions that are neither current nor being made, and that
/// the current document does not name either.
fn superseded<'a>(secret: &'a Described, mailbox: &MailboxSecret) -> Vec<(KeyId, &'a str)> {
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
