//! The mail checks of the receiving connections, reckoned when somebody looks: they come at an interval
//! of the clock, and only those count at which the connection worked.

use jiff::{SignedDuration, Timestamp};

use super::test_mail::Outgoing;
use super::{Connection, Direction, Email, ShopCtrl, State, Status};
use crate::microsoft::directory::REFRESH_TOKEN_LIFETIME;
use crate::microsoft::exchange::store::{Folder, Mail};
use crate::microsoft::exchange::{Shut, message};

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
            let (mut replies, mut fetching) = (Vec::new(), Vec::new());
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
                        shop.last_mail_check = shop.last_mail_check.max(check);
                        let mails = self.arrived(connection, check);
                        let sends = |one: &&Connection| {
                            one.direction == Direction::Sending && self.works(one, check).is_some()
                        };
                        let answered = |mail: &&Mail| {
                            connection
                                .auto_reply
                                .answers(&sender(mail), &mail.subject())
                        };
                        // Mail servers keep an automatic reply from answering itself (RFC 3834).
                        let answered = mails
                            .iter()
                            .filter(answered)
                            .filter(|mail| mail.subject() != AUTO_REPLY);
                        if let Some(sending) = mine().find(sends) {
                            let reply = |mail| (sending.clone(), sender(mail), check);
                            replies.extend(answered.map(reply));
                        }
                        fetching.push((shop_id, connection.id.clone(), mails));
                    }
                    used.push((connection.clone(), check));
                }
            }
            for (shop_id, id, mails) in fetching {
                state.fetch(shop_id, &id, mails);
            }
            for (connection, to, date) in replies {
                let mail = Outgoing {
                    connection: &connection,
                    to: &to,
                    subject: AUTO_REPLY,
                };
                state.send(&self.directory, mail, date);
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

    /// What keeps the connection's protocol from its mailbox.
    pub(super) fn shut(&self, connection: &Connection) -> Option<Shut> {
        let protocol = connection.protocol.at_exchange()?;
        self.directory.shut(protocol, &connection.mailbox)
    }

    /// What lies in the mailbox's inbox by then that the connection has not fetched.
    fn arrived(&self, connection: &Connection, check: Timestamp) -> Vec<Mail> {
        let now = self.clock.now();
        let mut records = self.directory.records();
        let account = records.accounts.at_address(&connection.mailbox);
        let account = account.filter(|account| account.person.has_mailbox);
        let Some(mailbox) = account.map(|account| account.oid) else {
            return Vec::new();
        };
        let inbox = records.mail.contents(mailbox, now).of(Folder::Inbox);
        let new = inbox.filter(|mail| mail.uid > connection.fetched && mail.arrived <= check);
        new.cloned().collect()
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
        if self.shut(connection).is_some() {
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

const AUTO_REPLY: &str = "Auto Reply";

/// Whom a mail is from.
fn sender(mail: &Mail) -> String {
    let field = mail.header("From").unwrap_or_default();
    message::addresses(&field).pop().unwrap_or_default()
}

impl State {
    /// What a connection found is brought in.
    fn fetch(&mut self, shop_id: i64, connection: &str, mails: Vec<Mail>) {
        let last = mails.iter().map(|mail| mail.uid).max();
        if let (Some(last), Some(connection)) = (last, self.connection_mut(shop_id, connection)) {
            connection.fetched = last;
        }
        for mail in mails {
            let id = self.email_id();
            if let Some(shop) = self.shop_mut(shop_id) {
                shop.emails.push(Email {
                    id,
                    mailbox_id: 1,
                    from: sender(&mail),
                    to: mail.header("To").unwrap_or_default(),
                    subject: mail.subject(),
                    date: mail.arrived,
                });
            }
        }
    }
}

fn last_tick(started: Timestamp, interval: SignedDuration, latest: Timestamp) -> Option<Timestamp> {
    let ticks = latest.duration_since(started).as_secs() / interval.as_secs().max(1);
    let passed = i32::try_from(ticks).ok()?;
    (passed > 0).then(|| started + interval * passed)
}
