//! Both templates deployed, and a mailbox from nothing to its first rotation: the schedule finds it, its owner is mailed
//! and signs in on the pages, and the new client secret is in Entra, in Secrets Manager and in ShopCtrl.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use deployed::stacks::Outputs;
use deployed::until::until;
use deployed::{
    Access, Beside, Checkout, Functions, MiniStack, Programs, Templates, Terminal, stacks,
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::aws::account::{ACCOUNT_ID, REGION};
use simulators::aws::secrets_manager::{CURRENT, PENDING, Secret};
use simulators::browser::{Browser, Page};
use simulators::shopctrl::Status;
use simulators::world::{Mailbox, MailboxPlan};

/// Who is mailed.
const CONTACT: &str = "owner@agency.example";
/// The queue that hears of the topic's notices.
const SUBSCRIBER: &str = "subscriber";
/// As whom contacts are mailed.
const SENDER: &str = "\"Agency mail\" <shopmail@agency.example>";

struct Story {
    _checkout: Checkout,
    mini_stack: Arc<MiniStack>,
    beside: Beside,
    terminal: Terminal,
    system: Outputs,
    mailbox: Mailbox,
}

impl Story {
    /// The system, deployed for a mailbox that ShopCtrl reaches already, and of which AWS knows nothing yet.
    async fn begin(programs: &Programs) -> Self {
        let begun = Instant::now();
        let mini_stack = Arc::new(MiniStack::start(programs, Access::Open).await);
        let beside = Beside::start(&mini_stack).await;
        let plan = MailboxPlan {
            granted: false,
            ends_in: SignedDuration::from_hours(100 * 24),
            ..MailboxPlan::default()
        };
        let mailbox = beside.world.add_uninstalled_mailbox(&plan).unwrap();
        let templates = Templates::for_mini_stack()
            .with_pages_at(&beside.world.callback_url)
            .with_shopctrl_on_loopback()
            .with_settings(&beside.settings());
        let checkout = Checkout::new(&templates, &Functions::built().unwrap());
        let terminal = Terminal::new(&checkout, programs, mini_stack.client_env());
        let terminal = terminal.with(
            "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            &beside.secrets_manager_url(),
        );
        let parameters = [
            ("NotifyEmail", "it@agency.example"),
            ("CheckSchedule", "rate(1 minute)"),
        ];
        let deploying = Instant::now();
        let system = stacks::deploy_system(&terminal, &parameters).await;
        beside.system_is_deployed(&terminal, &system).await;
        println!(
            "deployed in {:.0?}, {:.0?} after nothing was there",
            deploying.elapsed(),
            begun.elapsed()
        );
        Self {
            _checkout: checkout,
            mini_stack,
            beside,
            terminal,
            system,
            mailbox,
        }
    }

    /// Deploys the mailbox's stack, or updates it.
    async fn deploy_mailbox(&self, backstop: &str) -> Outputs {
        let world = &self.beside.world;
        let (tenant, client) = (world.tenant(), self.mailbox.app.app_id);
        let parameters = [
            ("Name", "orders".to_owned()),
            ("Mailbox", self.mailbox.address.clone()),
            ("Contact", CONTACT.to_owned()),
            ("TenantId", tenant.to_string()),
            ("ClientId", client.to_string()),
            ("RotatorClientId", world.rotator().app_id.to_string()),
            ("ShopCtrlUi", world.shopctrl_url.clone()),
            ("ShopCtrlApi", format!("{}/v1", world.shopctrl_url)),
            ("ShopId", self.mailbox.shop_id.to_string()),
            (
                "ShopCtrlCredentials",
                "shopmail-shopctrl/shop.example".to_owned(),
            ),
            ("KeyId", self.mailbox.first_key.to_string()),
            ("Delivery", "api".to_owned()),
            ("Backstop", backstop.to_owned()),
        ];
        let parameters = parameters
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        stacks::deploy_mailbox(&self.terminal, "shopmail-orders", &parameters).await
    }

    fn secret(&self) -> Secret {
        let secrets = &self.beside.world.secrets_manager;
        secrets.snapshot(&self.mailbox.secret).unwrap()
    }

    /// How the rotation service's attempts at the mailbox's secret ended, in order.
    fn ended(&self) -> Vec<String> {
        let arn = self.secret().arn;
        let records = self.beside.world.secrets_manager.records();
        let of_it = records.into_iter().filter(|record| record.secret == arn);
        let told = of_it.map(|record| match record.reason {
            None => record.event.to_owned(),
            Some(reason) => format!("{}: {reason}", record.event),
        });
        told.collect()
    }

    /// Somebody hears of the topic's notices, and can be asked for them: a queue, for MiniStack's mails are gone.
    async fn subscribe(&self) {
        let topic = &self.system["NoticesTopicArn"];
        let subscribe = format!(
            "aws sqs create-queue --queue-name {SUBSCRIBER} && \
             aws sns subscribe --topic-arn {topic} --protocol sqs \
             --notification-endpoint arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{SUBSCRIBER}"
        );
        self.terminal.run(&subscribe).await;
    }

    /// Waits for a notice of the topic with this in its subject, and returns its text.
    async fn notice(&self, subject: &str) -> String {
        until(&format!("a notice: {subject}"), async || {
            let queued = self.mini_stack.queued(SUBSCRIBER).await;
            queued.iter().find_map(|body| {
                let notice: Value = serde_json::from_str(body).unwrap();
                let is_it = notice["Subject"].as_str()?.contains(subject);
                is_it.then(|| notice["Message"].as_str().unwrap().to_owned())
            })
        })
        .await
    }

    /// Has contacts mailed themselves, as README says it: what else was given stays.
    async fn mail_contacts(&self) {
        let identity = "aws sesv2 create-email-identity --email-identity agency.example";
        self.terminal.run(identity).await;
        let sender = [
            ("MailFrom", "shopmail@agency.example"),
            ("MailFromName", "Agency mail"),
        ];
        let system = stacks::deploy_system(&self.terminal, &sender).await;
        assert_eq!(
            system, self.system,
            "an update leaves what others were told"
        );
    }

    /// Waits for a mail to the contact with this in its subject.
    async fn mail(&self, subject: &str) {
        until(&format!("a mail: {subject}"), async || {
            let mails = self.mini_stack.mails().await;
            let is_it = |mail: &&Value| {
                let said = mail["Subject"].as_str().unwrap_or_default();
                mail["To"] == json!([CONTACT]) && said.contains(subject)
            };
            let mail = mails.iter().find(is_it)?;
            assert_eq!(mail["Source"], SENDER);
            Some(())
        })
        .await;
    }

    /// The new client secret is the one in use everywhere, and nothing else was touched.
    fn assert_rotated(&self) {
        let (world, secret) = (&self.beside.world, self.secret());
        let current = secret.labelled(CURRENT).expect("one AWSCURRENT");
        let document: Value = serde_json::from_str(current.text().unwrap()).unwrap();
        let key = document["key_id"].as_str().unwrap();
        let labels = &current.labels;
        assert!(labels.contains(&format!("key-{key}")), "{labels:?}");
        assert!(
            secret
                .labelled(PENDING)
                .is_none_or(|pending| pending.id == current.id)
        );
        let key = key.parse().unwrap();
        let value = document["client_secret"].as_str();
        assert_eq!(world.directory.secret_value(key).as_deref(), value);
        let credentials = world.directory.credentials(self.mailbox.app.app_id);
        let credentials: BTreeSet<_> = credentials.iter().map(|c| c.key_id).collect();
        let others = [self.mailbox.first_key, self.mailbox.foreign_key];
        assert_eq!(credentials, others.into_iter().chain([key]).collect());
        let connections = world.shopctrl.connections();
        assert_eq!(connections.len(), 2);
        for connection in connections {
            assert_eq!(connection.status, Status::Authorized);
            assert_eq!(connection.secret.as_deref(), value);
        }
        assert_eq!(world.shopctrl.outages(), vec![], "no direction was out");
    }

    /// A command's answer, one word a line.
    async fn words(&self, command: &str) -> BTreeSet<String> {
        let told = self.terminal.run(command).await;
        told.split_whitespace().map(str::to_owned).collect()
    }

    /// What the stack has besides what the story goes through.
    async fn assert_watched(&self) {
        let named: BTreeSet<&str> = self.system.keys().map(String::as_str).collect();
        let outputs = [
            "CallbackUrl",
            "NoticesTopicArn",
            "RotationFunctionArn",
            "RotationRoleArn",
        ];
        assert_eq!(named, outputs.into());
        let callback = format!("{}/callback", self.beside.world.callback_url);
        assert_eq!(self.system["CallbackUrl"], callback);
        let topic = &self.system["NoticesTopicArn"];
        let alarms = self
            .words(&format!(
                "aws cloudwatch describe-alarms --output text \
                 --query \"MetricAlarms[?AlarmActions==['{topic}']].AlarmName\""
            ))
            .await;
        for alarm in ALARMS {
            let is_it = |name: &String| name.starts_with(&format!("shopmail-{alarm}-"));
            assert!(alarms.iter().any(is_it), "{alarm} in {alarms:?}");
        }
        assert_eq!(alarms.len(), ALARMS.len(), "{alarms:?}");
        for function in ["rotation", "expiry-checker", "oauth-callback", "notifier"] {
            let group = format!("/aws/lambda/shopmail-{function}");
            let kept = format!(
                "aws logs describe-log-groups --log-group-name-prefix {group} \
                 --query 'logGroups[].retentionInDays' --output text"
            );
            assert_eq!(self.words(&kept).await, ["90".to_owned()].into());
            let lines = format!(
                "aws logs filter-log-events --log-group-name {group} --query 'events[].message' \
                 --output text"
            );
            let lines = self.terminal.run(&lines).await;
            assert!(lines.contains("\"level\":\"INFO\""), "{group}: {lines}");
        }
    }
}

/// But for NoticesLost, which MiniStack cannot have.
const ALARMS: [&str; 9] = [
    "CallbackFails",
    "CheckerFails",
    "CheckerSilent",
    "EndNearWithoutRotation",
    "EndNotKnown",
    "MailUnsent",
    "MailboxesNotWell",
    "NoticesLate",
    "RotationCutOff",
];

/// The link in a mail's text.
fn link(text: &str, pages: &str) -> String {
    let link = text.split_whitespace().find(|word| word.starts_with(pages));
    link.unwrap_or_else(|| panic!("no link in {text}"))
        .to_owned()
}

/// Signs in as the mailbox's owner, and accepts what is asked. The link's own answer is the first.
async fn sign_in(link: &str, mailbox: &Mailbox) -> (Page, Page) {
    let mut browser = Browser::default();
    let first = browser.get(link).await.unwrap();
    let mut page = browser.follow(first.clone()).await.unwrap();
    let who = [
        ("login", mailbox.sign_in_name.as_str()),
        ("passwd", mailbox.password.as_str()),
    ];
    for (form, filled) in [
        ("/login", &who[..]),
        ("/consent", &[("decision", "accept")]),
    ] {
        if page.has_form(form) {
            let sent = browser.submit(&page, form, filled).await.unwrap();
            page = browser.follow(sent).await.unwrap();
        }
    }
    (first, page)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_deployed_found_by_the_schedule_and_renewed_once_its_owner_has_signed_in() {
    let test =
        "a_mailbox_is_deployed_found_by_the_schedule_and_renewed_once_its_owner_has_signed_in";
    let Some(programs) = Programs::or_say(test) else {
        return;
    };
    let story = Story::begin(&programs).await;
    let (beside, pages) = (&story.beside, &story.beside.world.callback_url);
    story.subscribe().await;

    let stack = story.deploy_mailbox("off").await;
    for secret in ["shopmail/orders", "shopmail/orders/grants"] {
        beside.take_over(secret).await;
    }
    assert!(story.secret().versions.is_empty(), "made without a value");
    story.terminal.run(&stack["PutCommand"]).await;
    let put = story.secret().labelled(CURRENT).unwrap().id.clone();
    story.terminal.run(&stack["PutCommand"]).await;
    assert_eq!(story.secret().labelled(CURRENT).unwrap().id, put, "once");
    story.deploy_mailbox("on").await;
    let rules = json!({"ScheduleExpression": "rate(160 days)", "Duration": "4h"});
    let function = &story.system["RotationFunctionArn"];
    beside
        .schedule_rotation("shopmail/orders", function, rules)
        .await;
    beside.world.secrets_manager.all_settled().await;
    assert_eq!(
        story.ended(),
        ["TestRotationStarted", "TestRotationSucceeded"]
    );

    // The schedule's check asks for the rotation, which waits for the owner.
    let notice = story.notice("sign in once").await;
    assert!(notice.contains(CONTACT), "whom it is for: {notice}");
    story.mail_contacts().await;
    let (first, last) = sign_in(&link(&notice, pages), &story.mailbox).await;
    assert!(first.headers.contains_key("apigw-requestid"), "{first:?}");
    assert!(first.headers.contains_key("set-cookie"), "{first:?}");
    assert_eq!(last.heading(), "Thank you, that was all", "{}", last.body);
    until("the rotation ends", async || {
        story
            .ended()
            .contains(&"RotationSucceeded".to_owned())
            .then_some(())
    })
    .await;
    story.assert_rotated();
    story.mail("all is well, renewed until").await;
    story.assert_watched().await;

    let nowhere = Browser::default()
        .get(&format!("{pages}/nowhere"))
        .await
        .unwrap();
    assert_eq!(
        (nowhere.status, nowhere.heading()),
        (404, "There is nothing here")
    );
}
