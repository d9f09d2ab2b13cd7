//! A mailbox of the simulated world whose secrets are MiniStack's.

use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::clock;
use shared::ids::MailboxAddress;
use shared::ticket::{Purpose, Ticket, TicketKey, expiry};
use simulators::aws::lambda::function_arn;
use simulators::aws::secrets_manager::CURRENT;
use simulators::world::{Mailbox, MailboxPlan};
use uuid::Uuid;

use crate::account::Account;

/// The rotator's own client secret, where its kind is `secret`.
pub const ROTATOR: &str = "shopmail-rotator/agency";

/// The mailbox's rotator signs in by its own client secret: MiniStack's tokens open nothing in Entra, for nobody can check
/// their signature.
pub fn by_its_own_secret(document: &mut Value) {
    document["rotator"]["kind"] = json!("secret");
    document["rotator"]["secret"] = json!(ROTATOR);
}

pub struct Deployed<'a> {
    account: &'a Account,
    pub mailbox: Mailbox,
}

impl Account {
    /// Puts a mailbox into the world, and its secrets into MiniStack, with rotation on.
    pub async fn add_mailbox(&self, plan: &MailboxPlan) -> Deployed<'_> {
        let mut mailbox = self.world().add_mailbox(plan).unwrap();
        let arn = self.take_over(&mailbox.secret).await;
        self.take_over(&format!("{}/grants", mailbox.secret)).await;
        mailbox.arn = arn.expect("it is new");
        let deployed = Deployed {
            account: self,
            mailbox,
        };
        // MiniStack's RotateSecret switches rotation on and calls nobody; the value it makes current is the same one.
        deployed
            .manage(
                "RotateSecret",
                json!({"RotationLambdaARN": function_arn("shopmail-rotation")}),
            )
            .await;
        deployed
    }

    /// A secret of the simulated Secrets Manager, in MiniStack's; nothing where it has one of this name.
    pub async fn take_over(&self, name: &str) -> Option<String> {
        let secret = self.world().secrets_manager.snapshot(name).unwrap();
        let tags = secret.tags.iter();
        let tags: Vec<Value> = tags
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect();
        let value = secret.labelled(CURRENT).unwrap().text();
        let create = json!({"Name": name, "SecretString": value, "Tags": tags});
        let created = self.aws("secretsmanager.CreateSecret", create).await;
        created["ARN"].as_str().map(str::to_owned)
    }
}

impl Deployed<'_> {
    /// An operation of Secrets Manager's on it, by its administrator.
    pub async fn manage(&self, operation: &str, mut body: Value) -> Value {
        body["SecretId"] = json!(self.mailbox.arn);
        let target = format!("secretsmanager.{operation}");
        self.account.aws(&target, body).await
    }

    /// What comes of the owner's grant is stored when it is redeemed the next time.
    pub async fn grant_is_of_long_ago(&self) {
        let id = json!({"SecretId": format!("{}/grants", self.mailbox.secret)});
        let stored = self
            .account
            .aws("secretsmanager.GetSecretValue", id.clone())
            .await;
        let mut grants: Value =
            serde_json::from_str(stored["SecretString"].as_str().unwrap()).unwrap();
        let redeemed = self.account.world().clock.now() - SignedDuration::from_hours(24 * 40);
        grants["grants"][&self.mailbox.address]["redeemed_at"] = json!(redeemed);
        let mut put = id;
        put["SecretString"] = json!(grants.to_string());
        self.account.aws("secretsmanager.PutSecretValue", put).await;
    }

    /// The empty pending version that AWS makes before the first step. Returns its token.
    pub async fn begin_rotation(&self) -> String {
        let token = Uuid::new_v4().to_string();
        let pending = json!({"ClientRequestToken": token, "VersionStages": ["AWSPENDING"]});
        self.manage("PutSecretValue", pending).await;
        token
    }

    /// A step, as Secrets Manager calls it.
    pub async fn step(&self, step: &str, token: &str) -> String {
        let event =
            json!({"Step": step, "SecretId": self.mailbox.arn, "ClientRequestToken": token});
        self.account.invoke("rotation", &event).await
    }

    /// One that succeeds.
    pub async fn take_step(&self, step: &str, token: &str) {
        let answer = self.step(step, token).await;
        assert!(!answer.contains("errorType"), "{step}: {answer}");
    }

    /// The version with this label.
    pub async fn version(&self, label: &str) -> Option<String> {
        let described = self.manage("DescribeSecret", json!({})).await;
        let versions = described["VersionIdsToStages"].as_object().unwrap().clone();
        let mut versions = versions.into_iter();
        let has = |labels: &Value| labels.as_array().unwrap().contains(&json!(label));
        versions.find_map(|(version, labels)| has(&labels).then_some(version))
    }

    /// A link's ticket, which ends so many hours from now.
    pub async fn ticket(&self, purpose: Purpose, version: &str, hours: i64) -> String {
        let key = json!({"SecretId": "shopmail-ticket-key"});
        let key = self.account.aws("secretsmanager.GetSecretValue", key).await;
        let key = key["SecretString"].as_str().unwrap().to_owned();
        let ticket = Ticket {
            purpose,
            secret: self.mailbox.arn.clone(),
            version: version.to_owned(),
            mailbox: MailboxAddress::read(&self.mailbox.address).unwrap(),
            expires_at: expiry(clock::machine(), SignedDuration::from_hours(hours)),
        };
        TicketKey::new(key.into()).unwrap().sign(&ticket).unwrap()
    }
}
