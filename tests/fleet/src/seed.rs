//! A fleet of one mailbox for each shop, fifty to a tenant.

use jiff::SignedDuration;
use shared::short_hash::short_hash;
use shared::tags;
use simulators::aws::lambda::Functions;
use simulators::world::{Mailbox, MailboxPlan, Tenant, World};

/// So many mailboxes are in one tenant.
pub(crate) const IN_A_TENANT: usize = 50;

/// Of more than so many, the first check is not waited for: it takes longer than one invocation has.
pub(crate) const MOST_UNKNOWN: usize = 1_000;

/// The number of the first shop.
const FIRST_SHOP: i64 = 1_000;

/// Not due, and after the backstop of 160 days.
const FAR: SignedDuration = SignedDuration::from_hours(175 * 24);
/// Due.
const NEAR: SignedDuration = SignedDuration::from_hours(20 * 24);

/// Puts so many mailboxes into the world; `waiting` of them, spread over the tenants, are due and need a person.
/// Returns the tenants.
///
/// # Errors
/// When a name is taken.
pub(crate) fn seed<L: Functions>(
    world: &World<L>,
    size: usize,
    waiting: usize,
) -> Result<Vec<Tenant>, String> {
    let each = size.checked_div(waiting);
    let mut tenants = Vec::new();
    for first in (0..size).step_by(IN_A_TENANT) {
        let domain = format!("tenant{}.example", tenants.len());
        let mailboxes = first..size.min(first + IN_A_TENANT);
        let shops: Vec<i64> = mailboxes.clone().map(shop).collect();
        let tenant = world.add_tenant(&domain, &shops)?;
        for number in mailboxes {
            let waits = each.is_some_and(|each| number % each == 0);
            let (delivery, ends_in) = match waits {
                true => ("attended", NEAR),
                false => ("api", FAR),
            };
            let mailbox = world.add_mailbox(&MailboxPlan {
                name: format!("m{number:06}"),
                address: format!("orders{number}@{domain}"),
                shop_id: shop(number),
                delivery: delivery.to_owned(),
                ends_in,
                tenant: Some(tenant.clone()),
                ..MailboxPlan::default()
            })?;
            if size > MOST_UNKNOWN && !waits {
                note_as_a_check_does(world, &mailbox, &tenant)?;
            }
        }
        tenants.push(tenant);
    }
    Ok(tenants)
}

/// Label and tags as a first check leaves them. Where they are not as the checker has them, the next check writes them.
fn note_as_a_check_does<L: Functions>(
    world: &World<L>,
    mailbox: &Mailbox,
    tenant: &Tenant,
) -> Result<(), String> {
    let credentials = world.directory.credentials(mailbox.app.app_id);
    let first = credentials
        .iter()
        .find(|credential| credential.key_id == mailbox.first_key);
    let first = first.ok_or("no client secret")?;
    let rotator = format!("global federated {}", tenant.rotator.app_id);
    let noted = [
        (tags::ORIGIN, short_hash(&mailbox.arn)),
        (tags::TENANT, tenant.id.to_string()),
        (tags::APP, mailbox.app.app_id.to_string()),
        (tags::ROTATOR, rotator),
        (tags::MAILBOXES, mailbox.address.clone()),
        (tags::DELIVERY, mailbox.delivery.clone()),
        (tags::ISSUED_AT, first.start.to_string()),
        (tags::EXPIRES_AT, first.end.to_string()),
    ];
    let noted: Vec<(&str, &str)> = noted
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let secrets = &world.secrets_manager;
    let snapshot = secrets.snapshot(&mailbox.arn).ok_or("no secret")?;
    let current = snapshot.labelled("AWSCURRENT").ok_or("no version")?;
    let label = format!("key-{}", mailbox.first_key);
    secrets
        .put_tags(&mailbox.arn, &noted)
        .and_then(|()| secrets.move_label(&mailbox.arn, &label, Some(&current.id)))
        .map_err(|error| error.message)
}

fn shop(mailbox: usize) -> i64 {
    FIRST_SHOP + i64::try_from(mailbox).unwrap_or_default()
}
