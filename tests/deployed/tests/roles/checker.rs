//! What `expiry-checker` may do.

use std::cell::Cell;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use simulators::aws::event_bridge::EventBridge;
use simulators::world::MailboxPlan;

use crate::account::Account;
use crate::mailbox::{Deployed, by_its_own_secret};

const SECRETS: &str = "secret:shopmail/*";
const TICKET_KEY: &str = "secret:shopmail-ticket-key-??????";
const TAG: &str = "secretsmanager:TagResource";
const DESCRIBE: &str = "secretsmanager:DescribeSecret";

fn may<'a>(sid: &'a str, action: &'a str, on: &'a str) -> [&'a str; 4] {
    ["ExpiryCheckerRole", sid, action, on]
}

/// Checks of a mailbox with nothing to do, of a version that nobody issued for, and of a mailbox that is due.
pub async fn checks(account: &Account) {
    let checks = Checks {
        account,
        first: account.world().clock.now(),
        made: Cell::new(0),
    };
    let fresh = checks.with_nothing_to_do().await;
    checks.with_an_empty_pending_version(&fresh).await;
    checks.with_one_that_is_due().await;
}

struct Checks<'a> {
    account: &'a Account,
    first: Timestamp,
    made: Cell<i64>,
}

impl<'a> Checks<'a> {
    /// A check with the time of the one before would be taken for the same one, delivered twice.
    async fn check(&self) -> String {
        self.made.set(self.made.get() + 1);
        let time = self.first + SignedDuration::from_secs(self.made.get());
        let mut event = EventBridge::scheduled_event(&self.account.world().clock);
        event["time"] = json!(time);
        self.account.invoke("expiry-checker", &event).await
    }

    async fn succeeds(&self) {
        let answer = self.check().await;
        let failed = answer.contains("errorType") || answer.contains("Misconfigured");
        assert!(!failed, "{answer}");
    }

    async fn without(&self, permission: [&str; 4]) {
        let check = async || self.check().await;
        self.account.without(permission, check).await;
    }

    async fn with_nothing_to_do(&self) -> Deployed<'a> {
        let plan = MailboxPlan {
            name: "fresh".to_owned(),
            address: "fresh@shop.example".to_owned(),
            shop_id: 10,
            ends_in: SignedDuration::from_hours(24 * 100),
            document: by_its_own_secret,
            ..MailboxPlan::default()
        };
        let fresh = self.account.add_mailbox(&plan).await;
        for permission in [
            may("FindsMailboxSecrets", "secretsmanager:ListSecrets", "*"),
            may("InvokesRotation", "lambda:InvokeFunction", "Rotation.Arn"),
            // The first check notes what others go by.
            may("KeepsNotes", TAG, SECRETS),
            may("OneCheckAtATime", DESCRIBE, TICKET_KEY),
            may("NotesTheCheck", TAG, TICKET_KEY),
            may("SendsEvents", "events:PutEvents", "event-bus/${EventBus}"),
        ] {
            self.without(permission).await;
        }
        self.succeeds().await;
        let dry_run = json!({"dry_run": true});
        let looks = async || self.account.invoke("expiry-checker", &dry_run).await;
        let asks = may("AsksTheNotifier", "lambda:InvokeFunction", "Notifier.Arn");
        self.account.without(asks, looks).await;
        fresh
    }

    /// One check notes that it stands still, a later one clears it.
    async fn with_an_empty_pending_version(&self, fresh: &Deployed<'_>) {
        fresh.begin_rotation().await;
        self.succeeds().await;
        let label = "secretsmanager:UpdateSecretVersionStage";
        self.without(may("ClearsThePending", label, SECRETS)).await;
        self.succeeds().await;
        assert_eq!(fresh.version("AWSPENDING").await, None);
    }

    async fn with_one_that_is_due(&self) {
        let plan = MailboxPlan {
            name: "due".to_owned(),
            address: "due@shop.example".to_owned(),
            shop_id: 11,
            document: by_its_own_secret,
            ..MailboxPlan::default()
        };
        let due = self.account.add_mailbox(&plan).await;
        let current = due.version("AWSCURRENT").await;
        for permission in [
            may("LooksAtMailboxSecrets", DESCRIBE, SECRETS),
            may("AsksForRotations", "secretsmanager:RotateSecret", SECRETS),
        ] {
            self.without(permission).await;
            assert_eq!(due.version("AWSCURRENT").await, current);
        }
        self.succeeds().await;
        // As MiniStack rotates.
        assert_ne!(due.version("AWSCURRENT").await, current);
    }
}
