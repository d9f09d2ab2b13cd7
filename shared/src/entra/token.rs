//! The token endpoint: client credentials, refresh tokens, authorization codes.

mod wire;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use oauth2::{
    AuthType, AuthorizationCode, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError,
    Scope, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::App;
use super::refusal::{OAuthEndpoint, OAuthError, RefusalReason};
use crate::credential::ClientSecret;
use crate::failure::{Failure, Kind};
use crate::http::{self, Client, TransportError};
use crate::json::field_error;
use crate::retry::{CallError, Effect, Retry};
use wire::{ErrorBody, OAuthClient, TokenBody};

/// How an app proves that it is itself.
#[derive(Debug, Clone)]
pub enum ClientProof {
    /// With a client secret.
    Secret(ClientSecret),
    /// With a JWT of a federated issuer (RFC 7523).
    Assertion(SecretString),
}

/// What the token endpoint gave.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The access token.
    pub access: SecretString,
    /// The replacement refresh token, in the flows that give one.
    pub refresh: Option<SecretString>,
    /// The id token, where `openid` was asked for.
    pub id_token: Option<SecretString>,
    /// The granted scopes as Entra echoes them: shortened or not, in any case.
    scopes: BTreeSet<String>,
    /// Entra's clock.
    pub now: Timestamp,
}

impl Tokens {
    /// Of an access token that was had elsewhere: nothing else is known of it.
    #[must_use]
    pub fn of_bearer(access: SecretString, now: Timestamp) -> Self {
        Self {
            access,
            refresh: None,
            id_token: None,
            scopes: BTreeSet::new(),
            now,
        }
    }

    /// Whether a scope was granted. Entra may echo it without its resource and in another case
    /// (entra-docs, v2-oauth2-auth-code-flow.md), so sets are compared by the bare name.
    #[must_use]
    pub fn grants(&self, scope: &str) -> bool {
        self.scopes.contains(&bare(scope))
    }

    /// Whether the app may do more than act for people: an app-only token names the application
    /// permissions (`roles`) and directory roles (`wids`) that it was granted (entra-docs,
    /// access-token-claims-reference.md). `None` where the token cannot be read. Not verified: Entra
    /// has just handed it to us, and it decides only what we keep to ourselves.
    #[must_use]
    pub fn has_application_permissions(&self) -> Option<bool> {
        let may = self.application_permissions()?;
        Some(!may.roles.is_empty() || may.has_directory_role())
    }

    /// What an app-only token names, read as above.
    #[must_use]
    pub fn application_permissions(&self) -> Option<ApplicationPermissions> {
        let payload = self.access.expose_secret().split('.').nth(1)?;
        let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    /// The bare names of the granted scopes, in lower case.
    #[must_use]
    pub fn scopes(&self) -> &BTreeSet<String> {
        &self.scopes
    }
}

/// What an app may do by itself, as its token says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ApplicationPermissions {
    /// Application permissions on the token's resource.
    #[serde(default)]
    roles: Vec<String>,
    /// The ids of directory roles.
    #[serde(default)]
    wids: Vec<String>,
}

impl ApplicationPermissions {
    /// Whether one of these application permissions is there.
    #[must_use]
    pub fn any(&self, names: &[&str]) -> bool {
        self.roles.iter().any(|role| names.contains(&role.as_str()))
    }

    /// Whether the app has a role in the directory, which may let it do what no application permission says.
    #[must_use]
    pub fn has_directory_role(&self) -> bool {
        // Every token has this entry, whatever the app may do.
        let none = "0997a1d0-0d1d-4acb-b408-d5ca73121e90";
        self.wids.iter().any(|id| id != none)
    }
}

/// Without the resource in front, which Microsoft's examples show percent-encoded, too (entra-docs,
/// v2-oauth2-auth-code-flow).
fn bare(scope: &str) -> String {
    let scope = scope.to_lowercase();
    let name = scope.rsplit('/').next().unwrap_or(&scope);
    name.rsplit("%2f").next().unwrap_or(name).to_owned()
}

/// Why the token endpoint gave nothing.
#[derive(Debug, Clone)]
pub enum TokenError {
    /// The client secret or assertion is refused. For a new secret it may be propagation.
    ClientRefused(OAuthError),
    /// Only the account's owner can go on, or whoever made a policy of the tenant's.
    PersonNeeded(OAuthError),
    /// Neither a secret nor a person is meant: the app registration, its federation, or what nobody knows.
    AppRefused(OAuthError, Box<Failure>),
    /// All else, what is transient included.
    Call(CallError),
}

impl TokenError {
    /// Entra's code, where there was one.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        match self {
            Self::ClientRefused(oauth_error)
            | Self::PersonNeeded(oauth_error)
            | Self::AppRefused(oauth_error, _) => Some(oauth_error.code()),
            Self::Call(error) => error.failure.code.clone(),
        }
    }

    /// The pause that Entra asks for.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ClientRefused(_) | Self::PersonNeeded(_) | Self::AppRefused(..) => None,
            Self::Call(error) => error.retry_after(),
        }
    }

    /// As the error of a call that was doing `what`, for whoever need not tell the cases apart.
    #[must_use]
    pub fn into_call_error(self, what: &str) -> CallError {
        let refused = |oauth_error: OAuthError, problem: &str, next_step: &str| {
            CallError::refused(
                Failure::new(Kind::Misconfigured, format!("{what}: {problem}"))
                    .code(oauth_error.code())
                    .next_step(next_step),
            )
        };
        match self {
            Self::ClientRefused(oauth_error) => refused(
                oauth_error,
                "Entra refuses the app's secret or assertion",
                "Check the app's ids and its secret or federated credential.",
            ),
            Self::PersonNeeded(oauth_error) => refused(
                oauth_error,
                "Entra wants the account's owner to sign in",
                "Have the mailbox's owner sign in.",
            ),
            Self::AppRefused(_, failure) => CallError::refused(failure.while_doing(what)),
            Self::Call(error) => CallError {
                failure: error.failure.while_doing(what),
                ..error
            },
        }
    }
}

/// What `oauth2` does not hand on of an answer.
#[derive(Debug, Default)]
struct Seen {
    status: Option<u16>,
    date: Option<Timestamp>,
    retry_after: Option<Duration>,
}

/// The token endpoint of one app.
#[derive(Debug, Clone)]
pub struct TokenEndpoint {
    http: Client,
    app: App,
    proof: ClientProof,
}

const WHAT: &str = "asking Entra for a token";

impl TokenEndpoint {
    /// The endpoint of `app`, which proves itself with `proof`.
    #[must_use]
    pub fn new(http: Client, app: App, proof: ClientProof) -> Self {
        Self { http, app, proof }
    }

    /// An app-only token for Graph. For any app whose service principal is in the tenant this is
    /// also the proof of a client secret, without side effects and without a cache.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn client_credentials(&self) -> Result<Tokens, TokenError> {
        let scope = self.app.endpoints.graph_scope(".default");
        self.app_only(scope).await
    }

    /// An app-only token for a resource, which is named by its scope `.default`.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn app_only(&self, scope: String) -> Result<Tokens, TokenError> {
        let seen = Mutex::default();
        let client = self.client()?;
        let mut request = client.exchange_client_credentials();
        for (name, value) in self.assertion() {
            request = request.add_extra_param(name, value);
        }
        let answer = request
            .add_scope(Scope::new(scope))
            .request_async(&|request| carry(&self.http, &seen, request))
            .await;
        classify(answer, seen, &[])
    }

    /// Redeems a refresh token for one resource's scopes. The old refresh token stays valid, so
    /// this may be repeated; the replacement must be stored.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn refresh(
        &self,
        refresh_token: &SecretString,
        scopes: &[String],
    ) -> Result<Tokens, TokenError> {
        let seen = Mutex::default();
        let client = self.client()?;
        let refresh_token = RefreshToken::new(refresh_token.expose_secret().to_owned());
        let mut request = client.exchange_refresh_token(&refresh_token);
        for (name, value) in self.assertion() {
            request = request.add_extra_param(name, value);
        }
        let answer = request
            .add_scopes(scopes.iter().cloned().map(Scope::new))
            .request_async(&|request| carry(&self.http, &seen, request))
            .await;
        classify(answer, seen, scopes)
    }

    /// Redeems an authorization code, once: it is never sent twice.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn code(&self, code: Code<'_>) -> Result<Tokens, TokenError> {
        let seen = Mutex::default();
        let redirect = RedirectUrl::new(code.redirect_uri.to_owned())
            .map_err(|_| configuration("the redirect address is not one"))?;
        let client = self.client()?.set_redirect_uri(redirect);
        let mut request = client
            .exchange_code(AuthorizationCode::new(code.code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(
                code.verifier.expose_secret().to_owned(),
            ))
            .add_extra_param("scope", code.scopes.join(" "));
        for (name, value) in self.assertion() {
            request = request.add_extra_param(name, value);
        }
        let answer = request
            .request_async(&|request| carry(&self.http, &seen, request))
            .await;
        classify(answer, seen, code.scopes)
    }

    fn client(&self) -> Result<OAuthClient, TokenError> {
        let url = self
            .app
            .endpoints
            .tenant_url(&self.app.tenant, "oauth2/v2.0/token");
        let url = TokenUrl::new(url).map_err(|_| configuration("the token address is not one"))?;
        let client = oauth2::Client::new(oauth2::ClientId::new(self.app.client_id.to_string()))
            .set_token_uri(url)
            // Entra takes both; in the form the secret is encoded by one well-known rule.
            .set_auth_type(AuthType::RequestBody);
        Ok(match &self.proof {
            ClientProof::Secret(secret) => {
                client.set_client_secret(oauth2::ClientSecret::new(secret.expose().to_owned()))
            }
            ClientProof::Assertion(_) => client,
        })
    }

    fn assertion(&self) -> Vec<(&'static str, String)> {
        match &self.proof {
            ClientProof::Secret(_) => Vec::new(),
            ClientProof::Assertion(jwt) => vec![
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
                ),
                ("client_assertion", jwt.expose_secret().to_owned()),
            ],
        }
    }
}

/// An authorization code and what it was asked with.
#[derive(Debug, Clone, Copy)]
pub struct Code<'a> {
    /// The code.
    pub code: &'a SecretString,
    /// The PKCE verifier.
    pub verifier: &'a SecretString,
    /// The same redirect address as at `/authorize`.
    pub redirect_uri: &'a str,
    /// One resource's scopes and the OpenID ones.
    pub scopes: &'a [String],
}

fn configuration(problem: &str) -> TokenError {
    TokenError::Call(CallError::refused(Failure::new(
        Kind::Misconfigured,
        format!("{WHAT}: {problem}"),
    )))
}

async fn carry(
    http: &Client,
    seen: &Mutex<Seen>,
    request: oauth2::HttpRequest,
) -> Result<oauth2::HttpResponse, TransportError> {
    let response = http.send(request.map(Bytes::from)).await?;
    *seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen {
        status: Some(response.status().as_u16()),
        date: http::date(&response),
        retry_after: http::retry_after(&response),
    };
    Ok(response.map(|body| body.to_vec()))
}

fn classify(
    answer: Result<TokenBody, RequestTokenError<TransportError, ErrorBody>>,
    seen: Mutex<Seen>,
    asked: &[String],
) -> Result<Tokens, TokenError> {
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    match answer {
        Ok(answer) => {
            // Entra's clock counts; an answer without Date (a proxy may drop it) leaves ours.
            let now = seen.date.unwrap_or_else(crate::clock::machine);
            // Left out where it is what was asked for (RFC 6749, 5.1).
            let granted = match answer.scope.as_str() {
                Some(scopes) => scopes.split_whitespace().map(bare).collect(),
                None => asked.iter().map(|scope| bare(scope)).collect(),
            };
            Ok(Tokens {
                access: answer.access_token.secret().to_owned().into(),
                refresh: TokenBody::secret(&answer.refresh_token),
                id_token: TokenBody::secret(&answer.id_token),
                scopes: granted,
                now,
            })
        }
        Err(RequestTokenError::ServerResponse(body)) => Err(refusal(body, &seen)),
        Err(RequestTokenError::Request(error)) => Err(TokenError::Call(error.while_doing(WHAT))),
        // Where it is a refusal, it may come from anybody on the way.
        Err(RequestTokenError::Parse(error, _)) if seen.status == Some(200) => {
            Err(unreadable(&seen, &field_error(&error)))
        }
        Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => {
            Err(unreadable(&seen, "the answer cannot be read"))
        }
    }
}

fn unreadable(seen: &Seen, problem: &str) -> TokenError {
    let status = seen.status.unwrap_or_default();
    TokenError::Call(CallError {
        effect: http::transient(status).unwrap_or(Effect::Unknown),
        retry: Retry::transient(seen.retry_after),
        status: seen.status,
        failure: Failure::new(
            Kind::Temporary,
            format!("{WHAT}: answered {status}, {problem}"),
        ),
    })
}

fn refusal(body: ErrorBody, seen: &Seen) -> TokenError {
    let oauth_error = body.oauth_error();
    let status = seen.status.unwrap_or_default();
    let failure = |kind, next_step: &str| {
        let failure =
            Failure::new(kind, format!("{WHAT}: answered {status}")).code(oauth_error.code());
        match next_step {
            "" => failure,
            next_step => failure.next_step(next_step),
        }
    };
    let transient = |retry| {
        TokenError::Call(CallError {
            effect: Effect::None,
            retry,
            status: seen.status,
            failure: failure(Kind::Temporary, ""),
        })
    };
    let app = |next_step| {
        let refused = failure(Kind::Misconfigured, next_step);
        TokenError::AppRefused(oauth_error.clone(), Box::new(refused))
    };
    match RefusalReason::of(&oauth_error, OAuthEndpoint::Token) {
        RefusalReason::ClientRefused => TokenError::ClientRefused(oauth_error),
        // A loop of requests ends only if the asking stops for minutes.
        RefusalReason::Transient if oauth_error.number == Some(50_196) => transient(Retry::No),
        RefusalReason::Transient => transient(Retry::transient(seen.retry_after)),
        RefusalReason::Declined
        | RefusalReason::AdminApproval
        | RefusalReason::WrongAccount
        | RefusalReason::PersonalAccount
        | RefusalReason::ForeignAccount
        | RefusalReason::NotAssigned
        | RefusalReason::MoreProof
        | RefusalReason::AccountError
        | RefusalReason::StartAgain
        | RefusalReason::BlockedByPolicy => TokenError::PersonNeeded(oauth_error),
        RefusalReason::Registration => app(
            "Check tenant id and client id, and that the app registration exists, is enabled and has the permissions that are asked for.",
        ),
        RefusalReason::Federation => app(
            "Check the federated credential of the rotator's app: issuer, subject (this function's role ARN) and audience must match to the letter. One that was made minutes ago may not be known everywhere yet.",
        ),
        RefusalReason::Unknown if person_is_meant(&oauth_error.error) => {
            TokenError::PersonNeeded(oauth_error)
        }
        RefusalReason::Unknown if http::transient(status).is_some() => {
            transient(Retry::transient(seen.retry_after))
        }
        // What Microsoft may yet add: a person has to look.
        RefusalReason::Unknown => app(
            "Look the number up in Microsoft's list of AADSTS error codes, and in docs/runbook.md.",
        ),
    }
}

/// A grant that is refused for a reason which nobody knows: its owner is asked, and the page says the number.
fn person_is_meant(error: &str) -> bool {
    [
        "invalid_grant",
        "interaction_required",
        "login_required",
        "consent_required",
        "bad_token",
        "interrupted_user",
    ]
    .contains(&error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(error: &str) -> ErrorBody {
        serde_json::from_value(serde_json::json!({"error": error})).unwrap()
    }

    #[test]
    fn what_decides_nothing_does_not_make_an_error_unreadable() {
        for (codes, number) in [
            ("null", None),
            ("[7000215]", Some(7_000_215)),
            (r#"["7000215"]"#, Some(7_000_215)),
            (r#""7000215""#, Some(7_000_215)),
            ("7000215", Some(7_000_215)),
            ("{}", None),
            ("[]", None),
        ] {
            let text = format!(
                r#"{{"error":"invalid_client","error_codes":{codes},"suberror":7,"correlation_id":[],"timestamp":1}}"#
            );
            let body: ErrorBody = serde_json::from_str(&text).unwrap();
            assert_eq!(body.number(), number, "{codes}");
            let refused = refusal(body, &Seen::default());
            assert!(matches!(refused, TokenError::ClientRefused(_)), "{codes}");
        }
    }

    #[test]
    fn what_decides_nothing_does_not_make_an_answer_unreadable() {
        for odd in [
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a","token_type":7,"expires_in":"3599","ext_expires_in":null}"#,
            r#"{"access_token":"a","refresh_token":"","id_token":null,"scope":null}"#,
            r#"{"access_token":"a","refresh_token":7,"scope":["x"]}"#,
        ] {
            let answer: TokenBody = serde_json::from_str(odd).unwrap();
            let tokens = classify(Ok(answer), Mutex::default(), &[]).unwrap();
            assert!(tokens.refresh.is_none(), "{odd}");
        }
    }

    #[test]
    fn a_granted_scope_is_known_however_it_is_echoed() {
        for echoed in [
            "Mail.Read",
            "https://graph.microsoft.com/mail.read",
            "https%3A%2F%2Fgraph.microsoft.com%2Fmail.read",
        ] {
            assert_eq!(bare(echoed), "mail.read");
        }
    }

    #[test]
    fn an_answer_that_names_no_scopes_grants_what_was_asked() {
        let asked = ["https://graph.microsoft.com/Mail.Read".to_owned()];
        let granted = |scope: &str| {
            let answer = format!(r#"{{"access_token":"a","token_type":"Bearer"{scope}}}"#);
            let answer: TokenBody = serde_json::from_str(&answer).unwrap();
            let tokens = classify(Ok(answer), Mutex::default(), &asked).unwrap();
            tokens.grants("Mail.Read")
        };
        assert!(granted(""));
        assert!(!granted(r#","scope":"User.Read""#));
    }

    #[test]
    fn errors_are_classified_by_their_error_field() {
        let seen = Seen {
            status: Some(401),
            ..Seen::default()
        };
        assert!(matches!(
            refusal(body("invalid_client"), &seen),
            TokenError::ClientRefused(_)
        ));
        assert!(matches!(
            refusal(body("interaction_required"), &seen),
            TokenError::PersonNeeded(_)
        ));
        let TokenError::Call(error) = refusal(body("temporarily_unavailable"), &seen) else {
            unreachable!()
        };
        assert_eq!(error.retry, Retry::Backoff);
        let refused = refusal(body("brand_new_error"), &seen);
        assert!(matches!(refused, TokenError::AppRefused(..)));
    }
}
