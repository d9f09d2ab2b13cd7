//! One rotation with moto in the place of the simulated Secrets Manager: a server that nobody here wrote.
//!
//! Where moto 5.2.5 (`moto/secretsmanager/models.py`) is not as AWS is, and what is done about it:
//!
//! - It calls rotation functions in containers alone: it is told to call none, and the test calls the steps.
//! - It heeds no answer of a step, and tries none again: the test looks at each answer, and calls each again.
//! - RotateSecret without a function makes the empty version AWSCURRENT: one is named, and no check asks for it here.
//! - RotateSecret refuses AWSPENDING on AWSCURRENT, and no unfinished rotation: it is called where there is neither.
//! - RotationEnabled is false without `AutomaticallyAfterDays`: it is given.
//! - LastRotatedDate is when RotateSecret was called: retire runs after the rotation's end, and marks the time.
//! - GetSecretValue without label and version gives the pending version: nobody asks so.
//! - A pending version takes another value than it has: what it holds is compared with what Entra issued.
//! - It takes more than 20 labels: they are counted after each step.
//! - It puts a label twice on the version that has it: the second is taken away after each step.
//! - It puts a label on a second version: after each step none is on two.
//! - A version without a label is described: it has none to count.
//! - What is not found is a 404 and not a 400, and errors say `message` for `Message`: an SDK takes both.
//! - It checks no signature and no permission: template.yaml's policies are not tried here.
//! - Nothing lags, and its clock is the machine's: what waits for days goes by the simulated Entra's clock.

mod moto;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simulators::aws::lambda::InvocationResult;
use simulators::aws::secrets_manager::{CURRENT, PENDING, PREVIOUS};
use simulators::shopctrl::Status;
use simulators::world::MailboxPlan;
use uuid::Uuid;

use crate::support::Scenario;
use crate::support::scenario::days;
use crate::support::steps::{STEPS, TOKEN};
use moto::{Labels, Moto};

/// "Staging labels attached across all versions of a secret: 20" (AWS quotas page).
const MOST_LABELS: usize = 20;

/// A world whose secrets are in moto.
struct Foreign {
    moto: Moto,
    scenario: Scenario,
}

/// One with a mailbox in it, in the middle of whose life moto was put in the simulator's place.
async fn foreign() -> Option<Foreign> {
    let moto = Moto::start_or_say().await?;
    let plan = MailboxPlan {
        // An empty list would be left out of the new document.
        reveal_to_owner: true,
        ends_in: days(100),
        ..MailboxPlan::default()
    };
    let settings = [("AWS_ENDPOINT_URL_SECRETS_MANAGER", moto.url.as_str())];
    let mut scenario = Scenario::with_settings(&settings, &plan).await;
    for secret in scenario.world.secrets_manager.secrets() {
        let tags = secret.tags.iter();
        let tags: Vec<Value> = tags
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect();
        let current = secret.labelled(CURRENT).unwrap();
        let create = json!({
            "Name": secret.name, "ClientRequestToken": current.id, "SecretString": current.text(),
            "Tags": tags,
        });
        let created = moto.call("CreateSecret", create).await;
        if secret.arn == scenario.mailbox.arn {
            scenario.mailbox.arn = created["ARN"].as_str().unwrap().to_owned();
        }
    }
    Some(Foreign { moto, scenario })
}

impl Foreign {
    async fn begin(&self) {
        self.moto
            .begin_rotation(&self.scenario.mailbox.arn, TOKEN)
            .await;
        let labels = self.labels().await;
        assert_eq!(labels[TOKEN], [PENDING]);
    }

    async fn step(&self, name: &str) -> InvocationResult {
        let done = self.scenario.step(name, TOKEN).await;
        self.moto
            .take_doubles_away(&self.scenario.mailbox.arn)
            .await;
        done
    }

    /// A step that succeeds.
    async fn take_step(&self, name: &str) {
        let done = self.step(name).await;
        assert_eq!(done.function_error, None, "{name}: {}", done.payload);
    }

    /// The labels, which are as many as AWS lets be, and each in one place.
    async fn labels(&self) -> Labels {
        let labels = self.moto.labels(&self.scenario.mailbox.arn).await;
        let all: Vec<&String> = labels.values().flatten().collect();
        assert!(all.len() <= MOST_LABELS, "{labels:?}");
        let once: BTreeSet<&&String> = all.iter().collect();
        assert_eq!(once.len(), all.len(), "each on one version: {labels:?}");
        labels
    }

    /// The new version is the current one, its secret the one that Entra issued and ShopCtrl holds in
    /// both directions, and nobody was without mail. Returns the new credential.
    async fn assert_rotated(&self, first: &(String, Value)) -> Uuid {
        let (moto, scenario) = (&self.moto, &self.scenario);
        let (version, document) = moto.labelled(&scenario.mailbox.arn, CURRENT).await;
        assert_eq!(version, TOKEN);
        let key: Uuid = document["key_id"].as_str().unwrap().parse().unwrap();
        let value = document["client_secret"].as_str();
        assert_eq!(scenario.world.directory.secret_value(key).as_deref(), value);
        let previous = moto.labelled(&scenario.mailbox.arn, PREVIOUS).await;
        assert_eq!(previous, *first, "and the old one is as it was");
        let mut expected = first.1.clone();
        for changed in ["key_id", "client_secret", "expires_at"] {
            assert_ne!(document[changed], expected[changed], "{changed}");
            expected[changed] = document[changed].clone();
        }
        assert_eq!(document, expected, "nothing else was changed");

        let labels = self.labels().await;
        let of_new: BTreeSet<&str> = labels[TOKEN].iter().map(String::as_str).collect();
        let key_label = format!("key-{key}");
        assert!(of_new.contains(key_label.as_str()), "{labels:?}");
        // AWSPENDING may stay where it became AWSCURRENT.
        let known = BTreeSet::from([CURRENT, PENDING, &key_label, "proved"]);
        assert!(of_new.is_subset(&known), "{labels:?}");

        let connections = scenario.world.shopctrl.connections();
        assert_eq!(connections.len(), 2);
        for connection in connections {
            assert_eq!(connection.status, Status::Authorized);
            assert_eq!(connection.secret.as_deref(), value);
        }
        assert_eq!(
            scenario.world.shopctrl.outages(),
            vec![],
            "no direction is out"
        );
        assert!(scenario.keys().contains(&scenario.mailbox.foreign_key));
        scenario.assert_events_keep_their_schemas();
        key
    }

    /// How often Entra was asked for a new credential.
    fn issued(&self) -> usize {
        let calls = self.scenario.world.gate.calls();
        let adding = |call: &&simulators::gate::Call| call.operation.ends_with("addPassword");
        calls.iter().filter(adding).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_rotation_holds_with_a_secrets_manager_that_nobody_here_wrote() {
    let Some(foreign) = foreign().await else {
        return;
    };
    let (moto, scenario) = (&foreign.moto, &foreign.scenario);
    let first = moto.labelled(&scenario.mailbox.arn, CURRENT).await;
    let companion = format!("{}/grants", scenario.mailbox.secret);
    let (first_grants, _) = moto.labelled(&companion, CURRENT).await;
    // The grant has grown old.
    scenario.world.clock.advance(days(31));
    foreign.begin().await;
    // Each twice: Secrets Manager may call a step again that was done.
    for name in STEPS {
        for _ in 0..2 {
            foreign.take_step(name).await;
            foreign.labels().await;
        }
    }
    let key = foreign.assert_rotated(&first).await;
    for name in STEPS {
        foreign.take_step(name).await;
    }
    assert_eq!(foreign.assert_rotated(&first).await, key);
    assert_eq!((foreign.issued(), scenario.keys().len()), (1, 3));
    // The proof redeemed the owner's grant, and stored what came of it.
    let (grants, _) = moto.labelled(&companion, CURRENT).await;
    let labels = moto.labels(&companion).await;
    assert_ne!(grants, first_grants);
    assert_eq!(labels[&grants], [CURRENT], "without its candidate's label");

    let kept = json!({"removed": [], "kept": [scenario.mailbox.first_key]});
    assert_eq!(scenario.action("retire").await, kept, "in quarantine");
    scenario.world.clock.advance(days(8));
    assert_eq!(
        scenario.action("retire").await["removed"],
        json!([scenario.mailbox.first_key])
    );
    assert_eq!(scenario.keys(), [scenario.mailbox.foreign_key, key]);
    assert_eq!(foreign.assert_rotated(&first).await, key);

    let swept = scenario.action("sweep").await;
    assert_eq!(
        swept,
        json!({"removed": [], "delivered": [], "answered": false})
    );
    let labels = foreign.labels().await;
    assert!(!labels[TOKEN].iter().any(|label| label == PENDING));
    // The checker finds the mailbox in moto's list, and all in order.
    let checked = scenario.world.check().await.unwrap();
    assert_eq!(checked.function_error, None, "{}", checked.payload);
    let report = &scenario.details("Fleet Report")[0];
    assert_eq!(
        (&report["checked"], &report["healthy"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(scenario.keys(), [scenario.mailbox.foreign_key, key]);
    assert_eq!(foreign.assert_rotated(&first).await, key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_beyond_20_labels_issues_nothing_and_one_that_just_fits_ends_whole() {
    let Some(foreign) = foreign().await else {
        return;
    };
    let (moto, scenario) = (&foreign.moto, &foreign.scenario);
    let first = moto.labelled(&scenario.mailbox.arn, CURRENT).await;
    foreign.begin().await;
    // A check labels the current version with its credential.
    scenario.action("sweep").await;
    // Beside AWSCURRENT with its `key-` label, and AWSPENDING: a `key-` label for that, `proved`, AWSPREVIOUS.
    let room = MOST_LABELS - 6;
    let by_hand = Uuid::from_u128(1).to_string();
    let labels: Vec<String> = (0..=room).map(|n| format!("by-hand-{n}")).collect();
    let put = json!({
        "SecretId": scenario.mailbox.arn, "ClientRequestToken": by_hand, "SecretString": first.1.to_string(),
        "VersionStages": labels,
    });
    moto.call("PutSecretValue", put).await;

    let failed = foreign.step("createSecret").await;
    let payload = &failed.payload;
    assert_eq!(failed.error_type(), Some("Misconfigured"), "{payload}");
    let told = scenario.details("Rotation Failed");
    let next_step = told[0]["next_step"].as_str().unwrap();
    for (version, labels) in foreign.labels().await {
        let named = format!("{version} ({})", labels.len());
        assert!(next_step.contains(&named), "{next_step}");
    }
    assert_eq!((foreign.issued(), scenario.keys().len()), (0, 2));

    moto.drop_label(&scenario.mailbox.arn, &labels[0], &by_hand)
        .await;
    for name in STEPS {
        foreign.take_step(name).await;
        let count = foreign.labels().await.values().flatten().count();
        // finishSecret drops the proof after the promotion, by which AWSPREVIOUS comes.
        if name == "testSecret" {
            assert_eq!(count + 1, MOST_LABELS);
        }
    }
    foreign.assert_rotated(&first).await;
}
