//! What only a person can do.

use jiff::Timestamp;
use shared::events::MailFlow;
use shared::half_done::HalfDone;
use shared::mailbox_secret::{Delivery, Direction};
use shared::ticket::Purpose;

use super::common::{half_done, last_day_before, link, mail_until, urgency};
use super::{Message, Urgency};
use crate::event::{Connection, HandOverNeeded, PermissionEnding, SignInNeeded};

const WHAT_IT_IS: &str = "ShopCtrl reaches a mailbox with a client secret, a password between ShopCtrl and Microsoft that ends after some time.";
const SIGN_IN: &str =
    "Open the link in a private browser window and sign in there. It takes a minute.";

/// Until when, as a subject says it.
fn by(mail: MailFlow, due: Option<Timestamp>) -> String {
    match (mail, due) {
        (MailFlow::StandsStill, _) => "now".to_owned(),
        (MailFlow::Flows | MailFlow::NotKnown, Some(due)) => format!("by {}", last_day_before(due)),
        (MailFlow::Flows | MailFlow::NotKnown, None) => "soon".to_owned(),
    }
}

fn as_the_mailbox(mailbox: &impl ToString) -> String {
    format!(
        "At Microsoft, sign in as {}, not with your own account. If you do not have its password, ask whoever has.",
        mailbox.to_string()
    )
}

/// Why the owner is asked.
fn because(reason: &str) -> String {
    match reason {
        "no_grant" => "Nobody has given the permission for it yet.".to_owned(),
        "asked_again" => "The link is sent again because somebody asked for it.".to_owned(),
        code => format!("Microsoft has ended the permission that was given before ({code})."),
    }
}

pub(super) fn sign_in(needed: &SignInNeeded) -> Message {
    let SignInNeeded {
        mailbox,
        reason,
        purpose,
        mail,
        due_by,
        ..
    } = needed;
    let because = because(reason);
    let (headline, of_many, why) = match purpose {
        Purpose::Rotate => (
            format!("sign in once, {}", by(*mail, *due_by)),
            "wait for one sign-in each",
            format!(
                "A new one is ready, and its renewal waits for one sign-in by the mailbox's owner. {because}"
            ),
        ),
        Purpose::Connect => (
            format!(
                "sign in once, {}, so that renewals go on by themselves",
                by(*mail, *due_by)
            ),
            "need one sign-in each before they renew by themselves",
            format!(
                "It will be renewed by itself, once the mailbox's owner has signed in. {because}"
            ),
        ),
    };
    Message {
        urgency: urgency(*mail, Urgency::NeedsSomebody),
        headline,
        of_many: of_many.into(),
        general: vec![format!("{WHAT_IT_IS} {why}")],
        particular: particular(
            mail_until(*mail, *due_by),
            needed.half_done,
            as_the_mailbox(mailbox),
        ),
        to_do: SIGN_IN.to_owned(),
        for_administrator: None,
        link: Some(link(&needed.link)),
    }
}

pub(super) fn permission(ending: &PermissionEnding) -> Message {
    let PermissionEnding {
        mailbox,
        mail,
        due_by,
        ..
    } = ending;
    Message {
        urgency: urgency(*mail, Urgency::NeedsSomebody),
        headline: format!("sign in once, {}, for the next renewal", by(*mail, *due_by)),
        of_many: "need one sign-in each before the next renewal".into(),
        general: vec![format!(
            "{WHAT_IT_IS} The permission with which it is renewed is over: Microsoft wants the mailbox's owner to sign in again. If that is done now, no renewal has to wait."
        )],
        particular: vec![mail_until(*mail, *due_by), as_the_mailbox(mailbox)],
        to_do: SIGN_IN.to_owned(),
        for_administrator: None,
        link: Some(link(&ending.link)),
    }
}

pub(super) fn hand_over(needed: &HandOverNeeded) -> Message {
    let HandOverNeeded {
        mailbox,
        connections,
        purpose,
        mail,
        due_by,
        ..
    } = needed;
    let directions = directions(connections);
    let by_hand = connections
        .iter()
        .any(|connection| connection.delivery == Delivery::Attended);
    let (headline, of_many, why, to_do) = match (by_hand, purpose) {
        (true, _) => (
            format!(
                "enter the new client secret in ShopCtrl, {}",
                by(*mail, *due_by)
            ),
            "wait for their new client secret in ShopCtrl",
            format!(
                "A new one was made. A person has to enter it in ShopCtrl, for {directions}: ShopCtrl lets no program do it."
            ),
            "Open the link in a private browser window, and have your ShopCtrl login at hand. The page leads through every step. It takes about ten minutes.",
        ),
        (false, Purpose::Rotate) => (
            format!("authorize the mailbox in ShopCtrl, {}", by(*mail, *due_by)),
            "wait for an authorization in ShopCtrl",
            format!(
                "A new one was made. ShopCtrl takes it, for {directions}, once the mailbox's owner has signed in at Microsoft through ShopCtrl."
            ),
            "Open the link in a private browser window. It leads to Microsoft's sign-in and on to ShopCtrl. It takes a minute.",
        ),
        (false, Purpose::Connect) => (
            "authorize the mailbox in ShopCtrl again, now".to_owned(),
            "wait for an authorization in ShopCtrl",
            format!(
                "ShopCtrl says that it is not authorized any more to use the mailbox, for {directions}, and wants its owner to sign in."
            ),
            "Open the link in a private browser window. It leads to Microsoft's sign-in and on to ShopCtrl. It takes a minute.",
        ),
    };
    let mail_now = match purpose {
        Purpose::Rotate => mail_until(*mail, *due_by),
        Purpose::Connect => "Mail may stand still until that is done.".to_owned(),
    };
    Message {
        urgency: urgency(*mail, Urgency::NeedsSomebody),
        headline,
        of_many: of_many.into(),
        general: vec![format!("{WHAT_IT_IS} {why}")],
        particular: particular(mail_now, needed.half_done, as_the_mailbox(mailbox)),
        to_do: to_do.to_owned(),
        for_administrator: None,
        link: Some(link(&needed.link)),
    }
}

fn particular(mail: String, half: Option<HalfDone>, account: String) -> Vec<String> {
    let half = half.map(half_done);
    [mail].into_iter().chain(half).chain([account]).collect()
}

pub(super) fn directions(connections: &[Connection]) -> &'static str {
    let has = |direction| connections.iter().any(|c| c.direction == direction);
    match (has(Direction::Receiving), has(Direction::Sending)) {
        (true, false) => "receiving",
        (false, true) => "sending",
        (true, true) | (false, false) => "receiving and sending",
    }
}
