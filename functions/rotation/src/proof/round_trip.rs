//! A round trip: a test mail goes out each way that a mailbox sends, and is seen on the way that it receives.

use shared::cloud::Endpoints;
use shared::entra::token::Tokens;
use shared::failure::{Failure, Kind};
use shared::graph::account::{self, Folder};
use shared::ids::MailboxAddress;
use shared::mailbox::{Access, MailClient, TestMail};
use shared::mailbox_secret::{Connection, Direction, Proof, Protocol};
use shared::retry::{CallError, Effect, backoff, out_of_time, with_retries};
use tracing::{info, warn};
use uuid::Uuid;

use super::patience::Patience;
use crate::context::Context;
use crate::delivery::logins::Logins;

/// What a test mail is known by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trip {
    /// One for the rotation of the context's version: a later attempt takes up what an earlier one sent.
    OfRotation,
    /// One of its own.
    Once,
}

/// The calls of a look elsewhere for a mail that did not come.
const LAST_LOOKS: u32 = 2;

/// A connection that was opened, and the tokens for its resource.
pub(super) type Proved<'a> = (&'a Connection, &'a Tokens);

pub(super) async fn round_trip(
    context: &Context<'_>,
    trip: Trip,
    proved: &[Proved<'_>],
) -> Result<(), Failure> {
    if !proved.iter().any(|(c, _)| c.proof == Proof::RoundTrip) {
        return Ok(());
    }
    let of = |direction| proved.iter().filter(move |(c, _)| c.direction == direction);
    let Some(receiving) = of(Direction::Receiving).next() else {
        return Ok(());
    };
    let token = match trip {
        Trip::OfRotation => context.version.clone(),
        Trip::Once => Uuid::new_v4().to_string(),
    };
    // Those that say it; where a receiving one alone does, all.
    let says_it = |c: &Connection| c.proof == Proof::RoundTrip;
    let some_say_it = of(Direction::Sending).any(|(c, _)| says_it(c));
    let mut ways: Vec<&Proved<'_>> = Vec::new();
    for way in of(Direction::Sending) {
        if some_say_it && !says_it(way.0) {
            continue;
        }
        if !ways.iter().any(|(c, _)| c.protocol == way.0.protocol) {
            ways.push(way);
        }
    }
    let trips = ways.into_iter().map(|sending| {
        let by = match sending.0.protocol {
            Protocol::Smtp => "smtp",
            Protocol::Graph | Protocol::Imap | Protocol::Pop3 => "graph",
        };
        let mail = TestMail::new(&format!("{token}-{by}"), sending.1.now);
        go(context, sending, receiving, mail)
    });
    let ended = futures_util::future::join_all(trips).await;
    ended.into_iter().collect()
}

async fn go(
    context: &Context<'_>,
    sending: &Proved<'_>,
    receiving: &Proved<'_>,
    mail: TestMail,
) -> Result<(), Failure> {
    let endpoints = context.clients.app(&context.document).endpoints;
    let way = Way {
        context,
        endpoints: &endpoints,
        mail: &mail,
    };
    let doing = format!("proving connection {}", sending.0.id);
    let gone = async {
        let failed = match way.send(sending, receiving).await? {
            Sent::Before => return Ok(()),
            Sent::Surely => None,
            Sent::Perhaps(failure) => Some(failure),
        };
        if way.comes(receiving).await? {
            return Ok(());
        }
        Err(match failed {
            Some(failure) => failure,
            None => way.lost(sending, receiving).await,
        })
    };
    let gone: Result<(), Failure> = gone.await;
    gone.map_err(|failure| failure.while_doing(&doing))?;
    info!(connection = %sending.0.id, by = %receiving.0.id, "the test mail went out and came in");
    Ok(())
}

/// Whether a test mail went out.
enum Sent {
    /// It was there already: of an attempt before this one, or of a sending that was told to have failed.
    Before,
    Surely,
    /// Nobody knows; with what became of the sending.
    Perhaps(Failure),
}

/// One mail, and how it goes.
struct Way<'a> {
    context: &'a Context<'a>,
    endpoints: &'a Endpoints,
    mail: &'a TestMail,
}

impl Way<'_> {
    fn access<'a>(&'a self, (connection, tokens): &Proved<'a>) -> Access<'a> {
        let account = connection.sign_in_as.as_ref();
        Access {
            servers: &self.endpoints.mail,
            mailbox: &connection.mailbox,
            account: account.unwrap_or(&connection.mailbox),
            token: &tokens.access,
        }
    }

    /// Until it is sent, each time where it is not there. What nobody knows the end of is looked for, and not sent again.
    async fn send(&self, sending: &Proved<'_>, receiving: &Proved<'_>) -> Result<Sent, Failure> {
        let send = async || {
            let there = self.has_come(receiving).await;
            if there.map_err(CallError::refused)? {
                return Ok(Sent::Before);
            }
            match self.send_once(sending).await {
                Ok(()) => {
                    info!(connection = %sending.0.id, subject = %self.mail.subject(), "sent a test mail");
                    Ok(Sent::Surely)
                }
                Err(CallError {
                    effect: Effect::Unknown,
                    failure,
                    ..
                }) => {
                    warn!(%failure, "whether the test mail was sent is not known; it is looked for");
                    Ok(Sent::Perhaps(failure))
                }
                Err(error) => Err(error),
            }
        };
        Ok(with_retries(self.context.deadline, send).await?)
    }

    async fn send_once(&self, sending: &Proved<'_>) -> Result<(), CallError> {
        if !self.context.deadline.leaves_time_for(MailClient::CALLS) {
            return Err(out_of_time());
        }
        let clients = self.context.clients;
        let (connection, tokens) = sending;
        let mailbox: &MailboxAddress = &connection.mailbox;
        match connection.protocol {
            Protocol::Smtp => {
                let sent = clients.mail.send(self.access(sending), self.mail).await;
                sent.map_err(|not_opened| not_opened.error)
            }
            Protocol::Graph | Protocol::Imap | Protocol::Pop3 => {
                let (http, token) = (&clients.http, &tokens.access);
                account::send_test_mail(http, self.endpoints, token, mailbox, self.mail).await
            }
        }
    }

    async fn has_come(&self, receiving: &Proved<'_>) -> Result<bool, Failure> {
        let clients = self.context.clients;
        let (connection, tokens) = receiving;
        let deadline = self.context.deadline;
        match self.endpoints.mail.of(connection.protocol) {
            Some(server) => {
                let access = self.access(receiving);
                let take = async || {
                    let taken = clients
                        .mail
                        .take(connection.protocol, access, self.mail)
                        .await;
                    taken.map_err(|not_opened| not_opened.error)
                };
                deadline.mail_server(server.host(), take).await
            }
            None => self.is_in(Folder::Inbox, tokens).await,
        }
    }

    async fn is_in(&self, folder: Folder, tokens: &Tokens) -> Result<bool, Failure> {
        let http = &self.context.clients.http;
        let look = async || {
            account::has_test_mail(http, self.endpoints, &tokens.access, self.mail, folder).await
        };
        Ok(with_retries(self.context.deadline, look).await?)
    }

    async fn comes(&self, receiving: &Proved<'_>) -> Result<bool, Failure> {
        let wait = self.context.clients.settings.round_trip_wait.duration();
        let wait = self.context.deadline.at_most(wait);
        let mut looks = 1;
        loop {
            if self.has_come(receiving).await? {
                return Ok(true);
            }
            // From 2 s on: mail to oneself takes seconds.
            if !wait.sleep(backoff(looks + 3)).await {
                return Ok(self.shopctrl_has_it(receiving.0).await);
            }
            looks += 1;
        }
    }

    /// ShopCtrl may have taken it out of the mailbox ("Delete mail from server") before it was seen there.
    async fn shopctrl_has_it(&self, connection: &Connection) -> bool {
        let Context {
            clients,
            document,
            deadline,
            ..
        } = self.context;
        if !deadline.leaves_time_for(LAST_LOOKS) {
            return false;
        }
        let logins = Logins::read(clients, document).await;
        let Ok(shopctrl) = logins.shopctrl(connection) else {
            return false;
        };
        let shop_id = connection.shopctrl.shop_id;
        let mails = shopctrl.mails_since(shop_id, self.mail.at()).await;
        let mails = mails.ok().flatten().unwrap_or_default();
        mails
            .iter()
            .any(|mail| mail.subject.contains(self.mail.token()))
    }

    async fn lost(&self, sending: &Proved<'_>, receiving: &Proved<'_>) -> Failure {
        let elsewhere = match receiving.0.protocol {
            Protocol::Graph if self.context.deadline.leaves_time_for(LAST_LOOKS) => self
                .is_in(Folder::Any, receiving.1)
                .await
                .unwrap_or_default(),
            Protocol::Graph => false,
            Protocol::Imap | Protocol::Pop3 | Protocol::Smtp => false,
        };
        let (what, next_step) = match elsewhere {
            true => (
                "the test mail came, and is in another folder than the inbox",
                "In the mailbox, look into Junk Email and at the rules: what is not in the inbox, ShopCtrl does not read.",
            ),
            false => (
                "the test mail went out, and was not seen in the inbox in time",
                "Look for its subject in the mailbox (Junk Email, rules) and in Exchange admin center > Mail flow > Message trace. It is tried again.",
            ),
        };
        warn!(connection = %sending.0.id, by = %receiving.0.id, subject = %self.mail.subject(), "{what}");
        Failure::new(Kind::Temporary, what).next_step(next_step)
    }
}
