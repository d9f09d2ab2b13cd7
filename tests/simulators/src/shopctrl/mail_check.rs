//! The mail checks of the receiving connections, reckoned when somebody looks: they come at an interval
//! of the clock, and only those count at which the connection worked.

use jiff::{SignedDuration, Timestamp};

use super::test_mail::Outgoing;
use super::{Connection, Direction, Shop, ShopCtrl, State, Status};
use crate::microsoft::directory::REFRESH_TOKEN_LIFETIME;

impl ShopCtrl {
    /// Makes the mail checks that are due by now.
    pub fn check_mail(&self) {
        let all = self.state().shops.all().len();
        self.check_mail_at((0..all).collect());
    }

    /// The same of one shop. Everything that changes a connection of it calls it first.
    pub(super) fn check_mail_of(&self, shop_id: i64) {
        let places = self.state().shops.places(shop_id);
        self.check_mail_at(places);
    }

    fn check_mail_at(&self, places: Vec<usize>) {
        let now = self.clock.now();
        let mut used = Vec::new();
        {
            let mut state = self.state();
            let interval = state.check_interval;
            let State {
                shops, connections, ..
            } = &mut *state;
            let mut replies = Vec::new();
            for at in places {
                let Some(shop) = shops.all_mut().get_mut(at) else {
                    continue;
                };
                let since = std::mem::replace(&mut shop.reckoned, now);
                let latest = last_tick(shop.started, interval, now);
                if latest.is_none_or(|latest| latest <= since) {
                    continue;
                }
                let (shop_id, checks_mail) = (shop.id, shop.check_mail);
                let mine = || connections.of(shop_id);
                for connection in
                    mine().filter(|one| checks_mail || one.direction == Direction::Sending)
                {
                    let Some((from, until)) = self.works(connection, since + interval) else {
                        continue;
                    };
                    let latest = now.min(until - SignedDuration::from_nanos(1));
                    let Some(check) = last_tick(shop.started, interval, latest)
                        .filter(|check| *check > since && *check >= from)
                    else {
                        continue;
                    };
                    if connection.direction == Direction::Receiving {
                        let senders = shop.fetch(check);
                        let sends = |one: &Connection| {
                            one.direction == Direction::Sending && self.works(one, check).is_some()
                        };
                        if mine().any(sends) {
                            let reply = |to| (shop_id, connection.mailbox.clone(), to, check);
                            let answered = |to: &String| connection.auto_reply.answers(to);
                            replies.extend(senders.into_iter().filter(answered).map(reply));
                        }
                    }
                    used.push((connection.clone(), check));
                }
            }
            for (shop_id, from, to, date) in replies {
                let mail = Outgoing {
                    from: &from,
                    to: &to,
                    subject: "Auto Reply",
                };
                state.send(shop_id, mail, date);
            }
        }
        // A shop sends all day, so sending connections too use their secret and renew their token.
        for (connection, at) in used {
            let secret = connection.secret.unwrap_or_default();
            let token = connection.refresh_token.unwrap_or_default();
            self.directory
                .used_by_person(connection.client_id, &secret, at);
            self.directory.renewed(&token, at);
        }
    }

    /// From when until when the connection, as it is now, can do its work; the first time would be at
    /// `first`, and each time replaces the refresh token in time for the next.
    fn works(&self, connection: &Connection, first: Timestamp) -> Option<(Timestamp, Timestamp)> {
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
        if first.max(from) >= dies {
            return None;
        }
        let in_time = token.revoked.is_none() && self.clock.now() < dies;
        if in_time && !self.directory.refresh_token_works(text) {
            return None;
        }
        Some((
            from,
            token.revoked.map_or(until, |revoked| revoked.min(until)),
        ))
    }
}

impl Shop {
    /// One mail check: what has arrived by then is brought in. Gives the senders.
    fn fetch(&mut self, check: Timestamp) -> Vec<String> {
        self.last_mail_check = self.last_mail_check.max(check);
        let (arrived, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.on_the_way)
            .into_iter()
            .partition(|email| email.date <= check);
        let senders = arrived.iter().map(|email| email.from.clone()).collect();
        self.emails.extend(arrived);
        self.on_the_way = waiting;
        senders
    }
}

fn last_tick(started: Timestamp, interval: SignedDuration, latest: Timestamp) -> Option<Timestamp> {
    let ticks = latest.duration_since(started).as_secs() / interval.as_secs().max(1);
    let passed = i32::try_from(ticks).ok()?;
    (passed > 0).then(|| started + interval * passed)
}
