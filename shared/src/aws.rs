//! The AWS SDK over our one HTTP client, with the credentials that Lambda puts into the environment.

use aws_credential_types::Credentials;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use bytes::Bytes;
use http_body_util::BodyExt;

use crate::config::{BaseUrl, Reader};
use crate::failure::{Failure, Kind, foreign_code};
use crate::http::{Client, Limits, TransportError};
use crate::period::Period;
use crate::retry::{CallError, Effect};

/// How AWS is reached.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    region: String,
    access_key_id: String,
    secret_access_key: secrecy::SecretString,
    session_token: Option<String>,
    endpoint: Option<BaseUrl>,
    secrets_manager: Option<BaseUrl>,
    event_bridge: Option<BaseUrl>,
    sts: Option<BaseUrl>,
    lambda: Option<BaseUrl>,
    /// `CONNECT_TIMEOUT` (default `PT3S`) and `REQUEST_TIMEOUT` (default `PT10S`): of every call,
    /// those to Entra, Graph and ShopCtrl too.
    pub limits: Limits,
}

impl AwsSettings {
    /// Reads `AWS_REGION`, the credentials and the endpoint variables of the AWS SDKs
    /// (`AWS_ENDPOINT_URL` and, for one service, `AWS_ENDPOINT_URL_SECRETS_MANAGER`,
    /// `AWS_ENDPOINT_URL_EVENTBRIDGE`, `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL_LAMBDA`).
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
            limits: Limits {
                connect: reader.or("CONNECT_TIMEOUT", Period::seconds(3)),
                request: reader.or("REQUEST_TIMEOUT", Period::seconds(10)),
            },
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
        match self.endpoint(&self.secrets_manager) {
            Some(endpoint) => endpoint.to_owned(),
            None => format!("https://secretsmanager.{}.{suffix}", self.region),
        }
    }

    fn endpoint<'a>(&'a self, of_service: &'a Option<BaseUrl>) -> Option<&'a str> {
        of_service
            .as_ref()
            .or(self.endpoint.as_ref())
            .map(BaseUrl::as_str)
    }
}

/// One client configuration for each service builder; the builders have no trait in common.
macro_rules! client {
    ($name:ident, $service:ident, $sdk:ident, $attempts:literal, $doc:literal) => {
        #[doc = $doc]
        #[must_use]
        pub fn $name(settings: &AwsSettings, client: &Client) -> $sdk::Client {
            use secrecy::ExposeSecret;
            let credentials = Credentials::new(
                &settings.access_key_id,
                settings.secret_access_key.expose_secret(),
                settings.session_token.clone(),
                None,
                "environment",
            );
            let mut config = $sdk::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region($sdk::config::Region::new(settings.region.clone()))
                .credentials_provider(credentials)
                .http_client(over(client))
                .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
                .retry_config(RetryConfig::standard().with_max_attempts($attempts))
                // The HTTP client keeps the time limits, for all services alike.
                .timeout_config(TimeoutConfig::disabled());
            if let Some(endpoint) = settings.endpoint(&settings.$service) {
                config = config.endpoint_url(endpoint);
            }
            $sdk::Client::from_conf(config.build())
        }
    };
}

client!(
    secrets_manager,
    secrets_manager,
    aws_sdk_secretsmanager,
    4,
    "A client of Secrets Manager."
);
client!(
    event_bridge,
    event_bridge,
    aws_sdk_eventbridge,
    4,
    "A client of EventBridge."
);
client!(
    sts,
    sts,
    aws_sdk_sts,
    4,
    "A client of STS in the function's own region: `GetWebIdentityToken` is not served by the global endpoint."
);
client!(
    lambda,
    lambda,
    aws_sdk_lambda,
    1,
    "A client of Lambda. An invocation that got no answer may be running yet, so it is not repeated."
);

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

/// Sorts an SDK error that the caller does not branch on.
pub fn sorted<E>(what: &str, error: &SdkError<E, HttpResponse>) -> CallError
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
            let kind = if temporary {
                Kind::Temporary
            } else {
                Kind::Misconfigured
            };
            let failure = Failure::new(kind, format!("{what}: AWS answered {status}"))
                .code(foreign_code(code));
            let failure = match code {
                "AccessDeniedException" => failure
                    .next_step("Give the function's role this permission (template.yaml has it)."),
                "ResourceNotFoundException" => {
                    failure.next_step("Check that the secret exists and is not deleted.")
                }
                // The SDK takes it for throttling; it does not pass by itself.
                "LimitExceededException" => failure.next_step(
                    "A limit of the account or of this secret is reached, such as 20 staging labels over all its versions: take labels from versions that nobody needs.",
                ),
                _ => failure,
            };
            CallError {
                effect: if temporary {
                    Effect::Unknown
                } else {
                    Effect::None
                },
                // The SDK has retried already.
                again: None,
                status: Some(status),
                failure,
            }
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
            again: None,
            status: None,
            failure: Failure::new(Kind::Temporary, format!("{what}: no answer from AWS")),
        },
    }
}
