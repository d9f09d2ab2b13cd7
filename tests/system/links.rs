//! The person's link, tested as an attacker would: nothing but the right sign-in changes a stored
//! grant, and no page or header says a word that somebody else chose.

mod account;
mod foreign_words;
mod sent_anew;
mod tickets;
mod way_back;

use simulators::microsoft::directory::sign_in::Decision;
use simulators::world::MailboxPlan;
use url::Url;

use crate::support::Scenario;
use crate::support::attempts::way_back;
use crate::support::scenario::without_grant;
use crate::support::visitor::Visitor;

const ASKED: &str = "Authorization Required";

fn second_mailbox() -> MailboxPlan {
    MailboxPlan {
        name: "sales".to_owned(),
        address: "sales@shop.example".to_owned(),
        shop_id: 13,
        ..without_grant()
    }
}

/// The address that Microsoft sends the owner's browser back to.
async fn signed_in(
    scenario: &Scenario,
    visitor: &mut Visitor,
    link: &str,
    address: &str,
) -> String {
    let authorize = visitor.begin(link).await;
    let step = scenario
        .world
        .directory
        .sign_in_as(&authorize, address, Decision::Accept);
    way_back(step)
}

fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.unwrap().1.into_owned()
}

fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    let others: Vec<(String, String)> = url
        .query_pairs()
        .into_owned()
        .filter(|(key, _)| key != name)
        .collect();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(others)
        .append_pair(name, value);
    url.into()
}
