//! An app registration in Microsoft Graph: its credentials, adding one, removing one.

use std::str::FromStr;

use ::http::{Method, Request, Response};
use bytes::Bytes;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::App;
use crate::credential::{ClientSecret, Credential, Fit, Hint};
use crate::failure::{Failure, Kind, foreign_code};
use crate::http::{self, Client};
use crate::ids::KeyId;
use crate::mailbox_secret::MailboxSecret;
use crate::retry::{Again, CallError, Effect};

/// What Graph shows of an app registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its credentials.
    pub credentials: Vec<Credential>,
    /// Who may sign in.
    pub audience: Option<String>,
}

impl Application {
    /// How many client secrets it can have: two where personal accounts may sign in, else no limit
    /// that matters (entra-docs, supported-accounts-validation.md).
    #[must_use]
    pub fn most_credentials(&self) -> Option<usize> {
        match self.audience.as_deref() {
            Some("AzureADandPersonalMicrosoftAccount" | "PersonalMicrosoftAccount") => Some(2),
            _ => None,
        }
    }

    /// The credential with this id.
    #[must_use]
    pub fn credential(&self, key_id: KeyId) -> Option<&Credential> {
        self.credentials.iter().find(|c| c.key_id == key_id)
    }

    /// When the document's client secret ends, by Entra's word; `None` where Entra does not list its
    /// credential. Where the id that a person typed is another credential's, any of those may be the
    /// secret that fit the value, so the first end counts.
    #[must_use]
    pub fn end_of(&self, mailbox: &MailboxSecret) -> Option<Timestamp> {
        let named = self.credential(mailbox.key_id)?;
        let end = named.end.unwrap_or(mailbox.expires_at);
        let value = &mailbox.client_secret;
        if named.fits(value) != Fit::No {
            return Some(end);
        }
        let fitting = self
            .credentials
            .iter()
            .filter(|c| c.fits(value) == Fit::Yes);
        let ends = fitting.filter_map(|credential| credential.end);
        ends.chain([end, mailbox.expires_at]).min()
    }
}

/// A credential as addPassword gave it, the only time that its value is shown.
#[derive(Debug, Clone)]
pub struct Issued {
    /// Its id.
    pub key_id: KeyId,
    /// Its value.
    pub secret: ClientSecret,
    /// The name that Graph gave it, which may be shorter than the one asked for.
    pub name: Option<String>,
    /// When it stops working.
    pub end: Timestamp,
}

/// How a removal ended.
#[derive(Debug, Clone)]
pub enum Removal {
    /// Graph removed it.
    Removed,
    /// Graph answers 400 or 404, mostly because it knows no such credential: removed before, or added
    /// so lately that this replica has not heard of it. Which words it uses is not documented
    /// (graph-docs, application-removepassword), so only a look, more than once, tells.
    NotFound(CallError),
}

impl Removal {
    /// What Graph refused for another reason than that it knows no such credential.
    #[must_use]
    pub fn refused(self) -> Option<CallError> {
        match self {
            Self::NotFound(error) if !error.has_code(NO_SUCH_PASSWORD) => Some(error),
            Self::NotFound(_) | Self::Removed => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationBody {
    // Not optional: an answer without it must not pass for "there are none".
    password_credentials: Vec<CredentialBody>,
    sign_in_audience: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialBody {
    // As they are: somebody else's entry may hold what we cannot read, such as an end in the year 9999,
    // and that must cost nothing but this field.
    #[serde(default)]
    key_id: Value,
    #[serde(default)]
    display_name: Value,
    #[serde(default)]
    start_date_time: Value,
    #[serde(default)]
    end_date_time: Value,
    #[serde(default)]
    hint: Value,
}

impl CredentialBody {
    /// `None` for an entry without an id, with which nothing can be done.
    fn read(&self) -> Option<Credential> {
        Some(Credential {
            key_id: parsed_text(&self.key_id)?,
            display_name: parsed_text(&self.display_name),
            start: parsed_text(&self.start_date_time),
            end: parsed_text(&self.end_date_time),
            hint: self.hint.as_str().and_then(Hint::new),
        })
    }
}

fn parsed_text<T: FromStr>(value: &Value) -> Option<T> {
    value.as_str()?.parse().ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IssuedBody {
    key_id: Option<KeyId>,
    display_name: Option<String>,
    #[serde(default)]
    end_date_time: Value,
    secret_text: Option<ClientSecret>,
}

/// The app registration of one app, with the rotator's token.
#[derive(Debug, Clone)]
pub struct Registration<'a> {
    /// The HTTP client.
    pub http: &'a Client,
    /// The app.
    pub app: &'a App,
    /// An access token for Graph.
    pub token: &'a SecretString,
}

impl Registration<'_> {
    /// The app registration as this replica of Graph knows it: reads lag writes.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn read(&self) -> Result<Application, CallError> {
        let what = "reading the app registration in Entra";
        // No keyCredentials: selecting them is throttled at 150 requests a minute and tenant.
        let select = "?$select=id,appId,passwordCredentials,signInAudience";
        let request = self.request(Method::GET, select, Bytes::new());
        let response = self.send(what, request).await?;
        let body: ApplicationBody = parsed(what, &response)?;
        let credentials = body.password_credentials.iter();
        Ok(Application {
            credentials: credentials.filter_map(CredentialBody::read).collect(),
            audience: body.sign_in_audience,
        })
    }

    /// Adds a credential. Not idempotent: never repeat it after [`Effect::Unknown`] without having
    /// looked.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn add_password(&self, name: &str, end: Timestamp) -> Result<Issued, CallError> {
        let what = "adding a client secret in Entra";
        let body = json!({"passwordCredential": {
            "displayName": name,
            // Whole seconds: what Graph documents for the request.
            "endDateTime": Timestamp::from_second(end.as_second()).unwrap_or(end).to_string(),
        }});
        let request = self.request(Method::POST, "/addPassword", body.to_string().into());
        let response = self.send(what, request).await?;
        let body: IssuedBody = parsed(what, &response)?;
        let issued = body
            .key_id
            .zip(body.secret_text)
            .map(|(key_id, secret)| Issued {
                key_id,
                secret,
                name: body.display_name,
                end: parsed_text(&body.end_date_time).unwrap_or(end),
            });
        issued.ok_or_else(|| unreadable(what, response.status().as_u16()))
    }

    /// Removes a credential.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn remove_password(&self, key_id: KeyId) -> Result<Removal, CallError> {
        let what = "removing a client secret in Entra";
        let body = json!({ "keyId": key_id }).to_string();
        let request = self.request(Method::POST, "/removePassword", body.into());
        match self.send(what, request).await {
            Ok(_) => Ok(Removal::Removed),
            Err(error) if error.again.is_none() && matches!(error.status, Some(400 | 404)) => {
                Ok(Removal::NotFound(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether this service principal is among the app registration's owners.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn is_owned_by(&self, client_id: &str) -> Result<bool, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Owner {
            app_id: Option<String>,
        }
        #[derive(Deserialize)]
        struct Owners {
            value: Vec<Owner>,
        }
        let what = "reading the app registration's owners in Entra";
        let request = self.request(Method::GET, "/owners", Bytes::new());
        let response = self.send(what, request).await?;
        let owners: Owners = parsed(what, &response)?;
        let is = |owner: &Owner| {
            owner
                .app_id
                .as_deref()
                .is_some_and(|id| id.eq_ignore_ascii_case(client_id))
        };
        Ok(owners.value.iter().any(is))
    }

    fn request(
        &self,
        method: Method,
        below: &str,
        body: Bytes,
    ) -> Result<Request<Bytes>, ::http::Error> {
        let (graph, client_id) = (&self.app.endpoints.graph, &self.app.client_id);
        let url = format!("{graph}/v1.0/applications(appId='{client_id}'){below}");
        authorized(method, &url, self.token, body)
    }

    async fn send(
        &self,
        what: &str,
        request: Result<Request<Bytes>, ::http::Error>,
    ) -> Result<Response<Bytes>, CallError> {
        let answer = send(self.http, what, request).await;
        answer.map_err(|mut error| {
            let code = error.failure.code.clone().unwrap_or_default();
            let next_step = error.status.and_then(|status| next_step(status, &code));
            if let Some(next_step) = next_step {
                error.failure = error.failure.next_step(next_step);
            }
            error
        })
    }
}

/// A request to Graph, with a fresh `client-request-id` (graph-docs, best-practices-concept.md).
pub(crate) fn authorized(
    method: Method,
    url: &str,
    token: &SecretString,
    body: Bytes,
) -> Result<Request<Bytes>, ::http::Error> {
    let mut bearer = ::http::HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))?;
    bearer.set_sensitive(true);
    Request::builder()
        .method(method)
        .uri(url)
        .header("Authorization", bearer)
        .header("Content-Type", "application/json")
        .header("client-request-id", Uuid::new_v4().to_string())
        .body(body)
}

/// Sends a request to Graph and sorts what is not success. What a person has to do about it the caller knows.
pub(crate) async fn send(
    client: &Client,
    what: &str,
    request: Result<Request<Bytes>, ::http::Error>,
) -> Result<Response<Bytes>, CallError> {
    let request = request.map_err(|_| {
        CallError::refused(Failure::new(
            Kind::Misconfigured,
            format!("{what}: the request could not be built"),
        ))
    })?;
    let response = client
        .send(request)
        .await
        .map_err(|error| error.while_doing(what))?;
    if response.status().is_success() {
        Ok(response)
    } else {
        Err(refusal(what, &response))
    }
}

pub(crate) fn parsed<'a, T: Deserialize<'a>>(
    what: &str,
    response: &'a Response<Bytes>,
) -> Result<T, CallError> {
    serde_json::from_slice(response.body())
        .map_err(|_| unreadable(what, response.status().as_u16()))
}

fn unreadable(what: &str, status: u16) -> CallError {
    CallError {
        effect: Effect::Unknown,
        again: Some(Again::Soon(None)),
        status: Some(status),
        failure: Failure::new(
            Kind::Temporary,
            format!("{what}: answered {status}, but not in Graph's form"),
        ),
    }
}

/// Our name for the one refusal that only its message tells from others (vault-plugin-secrets-azure
/// reads it in the same way).
const NO_SUCH_PASSWORD: &str = "NoPasswordCredentialFound";

/// The refusal of addPassword at the limit of the registration's size.
const OBJECT_FULL: &str = "ObjectSizeLimit";

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

fn refusal(what: &str, response: &Response<Bytes>) -> CallError {
    let status = response.status().as_u16();
    let detail = serde_json::from_slice::<ErrorBody>(response.body())
        .map(|body| body.error)
        .unwrap_or(ErrorDetail {
            code: String::new(),
            message: String::new(),
        });
    let code = if detail
        .message
        .contains("No password credential found with keyId")
    {
        NO_SUCH_PASSWORD.to_owned()
    } else if detail
        .message
        .contains("size of the object has exceeded its limit")
    {
        OBJECT_FULL.to_owned()
    } else {
        foreign_code(&detail.code)
    };
    let wish = http::retry_after(response);
    // Graph refuses concurrent writes with 409, 503 or 400: the code tells (nais/azurerator#448,
    // Azure/azure-cli#23081). Nothing was done then.
    let (kind, again, effect) = if code == "Directory_ConcurrencyViolation" {
        (Kind::Temporary, Some(Again::Soon(wish)), Effect::None)
    } else if let Some(effect) = http::passing_trouble(status) {
        (Kind::Temporary, Some(Again::Soon(wish)), effect)
    } else if status == 401 {
        // Every token here was fetched in this invocation. Graph refuses good ones now and then
        // (microsoftgraph/msgraph-sdk-dotnet-core#222, microsoftgraph/msgraph-sdk-java#639).
        (Kind::Misconfigured, Some(Again::Once), Effect::None)
    } else {
        (Kind::Misconfigured, None, Effect::None)
    };
    let mut failure = Failure::new(kind, format!("{what}: answered {status}"));
    if !code.is_empty() {
        failure = failure.code(code);
    }
    CallError {
        effect,
        again,
        status: Some(status),
        failure,
    }
}

fn next_step(status: u16, code: &str) -> Option<&'static str> {
    Some(match (status, code) {
        (_, "CredentialInvalidLifetimeAsPerAppPolicy") => {
            "The tenant's app management policy allows a shorter lifetime only: set `lifetime` in the mailbox document."
        }
        (_, "CredentialTypeNotAllowedAsPerAppPolicy") => {
            "The tenant's app management policy forbids client secrets: an Entra administrator has to exempt this app registration."
        }
        (_, OBJECT_FULL) => {
            "The app registration is full: an Entra administrator has to delete entries that nobody uses."
        }
        (403, _) => {
            "Give the rotator Application.ReadWrite.OwnedBy with admin consent, and make its service principal an owner of the app registration."
        }
        (404, _) => {
            "Check client_id and tenant_id: the app registration may have been deleted. For 30 days it can be restored in the Entra portal."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> CallError {
        let response = Response::builder()
            .status(status)
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        refusal("adding a client secret in Entra", &response)
    }

    #[test]
    fn somebody_elses_odd_entry_costs_nothing_but_what_is_odd_in_it() {
        let body = r#"{"signInAudience": "AzureADMyOrg", "passwordCredentials": [
            {"keyId": "00000000-0000-4000-8000-000000000001", "displayName": "for ever",
             "endDateTime": "9999-12-31T23:59:59.9999999Z", "secretText": ""},
            {"keyId": "no id", "endDateTime": 7},
            {"keyId": "00000000-0000-4000-8000-000000000002", "displayName": null,
             "startDateTime": "2026-03-29T13:23:55Z", "endDateTime": "2026-09-29T13:23:55Z"}]}"#;
        let body: ApplicationBody = serde_json::from_str(body).unwrap();
        let read = body.password_credentials.iter().map(CredentialBody::read);
        let ends: Vec<_> = read.map(|c| c.map(|c| (c.display_name, c.end))).collect();
        let end = "2026-09-29T13:23:55Z".parse().ok();
        let for_ever = Some("for ever".to_owned());
        assert_eq!(ends, [Some((for_ever, None)), None, Some((None, end))]);
    }

    #[test]
    fn a_concurrency_violation_is_passing_whatever_its_status() {
        let body = r#"{"error":{"code":"Directory_ConcurrencyViolation","message":"x",
            "innerError":{"date":"2026-03-29T13:23:55","request-id":"r"}}}"#;
        for status in [400, 409, 503] {
            let error = answered(status, body);
            assert_eq!(
                (error.effect, error.again.is_some()),
                (Effect::None, true),
                "{status}"
            );
        }
    }

    #[test]
    fn what_a_5xx_did_nobody_knows_and_a_429_did_nothing() {
        assert_eq!(answered(504, "").effect, Effect::Unknown);
        assert_eq!(answered(429, "").effect, Effect::None);
        assert_eq!(answered(403, "<html>").effect, Effect::None);
    }

    #[test]
    fn a_refusal_by_policy_says_what_an_administrator_can_do() {
        let code = "CredentialTypeNotAllowedAsPerAppPolicy";
        let error = answered(
            400,
            &json!({"error": {"code": code, "message": "m"}}).to_string(),
        );
        assert!(error.again.is_none() && error.has_code(code));
        assert!(next_step(400, code).unwrap().contains("administrator"));
    }
}
