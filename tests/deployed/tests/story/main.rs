//! Both templates deployed, and a mailbox from nothing to its first rotation: the schedule finds it, its owner is mailed
//! and signs in on the pages, and the new client secret is in Entra, in Secrets Manager and in ShopCtrl.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod told;
mod watched;

use std::collections::BTreeSet;
use std::sync::Arc;

use deployed::stacks::Outputs;
use deployed::until::until;
use deployed::{Access, Beside, Checkout, MiniStack, Programs, Templates, Terminal, stacks};
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::aws::secrets_manager::{CURRENT, PENDING, Secret};
use simulators::browser::Browser;
use simulators::shopctrl::Status;
use simulators::world::{Mailbox, MailboxPlan};
use told::CONTACT;

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
        let checkout = Checkout::new(&templates);
        let terminal = Terminal::new(&checkout, programs, &mini_stack);
        let terminal = terminal.with(
            "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            &beside.secrets_manager_url(),
        );
        let parameters = [
            ("NotifyEmail", "it@agency.example"),
            ("CheckSchedule", "rate(1 minute)"),
        ];
        let system = stacks::deploy_system(&terminal, &parameters).await;
        beside.system_is_deployed(&terminal, &system).await;
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

    /// README's steps for a mailbox: its stack, its document, and the rotation on, which tests the configuration.
    async fn install_mailbox(&self) {
        let stack = self.deploy_mailbox("off").await;
        for secret in ["shopmail/orders", "shopmail/orders/grants"] {
            self.beside.take_over(secret).await;
        }
        assert!(self.secret().versions.is_empty(), "made without a value");
        let current = || {
            self.secret()
                .labelled(CURRENT)
                .map(|current| current.id.clone())
        };
        self.terminal.run(&stack["PutCommand"]).await;
        let put = current();
        self.terminal.run(&stack["PutCommand"]).await;
        assert_eq!(
            (current(), put.is_some()),
            (put, true),
            "the second time changes nothing"
        );
        self.deploy_mailbox("on").await;
        let rules = json!({"ScheduleExpression": "rate(160 days)", "Duration": "4h"});
        let function = &self.system["RotationFunctionArn"];
        self.beside
            .schedule_rotation("shopmail/orders", function, rules)
            .await;
        self.beside.world.secrets_manager.all_settled().await;
        let ended = self.ended();
        // The schedule's check may have come since.
        let tested = ["TestRotationStarted", "TestRotationSucceeded"].map(str::to_owned);
        assert!(ended.starts_with(&tested), "{ended:?}");
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
}

/// A header that every answer of an HTTP API has.
const OF_AN_HTTP_API: &str = "apigw-requestid";

/// The link in a mail's text.
fn link(text: &str, pages: &str) -> String {
    let link = text.split_whitespace().find(|word| word.starts_with(pages));
    link.unwrap_or_else(|| panic!("no link in {text}"))
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_deployed_found_by_the_schedule_and_renewed_once_its_owner_has_signed_in() {
    let Some(programs) = Programs::or_say() else {
        return;
    };
    let story = Story::begin(&programs).await;
    story.subscribe().await;
    story.install_mailbox().await;

    // The schedule's check asks for the rotation, which waits for the owner.
    let notice = story.notice("sign in once").await;
    assert!(notice.contains(CONTACT), "whom it is for: {notice}");
    story.mail_contacts().await;
    let pages = &story.beside.world.callback_url;
    let (mut browser, owner) = (Browser::default(), &story.mailbox);
    let first = browser.get(&link(&notice, pages)).await.unwrap();
    let last = browser.sign_in(first.clone(), &owner.sign_in_name, &owner.password);
    let last = last.await.unwrap();
    assert!(first.headers.contains_key(OF_AN_HTTP_API), "{first:?}");
    assert!(first.headers.contains_key("set-cookie"), "{first:?}");
    assert_eq!(last.heading(), "Thank you, that was all", "{}", last.body);
    until("the rotation ends", async || {
        let ended = story.ended();
        ended
            .iter()
            .any(|end| end == "RotationSucceeded")
            .then_some(())
    })
    .await;
    story.assert_rotated();
    story.mail("all is well, renewed until").await;
    story.assert_watched().await;

    // All that people ask for goes to the function.
    let nowhere = format!("{pages}/nowhere");
    let page = Browser::default().get(&nowhere).await.unwrap();
    assert_eq!(
        (page.status, page.heading()),
        (404, "There is nothing here")
    );
}
