//! `GET /callback`: redeems the code, makes sure who it was, stores the grant, and leads on: to the
//! hand-over where one is left, else by having the rotation go on.

use std::cell::Cell;
use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use shared::attestations::Attestations;
use shared::companion::CompanionStore;
use shared::credential::ClientSecret;
use shared::entra::App;
use shared::entra::id_token::{self, Account, Issuer};
use shared::entra::refusal::{OAuthEndpoint, OAuthError, RefusalReason, number_in};
use shared::entra::sign_in::{
    ADMIN_CONSENT_STATE, admin_consent_url, connection_scope, of_one_resource, scopes,
};
use shared::entra::token::{ClientProof, Code, TokenEndpoint, TokenError, Tokens};
use shared::grants::{Grant, Grants};
use shared::graph::account;
use shared::ids::DirectoryId;
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret, RestsOn, SignInName};
use shared::retry::{Deadline, with_retries};
use shared::secret_store::SecretMetadata;
use shared::ticket::{Purpose, Refused, Ticket, TicketKey};
use subtle::ConstantTimeEq;
use tracing::{error, info, warn};

use crate::owner::{Filed, Names};
use crate::page::Reply;
use crate::request::Request;
use crate::session::{SESSION, Session};
use crate::signed_in::SignedIn;
use crate::{Answer, Ending, OAuthCallback, now, texts};

/// The tenant of all personal Microsoft accounts (entra-docs, id-token-claims-reference.md).
const PERSONAL_ACCOUNTS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// After these outcomes the same account would be signed in again without a question.
const ANOTHER_ACCOUNT: [&str; 3] = ["wrong-account", "personal-account", "foreign-account"];
/// The outcome where Microsoft refuses the secret that is in use.
const CURRENT_REFUSED: &str = "current-secret-refused";
/// A sign-in that came back.
pub(crate) struct SignIn {
    session: Session,
    pub(crate) ticket: Ticket,
    pub(crate) secret: SecretMetadata,
    pub(crate) mailbox: MailboxSecret,
    pub(crate) app: App,
}

impl SignIn {
    /// The name that the account has to sign in with.
    fn name(&self) -> SignInName {
        self.mailbox.sign_in_name(&self.ticket.mailbox)
    }

    /// The account's connections to which a person delivers.
    fn attended(&self) -> impl Iterator<Item = &Connection> {
        self.mailbox.connections.iter().filter(|connection| {
            connection.delivery == Delivery::Attended && connection.mailbox == self.ticket.mailbox
        })
    }
}

impl OAuthCallback {
    pub(crate) async fn callback(&self, request: &Request, deadline: Deadline) -> Answer {
        if is_the_administrators(request) {
            return Err(admin_came_back(request));
        }
        let key = self.ticket_key().await?;
        let session = Session::open(&request.cookies, &key, now());
        let Some(session) = session.filter(|session| same_state(session, request)) else {
            // What is not this session's own way back does not end it: anybody can send a browser here.
            return Err(Ending::new("no-session", texts::start_again()));
        };
        let answer = self.go_on(session, &key, request, deadline).await;
        answer.map_err(Ending::ending_session)
    }

    async fn go_on(
        &self,
        session: Session,
        key: &TicketKey,
        request: &Request,
        deadline: Deadline,
    ) -> Answer {
        // The link may end while the person signs in; the session ends soon after.
        let ticket = match key.verify(&session.ticket, now()) {
            Ok(ticket) | Err(Refused::Expired(ticket)) => ticket,
            Err(Refused::Invalid) => {
                return Err(Ending::new("invalid-ticket", texts::invalid_link()));
            }
        };
        let (secret, mailbox) = self.bound(&ticket).await?;
        let app = self.app(&mailbox);
        let sign_in = SignIn {
            session,
            ticket,
            secret,
            mailbox,
            app,
        };
        let again = sign_in.session.ticket.clone();
        self.take(&sign_in, key, request, deadline)
            .await
            .map_err(|ending| match ending.text.good {
                true => ending,
                // No sign-in with this link can end well any more.
                false if ending.outcome == CURRENT_REFUSED => ending,
                false if ANOTHER_ACCOUNT.contains(&ending.outcome) => {
                    ending.or_sign_in_anew(&again)
                }
                false => ending.or_sign_in(&again),
            })
    }

    async fn take(
        &self,
        sign_in: &SignIn,
        key: &TicketKey,
        request: &Request,
        deadline: Deadline,
    ) -> Answer {
        let mailbox = &sign_in.ticket.mailbox;
        if let Some(trouble) = refused_at_microsoft(request) {
            return Err(self.obstacle(&trouble, OAuthEndpoint::Authorization, sign_in));
        }
        let Some(code) = request.query("code").filter(|code| !code.is_empty()) else {
            return Err(Ending::new("no-code", texts::start_again()));
        };
        let store = CompanionStore::of(&self.store, &sign_in.secret.name);
        let (tokens, issuer, companion) = tokio::join!(
            self.redeem(sign_in, code.into()),
            self.issuer(&sign_in.app, deadline),
            store.read(),
        );
        let (tokens, issuer, companion) = (tokens?, issuer?, companion?);
        let account = match whose(sign_in, &tokens, &issuer) {
            // Published since, or by a replica that lags (OpenID Connect Core, 10.1.1).
            Err(id_token::UNKNOWN_KEY) => {
                let issuer = self.issuer(&sign_in.app, deadline).await?;
                whose(sign_in, &tokens, &issuer)
            }
            account => account,
        };
        let account = account.map_err(|check| {
            error!(check, "Microsoft's id token was refused");
            Ending::new("id-token-refused", texts::id_token_refused())
        })?;
        self.refuse_other_accounts(sign_in, &tokens, &account, &companion.grants, deadline)
            .await?;
        let refresh_token = refuse_incomplete_consent(sign_in, &tokens)?;
        let grant = Grant {
            oid: account.oid,
            tid: account.tid,
            scopes: tokens.scopes().clone(),
            refresh_token,
            redeemed_at: tokens.now,
        };
        file(&store, sign_in, &grant).await?;
        info!(%mailbox, "stored a grant");
        let offers = self.offer(sign_in, deadline).await;
        match self.lead_on(
            sign_in,
            key,
            &grant.oid,
            &companion.attestations,
            offers.addresses,
        )? {
            Some((reply, waits)) => {
                if !waits {
                    self.push_on(sign_in).await;
                }
                Ok(reply)
            }
            None => {
                let done = self.push_on(sign_in).await;
                if offers.failed {
                    let text = texts::authorize_remains(mailbox);
                    return Err(Ending::new("authorize-remains", text));
                }
                Err(done)
            }
        }
    }

    /// To the hand-over, where this account has something to do in it or has done it; and whether the
    /// rotation waits for what it does there, and not only for this sign-in.
    fn lead_on(
        &self,
        sign_in: &SignIn,
        key: &TicketKey,
        oid: &DirectoryId,
        attestations: &Attestations,
        authorize: BTreeMap<String, String>,
    ) -> Result<Option<(Reply, bool)>, Ending> {
        let rotates = sign_in.ticket.purpose == Purpose::Rotate;
        let attended: Vec<&Connection> = sign_in.attended().filter(|_| rotates).collect();
        if attended.is_empty() && authorize.is_empty() {
            return Ok(None);
        }
        let version = &sign_in.ticket.version;
        let all_said = attended
            .iter()
            .all(|connection| attestations.attested(version, &connection.id));
        let waits = !all_said || !authorize.is_empty();
        let ticket = sign_in.session.ticket.clone();
        let session = SignedIn::begin(ticket, oid.clone(), authorize, now())?;
        let on = format!("{}/handover", self.settings.callback_url);
        let reply = Reply::to(on)
            .with_cookie(SESSION.end())
            .with_cookie(session.cookie(key)?);
        info!("to the hand-over");
        Ok(Some((reply, waits)))
    }

    /// The page for a sign-in that did not succeed, with the link that an administrator needs.
    fn obstacle(&self, trouble: &OAuthError, at: OAuthEndpoint, sign_in: &SignIn) -> Ending {
        let (mailbox, purpose) = (&sign_in.ticket.mailbox, sign_in.ticket.purpose);
        let ending = obstacle(trouble, at, &sign_in.name());
        let met = RefusalReason::of(trouble, at);
        if (met, purpose) == (RefusalReason::ClientRefused, Purpose::Connect) {
            return Ending::new(CURRENT_REFUSED, texts::current_secret_refused());
        }
        let pass_on = match met {
            RefusalReason::AdminApproval | RefusalReason::Declined => {
                let scopes = scopes(&sign_in.app, &sign_in.mailbox.connections, mailbox);
                admin_consent_url(&sign_in.app, &self.settings.redirect_uri(), &scopes).ok()
            }
            RefusalReason::WrongAccount
            | RefusalReason::PersonalAccount
            | RefusalReason::ForeignAccount
            | RefusalReason::NotAssigned
            | RefusalReason::BlockedByPolicy
            | RefusalReason::MoreProof
            | RefusalReason::AccountTrouble
            | RefusalReason::ClientRefused
            | RefusalReason::Registration
            | RefusalReason::Federation
            | RefusalReason::StartAgain
            | RefusalReason::Transient
            | RefusalReason::Unknown => None,
        };
        Ending { pass_on, ..ending }
    }

    async fn redeem(&self, sign_in: &SignIn, code: SecretString) -> Result<Tokens, Ending> {
        let mailbox = &sign_in.ticket.mailbox;
        let secret = ClientSecret::new(sign_in.mailbox.client_secret.expose().to_owned());
        let endpoint = TokenEndpoint::new(
            self.http.clone(),
            sign_in.app.clone(),
            ClientProof::Secret(secret),
        );
        let scopes = scopes(&sign_in.app, &sign_in.mailbox.connections, mailbox);
        let redeemed = endpoint
            .code(Code {
                code: &code,
                verifier: &sign_in.session.secrets.verifier,
                redirect_uri: &self.settings.redirect_uri(),
                scopes: &of_one_resource(&scopes),
            })
            .await;
        redeemed.map_err(|error| match error {
            TokenError::ClientRefused(trouble)
            | TokenError::PersonNeeded(trouble)
            | TokenError::AppRefused(trouble, _) => {
                self.obstacle(&trouble, OAuthEndpoint::Token, sign_in)
            }
            TokenError::Call(error) => error.failure.into(),
        })
    }

    async fn issuer(&self, app: &App, deadline: Deadline) -> Result<Issuer, Ending> {
        let issuer = with_retries(deadline, async || id_token::issuer(&self.http, app).await);
        Ok(issuer.await?)
    }

    /// Known before: the same account. The first time: an account of the tenant that has the name that
    /// is expected.
    async fn refuse_other_accounts(
        &self,
        sign_in: &SignIn,
        tokens: &Tokens,
        account: &Account,
        grants: &Grants,
        deadline: Deadline,
    ) -> Result<(), Ending> {
        let (mailbox, expected) = (&sign_in.ticket.mailbox, sign_in.name());
        if account.tid != sign_in.mailbox.tenant_id {
            return Err(if account.tid.as_str() == PERSONAL_ACCOUNTS {
                Ending::new("personal-account", texts::personal_account(&expected))
            } else {
                Ending::new("foreign-account", texts::foreign_account(&expected))
            });
        }
        match Filed::of(grants, mailbox, &account.oid, &account.tid) {
            Filed::Owner => return Ok(()),
            Filed::Another => return Err(wrong_account(&expected)),
            Filed::Nobody => {}
        }
        let names = match expected.rests_on() {
            RestsOn::Addresses if tokens.grants("User.Read") => {
                let addresses = with_retries(deadline, async || {
                    account::addresses(&self.http, &sign_in.app.endpoints, &tokens.access).await
                });
                Names::Graph(addresses.await?)
            }
            RestsOn::Addresses | RestsOn::AddressAlone | RestsOn::SignInAs => {
                Names::Token(account.preferred_username.clone())
            }
        };
        if names.have(&expected) {
            return Ok(());
        }
        let text = texts::another_name(&expected);
        Err(Ending::new("wrong-account", text))
    }

    /// Has the rotation that waits go on. If that fails, the next check does it.
    async fn push_on(&self, sign_in: &SignIn) -> Ending {
        let mailbox = &sign_in.ticket.mailbox;
        let waiting = match sign_in.ticket.purpose {
            Purpose::Rotate => Some(sign_in.ticket.version.as_str()),
            Purpose::Connect => sign_in.secret.versions.in_progress(),
        };
        let Some(token) = waiting else {
            let attended = sign_in.attended().next().is_some();
            return Ending::new("connected", texts::connected(mailbox, attended));
        };
        if !sign_in.secret.rotation_enabled {
            return Ending::new("rotation-off", texts::stored_while_off(mailbox));
        }
        match self.store.rotate(&sign_in.secret.arn, Some(token)).await {
            Ok(()) => info!("the rotation goes on"),
            Err(error) => {
                warn!(failure = %error.failure, "the rotation was not pushed on; the next check does it")
            }
        }
        if sign_in.attended().next().is_some() {
            return Ending::new("hand-over-remains", texts::hand_over_remains(mailbox));
        }
        let text = texts::rotation_goes_on(sign_in.ticket.purpose, mailbox);
        Ending::new("rotation-goes-on", text)
    }
}

fn same_state(session: &Session, request: &Request) -> bool {
    let expected = session.secrets.state.expose_secret().as_bytes();
    request
        .query("state")
        .is_some_and(|state| state.as_bytes().ct_eq(expected).into())
}

/// What Microsoft's redirect says of a sign-in that failed. Its text is not read beyond the number.
fn refused_at_microsoft(request: &Request) -> Option<OAuthError> {
    if !request.has_query("error") {
        return None;
    }
    // Given twice it is still an error, if not one that has a name.
    let error = request.query("error").unwrap_or_default();
    let description = request.query("error_description").unwrap_or_default();
    Some(OAuthError::new(&error, None, number_in(&description)))
}

/// An administrator's way back from Microsoft: it has our `state`, and `admin_consent` mostly (azure-docs#45151:
/// an error may come without).
fn is_the_administrators(request: &Request) -> bool {
    let state = request.query("state");
    request.has_query("admin_consent") || state.as_deref() == Some(ADMIN_CONSENT_STATE)
}

/// What it says. `admin_consent=True` comes with a refusal too, so `error` is looked at first; nothing of it is
/// authenticated, and nothing is done by it (entra-docs, v2-admin-consent.md).
fn admin_came_back(request: &Request) -> Ending {
    let consent = request.query("admin_consent").unwrap_or_default();
    if !request.has_query("error") && consent.eq_ignore_ascii_case("true") {
        return Ending::new("admin-granted", texts::admin_granted());
    }
    let description = request.query("error_description").unwrap_or_default();
    let text = texts::admin_declined(number_in(&description));
    Ending::new("admin-declined", text)
}

fn wrong_account(expected: &SignInName) -> Ending {
    Ending::new("wrong-account", texts::wrong_account(expected))
}

pub(crate) fn obstacle(trouble: &OAuthError, at: OAuthEndpoint, expected: &SignInName) -> Ending {
    let obstacle = RefusalReason::of(trouble, at);
    info!(
        code = trouble.code(),
        correlation_id = trouble.correlation_id,
        "Microsoft refused the sign-in"
    );
    let text = texts::obstacle(obstacle, trouble.number, expected);
    Ending::new(obstacle.name(), text)
}

fn whose(sign_in: &SignIn, tokens: &Tokens, issuer: &Issuer) -> Result<Account, &'static str> {
    let id_token = tokens.id_token.as_ref().ok_or("there is none")?;
    let nonce = &sign_in.session.secrets.nonce;
    id_token::account(id_token, issuer, &sign_in.app, nonce, tokens.now)
}

/// The refresh token is the proof of `offline_access`, which Entra does not echo; scopes of another
/// resource than the token's are not echoed either.
fn refuse_incomplete_consent(sign_in: &SignIn, tokens: &Tokens) -> Result<SecretString, Ending> {
    let mailbox = &sign_in.ticket.mailbox;
    let asked = of_one_resource(&scopes(&sign_in.app, &sign_in.mailbox.connections, mailbox));
    let connections = sign_in
        .mailbox
        .connections
        .iter()
        .filter(|c| c.mailbox == *mailbox);
    let all = connections
        .map(|connection| connection_scope(&sign_in.app, connection))
        .filter(|scope| asked.contains(scope))
        .all(|scope| tokens.grants(&scope));
    match &tokens.refresh {
        Some(refresh_token) if all => Ok(refresh_token.clone()),
        _ => Err(Ending::new(
            "consent-incomplete",
            texts::consent_incomplete(mailbox),
        )),
    }
}

/// Stores the grant, unless another account was filed for the mailbox meanwhile.
async fn file(store: &CompanionStore, sign_in: &SignIn, grant: &Grant) -> Result<(), Ending> {
    let mailbox = &sign_in.ticket.mailbox;
    let taken = Cell::new(false);
    store
        .update(|companion| {
            let grants = &mut companion.grants;
            let filed = Filed::of(grants, mailbox, &grant.oid, &grant.tid);
            taken.set(filed == Filed::Another);
            if filed != Filed::Another {
                grants.set(mailbox, grant.clone());
            }
        })
        .await?;
    if taken.get() {
        return Err(wrong_account(&sign_in.name()));
    }
    Ok(())
}
