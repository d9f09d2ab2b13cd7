//! A refusal of Entra's: an AADSTS code, the OAuth error that carries it, and its text.

use uuid::Uuid;

/// A refusal of Entra's (docs/beliefs.md, Entra).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The number in `AADSTSnnnnn`.
    pub code: u32,
    /// The OAuth `error`.
    pub error: &'static str,
    /// What follows `AADSTSnnnnn: `.
    pub message: String,
    /// The `suberror`, where there is one.
    pub suberror: Option<&'static str>,
    /// The `claims` challenge, where there is one.
    pub claims: Option<String>,
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AADSTS{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Denial {}

impl Denial {
    pub(crate) fn new(code: u32, error: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            error,
            message: message.into(),
            suberror: None,
            claims: None,
        }
    }

    pub(crate) fn with_suberror(self, suberror: &'static str) -> Self {
        Self {
            suberror: Some(suberror),
            ..self
        }
    }

    /// The status at the token endpoint: `invalid_client` is 401, the rest 400 (facts, 2.7).
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.error {
            "invalid_client" => 401,
            "temporarily_unavailable" | "server_error" => 503,
            _ => 400,
        }
    }

    pub(crate) fn missing_parameter(name: &str) -> Self {
        Self::new(
            900_144,
            "invalid_request",
            format!("The request body must contain the following parameter: '{name}'."),
        )
    }

    pub(crate) fn no_such_tenant(tenant: &str) -> Self {
        Self::new(
            90002,
            "invalid_request",
            format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
            ),
        )
    }

    pub(crate) fn no_such_app(app: &str, tenant: &str) -> Self {
        Self::new(
            700_016,
            "unauthorized_client",
            format!(
                "Application with identifier '{app}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
            ),
        )
    }

    pub(crate) fn app_disabled(app: Uuid, name: &str) -> Self {
        Self::new(
            7_000_112,
            "unauthorized_client",
            format!("Application '{app}'({name}) is disabled."),
        )
    }

    pub(crate) fn secret_wrong(app: Uuid) -> Self {
        Self::new(
            7_000_215,
            "invalid_client",
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'."
            ),
        )
    }

    pub(crate) fn secrets_expired(app: Uuid) -> Self {
        Self::new(
            7_000_222,
            "invalid_client",
            format!(
                "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds."
            ),
        )
    }

    pub(crate) fn consent_missing(app: Uuid, name: &str) -> Self {
        Self::new(
            65001,
            "invalid_grant",
            format!(
                "The user or administrator has not consented to use the application with ID '{app}' named '{name}'. Send an interactive authorization request for this user and resource."
            ),
        )
        .with_suberror("consent_required")
    }

    pub(crate) fn bad_scope(scope: &str) -> Self {
        Self::new(
            70011,
            "invalid_scope",
            format!(
                "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."
            ),
        )
    }

    pub(crate) fn grant_malformed() -> Self {
        Self::new(
            70000,
            "invalid_grant",
            "Provided grant is invalid or malformed.",
        )
    }

    pub(crate) fn no_such_resource(resource: &str, tenant: Uuid) -> Self {
        Self::new(
            500_011,
            "invalid_resource",
            format!(
                "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant."
            ),
        )
    }

    pub(crate) fn resource_not_listed(resource: &str) -> Self {
        Self::new(
            650_057,
            "invalid_resource",
            format!(
                "Invalid resource. The client has requested access to a resource which is not listed in the requested permissions in the client's application registration. Resource value from request: {resource}."
            ),
        )
    }
}
