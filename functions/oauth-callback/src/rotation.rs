//! The rotation that waits for the person.

use shared::secret_store::{SecretMetadata, SecretStore};
use tracing::{info, warn};

/// Has Secrets Manager resume the rotation with this token. If that fails, the next check does it.
pub(crate) async fn resume(store: &SecretStore, secret: &SecretMetadata, token: &str) {
    match store.rotate(&secret.arn, Some(token)).await {
        Ok(()) => info!("the rotation goes on"),
        Err(error) => {
            warn!(failure = %error.failure, "the rotation was not resumed; the next check does it");
        }
    }
}
