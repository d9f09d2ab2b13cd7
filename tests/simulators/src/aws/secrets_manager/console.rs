//! What a person does in the console, past the functions and the journal.

use super::api::{self, OfSecret};
use super::{SecretsManager, rotation};
use crate::aws::aws_json::AwsError;

impl SecretsManager {
    /// Stores another value, which becomes AWSCURRENT, and returns its version.
    ///
    /// # Errors
    /// As `PutSecretValue`.
    pub fn store_value(&self, secret: &str, value: &str) -> Result<String, AwsError> {
        let version = self.ids.uuid();
        let put = api::PutSecretValue::current(secret, &version, value);
        api::put_secret_value(self, put)?;
        Ok(version)
    }

    /// Moves a label, or takes it away.
    ///
    /// # Errors
    /// As `UpdateSecretVersionStage`.
    pub fn move_label(&self, secret: &str, label: &str, to: Option<&str>) -> Result<(), AwsError> {
        let now = self.clock.now();
        let mut state = self.state();
        let secret = state.live_secret_mut(secret)?;
        let holder = secret.labelled(label).map(|version| version.id.clone());
        secret.move_label(label, to, holder.as_deref(), now)
    }

    /// Cancels the rotation: it is off from then on.
    ///
    /// # Errors
    /// As `CancelRotateSecret`.
    pub fn cancel_rotation(&self, secret: &str) -> Result<(), AwsError> {
        rotation::cancel_rotate_secret(self, OfSecret::of(secret)).map(drop)
    }

    /// Switches the rotation on again, as it was.
    ///
    /// # Errors
    /// When there is no such secret.
    pub fn resume_rotation(&self, secret: &str) -> Result<(), AwsError> {
        self.state().live_secret_mut(secret)?.rotation.enabled = true;
        Ok(())
    }

    /// Takes a tag away.
    ///
    /// # Errors
    /// When there is no such secret.
    pub fn remove_tag(&self, secret: &str, key: &str) -> Result<(), AwsError> {
        self.state().live_secret_mut(secret)?.tags.remove(key);
        Ok(())
    }
}
