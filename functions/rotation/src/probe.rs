//! probe: looks at a mailbox secret's world and says what there is, without changing anything. The
//! checker's eyes where it may read no secret.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::credential::{Fit, Marker};
use shared::drift::{Drift, DriftKind};
use shared::entra::token::TokenError;
use shared::failure::Failure;
use shared::graph::application::Application;
use shared::ids::{DirectoryId, KeyId, MailboxAddress};
use shared::mailbox_secret::{Delivery, MailboxSecret};
use shared::retry::{Deadline, with_retries};
use shared::secret_store::versions::CURRENT;

use crate::Rotation;

/// What probe answers. No secret, no hint of one.
#[derive(Debug, Serialize)]
struct Report {
    /// The version that was looked at.
    version: String,
    /// The tenant of the app registration.
    tenant_id: DirectoryId,
    /// Its client id.
    client_id: DirectoryId,
    /// The current credential.
    key_id: KeyId,
    /// Whether a rotation of this secret issued it, as version `version`.
    issued_here: bool,
    /// Entra's clock; absent when Entra could not be asked.
    now: Option<Timestamp>,
    /// When Entra made the credential.
    start: Option<Timestamp>,
    /// When it ends: Entra's word, or else the document's.
    expires_at: Timestamp,
    /// The accounts whose mail may stand still.
    mailboxes: Vec<MailboxAddress>,
    /// Whether a person delivers to some connection.
    attended: bool,
    /// What is not as it was left.
    drift: Vec<Drift>,
    /// What could not be looked at.
    problems: Vec<String>,
}

impl Rotation {
    pub(crate) async fn probe(&self, secret: &str, deadline: Deadline) -> Result<Value, Failure> {
        let current = self.store.value_with_label(secret, CURRENT).await?;
        let mailbox = MailboxSecret::read(&current.text)?;
        let mut report = Report {
            version: current.version,
            tenant_id: mailbox.tenant_id.clone(),
            client_id: mailbox.client_id.clone(),
            key_id: mailbox.key_id,
            issued_here: false,
            now: None,
            start: None,
            expires_at: mailbox.expires_at,
            mailboxes: mailbox.own_addresses(),
            attended: mailbox.has_attended(),
            drift: Vec::new(),
            problems: Vec::new(),
        };
        let (entra, signs_in, connections) = tokio::join!(
            self.look_at_entra(&mailbox, deadline),
            self.sign_in_once(&mailbox, deadline),
            self.look_at_connections(&mailbox, deadline),
        );
        let mut drift = |what: DriftKind| report.drift.push(what.into());
        if entra.as_ref().err().is_some_and(says_no_such_app)
            && signs_in.as_ref().err().is_some_and(says_no_such_app)
        {
            drift(DriftKind::RegistrationMissing);
        }
        match signs_in {
            Ok(true) => {}
            Ok(false) => {
                drift(DriftKind::SecretRefused);
                if let Some(slip) = mailbox.client_secret.slip() {
                    drift(slip.into());
                }
            }
            Err(failure) => report.problems.push(failure.to_string()),
        }
        match entra {
            Ok(seen) => {
                report.now = Some(seen.now);
                match seen.application.credential(mailbox.key_id) {
                    Some(credential) => {
                        // Whose start it is that counts is not known then.
                        report.start = credential.start;
                        if credential.fits(&mailbox.client_secret) == Fit::No {
                            drift(DriftKind::KeyIdIsAnothers);
                            report.start = None;
                        }
                        let of_version = |marker: Marker| marker.token == report.version;
                        report.issued_here = credential.marker().is_some_and(of_version);
                    }
                    None => drift(DriftKind::CredentialMissing),
                }
                let end = seen.application.end_of(&mailbox);
                report.expires_at = end.unwrap_or(mailbox.expires_at);
            }
            Err(failure) => report.problems.push(failure.to_string()),
        }
        for look in connections {
            match look {
                Ok(drift) => report.drift.extend(drift),
                Err(failure) => report.problems.push(failure.to_string()),
            }
        }
        report.problems.sort();
        report.problems.dedup();
        Ok(serde_json::to_value(report).unwrap_or_default())
    }

    async fn look_at_entra(
        &self,
        mailbox: &MailboxSecret,
        deadline: Deadline,
    ) -> Result<Seen, Failure> {
        let tokens = self.rotators.token(mailbox, deadline).await?;
        let app = self.app(mailbox);
        let registration = self.registration(&app, &tokens);
        let read = async || registration.read().await;
        let mut application = with_retries(deadline, read).await?;
        if application.credential(mailbox.key_id).is_none() {
            // Graph's reads lag its writes: what one look does not find is looked for again.
            let found = self.find_credential(&registration, mailbox.key_id, deadline);
            application.credentials.extend(found.await?);
        }
        Ok(Seen {
            now: tokens.now,
            application,
        })
    }

    /// Whether Entra takes the document's client secret.
    ///
    /// # Errors
    /// [`Failure`] where it refuses for another reason than the secret.
    pub(crate) async fn sign_in_once(
        &self,
        mailbox: &MailboxSecret,
        deadline: Deadline,
    ) -> Result<bool, Failure> {
        let endpoint = self.token_endpoint(mailbox);
        let mut refused = false;
        let tokens = with_retries(deadline, async || {
            endpoint.client_credentials().await.map_err(|error| {
                refused = matches!(&error, TokenError::ClientRefused(_));
                error.into_call_error("signing in with the current client secret")
            })
        })
        .await;
        match tokens {
            Ok(_) => Ok(true),
            Err(_) if refused => Ok(false),
            Err(error) => Err(error.failure),
        }
    }

    async fn look_at_connections(
        &self,
        mailbox: &MailboxSecret,
        deadline: Deadline,
    ) -> Vec<Result<Option<Drift>, Failure>> {
        let api = || {
            mailbox
                .connections
                .iter()
                .filter(|c| c.delivery == Delivery::Api)
        };
        if api().next().is_none() {
            return Vec::new();
        }
        let logins = self.shopctrls(mailbox).await;
        let looks = api().map(async |connection| {
            let shopctrl = self.shopctrl(&logins, connection)?;
            let held =
                with_retries(deadline, async || shopctrl.connection(connection).await).await?;
            let what = if !held.authorized {
                DriftKind::ConnectionNotAuthorized
            } else if !held.enabled {
                DriftKind::ConnectionDisabled
            } else if held.key_id != Some(mailbox.key_id) {
                DriftKind::ConnectionHoldsAnotherSecret
            } else {
                return Ok(None);
            };
            Ok(Some(Drift {
                what,
                connection: Some(connection.id.clone()),
            }))
        });
        futures_util::future::join_all(looks).await
    }
}

/// Graph's code, and the token endpoint's.
pub(crate) fn says_no_such_app(failure: &Failure) -> bool {
    let code = failure.code.as_deref().unwrap_or_default();
    code == "Request_ResourceNotFound" || code.ends_with("AADSTS700016")
}

struct Seen {
    now: Timestamp,
    application: Application,
}
