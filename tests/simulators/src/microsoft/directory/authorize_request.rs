//! A request at `/authorize`: read, and answered by a redirect.

use std::collections::BTreeMap;

use url::Url;
use uuid::Uuid;

use super::Records;
use super::denial::Denial;
use super::redemption::resources;
use super::scope::Scope;
use super::tokens::Challenge;

#[derive(Debug, Clone)]
pub(super) struct AuthorizeRequest {
    pub(super) tenant: Option<Uuid>,
    pub(super) app_id: Uuid,
    pub(super) redirect_uri: String,
    pub(super) scopes: Vec<Scope>,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<Challenge>,
    pub(super) prompt: Prompt,
    pub(super) login_hint: Option<String>,
    pub(super) purpose: Purpose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prompt {
    AsNeeded,
    Login,
    SelectAccount,
    Consent,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Code,
    AdminConsent,
}

impl Records {
    pub(super) fn read_authorize_request(
        &self,
        tenant: &str,
        query: &BTreeMap<String, String>,
        purpose: Purpose,
    ) -> Result<AuthorizeRequest, Denial> {
        let get = |name: &str| query.get(name).filter(|value| !value.is_empty()).cloned();
        let need = |name: &str| get(name).ok_or_else(|| Denial::missing_parameter(name));
        let common = ["common", "organizations"].contains(&tenant);
        let tenant_id = match self.tenant(tenant) {
            Some(tenant) => Some(tenant.id),
            None if common && purpose == Purpose::Code => None,
            None => return Err(Denial::no_such_tenant(tenant)),
        };
        let client_id = need("client_id")?;
        let app = Uuid::try_parse(&client_id)
            .ok()
            .and_then(|id| self.app(id))
            .filter(|app| {
                !app.registration.deleted && tenant_id.is_none_or(|tenant| app.is_in(tenant))
            })
            .ok_or_else(|| Denial::no_such_app(&client_id, tenant))?;
        let (app_id, name) = (app.ids.app_id, app.registration.display_name.as_str());
        if app.registration.disabled {
            return Err(Denial::app_disabled(app_id, name));
        }
        let single = app.registration.sign_in_audience == super::application::Audience::MyOrg;
        if tenant_id.is_none() && single {
            return Err(Denial::new(
                50194,
                "invalid_request",
                format!(
                    "Application '{app_id}'({name}) is not configured as a multi-tenant application. Usage of the /common endpoint is not supported for such apps created after '10/15/2018'. Use a tenant-specific endpoint or configure the application to be multi-tenant."
                ),
            ));
        }
        let redirect_uri = need("redirect_uri")?;
        if !app
            .registration
            .redirect_uris
            .iter()
            .any(|registered| same_redirect(registered, &redirect_uri))
        {
            return Err(Denial::new(
                50011,
                "invalid_request",
                format!(
                    "The redirect URI '{redirect_uri}' specified in the request does not match the redirect URIs configured for the application '{app_id}'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal. Navigate to https://aka.ms/redirectUriMismatchError to learn more about how to troubleshoot this."
                ),
            ));
        }
        let prompt = match get("prompt").as_deref() {
            None => Prompt::AsNeeded,
            Some("login") => Prompt::Login,
            Some("select_account") => Prompt::SelectAccount,
            Some("consent") => Prompt::Consent,
            Some("none") => Prompt::None,
            Some(other) => {
                return Err(Denial::new(
                    90023,
                    "invalid_request",
                    format!("Unsupported 'prompt' value '{other}'."),
                ));
            }
        };
        let hinted = get("login_hint").is_some() || get("sid").is_some();
        if prompt == Prompt::SelectAccount && hinted {
            return Err(Denial::new(
                90023,
                "invalid_request",
                "The 'prompt' value 'select_account' cannot be used together with 'login_hint' or 'sid'.",
            ));
        }
        if get("response_mode").is_some_and(|mode| mode != "query") {
            return Err(Denial::new(
                90023,
                "invalid_request",
                "This simulator knows response_mode 'query' only.",
            ));
        }
        let challenge = match (
            get("code_challenge"),
            get("code_challenge_method").as_deref(),
        ) {
            (None, None) => None,
            (Some(challenge), _) if !(43..=128).contains(&challenge.len()) => {
                return Err(Denial::new(
                    501_491,
                    "invalid_request",
                    "InvalidCodeChallengeMethodInvalidSize - Invalid size of Code_Challenge parameter.",
                ));
            }
            (Some(challenge), None | Some("plain")) => Some(Challenge::Plain(challenge)),
            (Some(challenge), Some("S256")) => Some(Challenge::S256(challenge)),
            _ => {
                return Err(Denial::new(
                    50147,
                    "invalid_request",
                    "MissingCodeChallenge - The size of the code challenge parameter isn't valid.",
                ));
            }
        };
        Ok(AuthorizeRequest {
            tenant: tenant_id,
            app_id,
            redirect_uri,
            scopes: Scope::parse_list(&get("scope").unwrap_or_default()),
            // HTML in state is stripped (facts, 2.4).
            state: query
                .get("state")
                .map(|state| state.replace(['<', '>'], "")),
            nonce: get("nonce"),
            challenge,
            prompt,
            login_hint: get("login_hint"),
            purpose,
        })
    }

    /// What is told to the app by redirect: its redirect URI is known to be its own by now.
    pub(super) fn check_scopes(
        &self,
        request: &AuthorizeRequest,
        query: &BTreeMap<String, String>,
    ) -> Result<(), Denial> {
        if request.purpose == Purpose::Code
            && query.get("response_type").map(String::as_str) != Some("code")
        {
            return Err(Denial::new(
                700_054,
                "unsupported_response_type",
                "response_type is not enabled for the application.",
            ));
        }
        if request.scopes.is_empty() {
            return Err(Denial::missing_parameter("scope"));
        }
        let defaults = request.scopes.iter().filter(|scope| scope.is_default());
        let named = request
            .scopes
            .iter()
            .any(|scope| !scope.is_default() && !scope.is_openid());
        if defaults.count() > 0 && named {
            return Err(Denial::bad_scope(
                query.get("scope").map(String::as_str).unwrap_or_default(),
            ));
        }
        let Some(app) = self.app(request.app_id) else {
            return Ok(());
        };
        for scope in &request.scopes {
            if !scope.is_known_resource() {
                let tenant = request.tenant.unwrap_or(app.tenant_id);
                return Err(Denial::no_such_resource(&scope.resource, tenant));
            }
        }
        match resources(&request.scopes)
            .iter()
            .find(|resource| !app.registration.resources.contains(*resource))
        {
            Some(resource) => Err(Denial::resource_not_listed(resource)),
            None => Ok(()),
        }
    }
}

impl AuthorizeRequest {
    pub(super) fn redirect(&self, answer: &[(&str, &str)]) -> String {
        let state = self.state.as_deref().map(|state| ("state", state));
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(answer.iter().copied().chain(state))
            .finish();
        let joint = if self.redirect_uri.contains('?') {
            '&'
        } else {
            '?'
        };
        format!("{}{joint}{query}", self.redirect_uri)
    }

    pub(super) fn refusal(&self, denial: &Denial, subcode: Option<&str>) -> String {
        let description = denial.to_string();
        let mut answer = vec![
            ("error", denial.error),
            ("error_description", description.as_str()),
        ];
        if let Some(subcode) = subcode {
            answer.push(("error_subcode", subcode));
        }
        // admin_consent=True comes with a refusal too (facts, 2.4).
        if self.purpose == Purpose::AdminConsent {
            answer.insert(0, ("admin_consent", "True"));
        }
        self.redirect(&answer)
    }

    pub(super) fn declined(&self) -> String {
        let error = match self.purpose {
            Purpose::Code => "access_denied",
            Purpose::AdminConsent => "consent_required",
        };
        let denial = Denial::new(65004, error, "User declined to consent to access the app.");
        match self.purpose {
            Purpose::Code => self.refusal(&denial, Some("cancel")),
            Purpose::AdminConsent => self.refusal(&denial, None),
        }
    }

    pub(super) fn admin_consented(&self) -> String {
        let tenant = self.tenant.unwrap_or_default().to_string();
        let scope = self
            .scopes
            .iter()
            .map(Scope::qualified)
            .collect::<Vec<_>>()
            .join(" ");
        self.redirect(&[
            ("admin_consent", "True"),
            ("tenant", &tenant),
            ("scope", &scope),
        ])
    }
}

/// An exact match, in which only the port of localhost does not count (docs/beliefs.md, Entra).
fn same_redirect(registered: &str, sent: &str) -> bool {
    if registered == sent {
        return true;
    }
    let (Ok(mut registered), Ok(mut sent)) = (Url::parse(registered), Url::parse(sent)) else {
        return false;
    };
    let local = |url: &Url| matches!(url.host_str(), Some("localhost" | "127.0.0.1"));
    if !local(&registered) || !local(&sent) {
        return false;
    }
    registered.set_port(None).is_ok() && sent.set_port(None).is_ok() && registered == sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris_match_to_the_letter_except_the_port_of_localhost() {
        let same = same_redirect;
        assert!(same("https://a.example/cb", "https://a.example/cb"));
        assert!(!same("https://a.example/cb", "https://a.example/CB"));
        assert!(!same("https://a.example/cb", "https://a.example/cb/"));
        assert!(!same("https://a.example/cb", "https://a.example:444/cb"));
        assert!(same("http://localhost/cb", "http://localhost:40123/cb"));
        assert!(!same("http://localhost/cb", "http://localhost:40123/other"));
        assert!(!same("http://localhost/cb", "http://127.0.0.1:40123/cb"));
    }
}
