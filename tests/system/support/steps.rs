//! One rotation, driven step by step as Secrets Manager drives it.

use serde_json::{Value, json};
use simulators::aws::lambda::InvocationResult;
use simulators::aws::secrets_manager::PENDING;

use super::Scenario;

pub const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// A rotation's token, as Secrets Manager makes them.
pub const TOKEN: &str = "11111111-2222-4333-8444-555555555555";

impl Scenario {
    /// The empty pending version that is there before the first step.
    pub fn begin_rotation(&self, token: &str) {
        let store = &self.world.secrets_manager;
        store
            .place_version(&self.mailbox.secret, token, None, &[PENDING])
            .unwrap();
    }

    pub async fn step(&self, step: &str, token: &str) -> InvocationResult {
        let event =
            json!({"Step": step, "SecretId": self.mailbox.arn, "ClientRequestToken": token});
        self.world.invoke("rotation", &event).await.unwrap()
    }

    /// A step that succeeds.
    pub async fn take_step(&self, step: &str, token: &str) {
        let done = self.step(step, token).await;
        assert_eq!(done.function_error, None, "{step}: {}", done.payload);
    }

    /// An action, as the checker asks for it where no other secret names a credential of this one.
    pub async fn action(&self, action: &str) -> Value {
        let event = json!({"Action": action, "SecretId": self.mailbox.arn, "NamedByOthers": []});
        let done = self.world.invoke("rotation", &event).await.unwrap();
        assert_eq!(done.function_error, None, "{action}: {}", done.payload);
        done.payload
    }

    /// The event of a deep look at this secret alone, as the checker asks for it.
    pub fn inspect_event(&self) -> Value {
        let versions = self.secret().versions;
        let labels = versions.iter().flat_map(|version| &version.labels);
        let keys: Vec<&str> = labels
            .filter_map(|label| label.strip_prefix("key-"))
            .collect();
        json!({"Action": "inspect", "Deep": [{"arn": self.mailbox.arn, "keys": keys}]})
    }

    /// What that look says of it.
    pub async fn facts(&self) -> Value {
        let done = self
            .world
            .invoke("rotation", &self.inspect_event())
            .await
            .unwrap();
        assert_eq!(done.function_error, None, "{}", done.payload);
        let seen = &done.payload["deep"][&self.mailbox.arn];
        assert!(seen["Ok"].is_object(), "{}", done.payload);
        seen["Ok"].clone()
    }
}
