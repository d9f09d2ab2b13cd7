//! Does a client secret sign in? The proof without side effects: an app-only token, never cached.

use jiff::Timestamp;
use shared::entra::token::{ClientProof, TokenEndpoint, TokenError};
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::MailboxSecret;
use shared::retry::{Deadline, Retry, backoff};
use tracing::info;

use crate::Rotation;

impl Rotation {
    /// The token endpoint, as the app with this document's client secret.
    pub(crate) fn token_endpoint(&self, mailbox: &MailboxSecret) -> TokenEndpoint {
        let proof = ClientProof::Secret(mailbox.client_secret.clone());
        TokenEndpoint::new(self.http.clone(), self.app(mailbox), proof)
    }

    /// Waits, bounded, until the secret has signed in several times in a row: Entra's replicas learn
    /// of it one after the other, and one that knows it says nothing of the next. Returns
    /// Entra's clock.
    ///
    /// # Errors
    /// [`Refused::Client`] when Entra refuses the secret to the end.
    pub(crate) async fn wait_until_signs_in(
        &self,
        mailbox: &MailboxSecret,
        deadline: Deadline,
    ) -> Result<Timestamp, Refused> {
        let deadline = deadline.at_most(self.settings.propagation_wait.duration());
        let endpoint = self.token_endpoint(mailbox);
        let (mut successes, mut refusals) = (0, 0);
        loop {
            let (pause, failure) = match endpoint.client_credentials().await {
                Ok(tokens) => {
                    successes += 1;
                    if successes >= self.settings.sign_in_successes {
                        return Ok(tokens.now);
                    }
                    (self.settings.sign_in_interval.duration(), None)
                }
                Err(error) => {
                    successes = 0;
                    refusals += 1;
                    let wish = error.retry_after();
                    let refused = sorted(error)?;
                    if refusals == 1 {
                        info!("Entra does not accept the client secret yet; waiting");
                    }
                    (
                        wish.unwrap_or_else(|| backoff(refusals.min(4))),
                        Some(refused),
                    )
                }
            };
            if !deadline.sleep(pause).await {
                return Err(failure.unwrap_or_else(|| {
                    Refused::Other(Failure::new(
                        Kind::Temporary,
                        "waiting for the new client secret to sign in: Entra's replicas do not agree yet",
                    ))
                }));
            }
        }
    }
}

/// Why a client secret did not sign in.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Entra does not take it.
    Client(Failure),
    /// Anything else.
    Other(Failure),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Client(failure) | Refused::Other(failure) => failure,
        }
    }
}

/// `Ok` is what may pass with time.
fn sorted(error: TokenError) -> Result<Refused, Refused> {
    let what = "waiting for the new client secret to sign in";
    match error {
        TokenError::ClientRefused(trouble) => Ok(Refused::Client(
            Failure::new(Kind::Temporary, format!("{what}: Entra refuses it"))
                .code(trouble.code())
                .next_step("Nothing to do: a new secret may take minutes to be known everywhere; it is tried again."),
        )),
        TokenError::Call(error) if error.retry != Retry::No => {
            Ok(Refused::Other(error.failure.while_doing(what)))
        }
        TokenError::Call(_) | TokenError::PersonNeeded(_) | TokenError::AppRefused(..) => {
            Err(Refused::Other(error.into_call_error(what).failure))
        }
    }
}
