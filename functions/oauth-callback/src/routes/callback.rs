//! `GET /callback`: redeems the code, makes sure who it was, stores the grant, and leads on: to the
//! hand-over where one is left, else by resuming the rotation. It ends at another address, which can be loaded again.

mod admin_consent;
mod checks;
mod offer;
mod redeem;
mod sign_in;

use std::cell::Cell;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use shared::entra::id_token::Account;
use shared::entra::refusal::{OAuthEndpoint, OAuthError, number_in};
use shared::grants::GrantsStore;
use shared::grants::attestations::Attestations;
use shared::grants::consents::Grant;
use shared::mailbox_secret::Connection;
use shared::retry::Deadline;
use shared::ticket::Purpose;
use subtle::ConstantTimeEq;
use tracing::info;

use crate::clients::Clients;
use crate::message::Message;
use crate::outcome::Outcome;
use crate::request::Request;
use crate::response::{Response, RouteResult};
use crate::route::Route;
use crate::session::ended::{self, Ended};
use crate::session::owner::GrantHolder;
use crate::session::sealed_cookie::Cookie;
use crate::session::sign_in::{self as session, SignInSession};
use crate::session::signed_in::{AtShopCtrl, SignedIn};
use crate::{load, rotation};
use sign_in::SignIn;

pub(crate) async fn respond(
    clients: &Clients,
    request: &Request,
    deadline: Deadline,
    now: Timestamp,
) -> RouteResult {
    let of_an_administrator = admin_consent::is_redirect(request);
    let has_cookie = |cookie: Cookie| cookie.is_among(&request.cookies);
    if !of_an_administrator && !has_cookie(session::COOKIE) && !has_cookie(ended::COOKIE) {
        // Anybody can send a browser here: the key is not read for it.
        return Ok(nothing_under_way(clients));
    }
    // Where the key cannot be read, nothing was done by this address, and loading it again is right.
    let key = load::ticket_key(clients).await?;
    if of_an_administrator {
        let outcome = admin_consent::outcome(request);
        return Ok(ended::redirect(
            clients,
            Err(outcome.into()),
            request,
            &key,
            now,
        )?);
    }
    let session = SignInSession::open(&request.cookies, &key, now);
    let Some(session) = session.filter(|session| same_state(session, request)) else {
        // What is not this session's own way back does not end it. The same way back once more has ended as it did.
        let response = nothing_under_way(clients);
        let ended = Ended::open(request, &key, now);
        return Ok(match ended.is_some_and(|ended| ended.is_of(request)) {
            true => response,
            false => response.with_cookie(ended::COOKIE.end()),
        });
    };
    let result = match SignIn::load(clients, session, key.clone(), now).await {
        Ok(sign_in) => complete(clients, &sign_in, request, deadline)
            .await
            .map_err(|message| sign_in.with_retry(message)),
        Err(message) => Err(message),
    };
    let result = result.map_err(Message::ending_sign_in);
    Ok(ended::redirect(clients, result, request, &key, now)?)
}

fn nothing_under_way(clients: &Clients) -> Response {
    Response::redirect(clients.settings.url(Route::Ended))
}

fn same_state(session: &SignInSession, request: &Request) -> bool {
    let expected = session.secrets.state.expose_secret().as_bytes();
    request
        .query("state")
        .is_some_and(|state| state.as_bytes().ct_eq(expected).into())
}

async fn complete(
    clients: &Clients,
    sign_in: &SignIn,
    request: &Request,
    deadline: Deadline,
) -> RouteResult {
    if let Some(refusal) = refusal_in(request) {
        return Err(sign_in.refused(&clients.settings, &refusal, OAuthEndpoint::Authorization));
    }
    let code = request.query("code").filter(|code| !code.is_empty());
    let code = code.ok_or(Outcome::NoCode)?;
    let store = GrantsStore::of(&clients.store, &sign_in.secret.name);
    let (tokens, issuer, grants_document) = tokio::join!(
        redeem::redeem(clients, sign_in, code.into()),
        redeem::issuer(clients, &sign_in.app, deadline),
        store.read(),
    );
    let (tokens, issuer, grants_document) = (tokens?, issuer?, grants_document?);
    let account = redeem::account(clients, sign_in, &tokens, &issuer, deadline).await?;
    if checks::grant_holder(sign_in, &account, &grants_document.grants)? == GrantHolder::Nobody {
        checks::refuse_other_names(clients, sign_in, &tokens, &account, deadline).await?;
    }
    let refresh_token = checks::refuse_incomplete_consent(sign_in, &tokens)?;
    let grant = Grant {
        oid: account.oid.clone(),
        tid: account.tid.clone(),
        scopes: tokens.scopes().clone(),
        refresh_token,
        redeemed_at: tokens.now,
    };
    store_grant(&store, sign_in, &grant).await?;
    info!(mailbox = %sign_in.ticket.mailbox, "stored a grant");
    let offers = offer::offer(clients, sign_in, deadline).await;
    match hand_over_work(sign_in, &grants_document.attestations, &offers.shopctrl) {
        HandOverWork::Open => redirect_to_hand_over(clients, sign_in, &account, offers.shopctrl),
        HandOverWork::Done => {
            let response = redirect_to_hand_over(clients, sign_in, &account, offers.shopctrl)?;
            resume_rotation(clients, sign_in).await;
            Ok(response)
        }
        HandOverWork::None => {
            let outcome = resume_rotation(clients, sign_in).await;
            let mailbox = sign_in.ticket.mailbox.clone();
            Err(match offers.failed {
                true => Outcome::AuthorizeRemains { mailbox }.into(),
                false => outcome.into(),
            })
        }
    }
}

/// The OAuth error in a redirect of a sign-in that failed. Its text is not read beyond the number.
fn refusal_in(request: &Request) -> Option<OAuthError> {
    if !request.has_query("error") {
        return None;
    }
    // Given twice it is still an error, if not one that has a name.
    let error = request.query("error").unwrap_or_default();
    let description = request.query("error_description").unwrap_or_default();
    Some(OAuthError::new(&error, None, number_in(&description)))
}

/// Stores the grant, unless another account's was stored for the mailbox meanwhile.
async fn store_grant(store: &GrantsStore, sign_in: &SignIn, grant: &Grant) -> Result<(), Message> {
    let mailbox = &sign_in.ticket.mailbox;
    let taken = Cell::new(false);
    store
        .update(|grants_document| {
            let grants = &mut grants_document.grants;
            let holder = GrantHolder::of(grants, mailbox, &grant.oid, &grant.tid);
            taken.set(holder == GrantHolder::AnotherAccount);
            if holder != GrantHolder::AnotherAccount {
                grants.set(mailbox, grant.clone());
            }
        })
        .await?;
    if taken.get() {
        let expected = sign_in.name();
        return Err(Outcome::WrongAccount { expected }.into());
    }
    Ok(())
}

/// What this account has to do in a hand-over.
enum HandOverWork {
    None,
    /// The rotation waits for it, and not only for this sign-in.
    Open,
    Done,
}

fn hand_over_work(
    sign_in: &SignIn,
    attestations: &Attestations,
    shopctrl: &AtShopCtrl,
) -> HandOverWork {
    let version = &sign_in.ticket.version;
    let attested = |connection: &Connection| attestations.attested(version, &connection.id);
    let attended: Vec<&Connection> = match sign_in.ticket.purpose {
        Purpose::Rotate => sign_in.attended().collect(),
        Purpose::Connect => Vec::new(),
    };
    if !shopctrl.authorize.is_empty() || !attended.iter().all(|connection| attested(connection)) {
        HandOverWork::Open
    } else if attended.is_empty() {
        HandOverWork::None
    } else {
        HandOverWork::Done
    }
}

fn redirect_to_hand_over(
    clients: &Clients,
    sign_in: &SignIn,
    account: &Account,
    shopctrl: AtShopCtrl,
) -> RouteResult {
    let ticket = sign_in.session.ticket.clone();
    let authenticated = authenticated_at(sign_in, account);
    let oid = account.oid.clone();
    let signed_in = SignedIn::begin(ticket, oid, shopctrl, authenticated, sign_in.now)?;
    info!("the person is led on to the hand-over");
    Ok(Response::redirect(clients.settings.url(Route::Attestation))
        .with_cookie(session::COOKIE.end())
        .with_cookie(signed_in.cookie(&sign_in.key)?))
}

/// When the person gave their credentials, by our clock. Microsoft says so where the app asks for the optional claim
/// `auth_time`; else it is now where credentials were asked for, and not known where a session of theirs was enough.
fn authenticated_at(sign_in: &SignIn, account: &Account) -> Option<Timestamp> {
    match account.authenticated_before {
        Some(before) => sign_in.now.checked_sub(before).ok(),
        None => sign_in.session.anew.then_some(sign_in.now),
    }
}

/// Has the rotation go on that waits, and says how the sign-in ends by that.
async fn resume_rotation(clients: &Clients, sign_in: &SignIn) -> Outcome {
    let (purpose, mailbox) = (sign_in.ticket.purpose, sign_in.ticket.mailbox.clone());
    let has_attended = sign_in.attended().next().is_some();
    let waiting = match purpose {
        Purpose::Rotate => Some(sign_in.ticket.version.as_str()),
        Purpose::Connect => sign_in.secret.versions.in_progress(),
    };
    let Some(token) = waiting else {
        return Outcome::Connected {
            mailbox,
            attended: has_attended,
        };
    };
    if !sign_in.secret.rotation_enabled {
        return Outcome::StoredWhileOff { mailbox };
    }
    rotation::resume(&clients.store, &sign_in.secret, token).await;
    match has_attended {
        true => Outcome::HandOverRemains { mailbox },
        false => Outcome::RotationGoesOn { mailbox, purpose },
    }
}
