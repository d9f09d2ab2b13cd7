//! A mailbox in its world, and what happens there.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::mailbox::SUBJECT_PREFIX;
use simulators::aws::secrets_manager::{CURRENT, PENDING, Secret};
use simulators::microsoft::directory::application::{Credential, Registration};
use simulators::shopctrl::Protocol;
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use super::picture::Picture;
use super::visitor::Visitor;

/// A scenario. Those of several mailboxes in one world share it.
#[derive(Clone)]
pub struct Scenario {
    pub world: Arc<World>,
    pub mailbox: Mailbox,
}

pub fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// A mailbox whose owner has never signed in to our callback.
pub fn without_grant() -> MailboxPlan {
    MailboxPlan {
        granted: false,
        ..MailboxPlan::default()
    }
}

/// What the account of [`another_name`] signs in with.
pub const ANOTHER_NAME: &str = "u123456@corp.example";

/// ShopCtrl reads orders@ by IMAP and sends by SMTP, and the account signs in as u123456@.
pub fn another_name() -> MailboxPlan {
    MailboxPlan {
        sign_in_name: Some(ANOTHER_NAME.to_owned()),
        receiving: Protocol::Imap,
        sending: Protocol::Smtp,
        ..without_grant()
    }
}

/// One whose secret ends in so many days.
pub fn ending_in(days_left: i64) -> MailboxPlan {
    MailboxPlan {
        ends_in: days(days_left),
        ..MailboxPlan::default()
    }
}

impl Scenario {
    /// A mailbox as most have it: the grant is there, delivery is by API, and the secret ends in 20 days.
    pub async fn begin() -> Self {
        Self::with(&MailboxPlan::default()).await
    }

    pub async fn with(plan: &MailboxPlan) -> Self {
        Self::with_settings(&[], plan).await
    }

    /// One whose functions have these settings too.
    pub async fn with_settings(settings: &[(&str, &str)], plan: &MailboxPlan) -> Self {
        let mut all = short_waits();
        let settings = settings.iter();
        all.extend(settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let world = Arc::new(World::start(all).await.unwrap());
        let mailbox = world.add_mailbox(plan).unwrap();
        Self { world, mailbox }
    }

    /// Another mailbox in the same world.
    pub fn beside(&self, plan: &MailboxPlan) -> Self {
        Self {
            world: Arc::clone(&self.world),
            mailbox: self.world.add_mailbox(plan).unwrap(),
        }
    }

    /// One in which a rotation waits for the mailbox's owner.
    pub async fn waiting_for_owner(plan: &MailboxPlan) -> Self {
        let scenario = Self::with(plan).await;
        scenario.start_to_wait().await;
        scenario
    }

    /// Rotates until a person is needed.
    pub async fn start_to_wait(&self) {
        self.rotate().await;
        self.assert_waits();
    }

    pub fn assert_waits(&self) {
        let failures = self.failures();
        let last = failures.last().expect("it fails");
        assert!(last.contains("WaitingForPerson"), "{last}");
    }

    /// A rotation on demand, as far as it goes.
    pub async fn rotate(&self) {
        let store = &self.world.secrets_manager;
        store.rotate(&self.mailbox.secret).unwrap();
        self.settled().await;
    }

    /// Secrets Manager tries the unfinished rotation again.
    pub async fn reattempt(&self) {
        let store = &self.world.secrets_manager;
        assert!(store.reattempt(&self.mailbox.secret));
        self.settled().await;
    }

    /// Until Secrets Manager runs no step of the mailbox's rotation.
    pub async fn settled(&self) {
        let store = &self.world.secrets_manager;
        store.settled(&self.mailbox.secret).await;
    }

    /// A scheduled check that succeeds, with all that comes of it.
    pub async fn check(&self) {
        let checked = self.world.check().await.unwrap();
        assert_eq!(checked.function_error, None, "{}", checked.payload);
        self.world.settle().await;
    }

    pub async fn check_daily(&self, for_days: i64) {
        for _ in 0..for_days {
            self.world.clock.advance(days(1));
            self.check().await;
        }
    }

    /// Has Secrets Manager test the configuration, and says how that ended.
    pub async fn test_configuration(&self) -> Option<String> {
        let body = json!({
            "SecretId": self.mailbox.arn, "RotateImmediately": false,
            "RotationLambdaARN": simulators::aws::lambda::function_arn("rotation"),
            "RotationRules": {"AutomaticallyAfterDays": 160},
            "ClientRequestToken": "66666666-2222-4333-8444-555555555555",
        });
        let request = http::Request::post("/")
            .header("x-amz-target", "secretsmanager.RotateSecret")
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=x/20261123/eu-west-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=x")
            .body(bytes::Bytes::from(body.to_string()))
            .unwrap();
        let store = &self.world.secrets_manager;
        let service = store.service(Arc::clone(&self.world.gate));
        let answer = service.call(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{:?}", answer.body());
        self.settled().await;
        let mut records = store.records().into_iter().rev();
        let ended = records.find(|record| record.event.starts_with("TestRotation"));
        ended.map(|record| record.event.to_string())
    }

    /// Why rotations failed.
    pub fn failures(&self) -> Vec<String> {
        let records = self.world.secrets_manager.records();
        records.into_iter().filter_map(|r| r.reason).collect()
    }

    /// The mailbox secret, with its versions and tags.
    pub fn secret(&self) -> Secret {
        let store = &self.world.secrets_manager;
        store.snapshot(&self.mailbox.secret).unwrap()
    }

    /// The document that is current.
    pub fn document(&self) -> Value {
        self.labelled_document(CURRENT)
    }

    /// A person puts another one.
    pub fn put(&self, document: &Value) {
        let store = &self.world.secrets_manager;
        store
            .store_value(&self.mailbox.secret, &document.to_string())
            .unwrap();
    }

    /// The pending client secret's value.
    pub fn pending_secret(&self) -> String {
        let document = self.labelled_document(PENDING);
        document["client_secret"].as_str().unwrap().to_owned()
    }

    fn labelled_document(&self, label: &str) -> Value {
        let secret = self.secret();
        let version = secret.labelled(label).expect(label);
        serde_json::from_str(version.text().unwrap()).unwrap()
    }

    /// Tags the mailbox secret.
    pub fn put_tag(&self, key: &str, value: &str) {
        let store = &self.world.secrets_manager;
        store
            .put_tags(&self.mailbox.secret, &[(key, value)])
            .unwrap();
    }

    /// Changes what was decided about the app registration.
    pub fn change_app(&self, change: impl FnOnce(&mut Registration)) {
        let directory = &self.world.directory;
        directory.change(self.mailbox.app.app_id, change);
    }

    /// The credentials on the app registration.
    pub fn credentials(&self) -> Vec<Credential> {
        let directory = &self.world.directory;
        directory.credentials(self.mailbox.app.app_id)
    }

    /// The labels of all versions.
    pub fn labels(&self) -> Vec<String> {
        let versions = self.secret().versions.into_iter();
        versions.flat_map(|version| version.labels).collect()
    }

    /// How many mails of round trips are in the inbox.
    pub fn test_mails(&self) -> usize {
        let inbox = self.world.exchange.inbox(&self.mailbox.address);
        let ours = inbox
            .iter()
            .filter(|subject| subject.starts_with(SUBJECT_PREFIX));
        ours.count()
    }

    /// What somebody could lose here.
    pub fn picture(&self) -> Picture {
        Picture::of(&self.world, &[&self.mailbox])
    }

    /// Somebody with a browser of their own.
    pub fn visitor(&self) -> Visitor {
        Visitor::new(&self.world)
    }
}
