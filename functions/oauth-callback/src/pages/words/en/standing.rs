//! How a connection stands, and the hints.

use shared::mailbox_secret::{Connection, Direction, SignInName};
use shared::shopctrl::status::LastMailCheck;

use super::common::{clock, host};
use crate::hand_over::hints::Hint;
use crate::hand_over::observation::Observation;
use crate::hand_over::task::{Task, TaskKind};

/// On the button for who pressed too early.
pub(crate) const NOT_AUTHORIZED_AFTER_ALL: &str = "It shows something else after all";

/// The name of a direction at the front of a line.
pub(crate) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Receiving => "Receiving:",
        Direction::Sending => "Sending:",
    }
}

/// How one connection stands, in a sentence or a few.
pub(crate) fn sentences(task: &Task<'_>, observation: Option<&Observation>) -> Vec<String> {
    let mut sentences = Vec::new();
    match &task.kind {
        TaskKind::EnterSecret { statement } => sentences.extend(statement.map(|statement| {
            format!(
                "You said at {} that Status shows Authorized.",
                clock(statement.at)
            )
        })),
        TaskKind::Authorize { .. } => {
            sentences.push("You said that access was granted.".to_owned())
        }
    }
    let Some(observation) = observation else {
        sentences.push("ShopCtrl cannot be asked just now.".to_owned());
        return sentences;
    };
    let Some(since) = observation.since else {
        return sentences;
    };
    match task.connection.direction {
        Direction::Receiving => sentences.push(match observation.status.last_mail_check {
            LastMailCheck::At(last) if since.mail_check => {
                format!("ShopCtrl checked the mail at {} after that.", clock(last))
            }
            LastMailCheck::At(_) | LastMailCheck::NotSaid | LastMailCheck::Unreadable => {
                "ShopCtrl has not checked the mail since then.".to_owned()
            }
        }),
        Direction::Sending => match since.arrived {
            Some(_) if since.test_mail => sentences.push("The test mail has arrived.".to_owned()),
            Some(_) => sentences.push("The test mail is not there yet.".to_owned()),
            None => {}
        },
    }
    if let (Some(arrived), Direction::Receiving) = (since.arrived, task.connection.direction) {
        sentences.push(match arrived {
            0 => "No mail has come in since then.".to_owned(),
            1 => "1 mail has come in since then.".to_owned(),
            n => format!("{n} mails have come in since then."),
        });
    }
    sentences
}

/// What may be behind it, and what to do.
pub(crate) fn hint(hint: Hint, connection: &Connection, name: &SignInName) -> String {
    match hint {
        Hint::MailOverride => format!(
            "If {} is an acceptance server, its **Mail override** sends every mail to an invented address: a test mail from there never arrives. That is no fault; rely on Status.",
            host(connection)
        ),
        Hint::Enable => {
            "Open **Edit**: is **Enable** on at the top of Mailbox details?".to_owned()
        }
        Hint::CheckMail => {
            "In the list under Receiving email: is **Check mail** on, and the shop saved?".to_owned()
        }
        Hint::ShopInactive => {
            "The shop is not active in ShopCtrl, so its mail is not checked. That is no fault of the connection.".to_owned()
        }
        Hint::TestMailBox => {
            "Select the connection in the list and press **Test MailBox**: a popup says whether it works.".to_owned()
        }
        Hint::OutMailBox => {
            "Look into ShopCtrl's **Out mail box**: mail that could not be sent is there, with its error.".to_owned()
        }
        Hint::AutoReply => {
            "If **Auto Reply mail** is set, ShopCtrl answers the test mail too. That is no fault.".to_owned()
        }
        Hint::AnotherSmtp => {
            "If the shop has another SMTP connection of lower priority, mail goes out through that one while this one fails: look at this connection's own **Status**.".to_owned()
        }
        Hint::WholeValue => {
            "Was the whole value copied, without a space before or behind it? It is the secret's value that is needed, not its ID.".to_owned()
        }
        Hint::OtherAccount => format!(
            "Did the Success window name **{name}**? If it named another account, press **Save and Authorize** again in a private window."
        ),
    }
}
