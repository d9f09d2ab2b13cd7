//! Where mail does not flow, and why.

use super::{Connection, Direction, ShopCtrl, Status};
use crate::microsoft::directory::Standing;

/// Why mail does not flow in a direction right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageCause {
    /// Status is Not authorized.
    NotAuthorized,
    /// The Enable switch is off.
    Disabled,
    /// The shop's Check mail is off: nothing is fetched by any receiving connection.
    CheckMailOff,
    /// Exchange does not let the mailbox be used by the connection's protocol.
    RefusedByExchange,
    /// Entra refuses the secret that it holds, everywhere or at some replicas.
    SecretRefused(Standing),
}

/// A direction in which mail does not flow right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The shop.
    pub shop_id: i64,
    /// The connection.
    pub connection_id: String,
    /// Its direction.
    pub direction: Direction,
    /// Why.
    pub cause: OutageCause,
}

impl ShopCtrl {
    /// The directions in which mail does not flow right now.
    #[must_use]
    pub fn outages(&self) -> Vec<Outage> {
        self.connections()
            .into_iter()
            .filter_map(|connection| {
                let cause = self.outage_of(&connection)?;
                Some(Outage {
                    shop_id: connection.shop_id,
                    connection_id: connection.id,
                    direction: connection.direction,
                    cause,
                })
            })
            .collect()
    }

    fn outage_of(&self, connection: &Connection) -> Option<OutageCause> {
        if connection.status == Status::NotAuthorized {
            return Some(OutageCause::NotAuthorized);
        }
        if !connection.enabled {
            return Some(OutageCause::Disabled);
        }
        if connection.direction == Direction::Receiving
            && self.checks_mail(connection.shop_id) == Some(false)
        {
            return Some(OutageCause::CheckMailOff);
        }
        if self.shut(connection).is_some() {
            return Some(OutageCause::RefusedByExchange);
        }
        let standing = connection
            .secret
            .as_ref()
            .map_or(Standing::Refused, |secret| {
                self.directory.standing(connection.client_id, secret)
            });
        (standing != Standing::Accepted).then_some(OutageCause::SecretRefused(standing))
    }
}
