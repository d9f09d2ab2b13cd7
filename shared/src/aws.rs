//! The AWS SDK over our one HTTP client, with the credentials that Lambda puts into the environment.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use bytes::Bytes;
use http_body_util::BodyExt;
use secrecy::{ExposeSecret, SecretString};

use crate::config::{BaseUrl, Reader};
use crate::failure::{Failure, Kind, sanitized_code};
use crate::http::tls::ExtraRoots;
use crate::http::{Client, Limits, TransportError};
use crate::period::Period;
use crate::retry::{CallError, Effect, Retry};

/// How AWS is reached.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    region: String,
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: Option<String>,
    endpoint: Option<BaseUrl>,
    secrets_manager: Option<BaseUrl>,
    event_bridge: Option<BaseUrl>,
    sts: Option<BaseUrl>,
    lambda: Option<BaseUrl>,
    sns: Option<BaseUrl>,
    ses: Option<BaseUrl>,
    /// `CONNECT_TIMEOUT` (default `PT3S`) and `REQUEST_TIMEOUT` (default `PT10S`): of every call,
    /// those to Entra, Graph and ShopCtrl too.
    pub limits: Limits,
    /// `TLS_EXTRA_ROOTS`: authorities that every connection trusts beside Mozilla's, in PEM form or the path of a file
    /// (default none).
    pub extra_roots: ExtraRoots,
}

impl AwsSettings {
    /// Reads `AWS_REGION`, the credentials and the endpoint variables of the AWS SDKs
    /// (`AWS_ENDPOINT_URL` and, for one service, `AWS_ENDPOINT_URL_SECRETS_MANAGER`,
    /// `AWS_ENDPOINT_URL_EVENTBRIDGE`, `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL_LAMBDA`,
    /// `AWS_ENDPOINT_URL_SNS`, `AWS_ENDPOINT_URL_SESV2`).
    pub fn read<F: Fn(&str) -> Option<String>>(reader: &mut Reader<F>) -> Self {
        Self {
            region: reader.required("AWS_REGION"),
            access_key_id: reader.required("AWS_ACCESS_KEY_ID"),
            secret_access_key: reader.required::<String>("AWS_SECRET_ACCESS_KEY").into(),
            session_token: reader.optional("AWS_SESSION_TOKEN"),
            endpoint: reader.optional("AWS_ENDPOINT_URL"),
            secrets_manager: reader.optional("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
            event_bridge: reader.optional("AWS_ENDPOINT_URL_EVENTBRIDGE"),
            sts: reader.optional("AWS_ENDPOINT_URL_STS"),
            lambda: reader.optional("AWS_ENDPOINT_URL_LAMBDA"),
            sns: reader.optional("AWS_ENDPOINT_URL_SNS"),
            ses: reader.optional("AWS_ENDPOINT_URL_SESV2"),
            limits: Limits {
                connect: reader.or("CONNECT_TIMEOUT", Period::seconds(3)),
                request: reader.or("REQUEST_TIMEOUT", Period::seconds(10)),
            },
            extra_roots: reader.or("TLS_EXTRA_ROOTS", ExtraRoots::default()),
        }
    }

    /// Where Secrets Manager is, for [`Client::open`]: the first that every function calls.
    #[must_use]
    pub fn secrets_manager_url(&self) -> String {
        let suffix = if self.region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        match self.endpoint(Service::SecretsManager) {
            Some(endpoint) => endpoint.to_owned(),
            None => format!("https://secretsmanager.{}.{suffix}", self.region),
        }
    }

    fn endpoint(&self, service: Service) -> Option<&str> {
        let of_service = match service {
            Service::SecretsManager => &self.secrets_manager,
            Service::EventBridge => &self.event_bridge,
            Service::Sts => &self.sts,
            Service::Lambda => &self.lambda,
            Service::Sns => &self.sns,
            Service::Ses => &self.ses,
        };
        let endpoint = of_service.as_ref().or(self.endpoint.as_ref());
        endpoint.map(BaseUrl::as_str)
    }

    /// What the SDK's client of a service is made with.
    #[must_use]
    pub fn config(&self, service: Service, http: &Client) -> SdkConfig {
        let credentials = Credentials::new(
            &self.access_key_id,
            self.secret_access_key.expose_secret(),
            self.session_token.clone(),
            None,
            "environment",
        );
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(self.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(over(http))
            .sleep_impl(TokioSleep::new())
            .retry_config(RetryConfig::standard().with_max_attempts(service.attempts()))
            // The HTTP client keeps the time limits, for all services alike.
            .timeout_config(TimeoutConfig::disabled());
        if let Some(endpoint) = self.endpoint(service) {
            config = config.endpoint_url(endpoint);
        }
        config.build()
    }
}

/// A service that is called through the SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Secrets Manager.
    SecretsManager,
    /// EventBridge.
    EventBridge,
    /// STS in the function's own region: `GetWebIdentityToken` is not served by the global endpoint.
    Sts,
    /// Lambda.
    Lambda,
    /// SNS.
    Sns,
    /// Amazon SES, by its second interface.
    Ses,
}

impl Service {
    fn attempts(self) -> u32 {
        match self {
            Self::SecretsManager | Self::EventBridge | Self::Sts | Self::Sns | Self::Ses => 4,
            // An invocation that got no answer may be running yet.
            Self::Lambda => 1,
        }
    }
}

fn over(client: &Client) -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    let connector = SharedHttpConnector::new(Adapter(client.clone()));
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Debug)]
struct Adapter(Client);

impl HttpConnector for Adapter {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { carry(client, request).await })
    }
}

async fn carry(client: Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(ConnectorError::user)?
        .to_bytes();
    let response = client
        .send(http::Request::from_parts(parts, body))
        .await
        .map_err(|error| match error {
            TransportError::TimedOut => ConnectorError::timeout(error.into()),
            TransportError::BadRequest => ConnectorError::user(error.into()),
            TransportError::NotSent | TransportError::Broken => ConnectorError::io(error.into()),
        })?;
    HttpResponse::try_from(response.map(|body: Bytes| SdkBody::from(body)))
        .map_err(|error| ConnectorError::user(error.into()))
}

/// Whether a request that failed was certainly not carried out, and may be in a moment: it was refused for its
/// number before anything was done (429), or no connection was made.
pub fn was_not_carried_out<E>(error: &SdkError<E, HttpResponse>) -> bool {
    let not_sent = |error: &ConnectorError| {
        let source = std::error::Error::source(error);
        let sent = source.and_then(|source| source.downcast_ref::<TransportError>());
        matches!(sent, Some(TransportError::NotSent))
    };
    match error {
        SdkError::ServiceError(service) => service.raw().status().as_u16() == 429,
        SdkError::DispatchFailure(failure) => failure.as_connector_error().is_some_and(not_sent),
        _ => false,
    }
}

/// The action in IAM's sentence: "User: … is not authorized to perform: secretsmanager:TagResource on resource: …" (IAM
/// guide, "Troubleshoot access denied error messages").
fn denied_action(message: &str) -> Option<&str> {
    let (_, said) = message.split_once("is not authorized to perform: ")?;
    let action = said.split_whitespace().next()?;
    let (service, name) = action.split_once(':')?;
    let is_word = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (action.len() <= 64 && is_word(service) && is_word(name)).then_some(action)
}

/// What a service says where a role may not do something: most of them, STS, and SNS.
#[must_use]
pub fn is_denied(code: &str) -> bool {
    matches!(
        code,
        "AccessDeniedException" | "AccessDenied" | "AuthorizationError"
    )
}

/// The next step where that is so, and IAM says what it is.
fn permission_advice(code: &str, message: &str) -> Option<String> {
    let action = denied_action(message).filter(|_| is_denied(code))?;
    Some(format!(
        "Give the function's role {action} (docs/permissions.md says on what)."
    ))
}

/// The next step where the code alone, or AWS's fixed sentence with it, tells it.
fn advice(code: &str, message: &str) -> Option<&'static str> {
    match code {
        // Secrets Manager's sentence where the key is the reason: "Access to KMS is not allowed".
        "AccessDeniedException" if message.contains("KMS") => Some(
            "Give the function's role kms:Decrypt and kms:GenerateDataKey on the secret's key, in its policy or in the key's.",
        ),
        code if is_denied(code) => {
            Some("Give the function's role this permission (template.yaml has it).")
        }
        "DecryptionFailure" | "EncryptionFailure" => Some(
            "Look at the secret's KMS key: it is disabled, is to be deleted, or may not be used by the function's role.",
        ),
        "ResourceNotFoundException" => Some("Check that it exists and is not deleted."),
        // "You can't perform this operation on the secret because it was marked for deletion."
        "InvalidRequestException" if message.contains("marked for deletion") => Some(
            "The secret is marked for deletion. Restore it (aws secretsmanager restore-secret) if the shop still uses it.",
        ),
        // The SDK takes it for throttling; it does not pass by itself.
        "LimitExceededException" => Some(
            "A limit of the account or of this secret is reached, such as 20 staging labels over all its versions: take labels from versions that nobody needs.",
        ),
        code if is_of_this_environment(code) => Some(
            "The credentials or the clock of this execution environment are out of date. A new one has its own; if it stays, see that the function's role exists and deploy the function again.",
        ),
        _ => None,
    }
}

/// What AWS says to old credentials or a wrong clock, whatever is asked ("Common error types").
fn is_of_this_environment(code: &str) -> bool {
    let old = [
        "ExpiredToken",
        "ExpiredTokenException",
        "UnrecognizedClientException",
    ];
    let clock = [
        "RequestExpired",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
    ];
    old.contains(&code) || clock.contains(&code)
}

/// Classifies an SDK error that the caller does not branch on.
pub fn classify<E>(what: &str, error: &SdkError<E, HttpResponse>) -> CallError
where
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata,
{
    match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("unknown error");
            let status = service.raw().status().as_u16();
            // An answer of success that cannot be read comes as a service error too.
            let unreadable = service.raw().status().is_success();
            let temporary =
                unreadable || status >= 500 || status == 429 || code.contains("Throttl");
            let message = service.err().message().unwrap_or_default();
            let what = format!("{what}: AWS answered {status}");
            refused(what, Some(status), temporary, (code, message))
        }
        SdkError::ConstructionFailure(_) => CallError::refused(Failure::new(
            Kind::Refused,
            format!("{what}: the request could not be built"),
        )),
        SdkError::DispatchFailure(_)
        | SdkError::TimeoutError(_)
        | SdkError::ResponseError(_)
        | _ => CallError {
            effect: Effect::Unknown,
            retry: Retry::No,
            status: None,
            failure: Failure::new(Kind::Temporary, format!("{what}: no answer from AWS")),
        },
    }
}

/// Classifies an error that stands in an answer for one of the things that were asked for.
pub fn classify_one(what: &str, code: &str, message: &str) -> CallError {
    let temporary = code.contains("Throttl") || code.starts_with("Internal");
    let what = format!("{what}: AWS refused it");
    refused(what, None, temporary, (code, message))
}

fn refused(
    what: String,
    status: Option<u16>,
    temporary: bool,
    (code, message): (&str, &str),
) -> CallError {
    let kind = if temporary || is_of_this_environment(code) {
        Kind::Temporary
    } else {
        Kind::Misconfigured
    };
    let failure = Failure::new(kind, what).code(sanitized_code(code));
    CallError {
        effect: if temporary {
            Effect::Unknown
        } else {
            Effect::None
        },
        // The SDK has retried already.
        retry: Retry::No,
        status,
        failure: match (permission_advice(code, message), advice(code, message)) {
            (Some(next_step), _) => failure.next_step(next_step),
            (None, Some(next_step)) => failure.next_step(next_step),
            (None, None) => failure,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_role_may_not_do_is_named_and_no_word_of_the_answer_but_that() {
        let said = |action: &str| {
            let message = format!("User: arn:aws:sts::1:x is not authorized to perform: {action}");
            let code = "AccessDeniedException";
            refused("w".to_owned(), Some(400), false, (code, &message)).failure
        };
        let failure = said("secretsmanager:TagResource on resource: arn:… because no …");
        assert_eq!(
            failure.to_string(),
            "w (AccessDeniedException). Give the function's role secretsmanager:TagResource \
             (docs/permissions.md says on what)."
        );
        for odd in ["<b>x</b>:y", "x", "", &format!("a:{}", "b".repeat(64))] {
            let text = said(odd).to_string();
            assert!(text.contains("this permission (template.yaml"), "{text}");
        }
        assert_eq!(
            permission_advice("ValidationError", "is not authorized to perform: a:B"),
            None
        );
    }

    #[test]
    fn each_answer_of_aws_has_advice_of_its_own() {
        let deleted =
            "You can't perform this operation on the secret because it was marked for deletion.";
        for (code, message, part) in [
            (
                "AccessDeniedException",
                "User: arn:… is not authorized",
                "template.yaml",
            ),
            (
                "AccessDeniedException",
                "Access to KMS is not allowed",
                "kms:Decrypt",
            ),
            ("DecryptionFailure", "", "KMS key"),
            ("InvalidRequestException", deleted, "restore-secret"),
            ("LimitExceededException", "", "staging labels"),
            ("ExpiredTokenException", "", "out of date"),
            ("RequestExpired", "", "clock"),
        ] {
            let advice = advice(code, message).unwrap_or_default();
            assert!(advice.contains(part), "{code}, {message}: {advice}");
        }
        // That may be anything, and so may what nobody knows.
        assert_eq!(advice("InvalidRequestException", "You must …"), None);
        assert_eq!(advice("Unheard", ""), None);
    }
}
