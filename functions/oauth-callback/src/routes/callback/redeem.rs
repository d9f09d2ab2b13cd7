//! Redeems the authorization code, and makes sure whose account it is.

use secrecy::SecretString;
use shared::entra::App;
use shared::entra::id_token::{self, Account, Issuer};
use shared::entra::refusal::OAuthEndpoint;
use shared::entra::sign_in::of_one_resource;
use shared::entra::token::{ClientProof, Code, TokenEndpoint, TokenError, Tokens};
use shared::retry::{Deadline, with_retries};
use tracing::error;

use super::sign_in::SignIn;
use crate::clients::Clients;
use crate::message::Message;
use crate::outcome::Outcome;

pub(crate) async fn redeem(
    clients: &Clients,
    sign_in: &SignIn,
    code: SecretString,
) -> Result<Tokens, Message> {
    let endpoint = TokenEndpoint::new(
        clients.http.clone(),
        sign_in.app.clone(),
        ClientProof::Secret(sign_in.credential.client_secret.clone()),
    );
    let redeemed = endpoint
        .code(Code {
            code: &code,
            verifier: &sign_in.session.secrets.verifier,
            redirect_uri: &clients.settings.redirect_uri(),
            scopes: &of_one_resource(&sign_in.scopes()),
        })
        .await;
    redeemed.map_err(|error| match error {
        TokenError::ClientRefused(refusal)
        | TokenError::PersonNeeded(refusal)
        | TokenError::AppRefused(refusal, _) => {
            sign_in.refused(&clients.settings, &refusal, OAuthEndpoint::Token)
        }
        TokenError::Call(error) => error.failure.into(),
    })
}

pub(crate) async fn issuer(
    clients: &Clients,
    app: &App,
    deadline: Deadline,
) -> Result<Issuer, Message> {
    let issuer = with_retries(deadline, async || {
        id_token::issuer(&clients.http, app).await
    });
    Ok(issuer.await?)
}

/// The account that the id token names.
pub(crate) async fn account(
    clients: &Clients,
    sign_in: &SignIn,
    tokens: &Tokens,
    issuer_before: &Issuer,
    deadline: Deadline,
) -> Result<Account, Message> {
    let account = match verified(sign_in, tokens, issuer_before) {
        // Published since, or by a replica that lags (OpenID Connect Core, 10.1.1).
        Err(id_token::UNKNOWN_KEY) => {
            let issuer = issuer(clients, &sign_in.app, deadline).await?;
            verified(sign_in, tokens, &issuer)
        }
        account => account,
    };
    account.map_err(|check| {
        error!(check, "Microsoft's id token was refused");
        Outcome::IdTokenRefused.into()
    })
}

fn verified(sign_in: &SignIn, tokens: &Tokens, issuer: &Issuer) -> Result<Account, &'static str> {
    let id_token = tokens.id_token.as_ref().ok_or("there is none")?;
    let nonce = &sign_in.session.secrets.nonce;
    id_token::account(id_token, issuer, &sign_in.app, nonce, tokens.now)
}
