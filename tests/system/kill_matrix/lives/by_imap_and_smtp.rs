//! ShopCtrl receives by IMAP and sends by SMTP, and a test mail makes a round trip: on Dovecot where it is installed, else
//! on the simulated Exchange, with the same commands.

use std::sync::LazyLock;

use jiff::SignedDuration;
use serde_json::json;
use simulators::dovecot::Dovecot;
use simulators::shopctrl::Protocol;
use simulators::world::MailboxPlan;

use crate::kill_matrix::is_full;
use crate::kill_matrix::life::Life;
use crate::kill_matrix::site::{Part, Site};
use crate::kill_matrix::trouble::Trouble;
use crate::support::Scenario;

pub const LIFE: Life = Life {
    name: "by IMAP and SMTP",
    told: "ShopCtrl receives by IMAP and sends by SMTP, and `proof` is `round_trip`. The mail servers are Dovecot's where it is\n\
        installed, as it is in CI. Tried are the commands with which the test mail is sent and taken: the function is killed\n\
        before a command reaches the server, and before its answer comes back. No other mail is touched, no test mail stays,\n\
        and none is sent while one is there: the next attempt takes up what was sent, and sends another where the mail had\n\
        been removed.",
    plan,
    prepare: |scenario| Box::pin(prepare(scenario)),
    person: None,
    person_tells: &[],
    stands: |_| "no person has a part",
    attended: false,
    reattempt_after: SignedDuration::ZERO,
    tries,
    troubles: |_, _| [false, true].map(|effect| Trouble::Kill { effect }).into(),
    twice: false,
    ends_with,
};

const FROM_A_CUSTOMER: &str = "Where is my parcel?";

/// Asked, and said, once: where there is none, this life goes over the simulated Exchange.
static IS_REAL: LazyLock<bool> = LazyLock::new(Dovecot::installed_or_say);

fn plan() -> MailboxPlan {
    MailboxPlan {
        receiving: Protocol::Imap,
        sending: Protocol::Smtp,
        document: |document| {
            for connection in document["connections"].as_array_mut().unwrap() {
                connection["proof"] = json!("round_trip");
            }
        },
        ..MailboxPlan::default()
    }
}

async fn prepare(Scenario { world, mailbox }: Scenario) {
    let address = &mailbox.address;
    if !*IS_REAL {
        let directory = &world.directory;
        directory.receive_mail("a@customer.example", address, FROM_A_CUSTOMER);
        return;
    }
    let entra = world.directory.authority();
    let dovecot = Dovecot::start(&entra, &world.authority).await.unwrap();
    let mail = format!("Subject: {FROM_A_CUSTOMER}\r\n\r\nHello.\r\n");
    dovecot.deliver(address, &mail);
    world.exchange.pass_on_to(dovecot, &world.authority);
}

/// The commands with which the test mail is sent and taken, and which of several like it in the step each is: the looks
/// before have some of them, too.
const TRIED: [(&str, usize); 12] = [
    ("AUTH continued", 2),
    ("MAIL", 1),
    ("DATA", 1),
    ("DATA continued", 1),
    ("QUIT", 2),
    ("AUTHENTICATE continued", 3),
    ("EXAMINE", 3),
    ("FETCH", 2),
    ("SELECT", 1),
    ("UID STORE", 1),
    ("UID EXPUNGE", 1),
    ("LOGOUT", 3),
];

fn tries(site: &Site, _: &[Site]) -> bool {
    let of_mail = ["imap", "smtp"].contains(&site.service) && site.step == "testSecret";
    of_mail && site.part == Part::Renewal && TRIED.contains(&(site.operation.as_str(), site.nth))
}

fn ends_with(scenario: &Scenario) {
    scenario.assert_granted();
    scenario.assert_foreign_is_untouched();
    // One whose removal fails is let be.
    let may_stay = usize::from(is_full());
    assert!(scenario.test_mails() <= may_stay, "no test mail stays");
    let inbox = scenario.world.exchange.inbox(&scenario.mailbox.address);
    let from_customers = inbox.iter().filter(|subject| *subject == FROM_A_CUSTOMER);
    assert_eq!(from_customers.count(), 1, "{inbox:?}");
}
