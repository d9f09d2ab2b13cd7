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
            let due = state.secrets.iter().filter(|secret| {
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
        loop {
            let ended = self.attempt_ended.notified();
            tokio::pin!(ended);
            // Registered before the look, so that no end in between is missed.
            ended.as_mut().enable();
            if !self.is_running(secret) {
                return;
            }
            ended.await;
        }
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
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use jiff::SignedDuration;
    use tokio::sync::Semaphore;

    use super::super::client::Client;
    use super::*;

    const LAMBDA: &str = "arn:aws:lambda:eu-west-1:123456789012:function:rotation";

    /// A rotation function in small: it puts a value, and moves AWSCURRENT.
    struct Fixture {
        client: Client,
        seen: Arc<Mutex<Vec<Value>>>,
        failing: Arc<Mutex<Option<&'static str>>>,
        allowed: Arc<Semaphore>,
    }

    impl Fixture {
        fn new() -> Self {
            let client = Client::new();
            client.manager.create("a", "v1", &[]).unwrap();
            let fixture = Self {
                seen: Arc::default(),
                failing: Arc::default(),
                allowed: Arc::new(Semaphore::new(100)),
                client,
            };
            let (seen, failing) = (Arc::clone(&fixture.seen), Arc::clone(&fixture.failing));
            let allowed = Arc::clone(&fixture.allowed);
            let manager = Arc::downgrade(&fixture.client.manager);
            fixture
                .client
                .manager
                .set_invoker(Arc::new(move |_, event: Value| {
                    let (seen, failing) = (Arc::clone(&seen), Arc::clone(&failing));
                    let (allowed, manager) = (Arc::clone(&allowed), manager.clone());
                    Box::pin(async move {
                        allowed.acquire().await.unwrap().forget();
                        seen.lock().unwrap().push(event.clone());
                        if failing.lock().unwrap().as_deref() == event["Step"].as_str() {
                            return Err("told to fail".to_owned());
                        }
                        step(&manager.upgrade().unwrap(), &event);
                        Ok(())
                    })
                }));
            fixture
        }

        async fn rotate(&self, more: Value) -> Result<Value, String> {
            let mut asked = json!({"SecretId": "a", "RotationLambdaARN": LAMBDA});
            for (key, value) in more.as_object().unwrap() {
                asked[key] = value.clone();
            }
            let answer = self.client.call("RotateSecret", asked).await;
            self.manager().settled("a").await;
            answer
        }

        fn manager(&self) -> &Arc<SecretsManager> {
            &self.client.manager
        }

        fn steps(&self) -> Vec<String> {
            let seen = std::mem::take(&mut *self.seen.lock().unwrap());
            let step = |event: &Value| event["Step"].as_str().unwrap().to_owned();
            seen.iter().map(step).collect()
        }

        fn labels(&self) -> Vec<(Option<String>, Vec<String>)> {
            let secret = self.manager().snapshot("a").unwrap();
            let seen = secret.versions.iter().map(|version| {
                let labels = version.labels.iter().cloned().collect();
                (version.text().map(str::to_owned), labels)
            });
            seen.collect()
        }

        fn events(&self) -> Vec<&'static str> {
            let records = self.manager().records();
            records.iter().map(|record| record.event).collect()
        }

        fn fail(&self, step: Option<&'static str>) {
            *self.failing.lock().unwrap() = step;
        }
    }

    fn step(manager: &SecretsManager, event: &Value) {
        let now = manager.clock.now();
        let mut state = manager.state();
        let secret = state
            .secret_mut(event["SecretId"].as_str().unwrap())
            .unwrap();
        let token = event["ClientRequestToken"].as_str().unwrap();
        match event["Step"].as_str().unwrap() {
            "createSecret" => {
                let value = super::super::SecretValue::Text("v2".to_owned());
                secret
                    .put(token, value, &super::super::set_of([PENDING]), now)
                    .unwrap();
            }
            "finishSecret" => secret.attach(CURRENT, token),
            _ => {}
        }
    }

    fn version(value: Option<&str>, labels: &[&str]) -> (Option<String>, Vec<String>) {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        (value.map(str::to_owned), labels)
    }

    #[tokio::test]
    async fn four_steps_make_the_new_version_current() {
        let fixture = Fixture::new();
        let rules = json!({"RotationRules": {"AutomaticallyAfterDays": 30}});
        let answer = fixture.rotate(rules).await.unwrap();
        let tokens: Vec<_> = fixture
            .seen
            .lock()
            .unwrap()
            .iter()
            .map(|event| event["ClientRequestToken"].clone())
            .collect();
        assert!(tokens.iter().all(|token| *token == answer["VersionId"]));
        assert_eq!(fixture.steps(), STEPS);
        assert_eq!(
            fixture.labels(),
            [
                version(Some("v1"), &["AWSPREVIOUS"]),
                version(Some("v2"), &["AWSCURRENT"])
            ]
        );
        assert_eq!(fixture.events(), ["RotationStarted", "RotationSucceeded"]);
        let described = fixture
            .client
            .call("DescribeSecret", json!({"SecretId": "a"}))
            .await
            .unwrap();
        let days = described["NextRotationDate"].as_f64().unwrap()
            - described["LastRotatedDate"].as_f64().unwrap();
        assert_eq!(days, 30.0 * 86_400.0);
    }

    #[tokio::test]
    async fn rotate_returns_before_the_function_has_run_and_leaves_an_empty_version() {
        let fixture = Fixture::new();
        fixture.allowed.forget_permits(100);
        let asked = json!({"SecretId": "a", "RotationLambdaARN": LAMBDA});
        let answer = fixture.client.call("RotateSecret", asked).await.unwrap();
        let read = json!({"SecretId": "a", "VersionId": answer["VersionId"], "VersionStage": "AWSPENDING"});
        let empty = fixture
            .client
            .call("GetSecretValue", read)
            .await
            .unwrap_err();
        assert_eq!(empty, "ResourceNotFoundException");
        assert_eq!(fixture.labels()[1], version(None, &["AWSPENDING"]));
        fixture.allowed.add_permits(4);
        fixture.manager().settled("a").await;
        assert_eq!(fixture.steps(), STEPS);
    }

    #[tokio::test]
    async fn an_unfinished_rotation_refuses_another_and_is_tried_again_with_its_token() {
        let fixture = Fixture::new();
        fixture.fail(Some("testSecret"));
        let first = fixture.rotate(json!({})).await.unwrap();
        assert_eq!(fixture.steps(), ["createSecret", "setSecret", "testSecret"]);
        assert_eq!(fixture.labels()[1], version(Some("v2"), &["AWSPENDING"]));
        let failure = fixture.manager().records().pop().unwrap();
        assert_eq!(failure.reason.as_deref(), Some("testSecret: told to fail"));
        fixture.fail(None);
        let refused = fixture.rotate(json!({})).await.unwrap_err();
        assert_eq!(refused, "InvalidRequestException");
        let tokens: Vec<_> = fixture
            .seen
            .lock()
            .unwrap()
            .iter()
            .map(|event| event["ClientRequestToken"].clone())
            .collect();
        assert_eq!(tokens, vec![first["VersionId"].clone(); 4]);
        assert_eq!(fixture.labels()[1], version(Some("v2"), &["AWSCURRENT"]));
        assert!(!fixture.manager().reattempt("a"), "nothing is left to do");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_tried_again_by_themselves() {
        let fixture = Fixture::new();
        fixture.manager().configure(|settings| {
            settings.reattempts = 2;
            settings.reattempt_delay = Duration::from_secs(3600);
        });
        fixture.fail(Some("createSecret"));
        fixture.rotate(json!({})).await.unwrap();
        assert_eq!(fixture.steps(), ["createSecret"; 3]);
        assert_eq!(fixture.labels()[1], version(None, &["AWSPENDING"]));
    }

    #[tokio::test]
    async fn a_configuration_test_runs_test_secret_alone_and_leaves_nothing() {
        for (mode, value) in [
            (ConfigurationTest::Empty, None),
            (ConfigurationTest::CopyOfCurrent, Some("v1")),
        ] {
            let fixture = Fixture::new();
            fixture
                .manager()
                .configure(|settings| settings.configuration_test = mode);
            fixture.allowed.forget_permits(100);
            let asked =
                json!({"SecretId": "a", "RotationLambdaARN": LAMBDA, "RotateImmediately": false});
            fixture.client.call("RotateSecret", asked).await.unwrap();
            assert_eq!(fixture.labels()[1], version(value, &["AWSPENDING"]));
            fixture.allowed.add_permits(1);
            fixture.manager().settled("a").await;
            assert_eq!(fixture.steps(), ["testSecret"]);
            assert_eq!(fixture.labels(), [version(Some("v1"), &["AWSCURRENT"])]);
            assert_eq!(
                fixture.events(),
                ["TestRotationStarted", "TestRotationSucceeded"]
            );
        }
    }

    #[tokio::test]
    async fn cancelling_stops_before_the_next_step_and_leaves_the_label() {
        let fixture = Fixture::new();
        fixture.allowed.forget_permits(100);
        let asked = json!({"SecretId": "a", "RotationLambdaARN": LAMBDA});
        let rotating = fixture.client.call("RotateSecret", asked).await.unwrap();
        let cancelled = fixture
            .client
            .call("CancelRotateSecret", json!({"SecretId": "a"}))
            .await
            .unwrap();
        assert_eq!(cancelled["VersionId"], rotating["VersionId"]);
        fixture.allowed.add_permits(4);
        fixture.manager().settled("a").await;
        assert!(fixture.steps().len() <= 1);
        let secret = fixture.manager().snapshot("a").unwrap();
        assert!(secret.unfinished_rotation().is_some());
        assert!(!secret.rotation.enabled);
        assert!(fixture.rotate(json!({})).await.is_err());
        assert!(fixture.steps().is_empty(), "rotation is off");
    }

    #[tokio::test]
    async fn a_value_put_by_hand_abandons_the_rotation() {
        let fixture = Fixture::new();
        fixture.fail(Some("setSecret"));
        fixture.rotate(json!({})).await.unwrap();
        let put = json!({"SecretId": "a", "SecretString": "by hand"});
        fixture.client.call("PutSecretValue", put).await.unwrap();
        assert_eq!(fixture.labels()[1], version(Some("v2"), &[]));
        assert_eq!(fixture.events().last(), Some(&"RotationAbandoned"));
    }

    #[tokio::test]
    async fn events_can_come_twice_and_carry_a_rotation_token() {
        for how in [Delivery::TwiceInSequence, Delivery::TwiceAtOnce] {
            let fixture = Fixture::new();
            fixture
                .manager()
                .configure(|settings| settings.send_rotation_token = true);
            fixture.manager().deliver_twice("setSecret", how);
            fixture.rotate(json!({})).await.unwrap();
            assert!(fixture.seen.lock().unwrap()[0]["RotationToken"].is_string());
            assert_eq!(
                fixture.steps(),
                [
                    "createSecret",
                    "setSecret",
                    "setSecret",
                    "testSecret",
                    "finishSecret"
                ]
            );
        }
    }

    #[tokio::test]
    async fn what_is_due_by_the_clock_starts_by_itself() {
        let fixture = Fixture::new();
        let rules = Some(RotationRules::every_days(10));
        fixture.manager().set_rotation("a", LAMBDA, rules).unwrap();
        assert!(fixture.manager().run_due().is_empty());
        fixture
            .client
            .clock
            .advance(SignedDuration::from_hours(240));
        assert_eq!(fixture.manager().run_due().len(), 1);
        fixture.manager().settled("a").await;
        assert_eq!(fixture.steps(), STEPS);
        assert!(fixture.manager().run_due().is_empty());
    }

    #[tokio::test]
    async fn a_function_is_needed() {
        let fixture = Fixture::new();
        let refused = fixture
            .client
            .call("RotateSecret", json!({"SecretId": "a"}))
            .await;
        assert_eq!(refused.unwrap_err(), "InvalidRequestException");
    }
}
