//! IAM before the services: a function may do what its role in `template.yaml` allows, and is refused all else. Who signs
//! with another key is a person with all rights.

mod asked;
mod denied;
mod policy;
pub mod table;
pub mod used;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::middleware::{Next, from_fn_with_state};
use http::Response;
use serde_json::{Value, json};

use crate::aws::account::access_key_id;
use crate::aws::aws_json::operation_in;
use crate::aws::secrets_manager::SecretsManager;
use crate::gate::Service;
use asked::{Asked, BATCH};
use denied::denied;
use policy::Role;

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
    roles: BTreeMap<&'static str, (&'static str, Role)>,
    secrets_manager: Arc<SecretsManager>,
    refused: Mutex<Vec<String>>,
    /// Actions that no role has any more.
    withdrawn: Mutex<BTreeSet<String>>,
}

impl Iam {
    /// The roles of `template.yaml`.
    ///
    /// # Errors
    /// When the template has one that is not understood.
    pub fn new(secrets_manager: Arc<SecretsManager>) -> Result<Arc<Self>, String> {
        let role = |(_, key, role)| Ok((key, (role, Role::of_the_template(role)?)));
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

    /// "You must have `secretsmanager:GetSecretValue` for each secret" (`BatchGetSecretValue`): what a role may not
    /// read stands among the errors.
    async fn withhold(&self, key: &str, answer: Response<Body>) -> Response<Body> {
        let (parts, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await;
        let body = body.unwrap_or_default();
        let Ok(mut answer) = serde_json::from_slice::<Value>(&body) else {
            return Response::from_parts(parts, Body::from(body));
        };
        let mut denied = Vec::new();
        if let Some(values) = answer.get_mut("SecretValues").and_then(Value::as_array_mut) {
            values.retain(|value| {
                let arn = value.get("ARN").and_then(Value::as_str).unwrap_or_default();
                let asked = Asked::value_of(arn, &self.secrets_manager);
                let allowed = self.allows(key, &asked);
                if !allowed {
                    denied.push(json!({
                        "SecretId": arn, "ErrorCode": "AccessDeniedException",
                        "Message": asked.refusal(),
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

    /// Whether the role behind the key may do that; who has none may do all.
    fn allows(&self, key: &str, asked: &Asked) -> bool {
        let Some((name, role)) = self.roles.get(key) else {
            return true;
        };
        let Asked {
            action,
            resource,
            context,
        } = asked;
        let allowed_by = role.allowed_by(action, resource, context);
        if let Some(parts) = allowed_by.filter(|_| !self.is_withdrawn(action)) {
            for part in parts {
                used::note(name, part);
            }
            return true;
        }
        used::note(name, [used::BY_NONE, action, resource]);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.push(format!("{key} {action} {resource}"));
        false
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
    if let Some(asked) = Asked::of(service, &parts, &body, &iam.secrets_manager)
        && !iam.allows(&key, &asked)
    {
        return denied(service, &asked.refusal());
    }
    let many = service == "secretsmanager" && operation_in(&parts.headers) == BATCH;
    let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    match many {
        true => iam.withhold(&key, answer).await,
        false => answer,
    }
}
