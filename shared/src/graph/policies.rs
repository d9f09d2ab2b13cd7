//! How long a client secret may be valid, as the tenant's app management policies say it
//! (graph-docs, tenantappmanagementpolicy-get.md and resources/appmanagementpolicy.md).

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::{Span, SpanRelativeTo};
use serde_json::Value;

use super::application::Registration;
use super::{authorized, parsed, send};
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
        Ok(longest(&policy, "applicationRestrictions"))
    }

    /// What the app registration's own policy allows, which takes the default one's place.
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
            .flat_map(|policy| longest(policy, "restrictions"))
            .collect())
    }

    async fn policies(&self, below: &str) -> Result<Value, CallError> {
        let what = "reading the app management policy";
        let url = format!("{}/v1.0/{below}", self.app.endpoints.graph);
        let request = authorized(Method::GET, &url, &self.tokens.access, Bytes::new());
        let response = send(&self.http, what, request, |_, _| None).await?;
        parsed(what, &response)
    }
}

/// What an enabled policy has for `passwordLifetime`. For which apps it holds, by the day that they were made, is
/// left to Entra: a length that is tried in vain costs a call.
fn longest(policy: &Value, restrictions: &str) -> Vec<Period> {
    if policy.get("isEnabled") != Some(&Value::Bool(true)) {
        return Vec::new();
    }
    let restrictions = policy.get(restrictions);
    let of_passwords = restrictions.and_then(|all| all.get("passwordCredentials"));
    let of_passwords = of_passwords.and_then(Value::as_array).into_iter().flatten();
    let text = |of: &Value, field: &str| of.get(field)?.as_str().map(str::to_owned);
    let limits = of_passwords.filter_map(|of| {
        let limits = text(of, "restrictionType").as_deref() == Some("passwordLifetime")
            && text(of, "state").as_deref() != Some("disabled");
        limits.then(|| read(&text(of, "maxLifetime")?)).flatten()
    });
    limits.collect()
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
        let allowed = |policy: &Value| longest(policy, "applicationRestrictions");
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
    fn months_and_years_are_taken_for_the_fewest_days_that_they_have() {
        assert_eq!(read("P12M"), Some(Period::days(336)));
        assert_eq!(read("P1Y2D"), Some(Period::days(367)));
        assert_eq!(read("P1W"), Some(Period::days(7)));
        for odd in ["", "-P1D", "a year", "P"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
