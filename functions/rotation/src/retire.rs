//! retire: removes superseded credentials whose quarantine is over, and warns of those that end while
//! ShopCtrl may use them yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::credential::Credential;
use shared::drift::DriftKind;
use shared::entra::App;
use shared::entra::token::Tokens;
use shared::events::{EventKind, RetiredReason};
use shared::failure::Failure;
use shared::graph::application::Application;
use shared::ids::KeyId;
use shared::mailbox_secret::{Delivery, MailboxSecret};
use shared::retry::{Deadline, backoff, with_retries};
use shared::secret_store::versions::{
    CURRENT, Claim, PREVIOUS, released_label, retired_label, superseded_label,
};
use shared::secret_store::{SecretMetadata, SecretValue as Current};
use shared::tags;
use tracing::{info, warn};

use crate::call::ActionCall;
use crate::held::{Look, stops};
use crate::person::{contact, described};
use crate::probe::says_no_such_app;
use crate::superseded::{
    Owner, Superseded, Told, Use, Warning, owner, superseded, used_since, verdict,
};
use crate::{Rotation, event, is_left_alone};

/// What one run of retire goes by.
struct Retirement<'a> {
    secret: &'a SecretMetadata,
    current: &'a Current,
    mailbox: &'a MailboxSecret,
    held: &'a [Look<'a>],
    /// The credentials that other managed secrets name; unknown, nothing is removed.
    named_by_others: Option<&'a BTreeSet<KeyId>>,
    deadline: Deadline,
}

/// An app registration as its rotator sees it. A version's credential is in the one that its own document
/// names, which need not be today's.
struct Place {
    mailbox: MailboxSecret,
    app: App,
    tokens: Tokens,
    application: Application,
}

type Places = Vec<Arc<Place>>;

/// A superseded version's credential.
struct Old<'a> {
    key_id: KeyId,
    version: &'a str,
    claim: Claim,
    /// The version's own document, where it can be read.
    document: Option<MailboxSecret>,
    /// What the version has for the credential, in the order of its life.
    labels: Vec<String>,
}

impl Old<'_> {
    /// Whether the current document holds this version's value too, under an id that is another's: then
    /// ShopCtrl uses it, whatever id the connections show.
    fn has_the_value_of(&self, current: &MailboxSecret) -> bool {
        let value = |document: &MailboxSecret| {
            document.client_secret.expose() == current.client_secret.expose()
        };
        self.document.as_ref().is_some_and(value)
    }
}

/// What became of a superseded credential.
enum Outcome {
    Removed,
    Kept,
    /// It is none of this secret's business any more.
    LetGo,
}

impl Rotation {
    pub(crate) async fn retire(
        &self,
        call: &ActionCall,
        deadline: Deadline,
    ) -> Result<Value, Failure> {
        let nothing = || Ok(json!({ "removed": [], "kept": [] }));
        let (secret, current) = self.settled_current(&call.secret, deadline).await?;
        if is_left_alone(&secret) {
            return nothing();
        }
        let mailbox = MailboxSecret::read(&current.text)?;
        let mut superseded = superseded(&secret, &mailbox);
        if superseded.is_empty() || secret.versions.current() != Some(&current.version) {
            return nothing();
        }
        let held = self.look_at_held(&mailbox, deadline).await;
        let retirement = Retirement {
            secret: &secret,
            current: &current,
            mailbox: &mailbox,
            held: &held,
            named_by_others: call.named_by_others.as_ref(),
            deadline,
        };
        // What cannot wait comes first.
        superseded.sort_by_key(|(_, version, _)| !retirement.leaked(version));
        let keys = superseded.iter().map(|(key_id, ..)| *key_id);
        let mut told = Told::read(secret.tags.get(tags::SUPERSEDED), keys);
        let mut places = Places::default();
        let (mut removed, mut kept, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        for (key_id, version, claim) in superseded {
            let mut labels = secret.versions.labels_naming(version, key_id);
            labels.sort_by_key(|label| Claim::of(label));
            let mut old = Old {
                key_id,
                version,
                claim,
                document: None,
                labels: labels.into_iter().map(str::to_owned).collect(),
            };
            let retired = self.retire_one(&retirement, &mut old, &mut places, &mut told);
            // One that cannot be dealt with does not keep the others.
            match retired.await {
                Ok(Outcome::Removed) => removed.push(key_id),
                Ok(Outcome::Kept) => kept.push(key_id),
                Ok(Outcome::LetGo) => {}
                Err(failure) => failures.push(failure),
            }
        }
        match failures.into_iter().next() {
            Some(failure) => Err(failure),
            None => Ok(json!({ "removed": removed, "kept": kept })),
        }
    }

    async fn retire_one(
        &self,
        run: &Retirement<'_>,
        old: &mut Old<'_>,
        places: &mut Places,
        told: &mut Told,
    ) -> Result<Outcome, Failure> {
        old.document = self.document_of(run.secret, old.version).await?;
        let place = match self.place(run, old, places).await {
            Ok(place) => place,
            Err(failure) => return self.without_a_place(run, old, failure).await,
        };
        let registration = self.registration(&place.app, &place.tokens);
        let key_id = old.key_id;
        let Some(credential) = place.application.credential(key_id) else {
            return self.gone(run, old, &place).await;
        };
        let owner = owner(credential, run.secret, old.document.as_ref());
        if old.claim == Claim::Retired {
            // A replica that lags; and should it be there indeed, it goes now.
            if owner == Owner::Us && !self.is_in_use_by_now(run, old).await? {
                let removal = async || registration.remove_password(key_id).await;
                with_retries(run.deadline, removal).await?;
            }
            return Ok(Outcome::LetGo);
        }
        let now = place.tokens.now;
        let superseded = self.known_of(run, old, &place, credential).await?;
        let reason = verdict(superseded, now, self.settings.quarantine.signed());
        let Some(reason) = reason else {
            if owner == Owner::Us && old.claim != Claim::Released {
                self.warn(run, superseded, now, told).await?;
            }
            return Ok(Outcome::Kept);
        };
        if owner != Owner::Us {
            let outcome = match superseded.has_ended(now) || owner == Owner::SomebodyElse {
                true => {
                    info!(%key_id, "let go of a credential that is not known to be ours");
                    self.forget(run.secret, old).await?;
                    Outcome::LetGo
                }
                false => {
                    info!(%key_id, "nothing ties this credential to its version's value; it is kept to its end");
                    Outcome::Kept
                }
            };
            self.warn_of_a_leak(run, old, superseded, now, told).await?;
            return Ok(outcome);
        }
        let cannot_wait = superseded.leaked || superseded.has_ended(now);
        // Somebody may have made the version current again since.
        if self.is_in_use_by_now(run, old).await? {
            return Ok(Outcome::Kept);
        }
        self.release(run.secret, old, cannot_wait).await?;
        if run
            .named_by_others
            .is_none_or(|named| named.contains(&key_id))
        {
            info!(%key_id, "another mailbox secret may name this credential; it is kept");
            self.warn_of_a_leak(run, old, superseded, now, told).await?;
            return Ok(Outcome::Kept);
        }
        self.remove_credential(&registration, key_id, run.deadline)
            .await?;
        info!(%key_id, "retired a superseded credential");
        self.tell_retired(run, key_id, reason).await?;
        // After the event: a kill between the two repeats it.
        let mark = retired_label(key_id);
        self.relabel(run.secret, old, mark, cannot_wait).await?;
        Ok(Outcome::Removed)
    }

    /// The labels and the current value, of one and the same version: right after a promotion either may be
    /// moments old.
    async fn settled_current(
        &self,
        secret: &str,
        deadline: Deadline,
    ) -> Result<(SecretMetadata, Current), Failure> {
        let wait = deadline.at_most(self.settings.label_wait.duration());
        let mut looks = 1;
        loop {
            let (described, current) = tokio::join!(
                self.store.describe(secret),
                self.store.value_with_label(secret, CURRENT),
            );
            let described = described?;
            let current = match is_left_alone(&described) {
                // One that is marked for deletion shows no value.
                true => current.unwrap_or_else(|_| Current::none()),
                false => current?,
            };
            let agree = described.versions.current() == Some(&current.version);
            if agree || is_left_alone(&described) || !wait.sleep(backoff(looks)).await {
                return Ok((described, current));
            }
            looks += 1;
        }
    }

    async fn is_in_use_by_now(&self, run: &Retirement<'_>, old: &Old<'_>) -> Result<bool, Failure> {
        let versions = self.store.describe(&run.secret.arn).await?.versions;
        let claims = versions.claims();
        let mut holders = claims.keys().filter(|(key_id, _)| *key_id == old.key_id);
        Ok(versions.in_use(old.version) || holders.any(|(_, version)| versions.in_use(version)))
    }

    /// Where the app registration cannot be looked at: gone with all its credentials, if Graph does not find it
    /// and Entra knows no such app either.
    async fn without_a_place(
        &self,
        run: &Retirement<'_>,
        old: &Old<'_>,
        failure: Failure,
    ) -> Result<Outcome, Failure> {
        let Some(document) = old.document.as_ref().filter(|_| says_no_such_app(&failure)) else {
            return Err(failure);
        };
        match self.sign_in_once(document, run.deadline).await {
            Err(refused) if says_no_such_app(&refused) => {
                if old.claim != Claim::Retired {
                    self.tell_retired(run, old.key_id, RetiredReason::AlreadyGone)
                        .await?;
                }
                self.forget(run.secret, old).await?;
                Ok(Outcome::Removed)
            }
            Ok(_) | Err(_) => Err(failure),
        }
    }

    /// The app registration that the version's credential is in; each is looked at once.
    async fn place(
        &self,
        run: &Retirement<'_>,
        old: &Old<'_>,
        places: &mut Places,
    ) -> Result<Arc<Place>, Failure> {
        // Today's document where it is the same app: the secret of an app that is its own rotator is there.
        let moved = |document: &&MailboxSecret| !document.has_the_app_of(run.mailbox);
        let mailbox = old.document.as_ref().filter(moved).unwrap_or(run.mailbox);
        let seen = places
            .iter()
            .find(|place| place.mailbox.has_the_app_of(mailbox));
        if let Some(place) = seen {
            return Ok(Arc::clone(place));
        }
        let tokens = self.rotators.token(mailbox, run.deadline).await?;
        let app = self.app(mailbox);
        let registration = self.registration(&app, &tokens);
        let application = with_retries(run.deadline, async || registration.read().await).await?;
        let place = Arc::new(Place {
            mailbox: mailbox.clone(),
            app,
            tokens,
            application,
        });
        places.push(Arc::clone(&place));
        Ok(place)
    }

    /// A credential that Graph does not list: removed by an earlier run or by a person, unless its value
    /// still signs in: a secret of the service principal does, and no app registration lists it.
    async fn gone(
        &self,
        run: &Retirement<'_>,
        old: &Old<'_>,
        place: &Place,
    ) -> Result<Outcome, Failure> {
        let registration = self.registration(&place.app, &place.tokens);
        let key_id = old.key_id;
        if !self.is_gone(&registration, key_id, run.deadline).await? {
            return Ok(Outcome::Kept);
        }
        if old.claim != Claim::Retired {
            // Another run may have removed it meanwhile, and told so.
            let versions = self.store.describe(&run.secret.arn).await?.versions;
            let claim = versions.claims().get(&(key_id, old.version)).copied();
            if claim.is_none_or(|claim| claim > old.claim) {
                return Ok(Outcome::Kept);
            }
            let leaked = run.leaked(old.version);
            let reason = match (&old.document, old.claim) {
                // Without its document nobody can tell whether its value signs in.
                (None, Claim::Holds | Claim::Superseded(_)) => return Ok(Outcome::Kept),
                (Some(document), _) if self.sign_in_once(document, run.deadline).await? => {
                    warn!(%key_id, "the app registration does not list this credential, and its value signs in; it is kept");
                    return Ok(Outcome::Kept);
                }
                (_, Claim::Released) if leaked => RetiredReason::Emergency,
                (_, Claim::Released) => RetiredReason::QuarantineOver,
                _ => RetiredReason::AlreadyGone,
            };
            self.tell_retired(run, key_id, reason).await?;
        }
        self.forget(run.secret, old).await?;
        Ok(Outcome::Removed)
    }

    async fn known_of<'c>(
        &self,
        run: &Retirement<'_>,
        old: &mut Old<'_>,
        place: &Place,
        credential: &'c Credential,
    ) -> Result<Superseded<'c>, Failure> {
        let now = place.tokens.now;
        let (since, used) = match old.claim {
            // All this was looked at before it was released.
            Claim::Released => (Timestamp::MIN, Use::NotSince),
            Claim::Holds | Claim::Superseded(_) | Claim::Retired => {
                let since = self.superseded_since(run, old, credential, now).await?;
                (since, self.use_since(place, old.key_id, since).await)
            }
        };
        Ok(Superseded {
            credential,
            since,
            leaked: run.leaked(old.version),
            held: old.has_the_value_of(run.mailbox)
                || run.held.iter().any(|look| look.may_hold(old.key_id)),
            attended: run.mailbox.has_attended(),
            used,
            frozen: self.is_frozen(run.secret, now),
        })
    }

    async fn use_since(&self, place: &Place, key_id: KeyId, since: Timestamp) -> Use {
        let registration = self.registration(&place.app, &place.tokens);
        match registration.last_used(key_id).await {
            Ok(last_used) => used_since(last_used, since),
            Err(error) => {
                info!(failure = %error.failure, "Entra's report of the credential's use cannot be read");
                Use::Unknown
            }
        }
    }

    async fn tell_retired(
        &self,
        run: &Retirement<'_>,
        key_id: KeyId,
        reason: RetiredReason,
    ) -> Result<(), Failure> {
        let emergency = reason == RetiredReason::Emergency;
        let retired = EventKind::CredentialRetired {
            key_id,
            reason,
            stops: emergency.then(|| stops(run.mailbox, run.held, key_id)),
        };
        self.events
            .publish(&[event(run.secret, None, retired)])
            .await
    }

    /// Says that somebody uses a superseded credential, that it ends soon and nothing shows that nobody
    /// does, or that one goes which a person made. Once for each state and rung.
    async fn warn(
        &self,
        run: &Retirement<'_>,
        of: Superseded<'_>,
        now: Timestamp,
        told: &mut Told,
    ) -> Result<(), Failure> {
        let key_id = of.credential.key_id;
        let Some(warning) = Warning::of(of, now) else {
            return Ok(());
        };
        let before = told.of(key_id);
        if before.is_some_and(|before| !warning.says_more_than(before)) {
            return Ok(());
        }
        let (secret, mailbox) = (run.secret, run.mailbox);
        let mut events = Vec::new();
        let says_when = warning.rung.is_some() || warning.by_hand && before.is_none();
        if let Some(ends_at) = of.credential.end.filter(|_| says_when) {
            let goes = of.since.checked_add(self.settings.quarantine.signed());
            let attended = mailbox
                .connections
                .iter()
                .filter(|c| c.delivery == Delivery::Attended);
            let ending = EventKind::SupersededSecretEnding {
                key_id,
                // One that only `api` connections used goes after its quarantine.
                ends_at: match goes {
                    Ok(goes) if !of.attended => goes.min(ends_at),
                    Ok(_) | Err(_) => ends_at,
                },
                threshold_days: warning.rung,
                connections: attended.map(described).collect(),
                contact: contact(secret, mailbox),
            };
            events.push(event(secret, None, ending));
        }
        if warning.used {
            let drift = EventKind::DriftFound {
                what: DriftKind::SupersededSecretInUse,
                connection: None,
                found_at: of.since,
                mended: false,
                time: key_id.to_string(),
            };
            events.push(event(secret, None, drift));
        }
        self.events.publish(&events).await?;
        told.note(key_id, warning);
        let tag = (tags::SUPERSEDED, told.to_string());
        self.store.tag(&secret.arn, &[tag]).await?;
        Ok(())
    }

    /// One that leaked and is kept is a danger that somebody has to know of.
    async fn warn_of_a_leak(
        &self,
        run: &Retirement<'_>,
        old: &Old<'_>,
        of: Superseded<'_>,
        now: Timestamp,
        told: &mut Told,
    ) -> Result<(), Failure> {
        let warning = Warning::of_a_leak();
        let before = told.of(old.key_id);
        let said = before.is_some_and(|before| !warning.says_more_than(before));
        if !of.leaked || of.has_ended(now) || said {
            return Ok(());
        }
        let drift = EventKind::DriftFound {
            what: DriftKind::LeakedSecretStillValid,
            connection: None,
            found_at: now,
            mended: false,
            time: old.key_id.to_string(),
        };
        self.events
            .publish(&[event(run.secret, None, drift)])
            .await?;
        told.note(old.key_id, warning);
        let tag = (tags::SUPERSEDED, told.to_string());
        self.store.tag(&run.secret.arn, &[tag]).await?;
        Ok(())
    }

    // === Labels ===

    /// As far as this secret goes, the credential may be removed: a kill after the removal does not make
    /// it look like somebody else's deed, and other secrets that name it need not wait for this one.
    async fn release(
        &self,
        secret: &SecretMetadata,
        old: &mut Old<'_>,
        cannot_wait: bool,
    ) -> Result<(), Failure> {
        if old.claim == Claim::Released {
            return Ok(());
        }
        let released = released_label(old.key_id);
        self.relabel(secret, old, released, cannot_wait).await
    }

    /// Puts one label in the place of what the version has for the credential. That all of a secret's
    /// labels are in use is no reason to keep what leaked or has ended.
    async fn relabel(
        &self,
        secret: &SecretMetadata,
        old: &mut Old<'_>,
        label: String,
        cannot_wait: bool,
    ) -> Result<(), Failure> {
        let set = self.store.set_label(&secret.arn, &label, old.version);
        if let Err(error) = set.await {
            if !cannot_wait {
                return Err(error.failure);
            }
            warn!(failure = %error.failure, "a label could not be set; going on without");
            return Ok(());
        }
        for before in std::mem::replace(&mut old.labels, vec![label.clone()]) {
            if before != label {
                let dropped = self.store.drop_label(&secret.arn, &before, old.version);
                match dropped.await {
                    Err(error) if cannot_wait => {
                        warn!(failure = %error.failure, "a label stays for now");
                    }
                    dropped => drop(dropped?),
                }
            }
        }
        Ok(())
    }

    /// Drops the labels of a credential that no replica shows. `retired-` goes last: a kill on the way
    /// does not have the removal told again.
    async fn forget(&self, secret: &SecretMetadata, old: &Old<'_>) -> Result<(), Failure> {
        for label in &old.labels {
            let dropped = self.store.drop_label(&secret.arn, label, old.version);
            dropped.await?;
        }
        Ok(())
    }

    /// Since when a version is superseded. Secrets Manager's own date counts only if it is of the
    /// rotation that made the current version; where it says nothing, its label says it from now on.
    async fn superseded_since(
        &self,
        run: &Retirement<'_>,
        old: &mut Old<'_>,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Timestamp, Failure> {
        if let Claim::Superseded(Some(since)) = old.claim {
            return Ok(since);
        }
        // Not of a rotation that was given up, nor of one that was taken back; nor of a value put by hand just
        // before, which Secrets Manager counts as a rotation, too.
        let made = run.current.created;
        let replaced = run.secret.versions.has(old.version, PREVIOUS)
            && credential
                .start
                .zip(made)
                .is_some_and(|(start, made)| start < made);
        let rotated = run
            .secret
            .last_rotated
            .filter(|rotated| replaced && made.is_some_and(|made| *rotated > made));
        if let Some(rotated) = rotated {
            return Ok(rotated);
        }
        let ended = credential.end.is_some_and(|end| end <= now);
        let cannot_wait = ended || run.leaked(old.version);
        let mark = superseded_label(now, old.key_id);
        self.relabel(run.secret, old, mark, cannot_wait).await?;
        Ok(now)
    }

    async fn document_of(
        &self,
        secret: &SecretMetadata,
        version: &str,
    ) -> Result<Option<MailboxSecret>, Failure> {
        let value = self.store.value_of(&secret.arn, version).await?;
        Ok(value.and_then(|value| MailboxSecret::read(&value.text).ok()))
    }
}

impl Retirement<'_> {
    /// Whether the tag says that this version's credential leaked.
    fn leaked(&self, version: &str) -> bool {
        let emergency = self.secret.tags.get(tags::EMERGENCY);
        emergency.is_some_and(|leaked| leaked == version)
    }
}
