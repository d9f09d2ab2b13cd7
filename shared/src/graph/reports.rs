//! When a credential was last used, as Entra reports it
//! (`GET /beta/reports/appCredentialSignInActivities`).

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use serde_json::Value;

use super::application::Registration;
use super::{authorized, parsed, send};
use crate::ids::KeyId;
use crate::retry::CallError;

/// Row by row: one that cannot be read says nothing, and costs the others nothing. The filtered answer of
/// Microsoft's example is a bare object and no list.
fn read(report: &Value, key_id: KeyId) -> Option<Timestamp> {
    let rows = match report.get("value") {
        Some(Value::Array(rows)) => rows.as_slice(),
        _ => std::slice::from_ref(report),
    };
    // Looked for again: not every cloud filters in the same way.
    let is_of_key = |row: &&Value| {
        let key = row.get("keyId").and_then(Value::as_str);
        key.and_then(|key| key.parse().ok()) == Some(key_id)
    };
    let used = rows.iter().filter(is_of_key).filter_map(|row| {
        let last = row.get("signInActivity")?.get("lastSignInDateTime")?;
        last.as_str()?.parse().ok()
    });
    used.max()
}

impl Registration {
    /// When a credential was last used; `None` when Entra reports nothing of it. Needs the application
    /// permission `AuditLog.Read.All`, which few rotators have.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn last_used(&self, key_id: KeyId) -> Result<Option<Timestamp>, CallError> {
        let what = "reading when the credential was last used";
        let url = format!(
            "{}/beta/reports/appCredentialSignInActivities?$filter=keyId%20eq%20'{key_id}'",
            self.app.endpoints.graph
        );
        let request = authorized(Method::GET, &url, &self.tokens.access, Bytes::new());
        let response = send(&self.http, what, request, |_, _| None).await?;
        let report: Value = parsed(what, &response)?;
        Ok(read(&report, key_id))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_report_is_read_row_by_row_also_as_a_bare_object() {
        let key: KeyId = "00000000-0000-4000-8000-000000000001".parse().unwrap();
        let row =
            |id: &str, at: &str| json!({"keyId": id, "signInActivity": {"lastSignInDateTime": at}});
        let good = row(&key.to_string(), "2026-11-01T00:00:00Z");
        let other = row(
            "00000000-0000-4000-8000-000000000002",
            "2026-11-09T00:00:00Z",
        );
        let odd = row(&key.to_string(), "2021-04-01T00:00:00-8:00");
        let used = read(&json!({"value": [odd, json!(7), other, good]}), key);
        assert_eq!(used, "2026-11-01T00:00:00Z".parse().ok());
        assert_eq!(read(&good, key), used);
        assert_eq!(read(&json!({"value": []}), key), None);
        assert_eq!(read(&json!(null), key), None);
    }
}
