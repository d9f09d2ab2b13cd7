//! What each outcome's page says.

use shared::ticket::Purpose;

use super::common::{clock, day};
use super::refused::{self, MessageWords, message, numbered};
use crate::message::Button;
use crate::outcome::Outcome;

/// Over the address that an administrator needs.
pub(crate) const FOR_AN_ADMINISTRATOR: &str = "Link for an administrator of Microsoft 365";

pub(crate) fn button(button: &Button) -> &'static str {
    match button {
        Button::SignIn { .. } => "Sign in again",
        Button::NewLink { .. } => "Send a new link",
        Button::BackToHandOver => "Back to the steps",
    }
}

pub(crate) fn of(outcome: &Outcome) -> MessageWords {
    match outcome {
        Outcome::NoSuchPage | Outcome::WrongMethod { .. } | Outcome::NotDone => message(
            "There is nothing here",
            "This address has no page.",
            "Open the link from the message that you were sent.",
        ),
        Outcome::OutOfTime => message(
            "This took too long",
            "A service that is needed did not answer in time. What you did may have been done all the same.",
            "Open the link again in a few minutes: what was done is not asked for again.",
        ),
        Outcome::Temporary => message(
            "That did not work just now",
            "Something on our side did not answer; nothing was changed.",
            "Try again in a few minutes; if it happens again, tell the contact this page's reference.",
        ),
        Outcome::Misconfigured => message(
            "This has to be set right first",
            "A setting of this system is wrong; nothing was changed.",
            "Tell the person who runs it this page's reference.",
        ),
        Outcome::NoTicket | Outcome::InvalidTicket => message(
            "This link does not work",
            "It is incomplete or was changed on its way.",
            "Open it again from the message, or copy all of it into the address bar. If that does not help, use the newest message about this mailbox.",
        ),
        Outcome::OtherKey => message(
            "This link does not work any more",
            "It was made with a key that is not used any more, or not by this system.",
            "Use the newest message about this mailbox. If there is none, one comes within a day when you are needed. If none comes, ask the person who runs this system, and tell them this page's reference.",
        ),
        Outcome::TooOld => message(
            "This link is too old",
            "It ended more than 30 days ago, and cannot be renewed any more.",
            "Use the newest message about this mailbox. If there is none, and you think that you are needed, ask the person who runs this system.",
        ),
        Outcome::ExpiredTicket => message(
            "This link has ended",
            "For safety a link works for a limited time, and this one is over.",
            "Have a new one sent; it goes to the contact that is set for this mailbox.",
        ),
        Outcome::NewLink => message(
            "A new link was sent",
            "It goes to the contact that is set for this mailbox. It takes a few minutes.",
            "Use the link in that message, and not this one. You can close this window.",
        ),
        Outcome::AskedShortlyBefore { again } => message(
            "A link was sent a short while ago",
            "It went to the contact that is set for this mailbox. Look there, also among unwanted mail.",
            format!(
                "If it does not come, open your link again and have another one sent, after {} on {}.",
                clock(*again),
                day(*again)
            ),
        ),
        Outcome::NobodyWaitedFor => message(
            "You are not needed just now",
            "Nothing waits for this mailbox's account.",
            "You can close this window. A message comes when you are needed.",
        ),
        Outcome::RotationOff => message(
            "The renewal of this mailbox is stopped",
            "Somebody has switched the renewal of its client secret off, so no new link is sent.",
            "Tell the person who runs this system this page's reference if that was not meant.",
        ),
        Outcome::Replica => message(
            "This link is out of date",
            "It belongs to a copy of this mailbox's data that is looked after elsewhere.",
            "Use the newest message about this mailbox; if there is none, one will come when you are needed.",
        ),
        Outcome::Superseded => message(
            "This link is out of date",
            "It belongs to an earlier attempt that was given up.",
            "Use the newest message about this mailbox, or have it sent once more.",
        ),
        Outcome::AlreadyDone => refused::already_done(),
        Outcome::GoodTicket
        | Outcome::NoSignIn
        | Outcome::NoCode
        | Outcome::NoSuchConnection
        | Outcome::NoStatement => message(
            "Please start again",
            "This sign-in took too long, was used before, or was begun in another window. Or this page was opened again too late to say how it ended.",
            "Open the link from the message once more, in one window only. If all is done, it says so.",
        ),
        Outcome::SessionOver => message(
            "Please sign in once more",
            "For safety this page works for an hour after a sign-in, and only in the window of that sign-in.",
            "Open the link from the message again; what you have done so far is kept.",
        ),
        Outcome::Refused {
            reason,
            number,
            expected,
        } => refused::sign_in(*reason, *number, expected),
        Outcome::RevealRefused { reason, expected } => refused::reveal(*reason, expected),
        Outcome::CurrentSecretRefused => message(
            "The sign-in cannot be completed with this link",
            "Microsoft does not accept the client secret that is in use: it has ended, or was removed.",
            "Use the newest message about this mailbox. If none comes within some hours, tell the person who runs this system this page's reference.",
        ),
        Outcome::IdTokenRefused => message(
            "The sign-in could not be verified",
            "What Microsoft sent about the account did not pass this system's checks; nothing was changed.",
            "Sign in once more; if this page comes again, show its reference to the person who runs this system.",
        ),
        Outcome::WrongAccount { expected } => refused::wrong_account(expected),
        Outcome::AnotherName { expected } => refused::another_name(expected),
        Outcome::PersonalAccount { expected } => refused::personal_account(expected),
        Outcome::ForeignAccount { expected } => refused::foreign_account(expected),
        Outcome::ConsentIncomplete { mailbox } => message(
            "A permission is missing",
            format!(
                "{mailbox} is signed in, but did not get every permission that ShopCtrl's connections use; nothing was changed."
            ),
            "Sign in again and accept all that Microsoft asks; if it does not ask, an administrator of Microsoft 365 has to grant it.",
        ),
        Outcome::Connected { mailbox, attended } => message(
            "The mailbox is connected",
            format!("{mailbox} is signed in, and the permission is stored."),
            match attended {
                true => {
                    "You can close this window. When a new client secret has to be entered in ShopCtrl, a message with a link comes in good time."
                }
                false => {
                    "You can close this window; client secrets are renewed without you from now on."
                }
            },
        ),
        Outcome::StoredWhileOff { mailbox } => message(
            "Thank you",
            format!("The permission of {mailbox} is stored."),
            "Somebody has stopped the renewal of this mailbox's client secret; it goes on when they switch it on again. You can close this window.",
        ),
        Outcome::RotationGoesOn { mailbox, purpose } => message(
            "Thank you, that was all",
            match purpose {
                Purpose::Rotate => {
                    format!("{mailbox} is signed in, and the new client secret works for it.")
                }
                Purpose::Connect => {
                    format!("{mailbox} is signed in, and the permission is stored.")
                }
            },
            "The change goes on by itself now; you can close this window.",
        ),
        Outcome::HandOverRemains { mailbox } => message(
            "Signed in; one thing is left",
            format!("{mailbox} is signed in, and the permission is stored."),
            "The new client secret still has to be entered in ShopCtrl; the link for that was sent in a message of its own.",
        ),
        Outcome::AuthorizeRemains { mailbox } => message(
            "Signed in; ShopCtrl could not be asked",
            format!(
                "{mailbox} is signed in, and the permission is stored. ShopCtrl did not say whether it wants a sign-in of its own, and where."
            ),
            "Sign in again in a few minutes. If this page comes again, open the mailbox's settings in ShopCtrl: where Status is Not authorized, press Authorize.",
        ),
        Outcome::AdminGranted => message(
            "Thank you",
            "Microsoft says that the permission was granted.",
            "Tell whoever sent you this link that they can open their own link and sign in now; you can close this window.",
        ),
        Outcome::AdminDeclined { number } => message(
            "The permission was not granted",
            format!(
                "Microsoft ended the request without a grant{}; nothing was changed.",
                numbered(*number)
            ),
            "If that was not meant, open the link once more and choose Accept; it takes an administrator who may consent for the organisation.",
        ),
    }
}
