//! An app registration in Microsoft Graph: its credentials, adding one, removing one.

use std::collections::BTreeSet;
use std::str::FromStr;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use url::Url;

use super::registrations::Registrations;
use super::{NO_SUCH_PASSWORD, OBJECT_FULL, authorized, parsed, send, unreadable};
use crate::credential::{ClientSecret, Credential, Fit, Hint};
use crate::entra::App;
use crate::entra::token::{ApplicationPermissions, Tokens};
use crate::http::Client;
use crate::ids::KeyId;
use crate::mailbox_secret::{DocumentCredential, MailboxSecret};
use crate::retry::{CallError, Retry};

/// What Graph shows of an app registration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Application {
    /// Its credentials.
    pub credentials: Vec<Credential>,
    /// Who may sign in.
    pub audience: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The redirect URIs of the platform Web, where they are shown.
    pub redirect_uris: Option<Vec<String>>,
    /// The ids of the delegated and application permissions that it lists, where they are shown.
    pub permissions: Option<BTreeSet<String>>,
    /// The optional claims of its id tokens, where they are shown.
    pub id_token_claims: Option<Vec<String>>,
}

/// What a look reads of one. No keyCredentials: selecting them is throttled at 150 requests a minute and tenant.
pub(super) const SELECT: &str = "$select=id,appId,passwordCredentials,signInAudience,createdDateTime,web,requiredResourceAccess,optionalClaims";

impl Application {
    pub(super) fn from_body(body: ApplicationBody) -> Self {
        let credentials = body.password_credentials.iter();
        let texts = |all: Option<&Value>, field: Option<&str>| -> Option<Vec<String>> {
            let texts = all?.as_array()?.iter();
            let texts = texts.filter_map(|one| match field {
                None => one.as_str(),
                Some(field) => one.get(field)?.as_str(),
            });
            Some(texts.map(str::to_owned).collect())
        };
        let resources = body.required_resource_access.as_array();
        let permissions = resources.map(|resources| {
            let listed = resources.iter().map(|one| one.get("resourceAccess"));
            listed
                .filter_map(|all| texts(all, Some("id")))
                .flatten()
                .collect()
        });
        let claims = match &body.optional_claims {
            // There are none, which is not the same as not shown.
            Some(Value::Null) => Some(Vec::new()),
            Some(claims) => Some(texts(claims.get("idToken"), Some("name")).unwrap_or_default()),
            None => None,
        };
        Self {
            credentials: credentials.filter_map(CredentialBody::read).collect(),
            audience: body.sign_in_audience,
            created: parsed_text(&body.created_date_time),
            redirect_uris: texts(body.web.get("redirectUris"), None),
            permissions,
            id_token_claims: claims,
        }
    }

    /// Whether it has this redirect URI of the platform Web. `None` where that is not shown, or one with a wildcard may
    /// stand for it. Entra compares to the letter, but for the port of localhost and what no URI tells apart (entra-docs,
    /// reply-url.md).
    #[must_use]
    pub fn has_redirect_uri(&self, wanted: &str) -> Option<bool> {
        let all = self.redirect_uris.as_ref()?;
        let parsed = |uri: &str| {
            let mut url = Url::parse(uri).ok()?;
            if url.host_str() == Some("localhost") {
                url.set_port(None).ok()?;
            }
            Some(url)
        };
        let ours = parsed(wanted);
        let is = |uri: &String| uri == wanted || ours.is_some() && parsed(uri) == ours;
        if all.iter().any(is) {
            return Some(true);
        }
        let wildcard = all.iter().any(|uri| uri.contains('*'));
        (!wildcard).then_some(false)
    }

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
    /// credential, or the document names none. Where the id that a person typed is another credential's, any of those may be the
    /// secret that fit the value, so the first end counts.
    #[must_use]
    pub fn end_of(&self, mailbox: &MailboxSecret) -> Option<Timestamp> {
        let stored = match &mailbox.credential {
            DocumentCredential::Stored(stored) => stored,
            DocumentCredential::NotStored(unknown) => {
                return self.credential(unknown.key_id?)?.end;
            }
        };
        let named = self.credential(stored.key_id)?;
        let end = named.end.unwrap_or(stored.expires_at);
        let value = &stored.client_secret;
        if named.fits(value) != Fit::No {
            return Some(end);
        }
        let fitting = self
            .credentials
            .iter()
            .filter(|c| c.fits(value) == Fit::Yes);
        let ends = fitting.filter_map(|credential| credential.end);
        ends.chain([end, stored.expires_at]).min()
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

/// One that Graph lists.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApplicationBody {
    // Not optional: an answer without it must not pass for "there are none".
    password_credentials: Vec<CredentialBody>,
    sign_in_audience: Option<String>,
    #[serde(default)]
    created_date_time: Value,
    #[serde(default)]
    web: Value,
    #[serde(default)]
    required_resource_access: Value,
    #[serde(default, deserialize_with = "shown")]
    optional_claims: Option<Value>,
}

/// A property that is there, if only as null.
fn shown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
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

/// The app registration of one app, as its rotator reaches it.
#[derive(Debug, Clone)]
pub struct Registration {
    pub(super) http: Client,
    pub(super) app: App,
    /// The rotator's.
    pub(super) tokens: Tokens,
}

impl Registration {
    /// The app registration of `app`, with its rotator's tokens for Graph.
    #[must_use]
    pub fn new(http: Client, app: App, tokens: Tokens) -> Self {
        Self { http, app, tokens }
    }

    /// Entra's clock, at which the rotator signed in.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.tokens.now
    }

    /// What the rotator may do, as its token says.
    #[must_use]
    pub fn application_permissions(&self) -> Option<ApplicationPermissions> {
        self.tokens.application_permissions()
    }

    /// All registrations of its tenant, as the same rotator sees them.
    #[must_use]
    pub fn of_tenant(&self) -> Registrations {
        let endpoints = self.app.endpoints.clone();
        Registrations::new(self.http.clone(), endpoints, self.tokens.clone())
    }

    /// The same over a connection of its own, and so perhaps another replica: [`Client::apart`].
    #[must_use]
    pub fn apart(&self) -> Self {
        Self {
            http: self.http.apart(),
            ..self.clone()
        }
    }

    /// The app registration as this replica of Graph knows it: reads lag writes.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn read(&self) -> Result<Application, CallError> {
        let what = "reading the app registration in Entra";
        let request = self.request(Method::GET, &format!("?{SELECT}"), Bytes::new());
        let response = self.send(what, request).await?;
        parsed(what, &response).map(Application::from_body)
    }

    /// Adds a credential. Not idempotent: never repeat it after [`crate::retry::Effect::Unknown`] without having
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
        let missing = |field: &str| {
            let status = response.status().as_u16();
            unreadable(what, status, &format!("missing field `{field}`"))
        };
        Ok(Issued {
            key_id: body.key_id.ok_or_else(|| missing("keyId"))?,
            secret: body.secret_text.ok_or_else(|| missing("secretText"))?,
            name: body.display_name,
            end: parsed_text(&body.end_date_time).unwrap_or(end),
        })
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
            Err(error) if error.retry == Retry::No && matches!(error.status, Some(400 | 404)) => {
                Ok(Removal::NotFound(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether this app's service principal is among the app registration's owners. `None` where that is not shown: of
    /// an owner that may not be read, type and id alone are (graph-docs, application-list-owners).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn is_owned_by(&self, client_id: &str) -> Result<Option<bool>, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Owner {
            #[serde(rename = "@odata.type", default)]
            of_type: String,
            app_id: Option<String>,
        }
        #[derive(Deserialize)]
        struct Owners {
            value: Vec<Owner>,
            #[serde(rename = "@odata.nextLink")]
            next: Option<String>,
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
        let hidden = |owner: &Owner| owner.app_id.is_none() && !owner.of_type.ends_with(".user");
        Ok(match owners.value.iter().any(is) {
            true => Some(true),
            false if owners.next.is_some() || owners.value.iter().any(hidden) => None,
            false => Some(false),
        })
    }

    fn request(
        &self,
        method: Method,
        below: &str,
        body: Bytes,
    ) -> Result<Request<Bytes>, http::Error> {
        let (graph, client_id) = (&self.app.endpoints.graph, &self.app.client_id);
        let url = format!("{graph}/v1.0/applications(appId='{client_id}'){below}");
        authorized(method, &url, &self.tokens.access, body)
    }

    async fn send(
        &self,
        what: &str,
        request: Result<Request<Bytes>, http::Error>,
    ) -> Result<Response<Bytes>, CallError> {
        send(&self.http, what, request, next_step).await
    }
}

pub(super) fn next_step(status: u16, code: &str) -> Option<&'static str> {
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
    fn what_is_not_shown_of_an_app_is_not_taken_as_missing() {
        let read = |body: &str| Application::from_body(serde_json::from_str(body).unwrap());
        let hidden = read(r#"{"passwordCredentials": [], "web": null}"#);
        assert_eq!(hidden.has_redirect_uri("https://a.example/callback"), None);
        assert_eq!((hidden.permissions, hidden.id_token_claims), (None, None));
        let shown = read(
            r#"{"passwordCredentials": [], "optionalClaims": null, "createdDateTime": "2020-01-01T00:00:00Z",
            "web": {"redirectUris": ["https://A.example/callback", "https://b.example/"]}, "requiredResourceAccess":
            [{"resourceAppId": "00000003-0000-0000-c000-000000000000", "resourceAccess": [{"id": "x", "type": "Scope"}]}]}"#,
        );
        let has = |uri: &str| shown.has_redirect_uri(uri);
        assert_eq!(has("https://a.example/callback"), Some(true));
        assert_eq!(has("https://a.example/Callback"), Some(false));
        assert_eq!(shown.permissions, Some(["x".to_owned()].into()));
        assert_eq!(shown.id_token_claims, Some(Vec::new()));
        let wild = read(
            r#"{"passwordCredentials": [], "web": {"redirectUris": ["https://*.example/callback"]}}"#,
        );
        assert_eq!(wild.has_redirect_uri("https://a.example/callback"), None);
    }

    #[test]
    fn a_refusal_by_policy_says_what_an_administrator_can_do() {
        let code = "CredentialTypeNotAllowedAsPerAppPolicy";
        assert!(next_step(400, code).unwrap().contains("administrator"));
    }
}
