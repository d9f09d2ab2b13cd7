//! A mail that SES must refuse: from an address that nobody can have verified. Nothing is sent.

use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use shared::failure::{Failure, Kind};

use super::{Aws, answered};
use crate::beliefs;
use crate::findings::Findings;

/// A domain that is never there (RFC 2606).
const FROM: &str = "shopmail-first-hour@shopmail.invalid";
/// Amazon's own, which takes mail in the sandbox too (SES guide, *Using the mailbox simulator*).
const TO: &str = "success@simulator.amazonses.com";

pub async fn probe(aws: &Aws, findings: &mut Findings) -> Result<(), Failure> {
    let built = |error| Failure::new(Kind::Refused, format!("building a mail: {error}"));
    let content = Content::builder()
        .data("first hour")
        .build()
        .map_err(built)?;
    let body = Body::builder()
        .text(content.clone())
        .html(content.clone())
        .build();
    let message = Message::builder().subject(content).body(body).build();
    let request = aws.ses.send_email().from_email_address(FROM);
    let request = request.destination(Destination::builder().to_addresses(TO).build());
    let request = request.content(EmailContent::builder().simple(message).build());
    let answer = answered("ses:SendEmail", request.send().await)?;
    let account = aws.ses.get_account().send().await;
    let sandbox = match account.map(|account| account.production_access_enabled()) {
        Ok(true) => "; the account is out of the sandbox",
        Ok(false) => "; the account is in the sandbox",
        Err(_) => "",
    };
    let (refused, told) = match answer {
        Ok(_) => (false, "it was taken".to_owned()),
        Err(refusal) => (refusal.code == "MessageRejected", refusal.to_string()),
    };
    findings.saw(beliefs::SES, refused, format!("{told}{sandbox}"));
    Ok(())
}
