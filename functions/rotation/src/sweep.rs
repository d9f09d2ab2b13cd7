//! sweep: puts in order what was left behind. Credentials of ours whose value was never stored, versions
//! without their label, connections that hold another secret than the current one, grants that nobody
//! has used for long.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::credential::{Credential, Fit};
use shared::failure::{Failure, Kind};
use shared::graph::application::{Application, Registration};
use shared::ids::KeyId;
use shared::mailbox_secret::MailboxSecret;
use shared::retry::{Deadline, with_retries};
use shared::secret_store::versions::{CURRENT, key_label};
use shared::secret_store::{MoveLabel, SecretMetadata};
use shared::ticket::Purpose;
use tracing::{info, warn};

use crate::call::ActionCall;
use crate::orphans::orphans;
use crate::person::{Need, Request};
use crate::redeliver::Mends;
use crate::test_secret::Unproved;
use crate::{Invocation, Rotation, is_left_alone};

impl Rotation {
    pub(crate) async fn sweep(
        &self,
        call: &ActionCall,
        deadline: Deadline,
    ) -> Result<Value, Failure> {
        let nothing = || Ok(json!({ "removed": [], "delivered": [] }));
        let secret = self.store.describe(&call.secret).await?;
        if is_left_alone(&secret) {
            return nothing();
        }
        let current = self.store.value_with_label(&call.secret, CURRENT).await?;
        let mailbox = MailboxSecret::read(&current.text)?;
        let tokens = self.rotators.token(&mailbox, deadline).await?;
        let app = self.app(&mailbox);
        let registration = self.registration(&app, &tokens);
        let application = with_retries(deadline, async || registration.read().await).await?;
        // Once more: a credential that was seen and is not named now is in flight or lost.
        let secret = self.store.describe(&call.secret).await?;
        if secret.versions.current() != Some(&current.version) {
            // Promoted meanwhile: what was read is out of date, and nothing is done by it.
            return nothing();
        }
        let mut run = Invocation {
            secret,
            token: current.version,
            rotation_token: None,
            deadline,
        };
        // What fails does not keep the rest.
        let mut failures = Vec::new();
        failures.extend(self.drop_leftovers(&run.secret).await.err());
        failures.extend(
            self.adopt_current(&run.secret, &mailbox, &application, &registration, deadline)
                .await
                .err(),
        );
        let mut needs = Vec::new();
        let mut delivered = Vec::new();
        if run.secret.versions.in_progress().is_none() {
            let mends = Mends::AllBut(issued_by_a_twin(&application, &run.secret));
            let redelivered = self.redeliver(&run, &mailbox, tokens.now, None, &mends);
            match redelivered.await {
                Ok(redelivered) => {
                    needs.extend(redelivered.needs);
                    delivered = redelivered.delivered;
                }
                Err(failure) => failures.push(failure),
            }
            match self.redeem_idle_grants(&run, &mailbox, tokens.now).await {
                Ok(found) => needs.extend(found),
                Err(failure) => failures.push(failure),
            }
        }
        let mut removed = Vec::new();
        let secret = &mut run.secret;
        let told = self.tell_removed(secret, &registration, &application, deadline);
        failures.extend(told.await.err());
        // Without the word of the other secrets nothing is removed that one of them may name.
        let named = call.named_by_others.as_ref();
        if let Some(named) = named.filter(|_| !self.is_frozen(&run.secret, tokens.now)) {
            let settled = self.settled(tokens.now);
            let mut orphans = orphans(&application, &run.secret, mailbox.key_id, settled);
            orphans.retain(|orphan| !named.contains(&orphan.key_id));
            // After the delivery, which may take one of them away from a connection.
            let lost = self.lost_for_good(&run.secret, &mailbox, orphans, deadline);
            match lost.await {
                Ok(lost) => {
                    let removal = self.remove_orphans(&run.secret, &registration, lost, deadline);
                    let (gone, failure) = removal.await;
                    removed = gone;
                    failures.extend(failure);
                }
                Err(failure) => failures.push(failure),
            }
        }
        if !needs.is_empty() {
            let request = Request {
                purpose: Purpose::Connect,
                now: tokens.now,
                due_by: mailbox.expires_at,
            };
            failures.push(self.ask(&run, &mailbox, needs, request).await?);
        }
        match failures.into_iter().next() {
            Some(failure) => Err(failure),
            None => Ok(json!({ "removed": removed, "delivered": delivered })),
        }
    }

    /// RotateSecret takes an AWSPENDING that is left over for a rotation in progress once it is not on
    /// AWSCURRENT any more; and the quarantine of a version that was superseded and is current again
    /// would count from then.
    async fn drop_leftovers(&self, secret: &SecretMetadata) -> Result<(), Failure> {
        for (label, version) in secret.versions.leftovers() {
            self.store.drop_label(&secret.arn, label, version).await?;
        }
        Ok(())
    }

    /// Labels the current version with the credential that its document names, so that an imported
    /// credential is retired after its successor's promotion as one of ours. Not with one whose hint is
    /// not the value's: the id was typed wrong, and the credential is somebody else's.
    pub(crate) async fn adopt_current(
        &self,
        secret: &SecretMetadata,
        mailbox: &MailboxSecret,
        application: &Application,
        registration: &Registration,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let versions = &secret.versions;
        let label = key_label(mailbox.key_id);
        let holder = versions.with_label(&label);
        let Some(current) = versions.current() else {
            return Ok(());
        };
        if holder == Some(current) {
            let named = application.credential(mailbox.key_id);
            let anothers = named.is_some_and(|c| c.fits(&mailbox.client_secret) == Fit::No);
            let keep = if anothers { "" } else { &label };
            return self.drop_other_labels(secret, current, keep).await;
        }
        if holder.is_some() && holder == versions.in_progress() {
            return Ok(());
        }
        // One look that does not show it proves nothing; and if this version is superseded without
        // its label, its credential is never retired.
        let seen = match application.credential(mailbox.key_id) {
            Some(credential) => Some(credential.clone()),
            None => {
                self.find_credential(registration, mailbox.key_id, deadline)
                    .await?
            }
        };
        let fit = seen.map(|credential| credential.fits(&mailbox.client_secret));
        if fit.is_none_or(|fit| fit == Fit::No) {
            warn!(key_id = %mailbox.key_id, "Entra shows no credential with the document's key_id, or its hint is another value's");
            return self.drop_other_labels(secret, current, "").await;
        }
        let adopt = MoveLabel {
            secret: &secret.arn,
            label: &label,
            to: Some(current),
            // A document that was edited by hand is another version with the same credential.
            from: holder,
        };
        self.store.swap_label(adopt).await?;
        self.drop_other_labels(secret, current, &label).await
    }

    /// The current version names the credential that its document names, and no other: a label that was typed
    /// wrong would hide from others which one is in use, and one from a time when the version was
    /// superseded would have it retired without its quarantine.
    async fn drop_other_labels(
        &self,
        secret: &SecretMetadata,
        current: &str,
        label: &str,
    ) -> Result<(), Failure> {
        for key_id in secret.versions.keys_of(current) {
            for other in secret.versions.labels_naming(current, key_id) {
                if other != label {
                    self.store.drop_label(&secret.arn, other, current).await?;
                }
            }
        }
        Ok(())
    }

    /// Redeems the grants that nobody has redeemed for long: after 90 idle days Entra lets a refresh
    /// token die, and the next rotation would need its owner.
    async fn redeem_idle_grants(
        &self,
        run: &Invocation,
        mailbox: &MailboxSecret,
        now: Timestamp,
    ) -> Result<Vec<Need>, Failure> {
        let store = self.companion(&run.secret);
        let grants = store.read().await?.grants;
        store.tidy().await?;
        let before = now.checked_sub(self.settings.redeem_every.signed());
        let idle = grants.idle(before.unwrap_or(Timestamp::MIN));
        let mut needs = Vec::new();
        for address in mailbox.probed_mailboxes() {
            if !idle.contains(address) {
                continue;
            }
            match self.prove_mailbox(run, mailbox, &grants, address).await {
                Ok(()) => info!(mailbox = %address, "redeemed an idle grant"),
                Err(Unproved::OwnerNeeded(reason)) => needs.push(Need::Renewal {
                    mailbox: address.clone(),
                    reason,
                    redeemed_at: grants.of(address).map(|grant| grant.redeemed_at),
                }),
                Err(Unproved::Failed(failure)) => match failure.kind {
                    Kind::Temporary => warn!(%failure, "an idle grant could not be redeemed now"),
                    Kind::WaitingForPerson | Kind::Frozen | Kind::Refused | Kind::Misconfigured => {
                        return Err(failure);
                    }
                },
            }
        }
        Ok(needs)
    }
}

/// What a replica of this secret issued, or the secret that this one was a replica of: connections with one of
/// these are looked after there.
fn issued_by_a_twin(application: &Application, secret: &SecretMetadata) -> BTreeSet<KeyId> {
    let by_a_twin = |credential: &&Credential| {
        let marker = credential.marker();
        marker.is_some_and(|marker| marker.is_of_a_twin(&secret.arn))
    };
    let credentials = application.credentials.iter().filter(by_a_twin);
    credentials.map(|credential| credential.key_id).collect()
}
