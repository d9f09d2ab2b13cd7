//! docs/onboarding.md, from its first line to its last: from the release artefacts to the first sign-in page, by the
//! stopwatch, and then all that an administrator does later.

mod later;

use std::time::{Duration, Instant};

use deployed::checkout::repository;
use deployed::stacks;
use deployed::until::until;
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::browser::Browser;
use simulators::world::{Mailbox, MailboxPlan};

use crate::commands::Command;
use crate::ground::Ground;
use crate::reader::Reader;

const DOCUMENT: &str = "docs/onboarding.md";

/// The most that it may take to the first sign-in page.
const AT_MOST: Duration = Duration::from_secs(15 * 60);

/// The queue that hears of what is mailed to the administrator.
const SUBSCRIBER: &str = "administrator";

/// Whether it is run here.
pub fn has(command: &Command) -> bool {
    command.document == DOCUMENT
}

/// How many steps there are, by their headings.
fn steps() -> usize {
    let text = std::fs::read_to_string(repository().join(DOCUMENT)).unwrap();
    let headings = text
        .lines()
        .filter_map(|line| line.strip_prefix("### Step "));
    let numbers = headings.map(|heading| heading.split_once('.').unwrap().0.parse().unwrap());
    let numbers: Vec<usize> = numbers.collect();
    assert!(numbers.iter().copied().eq(1..=numbers.len()), "{numbers:?}");
    numbers.len()
}

#[test]
fn the_document_says_how_many_steps_it_has() {
    let text = std::fs::read_to_string(repository().join(DOCUMENT)).unwrap();
    let said = format!("in {} steps", steps());
    assert!(
        text.lines().take(10).any(|line| line.contains(&said)),
        "{said}"
    );
}

/// Somebody who installs the system, and the mailboxes that ShopCtrl reaches already.
struct Administrator<'a> {
    ground: &'a Ground,
    reader: Reader,
    mailboxes: Vec<Mailbox>,
}

/// The mailboxes of the document, with the application IDs that it has for them, and one more.
const MAILBOXES: [(&str, &str); 4] = [
    ("orders", "8e4b3f52-1d0c-4c54-9f0e-0a7d3f1b2c4d"),
    ("returns", "7d3a2e41-2c1b-4d65-8e1f-1b6c4e2a3d5f"),
    ("press", "6c2b1d30-1b0a-4c54-9d0e-0a5b3d1f2c4e"),
    ("imported", ""),
];

impl<'a> Administrator<'a> {
    fn new(ground: &'a Ground) -> Self {
        let world = &ground.beside.world;
        let mut reader = Reader::of(
            DOCUMENT,
            |_| true,
            ground.checkout.path(),
            ground.terminal.env(),
        );
        let mailboxes = MAILBOXES
            .into_iter()
            .zip(12..)
            .map(|((name, id), shop_id)| {
                let plan = MailboxPlan {
                    name: name.to_owned(),
                    address: format!("{name}@shop.example"),
                    shop_id,
                    granted: false,
                    ends_in: SignedDuration::from_hours(100 * 24),
                    delivery: "attended".to_owned(),
                    ..MailboxPlan::default()
                };
                let mailbox = world.add_uninstalled_mailbox(&plan).unwrap();
                if !id.is_empty() {
                    reader.puts(id, mailbox.app.app_id);
                }
                mailbox
            });
        let mailboxes = mailboxes.collect();
        for (its, own) in [
            ("AWS_REGION=eu-central-1", "AWS_REGION=eu-west-1".to_owned()),
            ("NEW_REGION=eu-west-1", "NEW_REGION=eu-central-1".to_owned()),
            (
                "0b5a7c1e-6c0e-4f0a-9b1d-3a1f0f1c2d3e",
                world.tenant().to_string(),
            ),
            ("https://shop.example", world.shopctrl_url.clone()),
            (
                "shopmail-shopctrl/shop.example",
                "shopmail-shopctrl/own.example".to_owned(),
            ),
            // A shop has one mailbox here.
            (",12,press-office", ",14,press-office".to_owned()),
        ] {
            reader.puts(its, own);
        }
        Self {
            ground,
            reader,
            mailboxes,
        }
    }

    async fn runs(&mut self, heading: &'static str, what: &str) -> String {
        self.reader.at(heading).runs(what).await
    }

    /// Steps 1 to 3, and what the simulated Entra has of steps 4 to 7.
    async fn installs_the_system(&mut self) {
        self.runs("The values", "export AWS_REGION").await;
        let deployed = self.runs("Step 2. Deploy the system", "sam build").await;
        assert!(
            deployed.contains("Successfully created/updated stack - shopmail"),
            "{deployed}"
        );
        let outputs = self
            .runs("Step 2. Deploy the system", "RotationRoleArn")
            .await;
        let callback = format!("{}/callback", self.ground.beside.world.callback_url);
        assert!(outputs.starts_with(&callback), "{outputs}");
        let subscribed = self.runs("Step 3. Confirm the mail address", "sns").await;
        assert!(subscribed.starts_with("arn:aws:sns:"), "{subscribed}");
        let (beside, terminal) = (&self.ground.beside, &self.ground.terminal);
        let outputs = stacks::outputs(terminal, stacks::SYSTEM).await;
        beside.system_is_deployed(terminal, &outputs).await;
        let rotator = self.ground.beside.world.rotator();
        let line = format!(
            "ROTATOR_CLIENT_ID={} ROTATOR={}",
            rotator.app_id, rotator.service_principal_id
        );
        self.reader.types(&line).await;
    }

    async fn hears_of_mail(&mut self) {
        let subscribe = format!(
            "aws sqs create-queue --queue-name {SUBSCRIBER}
             aws sns subscribe --topic-arn \"$(output NoticesTopicArn)\" --protocol sqs \
               --notification-endpoint \"arn:aws:sqs:$AWS_REGION:$AWS_ACCESS_KEY_ID:{SUBSCRIBER}\""
        );
        self.reader.types(&subscribe).await;
    }

    /// Step 8 to 11: to the mail with the first link.
    async fn adds_the_first_mailbox(&mut self) -> String {
        let store = "Step 8. Store the ShopCtrl login";
        self.runs(store, "umask").await;
        let (user, password) = simulators::world::SHOPCTRL_LOGIN;
        let edit = format!("sed -i 's/USER/{user}/; s/PASSWORD/{password}/' login.json");
        self.reader.types(&edit).await;
        self.runs(store, "create-secret").await;
        let added = self.runs("Step 9. Add the mailbox", "add-mailbox").await;
        let done = "create the stack; put the document; switch the rotation on";
        assert_eq!(added, format!("orders (shopmail-orders): {done}\n"));
        self.rotation_is_on("orders").await;
        let plan = self
            .runs("Step 10. See what is missing", "dry-run.json")
            .await;
        for part in ["\"due\"", "start a rotation", "\"failures\": []"] {
            assert!(plan.contains(part), "{part}: {plan}");
        }
        self.runs("Step 11. Begin", "check-now.json").await;
        let link = until("the link of the hand-over", async || {
            let mails = self.ground.mini_stack.queued(SUBSCRIBER).await;
            let pages = format!("{}/start", self.ground.beside.world.callback_url);
            mails.iter().find_map(|mail| {
                let mail: Value = serde_json::from_str(mail).unwrap();
                let text = mail["Message"].as_str()?.to_owned();
                let link = text
                    .split_whitespace()
                    .find(|word| word.starts_with(&pages));
                link.map(str::to_owned)
            })
        });
        link.await
    }

    /// What CloudFormation does for the schedule that MiniStack cannot have.
    async fn rotation_is_on(&self, name: &str) {
        let beside = &self.ground.beside;
        let outputs = stacks::outputs(&self.ground.terminal, stacks::SYSTEM).await;
        let rules = json!({"ScheduleExpression": "rate(710 days)", "Duration": "4h"});
        let function = &outputs["RotationFunctionArn"];
        let secret = format!("shopmail/{name}");
        beside.schedule_rotation(&secret, function, rules).await;
        let secrets = &beside.world.secrets_manager;
        secrets.settled(&secret).await;
        let arn = secrets.snapshot(&secret).unwrap().arn;
        let mut records = secrets
            .records()
            .into_iter()
            .filter(|record| record.secret == arn);
        let ended = records
            .next_back()
            .map(|record| (record.event, record.reason));
        assert_eq!(ended, Some(("TestRotationSucceeded", None)));
    }

    /// The values of another mailbox.
    async fn is_at(&mut self, index: usize) {
        let mailbox = &self.mailboxes[index];
        let line = format!(
            "NAME={} MAILBOX={} CLIENT_ID={} SHOP_ID={}",
            MAILBOXES[index].0, mailbox.address, mailbox.app.app_id, mailbox.shop_id
        );
        self.reader.types(&line).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_onboarding_is_done_as_it_stands_and_the_first_sign_in_page_comes_in_time() {
    let Some(ground) = Ground::or_say().await else {
        return;
    };
    let mut administrator = Administrator::new(&ground);
    let begun = Instant::now();
    administrator.installs_the_system().await;
    administrator.hears_of_mail().await;
    let link = administrator.adds_the_first_mailbox().await;
    let page = Browser::default().get(&link).await.unwrap();
    let taken = begun.elapsed();
    assert_eq!(page.status, 200, "{}", page.body);
    println!(
        "From the release artefacts to the first sign-in page ({}): {} steps, {:.0?}.",
        page.heading(),
        steps(),
        taken
    );
    assert!(taken < AT_MOST, "{taken:?}");
    administrator.does_the_rest().await;
}
