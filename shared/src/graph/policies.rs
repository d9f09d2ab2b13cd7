//! Whether client secrets may be added and how long they may be valid, as the tenant's app management policies say it
//! (graph-docs, tenantappmanagementpolicy-get.md and resources/appmanagementpolicy.md).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::{Span, SpanRelativeTo, Timestamp};
use serde_json::Value;

use super::application::{Application, Registration};
use super::{authorized, parsed, send};
use crate::ids::DirectoryId;
use crate::period::Period;
use crate::retry::CallError;

impl Registration {
    /// What the tenant's default policy allows. Needs the application permission `Policy.Read.All`, which few
    /// rotators have.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn lifetimes_of_the_tenant(&self) -> Result<Vec<Period>, CallError> {
        let below = "policies/defaultAppManagementPolicy";
        let policy = self.policies(below).await?;
        Ok(lifetimes(&policy, "applicationRestrictions"))
    }

    /// What the app registration's own policy allows; what that does not say, the default one does.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn lifetimes_of_the_app(&self) -> Result<Vec<Period>, CallError> {
        let client_id = &self.app.client_id;
        let below = format!("applications(appId='{client_id}')/appManagementPolicies");
        let policies = self.policies(&below).await?;
        let policies = policies.get("value").and_then(Value::as_array);
        let policies = policies.into_iter().flatten();
        Ok(policies
            .flat_map(|policy| lifetimes(policy, "restrictions"))
            .collect())
    }

    async fn policies(&self, below: &str) -> Result<Value, CallError> {
        let what = READING;
        let url = format!("{}/v1.0/{below}", self.app.endpoints.graph);
        let request = authorized(Method::GET, &url, &self.tokens.access, Bytes::new());
        let response = send(&self.http, what, request, |_, _| None).await?;
        parsed(what, &response)
    }
}

pub(super) const READING: &str = "reading the app management policy";

/// The policies that may hold for some app registrations, as far as they could be read.
#[derive(Debug, Default)]
pub struct Policies {
    pub(super) of_tenant: Option<Value>,
    /// What was answered for each app that could be asked for.
    pub(super) of_apps: BTreeMap<DirectoryId, Value>,
}

/// What a policy forbids an app registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restriction {
    /// What.
    pub forbids: Forbids,
    /// Whether some callers are excepted: which ones, custom security attributes say (graph-docs,
    /// resources/appmanagementpolicyactorexemptions).
    pub excepts_callers: bool,
}

/// What is forbidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbids {
    /// To add client secrets.
    Adding,
    /// Longer lives than this.
    LongerThan(Period),
}

impl Policies {
    /// Takes in what was read of others.
    pub fn extend(&mut self, others: Self) {
        self.of_tenant = others.of_tenant.or(self.of_tenant.take());
        self.of_apps.extend(others.of_apps);
    }

    /// Whether nothing could be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of_tenant.is_none() && self.of_apps.is_empty()
    }

    /// Whether the tenant's and the app registration's could be read.
    #[must_use]
    pub fn answered(&self, client_id: &DirectoryId) -> bool {
        self.of_tenant.is_some() && self.of_apps.contains_key(client_id)
    }

    /// What holds for an app registration; `None` where that could not be seen. A restriction of its own policy takes the
    /// place of the tenant's, also where it is disabled; what that policy does not define, the tenant's does (graph-docs,
    /// resources/applicationauthenticationmethodpolicy.md, since 2024-09).
    #[must_use]
    pub fn restrictions(
        &self,
        client_id: &DirectoryId,
        application: &Application,
    ) -> Option<Vec<Restriction>> {
        let own = self.of_apps.get(client_id)?.get("value")?.as_array()?;
        let own = own.iter().flat_map(|own| defined(own, "restrictions"));
        let own: Vec<&Value> = own.collect();
        let of_tenant = defined(self.of_tenant.as_ref()?, "applicationRestrictions");
        let of_tenant = of_tenant.filter(|of| own.iter().all(|own| kind(own) != kind(of)));
        let all = own.iter().copied().chain(of_tenant);
        let all = all.filter(|of| is_enforced(of));
        let holds = all.filter_map(|of| match applies(of, application) {
            Some(true) => read_restriction(of).map(Some),
            Some(false) => None,
            None => Some(None),
        });
        holds.collect()
    }
}

/// "Enforces the policy for an app created on or after the enforcement date" (graph-docs,
/// resources/passwordcredentialconfiguration.md). `None` where one of both days is not shown as a time.
fn applies(of: &Value, application: &Application) -> Option<bool> {
    match of.get("restrictForAppsCreatedAfterDateTime") {
        None | Some(Value::Null) => Some(true),
        Some(since) => {
            let since: Timestamp = since.as_str()?.parse().ok()?;
            Some(application.created? >= since)
        }
    }
}

fn read_restriction(of: &Value) -> Option<Restriction> {
    let forbids = match kind(of)? {
        "passwordAddition" => Forbids::Adding,
        "passwordLifetime" => Forbids::LongerThan(read(of.get("maxLifetime")?.as_str()?)?),
        _ => return None,
    };
    let excepted = of.get("excludeActors").unwrap_or(&Value::Null);
    let excepted = excepted.get("customSecurityAttributes");
    Some(Restriction {
        forbids,
        excepts_callers: excepted
            .and_then(Value::as_array)
            .is_some_and(|some| !some.is_empty()),
    })
}

fn kind(of: &Value) -> Option<&str> {
    of.get("restrictionType")?.as_str()
}

fn is_enforced(of: &Value) -> bool {
    of.get("state").and_then(Value::as_str) != Some("disabled")
}

/// Those of client secrets, of a policy that is enabled.
fn defined<'a>(policy: &'a Value, below: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let enabled = policy.get("isEnabled") == Some(&Value::Bool(true));
    let all = policy.get(below).filter(|_| enabled);
    let of_passwords = all.and_then(|all| all.get("passwordCredentials"));
    of_passwords.and_then(Value::as_array).into_iter().flatten()
}

/// What an enabled policy has for `passwordLifetime`. For which apps and callers it holds is left to Entra: a length that
/// is tried in vain costs a call.
fn lifetimes(policy: &Value, below: &str) -> Vec<Period> {
    let all = defined(policy, below).filter(|of| is_enforced(of));
    let all = all.filter_map(read_restriction);
    let lifetimes = all.filter_map(|restriction| match restriction.forbids {
        Forbids::LongerThan(longest) => Some(longest),
        Forbids::Adding => None,
    });
    lifetimes.collect()
}

/// Years and months are written too ("P12M" was seen), and how many days Entra takes them for is not documented:
/// the fewest.
fn read(text: &str) -> Option<Period> {
    let span: Span = text.parse().ok()?;
    let calendar = Span::new()
        .try_days(i64::from(span.get_years()) * 365 + i64::from(span.get_months()) * 28)
        .ok()?;
    let days = SpanRelativeTo::days_are_24_hours();
    let rest = span.years(0).months(0).to_duration(days).ok()?;
    let whole = calendar.to_duration(days).ok()?.checked_add(rest)?;
    Duration::try_from(whole).ok().map(Period::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(enabled: bool, of: &Value) -> Value {
        json!({"isEnabled": enabled, "applicationRestrictions": {"passwordCredentials": [
            {"restrictionType": "passwordAddition", "state": "disabled", "maxLifetime": null}, of]}})
    }

    #[test]
    fn the_lifetime_of_an_enabled_restriction_counts() {
        let of = json!({"restrictionType": "passwordLifetime", "maxLifetime": "P4DT12H"});
        let allowed = |policy: &Value| lifetimes(policy, "applicationRestrictions");
        let hours = Period::seconds((4 * 24 + 12) * 3600);
        assert_eq!(allowed(&policy(true, &of)), [hours]);
        assert_eq!(allowed(&policy(false, &of)), []);
        let off = json!({"restrictionType": "passwordLifetime", "state": "disabled", "maxLifetime": "P4D"});
        assert_eq!(allowed(&policy(true, &off)), []);
        let another = json!({"restrictionType": "symmetricKeyLifetime", "maxLifetime": "P4D"});
        assert_eq!(allowed(&policy(true, &another)), []);
        assert_eq!(allowed(&json!(7)), []);
    }

    #[test]
    fn a_restriction_holds_for_apps_of_its_time_and_for_callers_that_are_not_excepted() {
        let id = DirectoryId::read("11111111-1111-4111-8111-111111111111").unwrap();
        let app = |created: &str| Application {
            created: created.parse().ok(),
            ..Application::default()
        };
        let held = |own: Value, of: Value, created: &str| {
            let policies = Policies {
                of_tenant: Some(policy(true, &of)),
                of_apps: [(id.clone(), json!({ "value": own }))].into(),
            };
            policies.restrictions(&id, &app(created))
        };
        let blocks = json!({"restrictionType": "passwordAddition", "state": "enabled",
            "restrictForAppsCreatedAfterDateTime": "2024-01-01T00:00:00Z"});
        let adding = |excepts_callers| {
            let forbids = Forbids::Adding;
            Some(vec![Restriction {
                forbids,
                excepts_callers,
            }])
        };
        let (old, new) = ("2023-12-31T00:00:00Z", "2024-01-02T00:00:00Z");
        assert_eq!(held(json!([]), blocks.clone(), new), adding(false));
        assert_eq!(held(json!([]), blocks.clone(), old), Some(Vec::new()));
        assert_eq!(held(json!([]), blocks.clone(), "not shown"), None);
        // A restriction of an own policy takes the place of the tenant's; what that does not define is the tenant's.
        let own = |enabled: bool, own: Value| json!([{"isEnabled": enabled, "restrictions": {"passwordCredentials": own}}]);
        let lifted = json!([{"restrictionType": "passwordAddition", "state": "disabled"}]);
        assert_eq!(
            held(own(true, lifted.clone()), blocks.clone(), new),
            Some(Vec::new())
        );
        assert_eq!(held(own(false, lifted), blocks.clone(), new), adding(false));
        assert_eq!(
            held(own(true, json!([])), blocks.clone(), new),
            adding(false)
        );
        let mut excepts = blocks;
        excepts["excludeActors"] =
            json!({"customSecurityAttributes": [{"id": "a_b", "value": "c"}]});
        assert_eq!(held(json!([]), excepts, new), adding(true));
        assert_eq!(Policies::default().restrictions(&id, &app(new)), None);
    }

    #[test]
    fn months_and_years_are_taken_for_the_fewest_days_that_they_have() {
        assert_eq!(read("P12M"), Some(Period::days(336)));
        assert_eq!(read("P1Y2D"), Some(Period::days(367)));
        assert_eq!(read("P1W"), Some(Period::days(7)));
        for odd in ["", "-P1D", "a year", "P"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
