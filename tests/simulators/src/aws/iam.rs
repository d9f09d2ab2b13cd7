//! IAM before the services: a function may do what its role in `template.yaml` allows, and is refused all else. Who signs
//! with another key is a person with all rights.

mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::middleware::{Next, from_fn_with_state};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::aws::account::{ACCOUNT_ID, REGION, access_key_id};
use crate::aws::aws_json::operation_in;
use crate::aws::lambda::function_arn;
use crate::aws::secrets_manager::SecretsManager;
use crate::aws::ses::bare;
use crate::gate::Service;
use policy::{Context, Role};

/// The access key ids that the functions sign with, and their roles.
pub const KEYS: [(&str, &str, &str); 4] = [
    ("rotation", "ASIAROTATION", "RotationRole"),
    ("expiry-checker", "ASIACHECKER", "ExpiryCheckerRole"),
    ("oauth-callback", "ASIACALLBACK", "OauthCallbackRole"),
    ("notifier", "ASIANOTIFIER", "NotifierRole"),
];

/// The roles, by access key id.
#[derive(Debug)]
pub struct Iam {
    roles: BTreeMap<&'static str, Role>,
    secrets_manager: Arc<SecretsManager>,
    refused: Mutex<Vec<String>>,
    /// Actions that no role has any more.
    withdrawn: Mutex<BTreeSet<String>>,
}

/// Reads many secrets, each of which may be denied by itself.
const BATCH: &str = "BatchGetSecretValue";

/// What is asked for.
struct Asked {
    action: String,
    resource: String,
    context: Context,
}

impl Iam {
    /// The roles of `template.yaml`.
    ///
    /// # Errors
    /// When the template has one that is not understood.
    pub fn new(secrets_manager: Arc<SecretsManager>) -> Result<Arc<Self>, String> {
        let role = |(_, key, role)| Ok((key, Role::of_the_template(role)?));
        let roles = KEYS.into_iter().map(role);
        Ok(Arc::new(Self {
            roles: roles.collect::<Result<_, String>>()?,
            secrets_manager,
            refused: Mutex::default(),
            withdrawn: Mutex::default(),
        }))
    }

    /// The service, behind IAM.
    #[must_use]
    pub fn before(self: &Arc<Self>, service: Service) -> Service {
        let guard = Guard {
            iam: Arc::clone(self),
            service: service.name,
        };
        let router: Router = service.router.layer(from_fn_with_state(guard, check));
        Service { router, ..service }
    }

    /// No function may do this any more: somebody edited the roles.
    pub fn withdraw(&self, action: &str) {
        let mut withdrawn = self
            .withdrawn
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        withdrawn.insert(action.to_owned());
    }

    /// The roles are as the template has them.
    pub fn restore(&self) {
        let mut withdrawn = self
            .withdrawn
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        withdrawn.clear();
    }

    fn is_withdrawn(&self, action: &str) -> bool {
        let withdrawn = self.withdrawn.lock();
        let withdrawn = withdrawn.unwrap_or_else(PoisonError::into_inner);
        withdrawn.contains(action)
    }

    /// What was refused: key, action and resource.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        let refused = self.refused.lock();
        refused.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn asked(&self, service: &str, request: &http::request::Parts, body: &Bytes) -> Option<Asked> {
        match service {
            "secretsmanager" => self.of_secrets_manager(operation_in(&request.headers), body),
            "events" => Some(of_events(body)),
            "sts" => Some(of_sts(body)),
            "sns" => Some(of_sns(body)),
            "ses" => Some(of_ses(request.uri.path(), body)),
            "lambda" => {
                let function = request.uri.path().split('/').nth(3)?;
                let name = function.rsplit("%3A").next()?.rsplit(':').next()?;
                Some(Asked {
                    action: "lambda:InvokeFunction".to_owned(),
                    resource: function_arn(name),
                    context: Context::new(),
                })
            }
            _ => None,
        }
    }

    /// Its ARN and what a condition may ask of it; `None` where it is not there.
    fn of_secret(&self, id: &str) -> Option<(String, Context)> {
        let (arn, tags) = self.secrets_manager.arn_and_tags(id)?;
        let tags = tags.into_iter();
        let tags =
            tags.map(|(tag, value)| (format!("secretsmanager:ResourceTag/{tag}"), vec![value]));
        Some((arn, tags.collect()))
    }

    /// "You must have `secretsmanager:GetSecretValue` for each secret" (`BatchGetSecretValue`): what a role may not
    /// read stands among the errors.
    async fn withhold(&self, key: &str, role: &Role, answer: Response<Body>) -> Response<Body> {
        let (parts, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await;
        let body = body.unwrap_or_default();
        let Ok(mut answer) = serde_json::from_slice::<Value>(&body) else {
            return Response::from_parts(parts, Body::from(body));
        };
        let action = "secretsmanager:GetSecretValue";
        let mut denied = Vec::new();
        if let Some(values) = answer.get_mut("SecretValues").and_then(Value::as_array_mut) {
            values.retain(|value| {
                let arn = value.get("ARN").and_then(Value::as_str).unwrap_or_default();
                let of_secret = self.of_secret(arn);
                let allowed = of_secret.is_some_and(|(arn, c)| role.allows(action, &arn, &c));
                if !allowed {
                    self.note(format!("{key} {action} {arn}"));
                    denied.push(json!({
                        "SecretId": arn, "ErrorCode": "AccessDeniedException",
                        "Message": format!("User is not authorized to perform: {action}"),
                    }));
                }
                allowed
            });
        }
        if let Some(errors) = answer.get_mut("Errors").and_then(Value::as_array_mut) {
            errors.extend(denied);
        }
        Response::from_parts(parts, Body::from(answer.to_string()))
    }

    fn note(&self, refused: String) {
        let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(refused);
    }

    /// `None` where the secret is not there: then the service says so.
    fn of_secrets_manager(&self, operation: &str, body: &Bytes) -> Option<Asked> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut context = Context::new();
        let mut resource = "*".to_owned();
        // The two know no resources (Service Authorization Reference); of the second see `withhold`.
        if !matches!(operation, "ListSecrets" | BATCH) {
            let id = body.get("SecretId").and_then(Value::as_str);
            (resource, context) = self.of_secret(id?)?;
        }
        let text = |field: &str| body.get(field)?.as_str().map(str::to_owned);
        let list = |field: &str| {
            body.get(field)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        };
        let keys = list("Tags");
        let keys = keys.filter_map(|tag| tag.get("Key")?.as_str());
        let removed = list("TagKeys");
        let keys = keys
            .chain(removed.filter_map(Value::as_str))
            .map(str::to_owned);
        let modifies = body.get("RotationRules").map(|_| "true".to_owned());
        for (key, values) in [
            (
                "secretsmanager:VersionStage",
                Vec::from_iter(text("VersionStage")),
            ),
            (
                "secretsmanager:RotationLambdaARN",
                Vec::from_iter(text("RotationLambdaARN")),
            ),
            (
                "secretsmanager:ModifyRotationRules",
                Vec::from_iter(modifies),
            ),
            ("aws:TagKeys", keys.collect()),
        ] {
            if !values.is_empty() {
                context.insert(key.to_owned(), values);
            }
        }
        Some(Asked {
            action: format!("secretsmanager:{operation}"),
            resource,
            context,
        })
    }
}

fn of_events(body: &Bytes) -> Asked {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let entries = body.get("Entries").and_then(Value::as_array);
    let entries = entries.map_or(&[][..], Vec::as_slice);
    let all = |field: &str| {
        let texts = entries
            .iter()
            .filter_map(|entry| entry.get(field)?.as_str());
        texts.map(str::to_owned).collect::<Vec<_>>()
    };
    Asked {
        action: "events:PutEvents".to_owned(),
        resource: format!("arn:aws:events:{REGION}:{ACCOUNT_ID}:event-bus/default"),
        context: [
            ("events:source".to_owned(), all("Source")),
            ("events:detail-type".to_owned(), all("DetailType")),
        ]
        .into(),
    }
}

fn of_sts(body: &Bytes) -> Asked {
    let mut context = Context::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        let key = match name.split('.').next() {
            Some("Audience") => "sts:IdentityTokenAudience",
            Some("DurationSeconds") => "sts:DurationSeconds",
            Some("SigningAlgorithm") => "sts:SigningAlgorithm",
            _ => continue,
        };
        let values = context.entry(key.to_owned()).or_default();
        values.push(value.into_owned());
    }
    Asked {
        action: "sts:GetWebIdentityToken".to_owned(),
        resource: "*".to_owned(),
        context,
    }
}

fn of_sns(body: &Bytes) -> Asked {
    let form = url::form_urlencoded::parse(body).into_owned();
    let form: BTreeMap<String, String> = form.collect();
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    Asked {
        action: format!("sns:{}", field("Action")),
        resource: field("TopicArn"),
        context: Context::new(),
    }
}

fn of_ses(path: &str, body: &Bytes) -> Asked {
    let of_identity =
        |identity: &str| format!("arn:aws:ses:{REGION}:{ACCOUNT_ID}:identity/{identity}");
    let (action, resource, from) = match path.rsplit_once('/') {
        Some((_, "outbound-emails")) => {
            let body: Value = serde_json::from_slice(body).unwrap_or_default();
            let from = body.get("FromEmailAddress").and_then(Value::as_str);
            let from = bare(from.unwrap_or_default()).to_owned();
            ("ses:SendEmail", of_identity(&from), Some(from))
        }
        Some((before, identity)) if before.ends_with("/identities") => {
            let identity = identity.replace("%40", "@");
            ("ses:GetEmailIdentity", of_identity(&identity), None)
        }
        _ => ("ses:GetAccount", "*".to_owned(), None),
    };
    let from = from.map(|from| ("ses:FromAddress".to_owned(), vec![from]));
    Asked {
        action: action.to_owned(),
        resource,
        context: from.into_iter().collect(),
    }
}

#[derive(Clone)]
struct Guard {
    iam: Arc<Iam>,
    service: &'static str,
}

async fn check(Shared(guard): Shared<Guard>, request: Request, next: Next) -> Response<Body> {
    let Guard { iam, service } = guard;
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let key = access_key_id(&parts.headers).unwrap_or_default().to_owned();
    let Some(role) = iam.roles.get(key.as_str()) else {
        return next.run(Request::from_parts(parts, Body::from(body))).await;
    };
    if let Some(asked) = iam.asked(service, &parts, &body)
        && (iam.is_withdrawn(&asked.action)
            || !role.allows(&asked.action, &asked.resource, &asked.context))
    {
        let Asked {
            action, resource, ..
        } = asked;
        iam.note(format!("{key} {action} {resource}"));
        return denied(service, &action);
    }
    let many = service == "secretsmanager" && operation_in(&parts.headers) == BATCH;
    let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    match many {
        true => iam.withhold(&key, role, answer).await,
        false => answer,
    }
}

/// An error of the query protocol.
fn error_response(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    )
}

/// As each service says it.
fn denied(service: &str, action: &str) -> Response<Body> {
    let message = format!("User is not authorized to perform: {action}");
    let (status, body) = match service {
        "sts" => (
            StatusCode::FORBIDDEN,
            error_response("AccessDenied", &message),
        ),
        // prowler-cloud/prowler#12, hashicorp/terraform-provider-aws#42116
        "sns" => (
            StatusCode::FORBIDDEN,
            error_response("AuthorizationError", &message),
        ),
        // exercism/website#6156
        "ses" => (
            StatusCode::FORBIDDEN,
            json!({"message": message}).to_string(),
        ),
        "lambda" => (
            StatusCode::FORBIDDEN,
            json!({"Message": message}).to_string(),
        ),
        _ => (
            StatusCode::BAD_REQUEST,
            json!({"__type": "AccessDeniedException", "Message": message}).to_string(),
        ),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let code = HeaderValue::from_static("AccessDeniedException");
    response.headers_mut().insert("x-amzn-errortype", code);
    response
}
