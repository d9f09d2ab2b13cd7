//! What a preflight sees of the two services: whether a mail would reach its reader. It asks, and sends nothing.

use aws_sdk_sesv2::operation::get_account::GetAccountOutput;
use aws_sdk_sns::types::Subscription;
use shared::aws::{classify, is_denied};
use shared::failure::Failure;
use shared::preflight::commands::SystemNames;
use shared::preflight::{Permission, Seen, SystemPreflight, SystemRequirement, Told};
use tracing::warn;

use super::Channels;

/// In the command, where the settings do not say who runs the system.
const SOMEBODY: &str = "YOUR_ADDRESS";

impl Channels {
    /// A row for each requirement that applies: without a sender nothing goes out by SES.
    pub(crate) async fn preflight(&self) -> SystemPreflight {
        let sender = self.sender.as_deref().map(bare);
        let names = SystemNames {
            topic_arn: &self.topic,
            notify_email: self.administrator.as_deref().unwrap_or(SOMEBODY),
            sender: sender.unwrap_or_default(),
        };
        let topic = async {
            let seen = self.confirmed().await;
            let told = SystemRequirement::TopicConfirmed.told(seen, &names);
            about(told, self.administrator.clone())
        };
        let Some(sender) = sender else {
            return SystemPreflight {
                rows: vec![topic.await],
            };
        };
        let verified = async {
            let seen = self.verified(sender).await;
            let told = SystemRequirement::SenderVerified.told(seen, &names);
            about(told, Some(sender.to_owned()))
        };
        let (topic, account, verified) = tokio::join!(topic, self.account(&names), verified);
        SystemPreflight {
            rows: vec![topic, account, verified],
        }
    }

    /// Whether the administrator gets what is published.
    async fn confirmed(&self) -> Seen {
        let list = self.sns.list_subscriptions_by_topic();
        let list = list.topic_arn(&self.topic).into_paginator().items();
        let mut subscriptions = list.send();
        while let Some(subscription) = subscriptions.next().await {
            match subscription {
                Ok(subscription) if self.is_confirmed(&subscription) => return Seen::Present,
                Ok(_) => {}
                Err(error) => {
                    let failure = classify("listing who is subscribed to the topic", &error);
                    return not_seen(&failure.failure, Permission::ListSubscriptions);
                }
            }
        }
        Seen::Missing
    }

    fn is_confirmed(&self, subscription: &Subscription) -> bool {
        let endpoint = subscription.endpoint().unwrap_or_default();
        let administrator = self.administrator.as_deref();
        // Instead of an ARN there stands `PendingConfirmation`, or `Deleted` (ansible/ansible#20086).
        let arn = subscription.subscription_arn().unwrap_or_default();
        arn.starts_with("arn:")
            && administrator.is_none_or(|address| address.eq_ignore_ascii_case(endpoint))
    }

    async fn account(&self, names: &SystemNames<'_>) -> Told {
        let requirement = SystemRequirement::OutOfSandbox;
        match self.ses.get_account().send().await {
            Ok(account) => of_account(&account, names),
            Err(error) => {
                let failure = classify("asking Amazon SES whether it mails anybody", &error);
                let seen = not_seen(&failure.failure, Permission::GetSesAccount);
                requirement.told(seen, names)
            }
        }
    }

    /// Whether SES sends as this address: one of the identities that cover it is enough.
    async fn verified(&self, sender: &str) -> Seen {
        let mut seen = Seen::Missing;
        for identity in identities(sender) {
            let asked = self.ses.get_email_identity().email_identity(identity);
            match asked.send().await {
                Ok(identity) if identity.verified_for_sending_status() => return Seen::Present,
                Ok(_) => {}
                Err(error) => {
                    let service = error.as_service_error();
                    if service.is_some_and(|error| error.is_not_found_exception()) {
                        continue;
                    }
                    let failure = classify("asking Amazon SES for the sender", &error).failure;
                    seen = not_seen(&failure, Permission::GetSesIdentity);
                    if seen == Seen::NotSeen {
                        break;
                    }
                }
            }
        }
        seen
    }
}

fn about(told: Told, what: Option<String>) -> Told {
    Told {
        about: what,
        ..told
    }
}

/// What stops an account, the strongest first (SES API v2, *GetAccount*).
fn of_account(account: &GetAccountOutput, names: &SystemNames<'_>) -> Told {
    let stopped = account.enforcement_status() == Some("SHUTDOWN");
    let missing = SystemRequirement::OutOfSandbox.told(Seen::Missing, names);
    let instead = |what: &str, command: &str| Told {
        command: Some(command.to_owned()),
        ..about(missing.clone(), Some(what.to_owned()))
    };
    match (
        stopped,
        account.sending_enabled(),
        account.production_access_enabled(),
    ) {
        (true, _, _) => instead(
            "AWS has stopped the account's sending",
            "AWS console > Support > Your support cases: answer the case that AWS opened about it",
        ),
        (false, false, _) => instead(
            "the account's sending is paused",
            "aws sesv2 put-account-sending-attributes --sending-enabled",
        ),
        (false, true, false) => missing,
        (false, true, true) => SystemRequirement::OutOfSandbox.told(Seen::Present, names),
    }
}

/// What a call that failed says of what it asked for.
fn not_seen(failure: &Failure, permission: Permission) -> Seen {
    match failure.code.as_deref() {
        Some(code) if is_denied(code) => Seen::NotVisible { permission },
        _ => {
            warn!(%failure, "a preflight could not tell");
            Seen::NotSeen
        }
    }
}

/// The address in `Name <address>`.
fn bare(sender: &str) -> &str {
    let address = sender.rsplit_once('<').map_or(sender, |(_, rest)| rest);
    address.trim_end_matches('>').trim()
}

/// The address, its domain and those above it: "When you verify a domain identity, you can send email from any subdomain
/// or email address of the verified domain" (SES guide, *Creating and verifying identities in Amazon SES*).
fn identities(address: &str) -> impl Iterator<Item = &str> {
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    let above = domain.match_indices('.').map(|(dot, _)| &domain[dot + 1..]);
    let domains = std::iter::once(domain).chain(above);
    std::iter::once(address).chain(domains.filter(|domain| domain.contains('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_covered_by_its_domain_and_by_each_above_that() {
        let of = |sender| identities(bare(sender)).collect::<Vec<_>>();
        assert_eq!(
            of("\"Shop mail\" <shopmail@mail.agency.example>"),
            [
                "shopmail@mail.agency.example",
                "mail.agency.example",
                "agency.example"
            ]
        );
        assert_eq!(of("a@b.example"), ["a@b.example", "b.example"]);
        assert_eq!(of("nobody"), ["nobody"]);
    }

    #[test]
    fn an_account_mails_anybody_only_where_nothing_stops_it_and_each_cure_is_another() {
        let names = SystemNames {
            topic_arn: "arn:aws:sns:eu-west-1:123456789012:notices",
            notify_email: "it@agency.example",
            sender: "shopmail@agency.example",
        };
        let of = |status: &str, sending, production| {
            let account = GetAccountOutput::builder()
                .enforcement_status(status)
                .sending_enabled(sending)
                .production_access_enabled(production)
                .build();
            of_account(&account, &names)
        };
        // "issues that currently impact your account" are under review, and mail goes out.
        for status in ["HEALTHY", "PROBATION"] {
            assert_eq!(of(status, true, true).seen, Seen::Present);
        }
        for ((status, sending, production), cure) in [
            (("SHUTDOWN", false, true), "Support"),
            (("HEALTHY", false, false), "put-account-sending-attributes"),
            (("HEALTHY", true, false), "put-account-details"),
        ] {
            let told = of(status, sending, production);
            assert_eq!(told.seen, Seen::Missing);
            let command = told.command.unwrap();
            assert!(command.contains(cure), "{status}: {command}");
        }
    }
}
