//! The rotator: the identity that issues and removes credentials.

use secrecy::SecretString;
use serde::Deserialize;

use super::App;
use super::token::{ClientProof, TokenEndpoint, TokenError, Tokens};
use crate::aws::{AwsSettings, Service, classify};
use crate::cloud::MicrosoftSettings;
use crate::credential::ClientSecret;
use crate::failure::{Failure, Kind};
use crate::http::Client;
use crate::json;
use crate::mailbox_secret::{MailboxSecret, Rotator};
use crate::retry::{Deadline, with_retries};
use crate::secret_store::{SecretStore, versions};

/// How long the federated token is good for: it is used at once and never kept.
const ASSERTION_SECONDS: i32 = 300;

/// Gets tokens for Graph as a document's rotator.
#[derive(Debug, Clone)]
pub struct Rotators {
    http: Client,
    microsoft: MicrosoftSettings,
    store: SecretStore,
    sts: aws_sdk_sts::Client,
}

/// The value of a rotator's own secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnSecret {
    client_secret: ClientSecret,
}

impl Rotators {
    /// Over the clients of this binary.
    #[must_use]
    pub fn new(
        http: Client,
        microsoft: MicrosoftSettings,
        store: SecretStore,
        aws: &AwsSettings,
    ) -> Self {
        let sts = aws_sdk_sts::Client::new(&aws.config(Service::Sts, &http));
        Self {
            http,
            microsoft,
            store,
            sts,
        }
    }

    /// A fresh token for Graph.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`] when Entra refuses the rotator, [`Kind::Temporary`] otherwise.
    pub async fn token(
        &self,
        mailbox: &MailboxSecret,
        deadline: Deadline,
    ) -> Result<Tokens, Failure> {
        let (client_id, proof) = match &mailbox.rotator {
            Rotator::Federated { client_id } => (
                client_id,
                ClientProof::Assertion(self.assertion(mailbox).await?),
            ),
            Rotator::Secret { client_id, secret } => (
                client_id,
                ClientProof::Secret(self.own_secret(secret).await?),
            ),
            Rotator::Itself {} => (&mailbox.client_id, ClientProof::Secret(own_value(mailbox)?)),
        };
        let app = App {
            endpoints: self.microsoft.endpoints(mailbox.cloud),
            tenant: mailbox.tenant_id.clone(),
            client_id: client_id.clone(),
        };
        let endpoint = TokenEndpoint::new(self.http.clone(), app, proof);
        let mut refusal = None;
        let tokens = with_retries(deadline, async || {
            endpoint.client_credentials().await.map_err(|error| {
                if let TokenError::ClientRefused(oauth_error) = &error {
                    refusal = Some(oauth_error.clone());
                }
                error.into_call_error("signing in as the rotator")
            })
        })
        .await;
        tokens.map_err(|error| match refusal {
            Some(_) => error.failure.next_step(advice(&mailbox.rotator)),
            None => error.failure,
        })
    }

    async fn assertion(&self, mailbox: &MailboxSecret) -> Result<SecretString, Failure> {
        let answer = self
            .sts
            .get_web_identity_token()
            .audience(mailbox.cloud.federation_audience())
            // The only algorithm that Entra takes.
            .signing_algorithm("RS256")
            .duration_seconds(ASSERTION_SECONDS)
            .send()
            .await
            .map_err(|error| {
                let failure = classify("asking AWS for a web identity token", &error).failure;
                // The operation's own errors, and what IAM says in their place.
                match failure.code.as_deref() {
                    Some("OutboundWebIdentityFederationDisabledException" | "AccessDenied") => failure.next_step("Enable outbound identity federation for the account, and give the function's role sts:GetWebIdentityToken."),
                    Some("SessionDurationEscalationException") => failure.next_step("The session of the function's role ends sooner than the token would. A new execution environment has a longer one; if it stays, deploy the function again."),
                    _ => failure,
                }
            })?;
        let token = answer.web_identity_token().map(str::to_owned);
        token.map(SecretString::from).ok_or_else(|| {
            Failure::new(
                Kind::Temporary,
                "asking AWS for a web identity token: the answer has none",
            )
        })
    }

    async fn own_secret(&self, secret: &str) -> Result<ClientSecret, Failure> {
        let value = self
            .store
            .value_with_label(secret, versions::CURRENT)
            .await
            .map_err(|error| error.failure.while_doing("reading the rotator's secret"))?;
        let own: OwnSecret = json::read(&value.text).map_err(|problem| {
            Failure::new(
                Kind::Misconfigured,
                format!("reading the rotator's secret: {problem}"),
            )
            .next_step("Store client_secret in the form that README shows (The other secrets).")
        })?;
        Ok(own.client_secret)
    }
}

/// The value with which an app that is its own rotator signs in. A document without one is not read.
fn own_value(mailbox: &MailboxSecret) -> Result<ClientSecret, Failure> {
    let stored = mailbox.credential.stored();
    let value = stored.map(|stored| stored.client_secret.clone());
    value.ok_or_else(|| {
        Failure::new(
            Kind::Misconfigured,
            "signing in as the rotator: the mailbox document has no client secret",
        )
    })
}

fn advice(rotator: &Rotator) -> &'static str {
    match rotator {
        Rotator::Federated { .. } => {
            "Check the federated credential of the rotator's app: issuer, subject (this function's role ARN) and audience must match to the letter."
        }
        Rotator::Secret { .. } => "Renew the rotator's own client secret and store it.",
        Rotator::Itself {} => {
            "The client secret has ended, and the app is its own rotator: add one in the Entra portal and store it in the mailbox document."
        }
    }
}
