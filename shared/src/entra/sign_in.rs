//! Signing a person in: the authorization request, and what its refusals mean.

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::App;
use super::token::Trouble;
use crate::failure::{Failure, Kind};
use crate::mailbox_secret::{Connection, Direction, MailboxAddress, Protocol};

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

/// The address of Microsoft's sign-in page for exactly this mailbox.
///
/// `anew` has the person enter credentials though somebody is signed in. No other `prompt`:
/// `select_account` beside `login_hint` is an error (microsoft-authentication-library-for-js#3315), and
/// `consent` would ask again for what the tenant may no longer let users grant (entra-docs,
/// manage-app-consent-policies.md).
///
/// # Errors
/// [`Kind::Misconfigured`] when the authority is no address.
pub fn authorize_url(
    app: &App,
    redirect_uri: &str,
    scopes: &[String],
    mailbox: &MailboxAddress,
    secrets: &Secrets,
    anew: bool,
) -> Result<String, Failure> {
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
        .append_pair("login_hint", mailbox.as_str());
    if anew {
        url.query_pairs_mut().append_pair("prompt", "login");
    }
    Ok(url.into())
}

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
        .append_pair("state", "admin-consent");
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

/// What kept a person's sign-in from succeeding, in the terms of what can be done about it
/// (reference-error-codes.md; application-sign-in-unexpected-user-consent-error.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The person pressed Cancel, or was stopped at "Need admin approval" and went back: Entra's
    /// answer does not tell which.
    Declined,
    /// Only an administrator of the tenant can grant this.
    AdminApproval,
    /// Signed in with another account, or none is there by that name.
    WrongAccount,
    /// Signed in with a personal Microsoft account.
    PersonalAccount,
    /// Signed in with an account that is not of this tenant.
    ForeignAccount,
    /// The app wants users to be assigned, and this one is not.
    NotAssigned,
    /// Conditional Access or security defaults, device rules.
    BlockedByPolicy,
    /// Multi-factor sign-in has to be done or set up.
    MoreProof,
    /// The account is locked, disabled, or its password is wrong or over.
    AccountTrouble,
    /// Entra refuses the app's client secret.
    ClientRefused,
    /// Tenant id, client id or the registration itself is wrong.
    Registration,
    /// The sign-in took too long, was used twice or mixed with another.
    StartAgain,
    /// Passing trouble at Microsoft.
    Passing,
    /// Nothing that we know.
    Unknown,
}

impl Obstacle {
    /// Sorts what Entra said: by `error`, and by the number only for the better word.
    #[must_use]
    pub fn of(trouble: &Trouble) -> Self {
        match trouble.number {
            Some(90_093..=90_095 | 900_941 | 900_981) => Self::AdminApproval,
            Some(16_000 | 51_004 | 50_034) => Self::WrongAccount,
            Some(500_208) => Self::PersonalAccount,
            Some(50_020 | 90_072) => Self::ForeignAccount,
            Some(50_105) => Self::NotAssigned,
            Some(53_000..=53_003 | 530_032 | 530_035) => Self::BlockedByPolicy,
            Some(50_072 | 50_074 | 50_076 | 50_078 | 50_079 | 500_121) => Self::MoreProof,
            Some(50_053 | 50_055 | 50_057 | 50_126) => Self::AccountTrouble,
            Some(7_000_215 | 7_000_222 | 7_000_218) => Self::ClientRefused,
            Some(
                700_016 | 50_194 | 90_002 | 50_011 | 7_000_112 | 70_001 | 1_000_031 | 700_025
                | 650_056 | 650_057 | 65_005 | 70_011 | 700_022 | 28_002,
            ) => Self::Registration,
            Some(54_005 | 70_008 | 501_481 | 50_173 | 70_000 | 700_082 | 70_043) => {
                Self::StartAgain
            }
            Some(90_033 | 90_006 | 90_012 | 90_024 | 90_090 | 50_087 | 50_196) => Self::Passing,
            Some(65_001 | 65_004) => Self::Declined,
            _ => match trouble.error.as_str() {
                "access_denied" | "consent_required" => Self::Declined,
                "invalid_client" => Self::ClientRefused,
                "invalid_grant" | "login_required" => Self::StartAgain,
                "interaction_required" => Self::MoreProof,
                "unauthorized_client"
                | "invalid_request"
                | "invalid_scope"
                | "unsupported_response_type"
                | "invalid_resource" => Self::Registration,
                "temporarily_unavailable" | "server_error" => Self::Passing,
                _ => Self::Unknown,
            },
        }
    }

    /// The short name that pages and logs share.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::AdminApproval => "admin-approval",
            Self::WrongAccount => "wrong-account",
            Self::PersonalAccount => "personal-account",
            Self::ForeignAccount => "foreign-account",
            Self::NotAssigned => "not-assigned",
            Self::BlockedByPolicy => "blocked-by-policy",
            Self::MoreProof => "more-proof",
            Self::AccountTrouble => "account-trouble",
            Self::ClientRefused => "client-refused",
            Self::Registration => "registration",
            Self::StartAgain => "start-again",
            Self::Passing => "passing",
            Self::Unknown => "unknown",
        }
    }
}

/// The number behind `AADSTS` at the front of a redirect's `error_description`. The rest of that
/// text is foreign and read no further.
#[must_use]
pub fn number_in(description: &str) -> Option<i64> {
    let digits: String = description
        .trim_start()
        .strip_prefix("AADSTS")?
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_number_is_read_from_the_front_only() {
        assert_eq!(number_in("AADSTS65004: User declined"), Some(65_004));
        assert_eq!(number_in("see AADSTS65004"), None);
        assert_eq!(number_in("AADSTSx"), None);
    }

    #[test]
    fn an_unknown_number_falls_back_to_the_error() {
        let trouble = Trouble {
            error: "access_denied".into(),
            number: Some(1),
            ..Trouble::default()
        };
        assert_eq!(Obstacle::of(&trouble), Obstacle::Declined);
    }

    proptest! {
        #[test]
        fn no_description_makes_the_reader_panic(text in ".*") {
            let _ = number_in(&text);
        }
    }
}
