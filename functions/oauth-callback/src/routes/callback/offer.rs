//! Offers the version's secret to ShopCtrl while the account's owner is here: where ShopCtrl wants a
//! sign-in of its own, they are led on to it. In a rotation one direction takes it at most: its test comes before the
//! other, and that is the rotation's.

use std::time::Duration;

use shared::failure::{Failure, Kind};
use shared::mailbox_secret::{Connection, Delivery, Direction};
use shared::retry::{Deadline, with_retries};
use shared::shopctrl::connections::Replaced;
use shared::ticket::Purpose;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};
use url::Url;

use super::sign_in::SignIn;
use crate::clients::Clients;
use crate::session::signed_in::AtShopCtrl;
use crate::shopctrl;

/// ShopCtrl may take this long to answer an offer; the person waits meanwhile.
const OFFER: Duration = Duration::from_secs(10);
/// A cookie has 4 KiB.
const LONGEST_ADDRESSES: usize = 1400;

/// What came of offering the secret to ShopCtrl.
#[derive(Default)]
pub(crate) struct Offers {
    pub(crate) shopctrl: AtShopCtrl,
    /// Something could not be offered, or its address cannot be led to.
    pub(crate) failed: bool,
}

/// What came of offering it to one connection.
enum Offered {
    /// It had the secret before.
    HadIt,
    /// It took the secret, or was changed meanwhile.
    TookIt,
    /// ShopCtrl wants the owner's own sign-in at this address, and changed nothing.
    PersonNeeded(String),
}

/// Offers the version's secret to this account's `api` connections that do not have it, now that
/// the account's owner is here: where ShopCtrl needs a sign-in of its own, its address comes back.
/// What fails here is retried by the rotation.
pub(crate) async fn offer(clients: &Clients, sign_in: &SignIn, deadline: Deadline) -> Offers {
    let mut offers = Offers::default();
    let rotating = sign_in.secret.versions.in_progress().is_some();
    if sign_in.ticket.purpose == Purpose::Connect && rotating {
        // A connection may hold the pending secret already: it is not given the current one back.
        return offers;
    }
    let within = Within {
        deadline: deadline.at_most(OFFER),
        ends: Instant::now() + OFFER,
    };
    let mut room = LONGEST_ADDRESSES;
    for direction in [Direction::Receiving, Direction::Sending] {
        let of_direction = |c: &&Connection| c.direction == direction;
        let api = sign_in
            .connections()
            .filter(|c| c.delivery == Delivery::Api);
        let api: Vec<&Connection> = api.filter(of_direction).collect();
        let made = api
            .iter()
            .map(|connection| offer_to(clients, sign_in, connection, &within));
        let made = futures_util::future::join_all(made).await;
        let had_it = |offered: &Option<Offered>| matches!(offered, Some(Offered::HadIt));
        if !api.is_empty() && made.iter().all(had_it) {
            offers.shopctrl.held.push(direction);
        }
        let mut took_it = false;
        for (connection, offered) in api.into_iter().zip(made) {
            match offered {
                Some(Offered::HadIt) => {}
                Some(Offered::TookIt) => took_it = true,
                Some(Offered::PersonNeeded(url)) if url.len() <= room => {
                    room -= url.len();
                    let authorize = &mut offers.shopctrl.authorize;
                    authorize.insert(connection.id.to_string(), url);
                }
                Some(Offered::PersonNeeded(_)) => {
                    warn!(connection = %connection.id, "ShopCtrl's address to authorize at is too long");
                    offers.failed = true;
                }
                None => offers.failed = true,
            }
        }
        if sign_in.ticket.purpose == Purpose::Rotate && (took_it || offers.failed) {
            break;
        }
    }
    offers
}

/// The time that all offers together have.
struct Within {
    deadline: Deadline,
    ends: Instant,
}

/// `None` where it failed, which is logged.
async fn offer_to(
    clients: &Clients,
    sign_in: &SignIn,
    connection: &Connection,
    within: &Within,
) -> Option<Offered> {
    let offer = offer_one(clients, sign_in, connection, within.deadline);
    match timeout_at(within.ends, offer).await {
        Ok(Ok(offered)) => Some(offered),
        Ok(Err(failure)) => {
            info!(connection = %connection.id, %failure, "the secret was not offered to ShopCtrl");
            None
        }
        Err(_) => {
            info!(connection = %connection.id, "the secret was not offered to ShopCtrl, which takes too long");
            None
        }
    }
}

async fn offer_one(
    clients: &Clients,
    sign_in: &SignIn,
    connection: &Connection,
    deadline: Deadline,
) -> Result<Offered, Failure> {
    let shopctrl = shopctrl::client(clients, connection).await?;
    let held = with_retries(deadline, async || shopctrl.connection(connection).await).await?;
    if held.has(sign_in.credential.key_id) {
        return Ok(Offered::HadIt);
    }
    match shopctrl
        .replace_secret(connection, &held, &sign_in.mailbox, &sign_in.credential)
        .await?
    {
        Replaced::Authorized(_) | Replaced::ChangedMeanwhile => Ok(Offered::TookIt),
        Replaced::PersonNeeded { authorize_url } => {
            if may_lead_to(&authorize_url, sign_in, connection) {
                return Ok(Offered::PersonNeeded(authorize_url));
            }
            Err(Failure::new(
                Kind::Misconfigured,
                "ShopCtrl named an address to authorize at that is neither Microsoft's for this app nor its own",
            ))
        }
    }
}

/// Whether a person may be sent to an address that ShopCtrl names: Microsoft's sign-in of this cloud
/// for this very app, or ShopCtrl itself. Another app's sign-in would ask for a consent of its own.
fn may_lead_to(address: &str, sign_in: &SignIn, connection: &Connection) -> bool {
    let web = |text: &str| {
        let url = text.is_ascii().then(|| Url::parse(text).ok())??;
        let bare = url.username().is_empty() && url.password().is_none();
        (matches!(url.scheme(), "https" | "http") && bare).then_some(url)
    };
    let at_one_of = |at: &Url, trusted: &[&str]| {
        let origins = trusted.iter().filter_map(|text| web(text));
        origins.into_iter().any(|url| url.origin() == at.origin())
    };
    let Some(at) = web(address) else {
        return false;
    };
    if at_one_of(&at, &[sign_in.app.endpoints.authority.as_str()]) {
        let client_id = sign_in.app.client_id.as_str();
        let mut named = at.query_pairs().filter(|(name, _)| name == "client_id");
        return named.next().is_some_and(|(_, id)| id == client_id) && named.next().is_none();
    }
    let place = &connection.shopctrl;
    at_one_of(&at, &[place.ui.as_str(), place.api.as_str()])
}
