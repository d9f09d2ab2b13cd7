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
    let read =
        json!({"SecretId": "a", "VersionId": answer["VersionId"], "VersionStage": "AWSPENDING"});
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
