//! What is issued: access tokens, refresh tokens and authorization codes.

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use uuid::Uuid;

use super::scope::Scope;

/// A token for a resource.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The resource that takes it.
    pub audience: String,
    /// Until when.
    pub expires: Timestamp,
    /// The app it was issued to.
    pub app_id: Uuid,
    /// The app's service principal.
    pub service_principal_id: Uuid,
    /// The person it speaks for; none for an app on its own.
    pub oid: Option<Uuid>,
    /// Delegated permissions, by name: `Mail.Read`, …
    pub scopes: BTreeSet<String>,
    /// Application permissions.
    pub roles: BTreeSet<String>,
}

impl AccessToken {
    /// Whether the token carries a delegated permission.
    #[must_use]
    pub fn has_scope(&self, name: &str) -> bool {
        self.scopes
            .iter()
            .any(|scope| scope.eq_ignore_ascii_case(name))
    }
}

/// A refresh token: bound to person and client, not to a secret (docs/beliefs.md, Entra).
#[derive(Debug, Clone)]
pub struct RefreshToken {
    /// The person.
    pub oid: Uuid,
    /// The client.
    pub app_id: Uuid,
    /// The scopes of the sign-in that it goes back to.
    pub scopes: Vec<Scope>,
    /// When it was issued; it lives 90 days from then.
    pub issued: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// Whether the sign-in had a second factor.
    pub second_factor: bool,
}

/// Somebody who is signed in at a browser.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    pub(crate) oid: Uuid,
    /// When they gave their password.
    pub(crate) authenticated: Timestamp,
}

/// An authorization code.
#[derive(Debug, Clone)]
pub(crate) struct AuthorizationCode {
    pub(crate) oid: Uuid,
    pub(crate) app_id: Uuid,
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) nonce: Option<String>,
    pub(crate) issued: Timestamp,
    pub(crate) redeemed: bool,
    /// When the person gave their password.
    pub(crate) authenticated: Timestamp,
    pub(crate) second_factor: bool,
}

/// A PKCE challenge. Without `code_challenge_method` it is taken as plain (docs/beliefs.md, Entra).
#[derive(Debug, Clone)]
pub(crate) enum Challenge {
    Plain(String),
    S256(String),
}

impl Challenge {
    pub(super) fn is_met_by(&self, verifier: &str) -> bool {
        match self {
            Self::Plain(challenge) => challenge == verifier,
            Self::S256(challenge) => {
                let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
                *challenge == BASE64URL_NOPAD.encode(digest.as_ref())
            }
        }
    }
}

/// What a successful token request gives.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// Seconds that it lives.
    pub expires_in: i64,
    /// Its scopes as the answer spells them; none for an app on its own.
    pub scope: Option<String>,
    /// A new refresh token, if `offline_access` was granted.
    pub refresh_token: Option<String>,
    /// An id token, if `openid` was granted.
    pub id_token: Option<String>,
}
