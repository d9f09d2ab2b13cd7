//! The rotation service: it makes the AWSPENDING version, calls the function's four steps one after
//! the other, and tries again what did not finish.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{OfSecret, version_id};
use super::schedule::RotationRules;
use super::store::{CURRENT, PENDING, Version};
use super::{ConfigurationTest, SecretsManager, State};
use crate::aws::aws_json::AwsError;
use crate::settled::settled_when;

const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// How often the event of one step reaches the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Twice, the second after the first has answered. The first answer counts.
    TwiceInSequence,
    /// Twice at the same time. The first event's answer counts.
    TwiceAtOnce,
}

/// What the service writes into `CloudTrail` about a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `RotationStarted`, `RotationSucceeded`, `RotationFailed`, `RotationAbandoned`,
    /// `TestRotationStarted`, `TestRotationSucceeded`, `TestRotationFailed`.
    pub event: &'static str,
    /// When.
    pub time: Timestamp,
    /// The secret's ARN.
    pub secret: String,
    /// The version that is being made.
    pub version: String,
    /// For a failure: the step and the function's error.
    pub reason: Option<String>,
}

/// One run of the steps, and where to look whether it is to stop.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    arn: String,
    token: String,
    lambda: String,
    kind: Kind,
    stop: Arc<AtomicBool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rotation,
    /// `RotateImmediately=false`: "Secrets Manager tests the rotation configuration by running the
    /// testSecret step of the Lambda rotation function." (`RotateSecret`)
    ConfigurationTest,
}

enum Ended {
    Done,
    Failed,
    Stopped,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RotateSecret {
    secret_id: String,
    client_request_token: Option<String>,
    #[serde(rename = "RotationLambdaARN")]
    rotation_lambda_arn: Option<String>,
    rotation_rules: Option<RotationRules>,
    #[serde(default = "yes")]
    rotate_immediately: bool,
}

fn yes() -> bool {
    true
}

impl RotateSecret {
    fn of(secret_id: &str) -> Self {
        Self {
            secret_id: secret_id.to_owned(),
            client_request_token: None,
            rotation_lambda_arn: None,
            rotation_rules: None,
            rotate_immediately: true,
        }
    }
}

pub(super) fn rotate_secret(
    manager: &Arc<SecretsManager>,
    asked: RotateSecret,
) -> Result<Value, AwsError> {
    let now = manager.clock.now();
    let token = version_id(manager, asked.client_request_token)?;
    if let Some(rules) = &asked.rotation_rules {
        rules.check()?;
    }
    let mut state = manager.state();
    let test_with = state.settings.configuration_test;
    let secret = state.written_secret_mut(&asked.secret_id)?;
    let (arn, name) = (secret.arn.clone(), secret.name.clone());
    // "If the AWSPENDING staging label is present but not attached to the same version as AWSCURRENT,
    // then any later invocation of RotateSecret assumes that a previous rotation request is still in
    // progress and returns an error." The message and the new try: aws-cdk#28539.
    if secret.unfinished_rotation().is_some() {
        if secret.rotation.enabled {
            manager.start_again(&mut state, &arn);
        }
        return Err(AwsError::new(
            "InvalidRequestException",
            "A previous rotation isn't complete. That rotation will be reattempted.",
        ));
    }
    let lambda = asked
        .rotation_lambda_arn
        .or_else(|| secret.rotation.lambda_arn.clone());
    let Some(lambda) = lambda else {
        return Err(AwsError::new(
            "InvalidRequestException",
            "No Lambda rotation function ARN is associated with this secret.",
        ));
    };
    secret.rotation.enabled = true;
    secret.rotation.lambda_arn = Some(lambda.clone());
    if let Some(rules) = asked.rotation_rules {
        secret.rotation.next = rules.next_after(now);
        secret.rotation.rules = Some(rules);
    }
    if secret.rotation.next.is_none() {
        secret.rotation.schedule_after(now);
    }
    secret.last_changed = now;
    let answer = json!({"ARN": arn, "Name": name, "VersionId": token});
    // The same request again: the token has done its work.
    if secret
        .version(&token)
        .is_some_and(|version| version.value.is_some())
    {
        return Ok(answer);
    }
    let kind = match asked.rotate_immediately {
        true => Kind::Rotation,
        false => Kind::ConfigurationTest,
    };
    let value = match (kind, test_with) {
        (Kind::ConfigurationTest, ConfigurationTest::CopyOfCurrent) => secret
            .labelled(CURRENT)
            .and_then(|version| version.value.clone()),
        _ => None,
    };
    if secret.version(&token).is_none() {
        secret.versions.push(Version::pending(&token, value, now));
    }
    secret.attach(PENDING, &token);
    manager.start(&mut state, Attempt::new(arn, token, lambda, kind));
    Ok(answer)
}

pub(super) fn cancel_rotate_secret(
    manager: &SecretsManager,
    asked: OfSecret,
) -> Result<Value, AwsError> {
    let mut state = manager.state();
    let secret = state.written_secret_mut(&asked.secret_id)?;
    secret.rotation.enabled = false;
    secret.rotation.next = None;
    let mut answer = json!({"ARN": secret.arn, "Name": secret.name});
    // "The unique identifier of the version of the secret created during the rotation. This version
    // might not be complete, and should be evaluated for possible deletion." (CancelRotateSecret)
    if let (Some(pending), Some(fields)) = (secret.labelled(PENDING), answer.as_object_mut()) {
        fields.insert("VersionId".to_owned(), pending.id.clone().into());
    }
    let arn = secret.arn.clone();
    state.stop_attempts(&arn);
    Ok(answer)
}

/// What follows when a value put by hand has become AWSCURRENT: it counts as a rotation, and
/// "Secrets Manager abandons rotation when you create a new version of a secret during rotation",
/// "by removing the AWSPENDING label from an existing version" (`CloudTrail` entries).
pub(super) fn rotated_by_hand(state: &mut State, arn: &str, new_version: bool, now: Timestamp) {
    let Ok(secret) = state.secret_mut(arn) else {
        return;
    };
    secret.rotation.rotated(now);
    let pending = secret
        .unfinished_rotation()
        .map(|version| version.id.clone());
    if let (true, Some(version)) = (new_version, pending) {
        secret.detach(PENDING);
        state.records.push(Record {
            event: "RotationAbandoned",
            time: now,
            secret: arn.to_owned(),
            version,
            reason: None,
        });
        state.stop_attempts(arn);
    }
}

impl super::Rotation {
    fn rotated(&mut self, now: Timestamp) {
        self.last_rotated = Some(now);
        self.schedule_after(now);
    }

    /// The date moves on with a success only: "If rotation is unsuccessful, this date may be in the
    /// past." (`NextRotationDate`)
    fn schedule_after(&mut self, last: Timestamp) {
        self.next = self.rules.as_ref().and_then(|rules| rules.next_after(last));
    }
}

impl State {
    fn stop_attempts(&mut self, arn: &str) {
        for attempt in self.running.iter().filter(|attempt| attempt.arn == arn) {
            attempt.stop.store(true, Ordering::SeqCst);
        }
    }
}

impl Attempt {
    fn new(arn: String, token: String, lambda: String, kind: Kind) -> Self {
        Self {
            arn,
            token,
            lambda,
            kind,
            stop: Arc::default(),
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

impl SecretsManager {
    /// Sets the rotation function and the rules without starting anything.
    ///
    /// # Errors
    /// When there is no such secret, or the rules are invalid.
    pub fn set_rotation(
        &self,
        secret: &str,
        lambda_arn: &str,
        rules: Option<RotationRules>,
    ) -> Result<(), AwsError> {
        if let Some(rules) = &rules {
            rules.check()?;
        }
        let now = self.clock.now();
        let mut state = self.state();
        let rotation = &mut state.secret_mut(secret)?.rotation;
        rotation.enabled = true;
        rotation.lambda_arn = Some(lambda_arn.to_owned());
        rotation.next = rules.as_ref().and_then(|rules| rules.next_after(now));
        rotation.rules = rules;
        Ok(())
    }

    /// Starts a rotation as `RotateSecret` does, and returns its token.
    ///
    /// # Errors
    /// As `RotateSecret`.
    pub fn rotate(self: &Arc<Self>, secret: &str) -> Result<String, AwsError> {
        let token = self.ids.uuid();
        let asked = RotateSecret {
            client_request_token: Some(token.clone()),
            ..RotateSecret::of(secret)
        };
        rotate_secret(self, asked)?;
        Ok(token)
    }

    /// Tests the rotation configuration as `RotateSecret` with `RotateImmediately=false` does.
    ///
    /// # Errors
    /// As `RotateSecret`.
    pub fn test_rotation(self: &Arc<Self>, secret: &str) -> Result<String, AwsError> {
        let token = self.ids.uuid();
        let asked = RotateSecret {
            client_request_token: Some(token.clone()),
            rotate_immediately: false,
            ..RotateSecret::of(secret)
        };
        rotate_secret(self, asked)?;
        Ok(token)
    }

    /// Tries an unfinished rotation again, as the service does by itself hours later. Tells whether
    /// there is one and none is running.
    pub fn reattempt(self: &Arc<Self>, secret: &str) -> bool {
        let mut state = self.state();
        let Ok(secret) = state.live_secret_mut(secret) else {
            return false;
        };
        let arn = secret.arn.clone();
        self.start_again(&mut state, &arn)
    }

    /// Starts, or tries again, what is due by the clock, and returns the ARNs.
    pub fn run_due(self: &Arc<Self>) -> Vec<String> {
        let now = self.clock.now();
        let due: Vec<String> = {
            let state = self.state();
            let due = state.secrets.all().iter().filter(|secret| {
                let rotation = &secret.rotation;
                let is_due = rotation.next.is_some_and(|next| next <= now);
                rotation.enabled && is_due && secret.deleted.is_none()
            });
            due.map(|secret| secret.arn.clone()).collect()
        };
        let mut started = due;
        started.retain(|arn| self.rotate(arn).is_ok() || self.is_running(arn));
        started
    }

    /// The next event of `step` (`*`: of any) is delivered twice.
    pub fn deliver_twice(&self, step: &str, how: Delivery) {
        self.state().duplicates.push((step.to_owned(), how));
    }

    /// What `CloudTrail` has about rotations.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.state().records.clone()
    }

    /// Waits until no attempt is running on the secret, nor one of its own accord to come.
    pub async fn settled(&self, secret: &str) {
        self.settled_when(|| !self.is_running(secret)).await;
    }

    /// Waits until no attempt is running on any secret.
    pub async fn all_settled(&self) {
        self.settled_when(|| self.is_settled()).await;
    }

    /// Whether no attempt is running on any secret.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.state().running.is_empty()
    }

    async fn settled_when(&self, is_settled: impl Fn() -> bool) {
        settled_when(&self.attempt_ended, is_settled).await;
    }

    fn is_running(&self, secret: &str) -> bool {
        let mut state = self.state();
        let arn = match state.secret_mut(secret) {
            Ok(secret) => secret.arn.clone(),
            Err(_) => return false,
        };
        state.running.iter().any(|attempt| attempt.arn == arn)
    }

    /// A reattempt uses the token of the first attempt (terraform-provider-aws#35023).
    fn start_again(self: &Arc<Self>, state: &mut State, arn: &str) -> bool {
        if state.running.iter().any(|attempt| attempt.arn == arn) {
            return false;
        }
        let Ok(secret) = state.secret_mut(arn) else {
            return false;
        };
        let token = secret
            .unfinished_rotation()
            .map(|version| version.id.clone());
        let (Some(token), Some(lambda)) = (token, secret.rotation.lambda_arn.clone()) else {
            return false;
        };
        self.start(
            state,
            Attempt::new(arn.to_owned(), token, lambda, Kind::Rotation),
        );
        true
    }

    fn start(self: &Arc<Self>, state: &mut State, attempt: Attempt) {
        state.running.push(attempt.clone());
        tokio::spawn(Arc::clone(self).run(attempt));
    }

    async fn run(self: Arc<Self>, attempt: Attempt) {
        let (reattempts, delay) = {
            let settings = &self.state().settings;
            (settings.reattempts, settings.reattempt_delay)
        };
        match attempt.kind {
            Kind::ConfigurationTest => self.test_configuration(&attempt).await,
            Kind::Rotation => {
                let mut left = reattempts;
                while matches!(self.run_steps(&attempt).await, Ended::Failed) && left > 0 {
                    left -= 1;
                    tokio::time::sleep(delay).await;
                }
            }
        }
        let mut state = self.state();
        state
            .running
            .retain(|running| !Arc::ptr_eq(&running.stop, &attempt.stop));
        self.attempt_ended.notify_waiters();
    }

    async fn run_steps(&self, attempt: &Attempt) -> Ended {
        if attempt.stopped() {
            return Ended::Stopped;
        }
        let rotation_token = self.new_rotation_token();
        self.record("RotationStarted", attempt, None);
        for step in STEPS {
            if attempt.stopped() {
                return Ended::Stopped;
            }
            if let Err(error) = self.deliver(attempt, step, rotation_token.as_deref()).await {
                self.record("RotationFailed", attempt, Some(format!("{step}: {error}")));
                return Ended::Failed;
            }
        }
        self.conclude(attempt)
    }

    fn conclude(&self, attempt: &Attempt) -> Ended {
        let now = self.clock.now();
        let mut state = self.state();
        let leave_pending = state.settings.leave_pending_on_current;
        let Ok(secret) = state.secret_mut(&attempt.arn) else {
            return Ended::Stopped;
        };
        let current = secret.labelled(CURRENT);
        if current.is_none_or(|version| version.id != attempt.token) {
            drop(state);
            let reason = "finishSecret: AWSCURRENT was not moved to the new version".to_owned();
            self.record("RotationFailed", attempt, Some(reason));
            return Ended::Failed;
        }
        secret.rotation.rotated(now);
        // The service takes AWSPENDING off the version that has become AWSCURRENT
        // (aws-secrets-manager-rotation-lambdas#168).
        let pending_here = secret
            .labelled(PENDING)
            .is_some_and(|version| version.id == attempt.token);
        if pending_here && !leave_pending {
            secret.detach(PENDING);
        }
        drop(state);
        self.record("RotationSucceeded", attempt, None);
        Ended::Done
    }

    async fn test_configuration(&self, attempt: &Attempt) {
        let rotation_token = self.new_rotation_token();
        self.record("TestRotationStarted", attempt, None);
        let tested = self
            .deliver(attempt, "testSecret", rotation_token.as_deref())
            .await;
        // "This test creates an AWSPENDING version of the secret and then removes it." (RotateSecret)
        if let Ok(secret) = self.state().secret_mut(&attempt.arn) {
            secret.remove_version(&attempt.token);
        }
        match tested {
            Ok(()) => self.record("TestRotationSucceeded", attempt, None),
            Err(error) => {
                self.record(
                    "TestRotationFailed",
                    attempt,
                    Some(format!("testSecret: {error}")),
                );
            }
        }
    }

    async fn deliver(
        &self,
        attempt: &Attempt,
        step: &str,
        rotation_token: Option<&str>,
    ) -> Result<(), String> {
        let mut event = json!({
            "Step": step,
            "SecretId": attempt.arn,
            "ClientRequestToken": attempt.token,
        });
        if let (Some(token), Some(fields)) = (rotation_token, event.as_object_mut()) {
            fields.insert("RotationToken".to_owned(), token.into());
        }
        let invoke = || self.invoker.invoke(&attempt.lambda, event.clone());
        match self.take_duplicate(step) {
            None => invoke().await,
            Some(Delivery::TwiceInSequence) => {
                let first = invoke().await;
                // Nobody reads the answer to a repeat.
                let _ = invoke().await;
                first
            }
            Some(Delivery::TwiceAtOnce) => tokio::join!(invoke(), invoke()).0,
        }
    }

    fn take_duplicate(&self, step: &str) -> Option<Delivery> {
        let duplicates = &mut self.state().duplicates;
        let at = duplicates
            .iter()
            .position(|(wanted, _)| wanted == "*" || wanted == step)?;
        Some(duplicates.remove(at).1)
    }

    fn new_rotation_token(&self) -> Option<String> {
        let send = self.state().settings.send_rotation_token;
        send.then(|| self.ids.uuid())
    }

    fn record(&self, event: &'static str, attempt: &Attempt, reason: Option<String>) {
        let time = self.clock.now();
        self.state().records.push(Record {
            event,
            time,
            secret: attempt.arn.clone(),
            version: attempt.token.clone(),
            reason,
        });
    }
}

#[cfg(test)]
mod tests;
