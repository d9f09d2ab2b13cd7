//! The configuration test: is everything there that a rotation will need? Tried with the current
//! secret, changing nothing but the stored grants, which are redeemed.

use shared::credential::{Fit, Slip};
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::{Delivery, MailboxSecret, Rotator};
use shared::retry::with_retries;
use shared::secret_store::versions::CURRENT;
use shared::tags;
use shared::ticket::Purpose;
use tracing::info;

use crate::person::Request;
use crate::sign_in::Refused;
use crate::{Invocation, Rotation};

impl Rotation {
    /// Tries all of it and reports all that is wrong in one message. A missing or dead grant is no
    /// error: its owner is asked for one.
    pub(crate) async fn configuration_test(&self, run: &Invocation) -> Result<(), Failure> {
        info!("a configuration test");
        self.try_all(run).await.map_err(as_of_a_test)
    }

    async fn try_all(&self, run: &Invocation) -> Result<(), Failure> {
        let value = self
            .store
            .value_with_label(&run.secret.arn, CURRENT)
            .await?;
        let mailbox = MailboxSecret::read(&value.text)?;
        let store = self.companion(&run.secret);
        let (entra, signs_in, shopctrl, companion) = tokio::join!(
            self.try_entra(run, &mailbox),
            self.wait_until_signs_in(&mailbox, run.deadline),
            self.try_shopctrl(run, &mailbox),
            store.read(),
        );
        let mut problems: Vec<Failure> = shopctrl;
        problems.extend(entra.err());
        let now = signs_in.as_ref().ok().copied();
        problems.extend(signs_in.err().map(|refused| {
            match refused {
                Refused::Client(failure) => Failure::new(
                    Kind::Misconfigured,
                    "signing in with the current client secret: Entra refuses it",
                )
                .code(failure.code.unwrap_or_default())
                .next_step(mailbox.client_secret.slip().map_or(
                    "Check that client_secret holds the Value, not the Secret ID.",
                    Slip::next_step,
                )),
                Refused::Other(failure) => failure,
            }
        }));
        let good = problems.is_empty();
        let needs = match companion {
            Ok(companion) if good => {
                let grants = &companion.grants;
                match self.prove_mailboxes(run, &mailbox, grants).await {
                    Ok(needs) => needs,
                    Err(failure) => {
                        problems.push(failure);
                        Vec::new()
                    }
                }
            }
            Ok(_) => Vec::new(),
            Err(failure) => {
                problems.push(failure);
                Vec::new()
            }
        };
        if let Some(now) = now.filter(|_| !needs.is_empty()) {
            // Bound to the version that stays: the pending one of a test goes away.
            let connect = Invocation {
                secret: run.secret.clone(),
                token: value.version,
                rotation_token: None,
                deadline: run.deadline,
            };
            let request = Request {
                purpose: Purpose::Connect,
                now,
                due_by: mailbox.expires_at,
            };
            let waiting = self.ask(&connect, &mailbox, needs, request).await?;
            info!(%waiting, "asked for the first grants");
        }
        together(problems)
    }

    async fn try_entra(&self, run: &Invocation, mailbox: &MailboxSecret) -> Result<(), Failure> {
        let tokens = self.rotators.token(mailbox, run.deadline).await?;
        let app = self.app(mailbox);
        let registration = self.registration(&app, &tokens);
        let application = with_retries(run.deadline, async || registration.read().await).await?;
        let credential = match application.credential(mailbox.key_id) {
            Some(credential) => Some(credential.clone()),
            None => {
                self.find_credential(&registration, mailbox.key_id, run.deadline)
                    .await?
            }
        };
        match credential.map(|credential| credential.fits(&mailbox.client_secret)) {
            Some(Fit::Yes | Fit::CannotTell) => {}
            Some(Fit::No) => {
                return Err(Failure::new(
                    Kind::Misconfigured,
                    "reading the app registration in Entra: the client secret with this key_id begins with other characters than client_secret",
                )
                .next_step(
                    "Put key_id and client_secret of one and the same client secret into the document: the portal shows Secret ID and the beginning of the Value side by side.",
                ));
            }
            None => {
                return Err(Failure::new(
                    Kind::Misconfigured,
                    "reading the app registration in Entra: it has no client secret with this key_id",
                )
                .next_step(
                    "Set key_id to the Secret ID that the portal shows beside the client secret.",
                ));
            }
        }
        if application.most_credentials().is_some() {
            self.refuse_a_second_secret(run, mailbox).await?;
        }
        let rotator = match &mailbox.rotator {
            Rotator::Federated { client_id } | Rotator::Secret { client_id, .. } => client_id,
            Rotator::Itself {} => &mailbox.client_id,
        };
        let owner = registration.is_owned_by(rotator.as_str());
        // Application.ReadWrite.All needs no ownership, and whether the rotator has that, it cannot
        // see: so this is a word in the log and not an error.
        match owner.await {
            Ok(true) => {}
            Ok(false) => info!(
                "the rotator is no owner of the app registration; Application.ReadWrite.OwnedBy would not suffice"
            ),
            Err(error) => info!(failure = %error.failure, "the owners cannot be read"),
        }
        Ok(())
    }

    /// Where Entra allows two credentials, two mailbox secrets on one app registration would take each other's
    /// places.
    async fn refuse_a_second_secret(
        &self,
        run: &Invocation,
        mailbox: &MailboxSecret,
    ) -> Result<(), Failure> {
        let all = self.store.list(tags::MANAGED, "mailbox").await?;
        for other in all {
            if other.arn == run.secret.arn || other.is_replica() || other.deleted {
                continue;
            }
            let Some(version) = other.versions.current() else {
                continue;
            };
            let value = self.store.value_of(&other.arn, version).await?;
            let document = value.and_then(|value| MailboxSecret::read(&value.text).ok());
            let same = |other: MailboxSecret| {
                other.tenant_id == mailbox.tenant_id && other.client_id == mailbox.client_id
            };
            if document.is_some_and(same) {
                return Err(Failure::new(
                    Kind::Misconfigured,
                    format!("reading the app registration in Entra: it allows two client secrets, and {} rotates there too", other.name),
                )
                .next_step(
                    "Give each mailbox secret an app registration of its own, or set the supported account types to this organization only.",
                ));
            }
        }
        Ok(())
    }

    async fn try_shopctrl(&self, run: &Invocation, mailbox: &MailboxSecret) -> Vec<Failure> {
        let logins = self.shopctrls(mailbox).await;
        let tries = mailbox.connections.iter().map(async |connection| {
            let shopctrl = self.shopctrl(&logins, connection)?;
            with_retries(run.deadline, async || shopctrl.check_login().await).await?;
            let shop_id = connection.shopctrl.shop_id;
            with_retries(run.deadline, async || shopctrl.shop_status(shop_id).await).await?;
            if connection.delivery == Delivery::Api {
                with_retries(run.deadline, async || shopctrl.connection(connection).await).await?;
            }
            Ok(())
        });
        let tries = futures_util::future::join_all(tries).await;
        tries
            .into_iter()
            .filter_map(|tried: Result<(), Failure>| tried.err())
            .collect()
    }
}

/// Secrets Manager tests once, when somebody sets rotation up, and not again by itself.
fn as_of_a_test(failure: Failure) -> Failure {
    failure.where_nothing_tries_again(
        "Test the configuration again in some minutes (docs/runbook.md, Rotate now).",
        "test it again",
    )
}

/// All problems as one failure, each once; the worst kind counts.
fn together(problems: Vec<Failure>) -> Result<(), Failure> {
    let problems: Vec<Failure> = problems.into_iter().map(as_of_a_test).collect();
    let mut texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.dedup();
    let temporary = problems
        .iter()
        .all(|problem| problem.kind == Kind::Temporary);
    match problems.into_iter().next() {
        None => Ok(()),
        Some(first) if texts.len() == 1 => Err(first),
        Some(_) => {
            let kind = if temporary {
                Kind::Temporary
            } else {
                Kind::Misconfigured
            };
            let what = format!(
                "testing the configuration, {} problems: {}",
                texts.len(),
                texts.join(" | ")
            );
            Err(Failure::new(kind, what))
        }
    }
}
