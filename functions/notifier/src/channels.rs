//! How mail goes out: by Amazon SES to a contact, by the SNS topic to whoever runs the system. What one of them does
//! not take never stops the other.

mod preflight;

use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageHeader};
use shared::aws::{Service, classify};
use shared::failure::Failure;
use shared::http::Client;
use tracing::{info, warn};

use crate::compose::Recipient;
use crate::mail::Mail;
use crate::settings::Settings;

/// The two services.
#[derive(Debug)]
pub(crate) struct Channels {
    sns: aws_sdk_sns::Client,
    ses: aws_sdk_sesv2::Client,
    topic: String,
    sender: Option<String>,
    /// Whom a contact answers, and who reads the topic.
    administrator: Option<String>,
}

impl Channels {
    pub(crate) fn over(settings: &Settings, http: &Client) -> Self {
        let aws = &settings.aws;
        Self {
            sns: aws_sdk_sns::Client::new(&aws.config(Service::Sns, http)),
            ses: aws_sdk_sesv2::Client::new(&aws.config(Service::Ses, http)),
            topic: settings.topic.clone(),
            sender: settings.addresses.sender.clone(),
            administrator: settings.addresses.administrator.clone(),
        }
    }

    /// Sends a mail. What SES does not take, for whatever reason, goes to the topic: better twice than never.
    pub(crate) async fn send(&self, to: &Recipient, mail: &Mail) -> Result<(), Failure> {
        let (contact, sender) = match (to, &self.sender) {
            (Recipient::Contact(contact), Some(sender)) => (contact, sender),
            (Recipient::Contact(_) | Recipient::Administrator, _) => {
                return self.publish(mail).await;
            }
        };
        match self.mail(sender, contact, mail).await {
            Ok(()) => Ok(()),
            Err(failure) => {
                warn!(%failure, "the contact could not be mailed; the topic gets it");
                let code = failure.code.as_deref().unwrap_or("no answer");
                self.publish(&mail.passed_on(contact, code)).await
            }
        }
    }

    async fn publish(&self, mail: &Mail) -> Result<(), Failure> {
        let publish = self.sns.publish().topic_arn(&self.topic);
        let publish = publish.subject(&mail.subject).message(mail.text());
        let sent = publish
            .send()
            .await
            .map_err(|error| classify("publishing to the topic", &error).failure)?;
        info!(message_id = sent.message_id(), "the topic has a mail");
        Ok(())
    }

    async fn mail(&self, sender: &str, contact: &str, mail: &Mail) -> Result<(), Failure> {
        let built = |what: &str| refused_by_the_sdk(what);
        let text = |data: String| Content::builder().data(data).charset("UTF-8").build();
        let subject = text(mail.subject.clone()).map_err(|_| built("subject"))?;
        let plain = text(mail.text()).map_err(|_| built("text"))?;
        let html = text(mail.html()).map_err(|_| built("page"))?;
        // So that no auto-reply answers (RFC 3834, 5).
        let automatic = MessageHeader::builder()
            .name("Auto-Submitted")
            .value("auto-generated")
            .build()
            .map_err(|_| built("header"))?;
        let body = Body::builder().text(plain).html(html).build();
        let message = Message::builder()
            .subject(subject)
            .body(body)
            .headers(automatic)
            .build();
        let request = self
            .ses
            .send_email()
            .from_email_address(sender)
            .destination(Destination::builder().to_addresses(contact).build())
            .set_reply_to_addresses(self.administrator.clone().map(|address| vec![address]))
            .content(EmailContent::builder().simple(message).build());
        let sent = request
            .send()
            .await
            .map_err(|error| classify("mailing by Amazon SES", &error).failure)?;
        info!(message_id = sent.message_id(), "the contact has a mail");
        Ok(())
    }
}

fn refused_by_the_sdk(what: &str) -> Failure {
    crate::refused(&format!("the mail has no {what}"))
}
