//! Does a client secret sign in? The proof without side effects: an app-only token, never cached.

use jiff::Timestamp;
use shared::credential::ClientSecret;
use shared::entra::token::TokenError;
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::MailboxSecret;
use shared::retry::{Deadline, Retry, backoff, with_retries};
use tracing::info;

use crate::clients::Clients;

/// Waits, bounded, until the secret has signed in several times in a row: Entra's replicas learn
/// of it one after the other, and one that knows it says nothing of the next. Returns
/// Entra's clock.
///
/// # Errors
/// [`Refused::Client`] when Entra refuses the secret to the end.
pub(crate) async fn wait_until_signs_in(
    clients: &Clients,
    mailbox: &MailboxSecret,
    secret: &ClientSecret,
    deadline: Deadline,
) -> Result<Timestamp, Refused> {
    let settings = &clients.settings;
    let deadline = deadline.at_most(settings.propagation_wait.duration());
    let endpoint = clients.token_endpoint(mailbox, secret);
    let (mut successes, mut refusals) = (0, 0);
    loop {
        let (pause, failure) = match endpoint.client_credentials().await {
            Ok(tokens) => {
                successes += 1;
                if successes >= settings.sign_in_successes {
                    return Ok(tokens.now);
                }
                (settings.sign_in_interval.duration(), None)
            }
            Err(error) => {
                successes = 0;
                refusals += 1;
                let wanted = error.retry_after();
                let refused = classify(error)?;
                if refusals == 1 {
                    info!("Entra does not accept the client secret yet; waiting");
                }
                let pause = wanted.unwrap_or_else(|| backoff(refusals.min(4)));
                (pause, Some(refused))
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

/// Whether Entra takes this client secret of the document's app.
///
/// # Errors
/// [`Failure`] where it refuses for another reason than the secret.
pub(crate) async fn signs_in(
    clients: &Clients,
    mailbox: &MailboxSecret,
    secret: &ClientSecret,
    deadline: Deadline,
) -> Result<bool, Failure> {
    let endpoint = clients.token_endpoint(mailbox, secret);
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

/// Whether the code of Graph's or of the token endpoint's says that there is no such app.
pub(crate) fn says_no_such_app(failure: &Failure) -> bool {
    let code = failure.code.as_deref().unwrap_or_default();
    code == "Request_ResourceNotFound" || code.ends_with("AADSTS700016")
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
fn classify(error: TokenError) -> Result<Refused, Refused> {
    let what = "waiting for the new client secret to sign in";
    match error {
        TokenError::ClientRefused(error) => Ok(Refused::Client(
            Failure::new(Kind::Temporary, format!("{what}: Entra refuses it"))
                .code(error.code())
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
