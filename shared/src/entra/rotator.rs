//! The rotator: the identity that issues and removes credentials.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::App;
use super::token::{ClientProof, TokenEndpoint, TokenError, Tokens};
use crate::aws::{AwsSettings, Service, classify};
use crate::cloud::{Cloud, MicrosoftSettings};
use crate::credential::ClientSecret;
use crate::failure::{Failure, Kind};
use crate::http::Client;
use crate::ids::DirectoryId;
use crate::json;
use crate::mailbox_secret::{MailboxSecret, Rotator};
use crate::retry::{CallError, Deadline, with_retries};
use crate::rotation::inspection::TenantRotator;
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
        let sign_in = match &mailbox.rotator {
            Rotator::Itself {} => self.as_itself(mailbox)?,
            Rotator::Federated { .. } | Rotator::Secret { .. } => {
                self.sign_in(&TenantRotator::of(mailbox), &Assertions::default())
                    .await?
            }
        };
        let tokens = with_retries(deadline, async || sign_in.token().await).await;
        Ok(tokens?)
    }

    /// How the rotator of many apps signs in.
    ///
    /// # Errors
    /// [`Failure`] when what it signs in with cannot be had.
    pub async fn sign_in(
        &self,
        of: &TenantRotator,
        assertions: &Assertions,
    ) -> Result<RotatorSignIn, Failure> {
        let (client_id, proof) = match &of.rotator {
            Rotator::Federated { client_id } => {
                let assertion = assertions.of(self, of.cloud).await?;
                (client_id, ClientProof::Assertion(assertion))
            }
            Rotator::Secret { client_id, secret } => {
                let secret = self.own_secret(secret).await?;
                (client_id, ClientProof::Secret(secret))
            }
            Rotator::Itself {} => return Err(has_no_secret()),
        };
        Ok(RotatorSignIn {
            endpoint: self.endpoint(of, client_id.clone(), proof),
            advice: advice(&of.rotator),
        })
    }

    /// How an app that is its own rotator signs in.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`] where its document has no value.
    pub fn as_itself(&self, mailbox: &MailboxSecret) -> Result<RotatorSignIn, Failure> {
        let stored = mailbox.credential.stored().ok_or_else(has_no_secret)?;
        let proof = ClientProof::Secret(stored.client_secret.clone());
        let of = TenantRotator::of(mailbox);
        Ok(RotatorSignIn {
            endpoint: self.endpoint(&of, mailbox.client_id.clone(), proof),
            advice: advice(&mailbox.rotator),
        })
    }

    fn endpoint(
        &self,
        of: &TenantRotator,
        client_id: DirectoryId,
        proof: ClientProof,
    ) -> TokenEndpoint {
        let app = App {
            endpoints: self.microsoft.endpoints(of.cloud),
            tenant: of.tenant_id.clone(),
            client_id,
        };
        TokenEndpoint::new(self.http.clone(), app, proof)
    }

    async fn assertion(&self, cloud: Cloud) -> Result<SecretString, Failure> {
        let answer = self
            .sts
            .get_web_identity_token()
            .audience(cloud.federation_audience())
            // The only algorithm that Entra takes.
            .signing_algorithm("RS256")
            .duration_seconds(ASSERTION_SECONDS)
            .send()
            .await
            .map_err(|error| {
                let failure = classify("asking AWS for a web identity token", &error).failure;
                // The operation's own errors.
                match failure.code.as_deref() {
                    Some("OutboundWebIdentityFederationDisabledException") => failure.next_step("Enable outbound identity federation for the account (aws iam enable-outbound-web-identity-federation)."),
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
            .next_step("Store client_secret in the form that docs/configuration.md shows (The other secrets).")
        })?;
        Ok(own.client_secret)
    }
}

/// A rotator at the token endpoint of a tenant.
#[derive(Debug)]
pub struct RotatorSignIn {
    endpoint: TokenEndpoint,
    /// What a person does where Entra refuses it.
    advice: &'static str,
}

impl RotatorSignIn {
    /// A fresh token for Graph.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn token(&self) -> Result<Tokens, CallError> {
        self.endpoint.client_credentials().await.map_err(|error| {
            let refused = matches!(error, TokenError::ClientRefused(_));
            let mut error = error.into_call_error("signing in as the rotator");
            if refused {
                error.failure = error.failure.next_step(self.advice);
            }
            error
        })
    }
}

/// The web identity tokens of one invocation, one for each audience: all rotators sign in with the same. None is kept
/// for another invocation, in which it would have ended.
#[derive(Debug, Default)]
pub struct Assertions(Mutex<BTreeMap<&'static str, (SecretString, Instant)>>);

/// So long one is used, of the time that it is good for.
const ASSERTION_USED: Duration = Duration::from_secs(200);

impl Assertions {
    async fn of(&self, rotators: &Rotators, cloud: Cloud) -> Result<SecretString, Failure> {
        let mut known = self.0.lock().await;
        let audience = cloud.federation_audience();
        if let Some((assertion, made)) = known.get(audience)
            && made.elapsed() < ASSERTION_USED
        {
            return Ok(assertion.clone());
        }
        let made = Instant::now();
        let assertion = rotators.assertion(cloud).await?;
        known.insert(audience, (assertion.clone(), made));
        Ok(assertion)
    }
}

fn has_no_secret() -> Failure {
    Failure::new(
        Kind::Misconfigured,
        "signing in as the rotator: the mailbox document has no client secret",
    )
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
