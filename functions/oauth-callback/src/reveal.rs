//! `POST /reveal`: shows the pending client secret to whom the mailbox document allows it, right after
//! a sign-in, and tells of each time and of each refusal.

use shared::credential::ClientSecret;
use shared::entra::refusal::OAuthEndpoint;
use shared::entra::token::{ClientProof, TokenEndpoint, TokenError};
use shared::events::EventKind;
use shared::mailbox_secret::Rotator;
use shared::retry::Deadline;
use shared::ticket::Purpose;
use tracing::{info, warn};

use crate::hand_over::{HandingOver, How, Screen, screen};
use crate::page::Reply;
use crate::request::Request;
use crate::signed_in::SignedIn;
use crate::{Answer, Ending, OAuthCallback, now, screens, texts};

/// Why a secret is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotShown {
    /// The mailbox has got another owner since the sign-in.
    AnotherAccount,
    /// The version is not pending: what is current is in use, and nobody has to enter it.
    NotPending,
    /// The sign-in is more than ten minutes old.
    OldSignIn,
    /// The document's `reveal_to` does not name the account.
    NotInRevealTo,
    /// The rotator is the app itself: its secret could issue others.
    RotatorIsTheApp,
    /// The app has application permissions: its secret opens more than this mailbox.
    ApplicationPermissions,
    /// What the app may do could not be found out.
    NotChecked,
}

impl NotShown {
    /// The short name that events and logs share.
    fn name(self) -> &'static str {
        match self {
            Self::AnotherAccount => "another_account",
            Self::NotPending => "not_pending",
            Self::OldSignIn => "old_sign_in",
            Self::NotInRevealTo => "not_in_reveal_to",
            Self::RotatorIsTheApp => "rotator_is_the_app",
            Self::ApplicationPermissions => "application_permissions",
            Self::NotChecked => "not_checked",
        }
    }

    fn is_misconfigured(self) -> bool {
        match self {
            Self::RotatorIsTheApp | Self::ApplicationPermissions => true,
            Self::AnotherAccount
            | Self::NotPending
            | Self::OldSignIn
            | Self::NotInRevealTo
            | Self::NotChecked => false,
        }
    }
}

/// Whether a secret may be shown in this session, as far as that can be seen without asking Entra.
pub(crate) fn refusal(it: &HandingOver) -> Option<NotShown> {
    if !it.is_the_owners() {
        return Some(NotShown::AnotherAccount);
    }
    let pending = it.secret.versions.in_progress() == Some(&it.ticket.version);
    if it.ticket.purpose != Purpose::Rotate || !pending || it.promoted() {
        return Some(NotShown::NotPending);
    }
    if it.document.rotator == (Rotator::Itself {}) {
        return Some(NotShown::RotatorIsTheApp);
    }
    if !it.document.reveal_to.contains(&it.session.oid) {
        return Some(NotShown::NotInRevealTo);
    }
    if !it.session.is_fresh(now()) {
        return Some(NotShown::OldSignIn);
    }
    None
}

impl OAuthCallback {
    pub(crate) async fn reveal(&self, request: &Request, deadline: Deadline) -> Answer {
        let key = self.ticket_key().await?;
        let session = SignedIn::open_for_form(request, &key, now());
        let mut it = self.of_session(session, key).await?;
        let refused = match refusal(&it) {
            Some(refused) => Some(refused),
            None => match self.worth_more_than_the_mailbox(&it).await {
                Ok(refused) => refused,
                Err(ending) => {
                    self.tell_refused(&it, NotShown::NotChecked).await?;
                    return Err(ending);
                }
            },
        };
        if let Some(refused) = refused {
            self.tell_refused(&it, refused).await?;
            let ending = Ending::new(
                "reveal-refused",
                texts::not_shown(refused, &it.sign_in_name()),
            );
            return Err(match refused {
                NotShown::AnotherAccount => ending.or_sign_in_anew(&it.session.ticket),
                NotShown::OldSignIn => ending.or_sign_in(&it.session.ticket),
                NotShown::NotPending
                | NotShown::NotInRevealTo
                | NotShown::RotatorIsTheApp
                | NotShown::ApplicationPermissions
                | NotShown::NotChecked => ending.or_back(),
            });
        }
        let Some(connection) = it.named(request).and_then(|task| match task.how {
            How::Enter { .. } => Some(task.connection.id.clone()),
            How::Authorize { .. } => None,
        }) else {
            return Err(Ending::new("no-such-connection", texts::start_again()));
        };
        // Told before it is shown: what is not told must not have been seen.
        let (key_id, by, at) = (it.document.key_id, it.session.oid.clone(), now());
        let told = it.event(EventKind::ClientSecretRevealed {
            key_id,
            connection: connection.clone(),
            by,
            at,
        });
        self.events.publish(&[told]).await?;
        info!(%key_id, %connection, outcome = "revealed", "the secret is shown");
        it.session.revealed = true;
        let cookie = it.session.cookie(&it.key)?;
        let tasks = it.tasks();
        let at = tasks
            .iter()
            .position(|task| task.connection.id == connection);
        let at = match (at, screen(&tasks, false)) {
            (Some(at), _) | (None, Screen::Task(at)) => at,
            (None, Screen::Watching | Screen::Done) => 0,
        };
        let seen = match tasks.get(at) {
            Some(task) if task.has_failed() => self.watch(&it, deadline).await,
            _ => Vec::new(),
        };
        let secret = &it.document.client_secret;
        let shown = screens::task(&it, &tasks, at, &seen, Some(secret));
        Ok(Reply::Page(shown.with_cookie(cookie)))
    }

    async fn tell_refused(&self, it: &HandingOver, refused: NotShown) -> Result<(), Ending> {
        let reason = refused.name().to_owned();
        if refused.is_misconfigured() {
            warn!(reason, "the secret is not shown: misconfigured");
        } else {
            info!(reason, "the secret is not shown");
        }
        let told = it.event(EventKind::RevealRefused {
            key_id: it.document.key_id,
            by: it.session.oid.clone(),
            at: now(),
            reason,
        });
        Ok(self.events.publish(&[told]).await?)
    }

    /// Entra's own word on what the secret is worth: an app-only token carries the application
    /// permissions that were granted to the app (entra-docs, access-token-claims-reference.md:
    /// `roles`, and `wids` for directory roles), those of its own resource: Graph's and Exchange's are
    /// looked at, the two that open mailboxes. A token that cannot be read counts as not checked.
    async fn worth_more_than_the_mailbox(
        &self,
        it: &HandingOver,
    ) -> Result<Option<NotShown>, Ending> {
        let secret = ClientSecret::new(it.document.client_secret.expose().to_owned());
        let app = self.app(&it.document);
        let exchange = app.endpoints.outlook_scope(".default");
        let endpoint = TokenEndpoint::new(self.http.clone(), app, ClientProof::Secret(secret));
        let (graph, exchange) =
            tokio::join!(endpoint.client_credentials(), endpoint.app_only(exchange));
        let nothing_there = |error: &TokenError| match error {
            // Entra gives the app no token for Exchange at all.
            TokenError::AppRefused(..) => true,
            TokenError::Call(_) | TokenError::ClientRefused(_) | TokenError::PersonNeeded(_) => {
                false
            }
        };
        let mut answers = vec![graph];
        if !exchange.as_ref().is_err_and(nothing_there) {
            answers.push(exchange);
        }
        for answer in answers {
            let refused = match answer {
                Ok(tokens) => match tokens.has_application_permissions() {
                    Some(false) => continue,
                    Some(true) => NotShown::ApplicationPermissions,
                    None => NotShown::NotChecked,
                },
                Err(
                    TokenError::ClientRefused(trouble)
                    | TokenError::PersonNeeded(trouble)
                    | TokenError::AppRefused(trouble, _),
                ) => {
                    let at = OAuthEndpoint::Token;
                    let ending = crate::callback::obstacle(&trouble, at, &it.sign_in_name());
                    return Err(ending.or_back());
                }
                Err(TokenError::Call(error)) => return Err(Ending::from(error).or_back()),
            };
            return Ok(Some(refused));
        }
        Ok(None)
    }
}
