//! Offers the version's secret to ShopCtrl while the account's owner is here: where ShopCtrl wants a
//! sign-in of its own, they are led on to it.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::failure::{Failure, Kind};
use shared::mailbox_secret::{Connection, Delivery};
use shared::retry::{Deadline, with_retries};
use shared::shopctrl::connections::Replaced;
use shared::ticket::Purpose;
use tracing::{info, warn};
use url::Url;

use super::sign_in::SignIn;
use crate::clients::Clients;
use crate::shopctrl;

/// ShopCtrl may take this long to answer an offer; the person waits meanwhile.
const OFFER: Duration = Duration::from_secs(10);
/// A cookie has 4 KiB.
const LONGEST_ADDRESSES: usize = 1400;

/// What came of offering the secret to ShopCtrl.
#[derive(Default)]
pub(crate) struct Offers {
    /// By connection: where ShopCtrl wants the owner's own sign-in.
    pub(crate) addresses: BTreeMap<String, String>,
    /// Something could not be offered, or its address cannot be led to.
    pub(crate) failed: bool,
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
    let deadline = deadline.at_most(OFFER);
    let connections = sign_in
        .connections()
        .filter(|connection| connection.delivery == Delivery::Api);
    let made = connections.map(async |connection| {
        let offer = offer_one(clients, sign_in, connection, deadline);
        let answer = tokio::time::timeout(OFFER, offer).await;
        (connection, answer)
    });
    let mut room = LONGEST_ADDRESSES;
    for (connection, answer) in futures_util::future::join_all(made).await {
        match answer {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(url))) if url.len() <= room => {
                room -= url.len();
                offers.addresses.insert(connection.id.to_string(), url);
            }
            Ok(Ok(Some(_))) => {
                warn!(connection = %connection.id, "ShopCtrl's address to authorize at is too long");
                offers.failed = true;
            }
            Ok(Err(failure)) => {
                info!(connection = %connection.id, %failure, "the secret was not offered to ShopCtrl");
                offers.failed = true;
            }
            Err(_) => {
                info!(connection = %connection.id, "the secret was not offered to ShopCtrl, which takes too long");
                offers.failed = true;
            }
        }
    }
    offers
}

async fn offer_one(
    clients: &Clients,
    sign_in: &SignIn,
    connection: &Connection,
    deadline: Deadline,
) -> Result<Option<String>, Failure> {
    let shopctrl = shopctrl::client(clients, connection).await?;
    let held = with_retries(deadline, async || shopctrl.connection(connection).await).await?;
    if held.has(sign_in.credential.key_id) {
        return Ok(None);
    }
    match shopctrl
        .replace_secret(connection, &held, &sign_in.mailbox, &sign_in.credential)
        .await?
    {
        Replaced::Authorized(_) | Replaced::ChangedMeanwhile => Ok(None),
        Replaced::PersonNeeded { authorize_url } => {
            if may_lead_to(&authorize_url, sign_in, connection) {
                return Ok(Some(authorize_url));
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
