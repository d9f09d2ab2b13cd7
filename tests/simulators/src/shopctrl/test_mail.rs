//! What leaves ShopCtrl: Send test mail over the sending connections of a shop by their priority, and
//! the Mail override of an acceptance server.

use jiff::Timestamp;

use super::out_mail_box::Unsent;
use super::{Connection, Direction, Email, Protocol, ShopCtrl, State};
use crate::microsoft::directory::Directory;
use crate::microsoft::exchange::message;
use crate::microsoft::exchange::store::{Submitted, Via};

/// A mail that left ShopCtrl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMail {
    /// The shop.
    pub shop_id: i64,
    /// The mailbox that it was sent from.
    pub from: String,
    /// Whom it was meant for.
    pub meant_for: String,
    /// Whom it went to, which is another where there is a Mail override.
    pub went_to: String,
    /// Its subject.
    pub subject: String,
}

impl ShopCtrl {
    /// Presses Send test mail: why it failed. The sending connections that are enabled are tried by
    /// priority until one sends the mail, and which one it was is not told. The priority is
    /// documented; that the next one steps in without a word is a choice here: the worst that it can
    /// mean for somebody who relies on the test.
    ///
    /// # Errors
    /// What the popup says.
    pub fn send_test_mail(&self, shop_id: i64, to: &str) -> Result<(), String> {
        let mut sending: Vec<Connection> = self.state().connections.of(shop_id).cloned().collect();
        sending
            .retain(|connection| connection.direction == Direction::Sending && connection.enabled);
        sending.sort_by_key(|connection| connection.priority);
        let mut refused = None;
        for connection in sending {
            match self.try_connection(&connection, Some(to)) {
                Ok(()) => return Ok(()),
                Err(reason) => refused = refused.or(Some(reason)),
            }
        }
        let error = refused.unwrap_or_else(|| "No mailbox is enabled".to_owned());
        if let Some(shop) = self.state().shop_mut(shop_id) {
            shop.unsent.push(Unsent {
                to: to.to_owned(),
                subject: "Test mail".to_owned(),
                error: error.clone(),
            });
        }
        Err(error)
    }

    /// All mail that left ShopCtrl.
    #[must_use]
    pub fn sent_mail(&self) -> Vec<SentMail> {
        self.check_mail();
        self.state().sent.clone()
    }
}

/// A mail that is about to leave.
pub(super) struct Outgoing<'a> {
    /// The connection that sends it.
    pub(super) connection: &'a Connection,
    pub(super) to: &'a str,
    pub(super) subject: &'a str,
}

impl State {
    /// Sends a mail, from the mailbox of an account, and files it with the sent ones. The rest of ShopCtrl sees whom it
    /// went to.
    pub(super) fn send(&mut self, directory: &Directory, mail: Outgoing<'_>, date: Timestamp) {
        let Outgoing {
            connection,
            to,
            subject,
        } = mail;
        let (shop_id, from) = (connection.shop_id, connection.mailbox.as_str());
        let went_to = self.mail_override.clone().unwrap_or_else(|| to.to_owned());
        if let Some(by) = connection.authorized_as {
            let via = match connection.protocol {
                Protocol::Graph | Protocol::Imap | Protocol::Pop3 => Via::Graph,
                Protocol::Smtp => Via::Smtp,
            };
            let submitted = Submitted {
                by,
                via,
                from: from.to_owned(),
                to: vec![went_to.clone()],
                message: message::write(from, &[&went_to], subject, "Hello.", date),
            };
            directory.records().submit(submitted, true, date);
        }
        let id = self.email_id();
        if let Some(shop) = self.shop_mut(shop_id) {
            shop.emails.push(Email {
                id,
                mailbox_id: 3,
                from: from.to_owned(),
                to: went_to.clone(),
                subject: subject.to_owned(),
                date,
            });
        }
        self.sent.push(SentMail {
            shop_id,
            from: from.to_owned(),
            meant_for: to.to_owned(),
            went_to,
            subject: subject.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{MAILBOX, ask};
    use crate::microsoft::directory::account::Person;
    use crate::shopctrl::screen_user::{SENDING, ScreenUser, shop};
    use crate::shopctrl::{AutoReply, Connection, Direction, OutageCause, Protocol};

    const REAL: &str = "me@agency.example";

    #[tokio::test]
    async fn a_connection_of_lower_priority_hides_a_failure() {
        let fixture = shop();
        let shopctrl = &fixture.shopctrl;
        shopctrl.fail_tests(12, "out", Some("refused"));
        assert_eq!(shopctrl.send_test_mail(12, REAL), Err("refused".to_owned()));
        let other = "info@shop.example";
        let person = Person::with_mailbox(other, "another password");
        let oid = fixture.directory.add_account(fixture.tenant, person);
        let app = fixture.app.app_id;
        fixture.directory.consent(
            oid,
            app,
            "offline_access https://outlook.office.com/SMTP.Send",
        );
        let allow = |person: &mut Person| person.email_apps.smtp_auth = Some(true);
        fixture.directory.change_account(oid, allow);
        let kind = (Direction::Sending, Protocol::Smtp);
        shopctrl.add_connection(Connection::new(
            12,
            "spare",
            kind,
            other,
            fixture.auth_parameters(),
        ));
        shopctrl.edit(12, "spare", |spare| spare.priority = 10);
        shopctrl.enter_secret(12, "spare", &fixture.secret().1);
        shopctrl.authorize_as(12, "spare", other).unwrap();
        assert_eq!(shopctrl.send_test_mail(12, REAL), Ok(()));
        assert_eq!(
            shopctrl.sent_mail()[0].from,
            other,
            "not the one that was meant"
        );
        shopctrl.fail_tests(12, "out", None);
        assert_eq!(shopctrl.send_test_mail(12, REAL), Ok(()));
        assert_eq!(shopctrl.sent_mail()[1].from, MAILBOX);
        shopctrl.edit(12, "out", |out| out.enabled = false);
        shopctrl.edit(12, "spare", |spare| spare.enabled = false);
        assert!(
            shopctrl.send_test_mail(12, REAL).is_err(),
            "no one is enabled"
        );
    }

    #[tokio::test]
    async fn an_acceptance_server_says_sent_and_sends_elsewhere() {
        let fixture = shop();
        let elsewhere = "override@shopctrl.example";
        fixture.shopctrl.set_mail_override(Some(elsewhere));
        let mut admin = ScreenUser::admin(&fixture).await;
        let list = admin.open(SENDING).await;
        assert!(list.body.contains("Mail override is on"), "{}", list.body);
        let to = [("to", REAL)];
        let sent = admin.post(&format!("{SENDING}/SendTestMail"), &to).await;
        assert!(sent.body.contains("The test mail was sent."));
        let mail = fixture.shopctrl.sent_mail().pop().unwrap();
        assert_eq!(
            (mail.meant_for.as_str(), mail.went_to.as_str()),
            (REAL, elsewhere)
        );
        let headers = [("authorization", "Basic YXBpOmEgcGFzc3dvcmQ=")];
        let path = "/v1/Shops/12/Emails?mailboxId=3";
        let emails = ask(&fixture.shop, "GET", path, &headers, "").await;
        assert_eq!(emails.json()[0]["ToAddress"], elsewhere);
    }

    #[tokio::test]
    async fn a_mail_that_is_excluded_by_its_subject_is_brought_in_and_not_answered() {
        let fixture = shop();
        let reply = AutoReply {
            template: "Thank you".to_owned(),
            excluded_subjects: "^\\[shopmail check\\]\n^Undeliverable".to_owned(),
            ..AutoReply::default()
        };
        let shopctrl = &fixture.shopctrl;
        shopctrl.edit(12, "in", |receiving| receiving.auto_reply = reply);
        for subject in ["[shopmail check] 4711", "Where is my parcel?"] {
            let directory = &fixture.directory;
            directory.receive_mail("one@a.example", MAILBOX, subject);
        }
        fixture.wait(301);
        assert_eq!(shopctrl.sent_mail().len(), 1);
        let headers = [("authorization", "Basic YXBpOmEgcGFzc3dvcmQ=")];
        let path = "/v1/Shops/12/Emails?mailboxId=1";
        let emails = ask(&fixture.shop, "GET", path, &headers, "").await.json();
        assert_eq!(emails[0]["Subject"], "[shopmail check] 4711");
        assert_eq!(emails[0]["FromAddress"], "one@a.example");
        assert_eq!(emails.as_array().unwrap().len(), 2, "each once");
    }

    #[tokio::test]
    async fn a_protocol_that_is_off_fails_the_test_and_stops_the_mail() {
        let fixture = shop();
        let shopctrl = &fixture.shopctrl;
        fixture.directory.consent(
            fixture.person,
            fixture.app.app_id,
            "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send",
        );
        for (id, protocol) in [("in", Protocol::Imap), ("out", Protocol::Smtp)] {
            shopctrl.edit(12, id, |connection| connection.protocol = protocol);
        }
        let change = |change: fn(&mut Person)| {
            fixture.directory.change_account(fixture.person, change);
        };
        let off = "The mail server refused the login: SmtpClientAuthentication is disabled for the Tenant";
        assert_eq!(shopctrl.send_test_mail(12, REAL), Err(off.to_owned()));
        change(|person| person.email_apps.smtp_auth = Some(true));
        assert_eq!(shopctrl.send_test_mail(12, MAILBOX), Ok(()));
        assert_eq!(shopctrl.test_connection(12, "in", None), Some(Ok(())));
        fixture.wait(301);
        let emails = async |folder: i64| {
            let headers = [("authorization", "Basic YXBpOmEgcGFzc3dvcmQ=")];
            let path = format!("/v1/Shops/12/Emails?mailboxId={folder}");
            let emails = ask(&fixture.shop, "GET", &path, &headers, "").await.json();
            emails.as_array().unwrap().len()
        };
        assert_eq!((emails(1).await, emails(3).await), (1, 1));
        fixture
            .directory
            .receive_mail("one@a.example", MAILBOX, "canary");
        change(|person| person.email_apps.imap = false);
        fixture.wait(301);
        assert_eq!(emails(1).await, 1);
        let off = "The mail server refused the login: the protocol is off for the mailbox";
        let tested = shopctrl.test_connection(12, "in", None);
        assert_eq!(tested, Some(Err(off.to_owned())));
        assert_eq!(shopctrl.outages()[0].cause, OutageCause::RefusedByExchange);
        change(|person| person.email_apps.imap = true);
        fixture.wait(301);
        assert_eq!(emails(1).await, 2);
    }

    #[tokio::test]
    async fn auto_reply_answers_every_mail_that_comes_in() {
        let fixture = shop();
        let shopctrl = &fixture.shopctrl;
        fixture
            .directory
            .receive_mail("one@a.example", MAILBOX, "canary");
        fixture.wait(301);
        assert_eq!(shopctrl.sent_mail(), [], "it is off");
        let reply = AutoReply {
            template: "Thank you".to_owned(),
            excluded_addresses: "boss@a.example".to_owned(),
            ..AutoReply::default()
        };
        shopctrl.edit(12, "in", |receiving| receiving.auto_reply = reply);
        fixture
            .directory
            .receive_mail("Boss@a.example", MAILBOX, "canary");
        fixture
            .directory
            .receive_mail("two@a.example", MAILBOX, "canary");
        fixture.wait(301);
        let replies = shopctrl.sent_mail();
        assert_eq!(
            (replies.len(), replies[0].went_to.as_str()),
            (1, "two@a.example")
        );
        shopctrl.edit(12, "out", |sending| sending.enabled = false);
        fixture
            .directory
            .receive_mail("three@a.example", MAILBOX, "canary");
        fixture.wait(301);
        assert_eq!(shopctrl.sent_mail().len(), 1, "nothing can be sent");
    }
}
