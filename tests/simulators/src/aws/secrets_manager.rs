//! AWS Secrets Manager with its rotation service.
//!
//! The API is behind [`SecretsManager::service`]; rotations run by themselves in the background, as
//! the real ones do, through the [`Invoker`] that the world sets. Tests set up and look through the
//! methods of [`SecretsManager`].

mod api;
mod batch;
#[cfg(test)]
mod client;
mod console;
mod listing;
mod random_password;
mod rotation;
mod schedule;
mod secrets;
mod store;
mod tags;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::post;
use bytes::Bytes;
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

pub use self::rotation::{Delivery, Record};
pub use self::schedule::RotationRules;
pub use self::store::{CURRENT, PENDING, PREVIOUS, Rotation, Secret, SecretValue, Version};

use crate::aws::account::{ACCOUNT_ID, REGION};
use crate::aws::aws_json::{self, AwsError};
use crate::aws::invoker::{Invoker, InvokerSlot};
use crate::clock::Clock;
use crate::gate::{Gate, Service};
use crate::ids::Ids;
use secrets::Secrets;

/// How the service behaves where the documents leave room, or where it may lag.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `ListSecrets` shows a picture that may be this old; it is taken anew when it is older.
    pub list_staleness: Option<SignedDuration>,
    /// So many reads of an AWSPENDING value do not find it after `PutSecretValue`.
    pub pending_lag_reads: u32,
    /// What the AWSPENDING version holds in a configuration test.
    pub configuration_test: ConfigurationTest,
    /// After a rotation AWSPENDING stays on the version that has become AWSCURRENT.
    pub leave_pending_on_current: bool,
    /// After a change so many `DescribeSecret` show the secret as it was before: "All Secrets Manager operations are
    /// eventually consistent" (`ListSecrets`).
    pub lagging_describes: u32,
    /// The same for `GetSecretValue`.
    pub lagging_values: u32,
    /// Labels that are not AWS's own stay on a version that AWSCURRENT moves away from. AWS was seen to keep them
    /// (recorded in localstack's tests), one report says otherwise (spring-cloud-config#2104), and no document says.
    pub custom_labels_stay: bool,
    /// The event carries a `RotationToken`.
    pub send_rotation_token: bool,
    /// How often a failed rotation is tried again by itself.
    pub reattempts: u32,
    /// The runtime's time between a failure and the next try.
    pub reattempt_delay: Duration,
}

/// What `RotateImmediately=false` hands to testSecret; not documented, and emulators changed from the
/// one to the other (moto#8504, moto#8547).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigurationTest {
    /// A version without a value.
    Empty,
    /// A version with the value of AWSCURRENT.
    CopyOfCurrent,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            list_staleness: None,
            pending_lag_reads: 0,
            configuration_test: ConfigurationTest::Empty,
            leave_pending_on_current: false,
            lagging_describes: 0,
            lagging_values: 0,
            custom_labels_stay: true,
            send_rotation_token: false,
            reattempts: 0,
            reattempt_delay: Duration::ZERO,
        }
    }
}

/// The service's state.
#[derive(Debug)]
pub struct SecretsManager {
    clock: Arc<Clock>,
    ids: Ids,
    invoker: InvokerSlot,
    state: Mutex<State>,
    attempt_ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    secrets: Secrets,
    /// Not before then is the recovery window of a secret over.
    next_end: Option<Timestamp>,
    settings: Settings,
    list_picture: Option<(Timestamp, Secrets)>,
    pictures: Vec<Picture>,
    running: Vec<rotation::Attempt>,
    duplicates: Vec<(String, Delivery)>,
    records: Vec<Record>,
}

/// A secret as late replicas of the service show it yet.
#[derive(Debug)]
struct Picture {
    secret: Secret,
    describes: u32,
    values: u32,
}

/// A value that the service holds, in whatever version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredValue {
    /// The secret's name.
    pub secret: String,
    /// The version's id.
    pub version: String,
    /// The value.
    pub value: SecretValue,
}

impl SecretsManager {
    /// An empty service. ARNs and version ids depend on `seed` only.
    #[must_use]
    pub fn new(clock: Arc<Clock>, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            clock,
            ids: Ids::seeded(seed),
            invoker: InvokerSlot::default(),
            state: Mutex::default(),
            attempt_ended: Notify::new(),
        })
    }

    /// The HTTP API, `secretsmanager` in the journal.
    #[must_use]
    pub fn service(self: &Arc<Self>, gate: Arc<Gate>) -> Service {
        Service {
            name: "secretsmanager",
            operation: aws_json::operation,
            router: Router::new()
                .route("/", post(handle))
                .with_state(Arc::clone(self)),
            gate,
            clock: Arc::clone(&self.clock),
        }
    }

    /// Sets what invokes the rotation functions.
    pub fn set_invoker(&self, invoker: Invoker) {
        self.invoker.set(invoker);
    }

    /// Changes the settings. A list that is to be stale is pictured now.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        let mut state = self.state();
        change(&mut state.settings);
        if state.settings.pending_lag_reads == 0 {
            // A lag that ends, ends for what was put before, too.
            let versions = state
                .secrets
                .all_mut()
                .iter_mut()
                .flat_map(|s| &mut s.versions);
            versions.for_each(|version| version.lagging_reads = 0);
        }
        if state.settings.lagging_describes == 0 && state.settings.lagging_values == 0 {
            state.pictures.clear();
        }
        state.list_picture = state
            .settings
            .list_staleness
            .map(|_| (self.clock.now(), state.secrets.clone()));
    }

    /// Creates a secret with tags and a first, current value, and returns its ARN.
    ///
    /// # Errors
    /// As `CreateSecret`.
    pub fn create(
        &self,
        name: &str,
        value: &str,
        tags: &[(&str, &str)],
    ) -> Result<String, AwsError> {
        let created = api::create_secret(
            self,
            api::CreateSecret::new(
                name,
                value,
                tags.iter()
                    .map(|&(key, value)| tags::Tag::new(key, value))
                    .collect(),
            ),
        )?;
        Ok(created
            .get("ARN")
            .and_then(|arn| arn.as_str())
            .unwrap_or_default()
            .to_owned())
    }

    /// Puts a version as it is, value (or none) and labels, past all rules but the one that a label
    /// has one holder.
    ///
    /// # Errors
    /// When there is no such secret.
    pub fn place_version(
        &self,
        secret: &str,
        version: &str,
        value: Option<&str>,
        labels: &[&str],
    ) -> Result<(), AwsError> {
        let now = self.clock.now();
        let mut state = self.state();
        let secret = state.secret_mut(secret)?;
        secret.remove_version(version);
        secret.versions.push(Version {
            value: value.map(|value| SecretValue::Text(value.to_owned())),
            ..Version::empty(version, now)
        });
        for label in labels {
            secret.attach(label, version);
        }
        Ok(())
    }

    /// Makes it a replica of another region's secret of the same name, which it stays until it is promoted.
    ///
    /// # Errors
    /// When there is no such secret.
    pub fn make_replica(&self, secret: &str, primary_region: &str) -> Result<(), AwsError> {
        self.state().secret_mut(secret)?.primary_region = Some(primary_region.to_owned());
        Ok(())
    }

    /// Makes a replica a secret of its own, as `StopReplicationToReplica` does.
    ///
    /// # Errors
    /// When there is no such secret.
    pub fn promote_replica(&self, secret: &str) -> Result<(), AwsError> {
        self.state().secret_mut(secret)?.primary_region = None;
        Ok(())
    }

    /// Puts tags past all rules.
    ///
    /// # Errors
    /// When there is no such secret.
    pub fn put_tags(&self, secret: &str, tags: &[(&str, &str)]) -> Result<(), AwsError> {
        let mut state = self.state();
        let secret = state.secret_mut(secret)?;
        for &(key, value) in tags {
            secret.tags.insert(key.to_owned(), value.to_owned());
        }
        Ok(())
    }

    /// Marks a secret for deletion after so many days, as `DeleteSecret` does. Nothing is documented to
    /// become of its rotation: the attempt that is running goes on, and is refused.
    ///
    /// # Errors
    /// When there is no such secret.
    pub fn schedule_deletion(&self, secret: &str, days: i64) -> Result<(), AwsError> {
        let end = self.clock.now() + SignedDuration::from_hours(24 * days);
        self.state().mark_for_deletion(secret, end).map(drop)
    }

    /// Takes the mark away, as `RestoreSecret` does.
    ///
    /// # Errors
    /// When there is no such secret any more.
    pub fn restore(&self, secret: &str) -> Result<(), AwsError> {
        self.state().secret_mut(secret)?.deleted = None;
        Ok(())
    }

    /// A copy of everything about the secret with this name or ARN.
    #[must_use]
    pub fn snapshot(&self, secret: &str) -> Option<Secret> {
        self.state().secret_mut(secret).ok().cloned()
    }

    /// The ARN and the tags of the secret with this name or ARN.
    #[must_use]
    pub fn arn_and_tags(&self, secret: &str) -> Option<(String, Vec<(String, String)>)> {
        let state = self.state();
        let secret = state.secrets.get(secret)?;
        let tags = secret.tags.clone().into_iter().collect();
        Some((secret.arn.clone(), tags))
    }

    /// Copies of all secrets, oldest first.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        self.state().secrets.all().to_vec()
    }

    /// All values of all versions of all secrets.
    #[must_use]
    pub fn stored_values(&self) -> Vec<StoredValue> {
        let state = self.state();
        let versions = state
            .secrets
            .all()
            .iter()
            .flat_map(|secret| secret.versions.iter().map(move |version| (secret, version)));
        versions
            .filter_map(|(secret, version)| {
                Some(StoredValue {
                    secret: secret.name.clone(),
                    version: version.id.clone(),
                    value: version.value.clone()?,
                })
            })
            .collect()
    }

    /// The state, without the secrets whose recovery window is over.
    fn state(&self) -> MutexGuard<'_, State> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.next_end.is_some_and(|end| end <= now) {
            state.secrets.forget_deleted(now);
            let ends = state.secrets.all().iter().filter_map(|one| one.deleted);
            state.next_end = ends.min();
        }
        state
    }

    fn new_arn(&self, name: &str) -> String {
        let random = self.ids.alphanumeric(6);
        format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:{name}-{random}")
    }
}

impl State {
    /// The secret with this name or ARN, whether marked for deletion or not.
    fn secret_mut(&mut self, id: &str) -> Result<&mut Secret, AwsError> {
        self.secrets.get_mut(id).ok_or_else(|| {
            AwsError::new(
                "ResourceNotFoundException",
                "Secrets Manager can't find the specified secret.",
            )
        })
    }

    /// Deletes a secret for good at `end`, and gives it.
    fn mark_for_deletion(&mut self, id: &str, end: Timestamp) -> Result<&Secret, AwsError> {
        self.live_secret_mut(id)?.deleted = Some(end);
        self.next_end = Some(self.next_end.map_or(end, |next| next.min(end)));
        self.secret_mut(id).map(|secret| &*secret)
    }

    /// The same, for operations that a secret marked for deletion refuses.
    fn live_secret_mut(&mut self, id: &str) -> Result<&mut Secret, AwsError> {
        let secret = self.secret_mut(id)?;
        if secret.deleted.is_some() {
            return Err(AwsError::new(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            ));
        }
        Ok(secret)
    }

    /// The same, for operations that write: late replicas of the service go on showing what was before.
    fn written_secret_mut(&mut self, id: &str) -> Result<&mut Secret, AwsError> {
        let (describes, values) = (
            self.settings.lagging_describes,
            self.settings.lagging_values,
        );
        let secret = self.live_secret_mut(id)?;
        if secret.is_replica() {
            return Err(AwsError::new(
                "InvalidParameterException",
                "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
            ));
        }
        if describes + values > 0 {
            let before = secret.clone();
            let late = |picture: &Picture| picture.secret.arn == before.arn;
            if !self.pictures.iter().any(late) {
                self.pictures.push(Picture {
                    secret: before,
                    describes,
                    values,
                });
            }
        }
        self.live_secret_mut(id)
    }

    /// The secret as the replica shows it that answers a `DescribeSecret`.
    fn as_described(&mut self, id: &str) -> Result<Secret, AwsError> {
        self.as_shown(id, |picture| &mut picture.describes)
    }

    /// The secret as the replica shows it that answers a `GetSecretValue`.
    fn as_read(&mut self, id: &str) -> Result<Secret, AwsError> {
        self.as_shown(id, |picture| &mut picture.values)
    }

    fn as_shown(
        &mut self,
        id: &str,
        left: impl Fn(&mut Picture) -> &mut u32,
    ) -> Result<Secret, AwsError> {
        let secret = self.secret_mut(id)?.clone();
        let of_it = |picture: &&mut Picture| picture.secret.arn == secret.arn;
        let late = self.pictures.iter_mut().find(of_it).and_then(|picture| {
            let left = left(picture);
            *left = left.checked_sub(1)?;
            Some(picture.secret.clone())
        });
        let shown = late.unwrap_or(secret);
        self.pictures.retain(|p| p.describes + p.values > 0);
        Ok(shown)
    }
}

async fn handle(
    Shared(manager): Shared<Arc<SecretsManager>>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let result = aws_json::require_signature(&headers)
        .and_then(|()| api::perform(&manager, aws_json::operation_in(&headers), &body));
    aws_json::answer(result)
}

fn set_of(labels: impl IntoIterator<Item = impl Into<String>>) -> BTreeSet<String> {
    labels.into_iter().map(Into::into).collect()
}
