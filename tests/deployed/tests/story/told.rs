//! What people are told: by the topic, and by mail.

use deployed::stacks;
use deployed::until::until;
use serde_json::{Value, json};
use simulators::aws::account::{ACCOUNT_ID, REGION};

use crate::Story;

/// Who is mailed.
pub const CONTACT: &str = "owner@agency.example";
/// The queue that hears of the topic's notices.
const SUBSCRIBER: &str = "subscriber";
/// As whom contacts are mailed.
const SENDER: &str = "\"Agency mail\" <shopmail@agency.example>";

impl Story {
    /// Somebody hears of the topic's notices, and can be asked for them: a queue, for MiniStack's mails are gone.
    pub async fn subscribe(&self) {
        let topic = &self.system["NoticesTopicArn"];
        let subscribe = format!(
            "aws sqs create-queue --queue-name {SUBSCRIBER} && \
             aws sns subscribe --topic-arn {topic} --protocol sqs \
             --notification-endpoint arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{SUBSCRIBER}"
        );
        self.terminal.run(&subscribe).await;
    }

    /// Waits for a notice of the topic with this in its subject, and returns its text.
    pub async fn notice(&self, subject: &str) -> String {
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
    pub async fn mail_contacts(&self) {
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
    pub async fn mail(&self, subject: &str) {
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
}
