//! What the token endpoint sends, and what the crate `oauth2` asks of it. Read strictly is only what is used.

use std::time::Duration;

use oauth2::basic::{BasicRevocationErrorResponse, BasicTokenType};
use oauth2::{
    AccessToken, EmptyExtraTokenFields, EndpointNotSet, EndpointSet, ErrorResponse, RefreshToken,
    Scope, StandardRevocableToken, StandardTokenIntrospectionResponse, TokenResponse,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::entra::refusal::OAuthError;
use crate::failure::sanitized_code;

/// An error as it came. Read strictly is only what is used: other fields, or these in an odd form, must not make a
/// refusal unreadable.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct ErrorBody {
    error: String,
    #[serde(default)]
    suberror: Value,
    #[serde(default)]
    error_codes: Value,
    #[serde(default)]
    correlation_id: Value,
}

impl ErrorBody {
    /// The first number, also where it came as a text, or alone.
    pub(super) fn number(&self) -> Option<i64> {
        let first = match &self.error_codes {
            Value::Array(all) => all.first()?,
            one => one,
        };
        first
            .as_i64()
            .or_else(|| first.as_str()?.trim().parse().ok())
    }

    pub(super) fn oauth_error(&self) -> OAuthError {
        let mut oauth_error = OAuthError::new(&self.error, self.suberror.as_str(), self.number());
        oauth_error.correlation_id = self.correlation_id.as_str().map(sanitized_code);
        oauth_error
    }
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.error)
    }
}

impl ErrorResponse for ErrorBody {}

/// A token answer. Of `token_type` and `expires_in` nothing is used, so nothing of them can make it unreadable, and
/// burn a code with it.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct TokenBody {
    pub(super) access_token: AccessToken,
    #[serde(default)]
    pub(super) refresh_token: Value,
    #[serde(default)]
    pub(super) id_token: Value,
    #[serde(default)]
    pub(super) scope: Value,
    #[serde(skip)]
    oauth: OAuthFields,
}

/// What `oauth2` asks of an answer, as its types want it.
#[derive(Clone)]
pub(super) struct OAuthFields {
    token_type: BasicTokenType,
}

impl Default for OAuthFields {
    fn default() -> Self {
        Self {
            token_type: BasicTokenType::Bearer,
        }
    }
}

impl TokenBody {
    /// A text that says something: `"refresh_token": ""` is none.
    pub(super) fn secret(value: &Value) -> Option<SecretString> {
        let text = value.as_str().filter(|text| !text.is_empty());
        text.map(SecretString::from)
    }
}

impl std::fmt::Debug for TokenBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenBody([redacted])")
    }
}

impl TokenResponse for TokenBody {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.oauth.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        None
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        None
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

pub(super) type OAuthClient = oauth2::Client<
    ErrorBody,
    TokenBody,
    StandardTokenIntrospectionResponse<EmptyExtraTokenFields, BasicTokenType>,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;
