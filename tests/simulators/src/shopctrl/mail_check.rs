//! The mail checks of the receiving connections, reckoned when somebody looks: they come at an interval
//! of the clock, and only those count at which the connection worked.

use jiff::{SignedDuration, Timestamp};

use super::{Connection, Direction, ShopCtrl, Status};
use crate::directory::REFRESH_TOKEN_LIFETIME;

impl ShopCtrl {
    /// Makes the mail checks that are due by now. Everything that changes a connection calls it first.
    pub fn check_mail(&self) {
        let now = self.clock.now();
        let mut used = Vec::new();
        {
            let mut state = self.state();
            let interval = state.check_interval;
            let connections = state.connections.clone();
            for shop in &mut state.shops {
                let since = std::mem::replace(&mut shop.reckoned, now);
                let receiving = connections.iter().filter(|connection| {
                    connection.shop_id == shop.id && connection.direction == Direction::Receiving
                });
                for connection in receiving {
                    let Some((from, until)) = self.works(connection) else {
                        continue;
                    };
                    let latest = now.min(until - SignedDuration::from_nanos(1));
                    let Some(check) = last_tick(shop.started, interval, latest)
                        .filter(|check| *check > since && *check >= from)
                    else {
                        continue;
                    };
                    shop.last_mail_check = shop.last_mail_check.max(check);
                    let (arrived, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut shop.on_the_way)
                        .into_iter()
                        .partition(|email| email.date <= check);
                    shop.emails.extend(arrived);
                    shop.on_the_way = waiting;
                    if let Some(secret) = &connection.secret {
                        used.push((connection.client_id, secret.clone(), check));
                    }
                }
            }
        }
        for (app_id, secret, at) in used {
            self.directory.used_by_person(app_id, &secret, at);
        }
    }

    /// From when until when the connection, as it is now, can fetch mail.
    fn works(&self, connection: &Connection) -> Option<(Timestamp, Timestamp)> {
        if connection.status != Status::Authorized || !connection.enabled {
            return None;
        }
        let app = self.directory.application(connection.client_id)?;
        if app.registration.disabled || app.registration.deleted {
            return None;
        }
        let secret = connection.secret.as_ref()?;
        let (from, until) = self.directory.validity(connection.client_id, secret)?;
        let text = connection.refresh_token.as_ref()?;
        let token = self.directory.refresh_token(text)?;
        let dies = token.issued + REFRESH_TOKEN_LIFETIME;
        let dies = token.revoked.map_or(dies, |revoked| revoked.min(dies));
        let blocked = self.clock.now() < dies && !self.directory.refresh_token_works(text);
        (!blocked).then_some((from, until.min(dies)))
    }
}

fn last_tick(started: Timestamp, interval: SignedDuration, latest: Timestamp) -> Option<Timestamp> {
    let ticks = latest.duration_since(started).as_secs() / interval.as_secs().max(1);
    let passed = i32::try_from(ticks).ok()?;
    (passed > 0).then(|| started + interval * passed)
}
