//! The token endpoint: client credentials, refresh tokens, authorization codes.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use oauth2::basic::{BasicRevocationErrorResponse, BasicTokenType};
use oauth2::{
    AuthType, AuthorizationCode, EndpointNotSet, EndpointSet, ErrorResponse, ExtraTokenFields,
    PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenIntrospectionResponse, StandardTokenResponse, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::App;
use crate::credential::ClientSecret;
use crate::failure::{Failure, Kind, foreign_code};
use crate::http::{self, Client, TransportError};
use crate::retry::{CallError, Effect};

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
        #[derive(Deserialize)]
        struct Claims {
            #[serde(default)]
            roles: Vec<String>,
            #[serde(default)]
            wids: Vec<String>,
        }
        let payload = self.access.expose_secret().split('.').nth(1)?;
        let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
        let claims: Claims = serde_json::from_slice(&payload).ok()?;
        // Every token has this entry, whatever the app may do.
        let directory_role = |id: &String| id != "0997a1d0-0d1d-4acb-b408-d5ca73121e90";
        Some(!claims.roles.is_empty() || claims.wids.iter().any(directory_role))
    }

    /// The bare names of the granted scopes, in lower case.
    #[must_use]
    pub fn scopes(&self) -> &BTreeSet<String> {
        &self.scopes
    }
}

/// Without the resource in front, which Microsoft's examples show percent-encoded, too (entra-docs,
/// v2-oauth2-auth-code-flow).
fn bare(scope: &str) -> String {
    let scope = scope.to_lowercase();
    let name = scope.rsplit('/').next().unwrap_or(&scope);
    name.rsplit("%2f").next().unwrap_or(name).to_owned()
}

/// Why the token endpoint gave nothing. Microsoft asks apps to react to `error` (and `suberror`)
/// only; the numbers choose words (entra-docs, reference-error-codes.md).
#[derive(Debug, Clone)]
pub enum TokenError {
    /// `invalid_client`: the client secret or assertion is refused. For a new secret it may be
    /// propagation (7000215, and 7000222 where all that a replica knows has expired).
    ClientRefused(Trouble),
    /// `invalid_grant`, `interaction_required`, …: only the account's owner can go on.
    PersonNeeded(Trouble),
    /// All else, passing trouble included.
    Call(CallError),
}

/// Entra's own account of a refusal, without its free text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trouble {
    /// `error`
    pub error: String,
    /// `suberror`
    pub suberror: Option<String>,
    /// The first of `error_codes`, the number behind `AADSTS`.
    pub number: Option<i64>,
    /// `correlation_id`, by which Microsoft's support finds the request.
    pub correlation_id: Option<String>,
}

impl Trouble {
    /// Whether `invalid_client` means the client secret, and not the app registration, federation or consent:
    /// 7000215 (wrong, or not known yet), 7000222 (ended), or no number at all (entra-docs,
    /// reference-error-codes.md).
    #[must_use]
    pub fn means_the_secret(&self) -> bool {
        self.error == "invalid_client" && matches!(self.number, None | Some(7_000_215 | 7_000_222))
    }

    /// `invalid_client AADSTS7000215`
    #[must_use]
    pub fn code(&self) -> String {
        match self.number {
            Some(number) => format!("{} AADSTS{number}", self.error),
            None => self.error.clone(),
        }
    }
}

impl TokenError {
    /// Entra's code, where there was one.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        match self {
            Self::ClientRefused(trouble) | Self::PersonNeeded(trouble) => Some(trouble.code()),
            Self::Call(error) => error.failure.code.clone(),
        }
    }

    /// The pause that Entra asks for.
    #[must_use]
    pub fn wish(&self) -> Option<Duration> {
        match self {
            Self::ClientRefused(_) | Self::PersonNeeded(_) => None,
            Self::Call(error) => error.again.flatten(),
        }
    }

    /// As the error of a call that was doing `what`, for whoever need not tell the cases apart.
    #[must_use]
    pub fn into_call_error(self, what: &str) -> CallError {
        let refused = |trouble: Trouble, problem: &str, next_step: &str| {
            CallError::refused(
                Failure::new(Kind::Misconfigured, format!("{what}: {problem}"))
                    .code(trouble.code())
                    .next_step(next_step),
            )
        };
        match self {
            Self::ClientRefused(trouble) => refused(
                trouble,
                "Entra refuses the app's secret or assertion",
                "Check the app's ids and its secret or federated credential.",
            ),
            Self::PersonNeeded(trouble) => refused(
                trouble,
                "Entra wants the account's owner to sign in",
                "Have the mailbox's owner sign in.",
            ),
            Self::Call(error) => CallError {
                failure: error.failure.while_doing(what),
                ..error
            },
        }
    }
}

#[derive(Debug, Clone, Deserialize, Serialize)]
struct ErrorBody {
    error: String,
    suberror: Option<String>,
    #[serde(default)]
    error_codes: Vec<i64>,
    correlation_id: Option<String>,
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.error)
    }
}

impl ErrorResponse for ErrorBody {}

#[derive(Clone, Deserialize, Serialize)]
struct IdTokenField {
    id_token: Option<String>,
}

impl std::fmt::Debug for IdTokenField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdTokenField")
    }
}

impl ExtraTokenFields for IdTokenField {}

type Answer = StandardTokenResponse<IdTokenField, BasicTokenType>;

type OAuthClient = oauth2::Client<
    ErrorBody,
    Answer,
    StandardTokenIntrospectionResponse<IdTokenField, BasicTokenType>,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

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
        sorted(answer, seen, &[])
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
        sorted(answer, seen, scopes)
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
        sorted(answer, seen, code.scopes)
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

fn sorted(
    answer: Result<Answer, RequestTokenError<TransportError, ErrorBody>>,
    seen: Mutex<Seen>,
    asked: &[String],
) -> Result<Tokens, TokenError> {
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    match answer {
        Ok(answer) => {
            // Entra's clock counts; an answer without Date (a proxy may drop it) leaves ours.
            let now = seen.date.unwrap_or_else(crate::clock::machine);
            // Left out where it is what was asked for (RFC 6749, 5.1).
            let granted = match answer.scopes() {
                Some(scopes) => scopes.iter().map(|scope| bare(scope)).collect(),
                None => asked.iter().map(|scope| bare(scope)).collect(),
            };
            Ok(Tokens {
                access: answer.access_token().secret().to_owned().into(),
                refresh: answer
                    .refresh_token()
                    .map(|token| token.secret().to_owned().into()),
                id_token: answer.extra_fields().id_token.clone().map(Into::into),
                scopes: granted,
                now,
            })
        }
        Err(RequestTokenError::ServerResponse(body)) => Err(refusal(body, &seen)),
        Err(RequestTokenError::Request(error)) => Err(TokenError::Call(error.while_doing(WHAT))),
        Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => {
            Err(unreadable(&seen, "the answer cannot be read"))
        }
    }
}

fn unreadable(seen: &Seen, problem: &str) -> TokenError {
    let status = seen.status.unwrap_or_default();
    TokenError::Call(CallError {
        effect: http::passing_trouble(status).unwrap_or(Effect::Unknown),
        again: Some(seen.retry_after),
        status: seen.status,
        failure: Failure::new(
            Kind::Temporary,
            format!("{WHAT}: answered {status}, {problem}"),
        ),
    })
}

fn refusal(body: ErrorBody, seen: &Seen) -> TokenError {
    let trouble = Trouble {
        error: foreign_code(&body.error),
        suberror: body.suberror.as_deref().map(foreign_code),
        number: body.error_codes.first().copied(),
        correlation_id: body.correlation_id.as_deref().map(foreign_code),
    };
    let status = seen.status.unwrap_or_default();
    let call = |kind, again, next_step: &str| {
        let mut failure =
            Failure::new(kind, format!("{WHAT}: answered {status}")).code(trouble.code());
        if !next_step.is_empty() {
            failure = failure.next_step(next_step);
        }
        TokenError::Call(CallError {
            effect: Effect::None,
            again,
            status: seen.status,
            failure,
        })
    };
    match trouble.error.as_str() {
        "invalid_client" => TokenError::ClientRefused(trouble),
        "invalid_grant"
        | "interaction_required"
        | "login_required"
        | "consent_required"
        | "bad_token"
        | "interrupted_user" => TokenError::PersonNeeded(trouble),
        "temporarily_unavailable" | "server_error" => {
            call(Kind::Temporary, Some(seen.retry_after), "")
        }
        _ if http::passing_trouble(status).is_some() => {
            call(Kind::Temporary, Some(seen.retry_after), "")
        }
        "unauthorized_client" => call(
            Kind::Misconfigured,
            None,
            "Check tenant id and client id, and that the app registration exists and is enabled.",
        ),
        // A default for what Microsoft may yet add: a person has to look.
        _ => call(
            Kind::Misconfigured,
            None,
            "Look the code up in docs/runbook.md.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(error: &str) -> ErrorBody {
        ErrorBody {
            error: error.to_owned(),
            suberror: None,
            error_codes: vec![7_000_215],
            correlation_id: None,
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
            let answer: Answer = serde_json::from_str(&answer).unwrap();
            let tokens = sorted(Ok(answer), Mutex::default(), &asked).unwrap();
            tokens.grants("Mail.Read")
        };
        assert!(granted(""));
        assert!(!granted(r#","scope":"User.Read""#));
    }

    #[test]
    fn errors_are_sorted_by_their_error_field() {
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
        assert!(error.again.is_some());
        let TokenError::Call(error) = refusal(body("brand_new_error"), &seen) else {
            unreachable!()
        };
        assert!(error.again.is_none());
    }

    #[test]
    fn a_foreign_text_does_not_get_into_a_code() {
        let trouble = Trouble {
            error: foreign_code("<b>x</b> y"),
            ..Trouble::default()
        };
        assert_eq!(trouble.code(), "bxby");
    }
}
