//! Signing a person in: the authorization request, and what its refusals mean.

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::App;
use crate::failure::{Failure, Kind};
use crate::ids::MailboxAddress;
use crate::mailbox_secret::{Connection, Direction, Protocol, SignInName};

/// What one sign-in keeps to itself until the callback.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Ties the answer to this browser.
    pub state: SecretString,
    /// Ties the id token to this sign-in.
    pub nonce: SecretString,
    /// The PKCE verifier (RFC 7636).
    pub verifier: SecretString,
}

/// What Microsoft's sign-in page is asked for (RFC 6749, 4.1.1), for exactly this account.
#[derive(Debug)]
pub struct AuthorizationRequest<'a> {
    /// The client.
    pub app: &'a App,
    /// Where the answer goes.
    pub redirect_uri: &'a str,
    /// For what consent is wanted: [`scopes`].
    pub scopes: &'a [String],
    /// The account.
    pub name: &'a SignInName,
    /// What ties the answer to this sign-in.
    pub secrets: &'a Secrets,
    /// Has the person enter credentials though somebody is signed in (entra-docs, v2-oauth2-auth-code-flow.md: `prompt`).
    /// `max_age` would do so after a time, and is not in Microsoft's documents; it changes when the id token ends
    /// (microsoft-authentication-library-for-python#444). No other `prompt`:
    /// `select_account` beside `login_hint` is an error (microsoft-authentication-library-for-js#3315), and
    /// `consent` would ask again for what the tenant may no longer let users grant (entra-docs,
    /// manage-app-consent-policies.md).
    pub anew: bool,
}

/// The address of Microsoft's sign-in page.
///
/// # Errors
/// [`Kind::Misconfigured`] when the authority is no address.
pub fn authorize_url(request: &AuthorizationRequest<'_>) -> Result<String, Failure> {
    let AuthorizationRequest {
        app,
        redirect_uri,
        scopes,
        name,
        secrets,
        anew,
    } = *request;
    let authority = app
        .endpoints
        .tenant_url(&app.tenant, "oauth2/v2.0/authorize");
    let mut url = Url::parse(&authority)
        .map_err(|_| Failure::new(Kind::Misconfigured, "reading Entra's address"))?;
    let challenge = digest(&SHA256, secrets.verifier.expose_secret().as_bytes());
    url.query_pairs_mut()
        .append_pair("client_id", app.client_id.as_str())
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("response_mode", "query")
        .append_pair("scope", &scopes.join(" "))
        .append_pair("state", secrets.state.expose_secret())
        .append_pair("nonce", secrets.nonce.expose_secret())
        .append_pair(
            "code_challenge",
            &BASE64URL_NOPAD.encode(challenge.as_ref()),
        )
        .append_pair("code_challenge_method", "S256")
        .append_pair("login_hint", name.address().as_str());
    if anew {
        url.query_pairs_mut().append_pair("prompt", "login");
    }
    Ok(url.into())
}

/// The `state` of an administrator's consent, by which its way back is known.
pub const ADMIN_CONSENT_STATE: &str = "admin-consent";

/// Where an administrator grants the app's permissions for the organisation (entra-docs,
/// v2-admin-consent.md). It comes back to the same redirect URI, with `admin_consent`.
///
/// # Errors
/// [`Kind::Misconfigured`] when the authority is no address.
pub fn admin_consent_url(
    app: &App,
    redirect_uri: &str,
    scopes: &[String],
) -> Result<String, Failure> {
    let authority = app.endpoints.tenant_url(&app.tenant, "v2.0/adminconsent");
    let mut url = Url::parse(&authority)
        .map_err(|_| Failure::new(Kind::Misconfigured, "reading Entra's address"))?;
    url.query_pairs_mut()
        .append_pair("client_id", app.client_id.as_str())
        .append_pair("scope", &scopes.join(" "))
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("state", ADMIN_CONSENT_STATE);
    Ok(url.into())
}

/// The scopes of one mailbox's sign-in: OpenID's, and what its connections use, no more: a scope
/// that was not granted before would ask for consent again.
#[must_use]
pub fn scopes(app: &App, connections: &[Connection], mailbox: &MailboxAddress) -> Vec<String> {
    let endpoints = &app.endpoints;
    let mut scopes: Vec<String> = ["openid", "profile", "offline_access"]
        .map(str::to_owned)
        .into();
    let of_mailbox = || connections.iter().filter(|c| c.mailbox == *mailbox);
    // To read the account's own addresses; registrations for the mail protocols have no User.Read.
    if of_mailbox().any(|c| c.protocol == Protocol::Graph) {
        scopes.push(endpoints.graph_scope("User.Read"));
    }
    for connection in of_mailbox() {
        let scope = connection_scope(app, connection);
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes
}

/// Of the scopes of a sign-in those that one token request may name: OpenID's and the first
/// resource's (28002 otherwise).
#[must_use]
pub fn of_one_resource(scopes: &[String]) -> Vec<String> {
    let resource = |scope: &str| {
        scope
            .rsplit_once('/')
            .map(|(resource, _)| resource.to_owned())
    };
    let first = scopes.iter().find_map(|scope| resource(scope));
    let fits = |scope: &&String| resource(scope).is_none() || resource(scope) == first;
    scopes.iter().filter(fits).cloned().collect()
}

/// The delegated permission that a connection works with (ShopCtrl's set-up pages).
#[must_use]
pub fn connection_scope(app: &App, connection: &Connection) -> String {
    let endpoints = &app.endpoints;
    match (connection.protocol, connection.direction) {
        (Protocol::Graph, Direction::Receiving) => endpoints.graph_scope("Mail.Read"),
        (Protocol::Graph, Direction::Sending) => endpoints.graph_scope("Mail.Send"),
        (Protocol::Imap, _) => endpoints.outlook_scope("IMAP.AccessAsUser.All"),
        (Protocol::Pop3, _) => endpoints.outlook_scope("POP.AccessAsUser.All"),
        (Protocol::Smtp, _) => endpoints.outlook_scope("SMTP.Send"),
    }
}
