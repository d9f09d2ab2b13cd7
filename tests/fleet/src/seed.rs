//! A fleet of one mailbox for each shop, fifty to a tenant.

use jiff::SignedDuration;
use simulators::aws::lambda::Functions;
use simulators::world::{MailboxPlan, Tenant, World};

/// So many mailboxes are in one tenant.
pub(crate) const IN_A_TENANT: usize = 50;

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
            world.add_mailbox(&MailboxPlan {
                name: format!("m{number:06}"),
                address: format!("orders{number}@{domain}"),
                shop_id: shop(number),
                delivery: delivery.to_owned(),
                ends_in,
                tenant: Some(tenant.clone()),
                ..MailboxPlan::default()
            })?;
        }
        tenants.push(tenant);
    }
    Ok(tenants)
}

fn shop(mailbox: usize) -> i64 {
    FIRST_SHOP + i64::try_from(mailbox).unwrap_or_default()
}
