//! What a dry run says of what rotations need: the rows of a mailbox, which a look saw or the list of secrets shows, and
//! those of the system, which the notifier sees.

use jiff::Timestamp;
use shared::aws::is_denied;
use shared::mailbox_secret::Rotator;
use shared::preflight::commands::{MailboxNames, SystemNames};
use shared::preflight::{Permission, Requirement, Row, Seen, SystemRequirement, Told};
use shared::rotation::inspection::Facts;
use tokio::time::{Duration, timeout};
use tracing::warn;

use crate::clients::Clients;
use crate::plan::found::Found;
use crate::plan::{backstop, needs};

/// So long the answer of a dry run waits for the notifier, whatever slots the account has.
const SYSTEM: Duration = Duration::from_secs(20);
/// The tag that CloudFormation gives what it makes.
const STACK: &str = "aws:cloudformation:stack-name";

/// Of one mailbox.
pub(crate) fn of_mailbox(clients: &Clients, found: &Found, now: Timestamp) -> Vec<Told> {
    let Some(facts) = &found.facts else {
        return Vec::new();
    };
    let names = MailboxNames {
        cloud: facts.of.cloud,
        tenant: &facts.of.tenant_id,
        client_id: &facts.client_id,
        rotator: match &facts.of.rotator {
            Rotator::Federated { client_id } | Rotator::Secret { client_id, .. } => client_id,
            Rotator::Itself {} => &facts.client_id,
        },
        secret_arn: &found.secret.arn,
        stack: found
            .tag(STACK)
            .filter(|stack| is_mailbox_stack(stack, &found.secret.name)),
        rotation_function: &clients.settings.rotation_function,
        backstop_days: backstop::days(found, facts),
    };
    let rows = facts.preflight.iter().cloned();
    let rows = rows.chain(of_secret(found, facts, now));
    rows.map(|row| row.told(&names)).collect()
}

/// Whether `infra/onboarding/add-mailbox` made it, `<system>-<name>`: of another template, such as one of many mailboxes,
/// nobody here knows the parameters.
fn is_mailbox_stack(stack: &str, secret_name: &str) -> bool {
    let name = secret_name.rsplit('/').next().unwrap_or_default();
    let is_kept = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let name = name.replace(|c| !is_kept(c), "-");
    stack
        .strip_suffix(&name)
        .is_some_and(|system| system.ends_with('-'))
}

/// What its tags and dates say, and its grants.
fn of_secret(found: &Found, facts: &Facts, now: Timestamp) -> Vec<Row> {
    let secret = &found.secret;
    let seen = |present| match present {
        true => Seen::Present,
        false => Seen::Missing,
    };
    let grants = facts.grants.iter().flatten().map(|grant| {
        let row = Row::new(Requirement::OwnersGrant, seen(needs::works(grant, now)));
        row.about(grant.mailbox.as_str().to_owned())
    });
    let backstop = match (facts.start, secret.next_rotation) {
        (Some(_), Some(next))
            if secret.rotation_enabled && next > now && secret.versions.in_progress().is_none() =>
        {
            seen(backstop::misplaced(found, facts, now).is_none())
        }
        _ => Seen::NotSeen,
    };
    // The first rotation issues one whose end is known.
    let end = (!facts.without_value).then(|| {
        let known = facts.expires_at.is_some();
        Row::new(Requirement::EndKnown, seen(known))
    });
    let own = [
        Row::new(Requirement::RotationOn, seen(secret.rotation_enabled)),
        Row::new(Requirement::Backstop, backstop),
        Row::new(
            Requirement::Contact,
            seen(found.subject().contact.is_some()),
        ),
    ];
    grants.chain(own).chain(end).collect()
}

/// Of the system: what the notifier sees.
pub(crate) async fn of_system(clients: &Clients) -> Vec<Told> {
    let not_seen = |seen: Seen| {
        let all = [
            SystemRequirement::TopicConfirmed,
            SystemRequirement::OutOfSandbox,
            SystemRequirement::SenderVerified,
        ];
        let nothing = SystemNames {
            topic_arn: "",
            notify_email: "",
            sender: "",
        };
        all.map(|requirement| requirement.told(seen, &nothing))
            .into()
    };
    let not_allowed = Seen::NotVisible {
        permission: Permission::InvokeNotifier,
    };
    let Some(notifier) = &clients.notifier else {
        return not_seen(not_allowed);
    };
    match timeout(SYSTEM, notifier.preflight()).await {
        Ok(Ok(preflight)) => preflight.rows,
        Ok(Err(failure)) if failure.code.as_deref().is_some_and(is_denied) => not_seen(not_allowed),
        Ok(Err(failure)) => {
            warn!(%failure, "what all mail depends on could not be seen");
            not_seen(Seen::NotSeen)
        }
        Err(_) => {
            warn!("what all mail depends on could not be seen in time");
            not_seen(Seen::NotSeen)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_changed_by_a_command_only_where_its_template_is_that_of_one_mailbox() {
        let is = |stack| is_mailbox_stack(stack, "shopmail/orders.eu");
        assert!(is("shopmail-orders-eu") && is("mail-2-orders-eu"));
        for of_another in ["mailboxes", "orders-eu", "shopmail-orders", "xorders-eu"] {
            assert!(!is(of_another), "{of_another}");
        }
    }
}
