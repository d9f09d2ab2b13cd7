//! A stored grant, redeemed with a client secret: tokens for what the connections of its mailbox use.

use jiff::Timestamp;
use shared::credential::ClientSecret;
use shared::entra::sign_in::connection_scope;
use shared::entra::token::{TokenError, Tokens};
use shared::failure::{Failure, Kind};
use shared::grants::consents::Grant;
use shared::ids::MailboxAddress;
use shared::mailbox::{NotOpened, Unusable};
use shared::mailbox_secret::{Connection, MailboxSecret, Protocol};
use shared::retry::Retry;

use super::patience::Patience;
use crate::clients::Clients;
use crate::context::Context;

/// Why a grant gave no tokens.
pub(crate) enum NotRedeemed {
    /// Its owner has to sign in; with Entra's code, or `no_grant`.
    OwnerNeeded(String),
    /// Its account cannot be used, and nobody can sign in as it.
    Unusable(Unusable, Failure),
    /// Anything else.
    Failed(Failure),
}

/// One mailbox's grant, and the client secret that redeems it.
pub(crate) struct Redeemer<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) document: &'a MailboxSecret,
    pub(crate) secret: &'a ClientSecret,
    pub(crate) mailbox: &'a MailboxAddress,
    pub(crate) grant: &'a Grant,
}

impl<'a> Redeemer<'a> {
    /// The probed connections of the mailbox. One token request names one resource: Graph's scopes and the mail
    /// protocols' apart.
    pub(crate) fn by_resource(&self) -> Vec<Vec<&'a Connection>> {
        let of_mailbox = |c: &&Connection| c.mailbox == *self.mailbox && c.proof.uses_the_grant();
        let connections = self.document.connections.iter().filter(of_mailbox);
        let (by_graph, by_protocol): (Vec<_>, Vec<_>) =
            connections.partition(|c| c.protocol == Protocol::Graph);
        let mut all = vec![by_graph, by_protocol];
        all.retain(|connections| !connections.is_empty());
        all
    }

    /// The tokens that serve these connections, which are of one resource.
    pub(crate) async fn tokens(
        &self,
        connections: &[&Connection],
        patience: &impl Patience,
    ) -> Result<Tokens, NotRedeemed> {
        let app = self.clients.app(self.document);
        let mut scopes = vec!["openid".to_owned(), "offline_access".to_owned()];
        for connection in connections {
            let scope = connection_scope(&app, connection);
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        let tokens = self.redeem(&scopes, patience).await?;
        for connection in connections {
            let scope = connection_scope(&app, connection);
            if !tokens.grants(&scope) {
                return Err(NotRedeemed::OwnerNeeded("consent_required".to_owned()));
            }
        }
        Ok(tokens)
    }

    async fn redeem(
        &self,
        scopes: &[String],
        patience: &impl Patience,
    ) -> Result<Tokens, NotRedeemed> {
        let endpoint = self.clients.token_endpoint(self.document, self.secret);
        let mut person_needed = None;
        let tokens = patience.entra(async || {
            let tokens = endpoint.refresh(&self.grant.refresh_token, scopes).await;
            tokens.map_err(|error| {
                if let TokenError::PersonNeeded(error) = &error {
                    person_needed = Some(error.clone());
                }
                // A replica that lags: the secret has signed in a moment ago.
                let lags = matches!(error, TokenError::ClientRefused(_));
                let mut error = error.into_call_error("redeeming the stored grant");
                if lags {
                    error.retry = Retry::Backoff;
                    error.failure.kind = Kind::Temporary;
                }
                error
            })
        });
        match (tokens.await, person_needed) {
            (Ok(tokens), _) => Ok(tokens),
            // Who is disabled cannot sign in either (entra-docs, reference-error-codes.md).
            (Err(_), Some(error)) if error.number == Some(50_057) => {
                let unusable = Unusable::AccountBlocked;
                let not_opened = NotOpened::by_entra(unusable, &error.code());
                let failure = not_opened.error.failure.while_doing(self.mailbox.as_str());
                Err(NotRedeemed::Unusable(unusable, failure))
            }
            (Err(_), Some(error)) => Err(NotRedeemed::OwnerNeeded(error.code())),
            (Err(failure), None) => Err(NotRedeemed::Failed(failure)),
        }
    }
}

/// Whether what comes of a grant is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Always,
    WhereOld,
}

/// The grant that was redeemed stays good for 90 days from when it was given (docs/beliefs.md): what comes of it is
/// stored once in a while, and not at each proof.
pub(super) async fn store_redeemed(
    context: &Context<'_>,
    mailbox: &MailboxAddress,
    grant: &Grant,
    tokens: &Tokens,
    keep: Keep,
) -> Result<(), Failure> {
    let clients = context.clients;
    let every = clients.settings.redeem_every.signed();
    let before = tokens.now.checked_sub(every).unwrap_or(Timestamp::MIN);
    let Some(refresh_token) = &tokens.refresh else {
        return Ok(());
    };
    if keep == Keep::WhereOld && grant.redeemed_at >= before {
        return Ok(());
    }
    let redeemed = Grant {
        refresh_token: refresh_token.clone(),
        redeemed_at: tokens.now,
        ..grant.clone()
    };
    let _one_writer = clients.grants_writer.lock().await;
    let store = clients.grants(&context.secret);
    let stored = store.update(|grants_document| {
        let grants = &mut grants_document.grants;
        // A sign-in that came meanwhile brought a newer one.
        let newer = grants
            .of(mailbox)
            .is_some_and(|g| g.redeemed_at > redeemed.redeemed_at);
        if !newer {
            grants.set(mailbox, redeemed.clone());
        }
    });
    stored.await
}
