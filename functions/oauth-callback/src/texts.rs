//! Every word that a person reads on a page, in one place: another language is another file like it.

use shared::entra::sign_in::Obstacle;
use shared::mailbox_secret::MailboxAddress;

/// The name at the top of every page.
pub const BRAND: &str = "Shop mail";
/// Before the reference that the logs carry too.
pub const REFERENCE: &str = "Reference for support:";

/// A page's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The HTTP status.
    pub status: i64,
    /// Whether it is good news.
    pub good: bool,
    /// The heading.
    pub title: String,
    /// One sentence: what happened.
    pub happened: String,
    /// One sentence: what to do.
    pub next: String,
    /// On the button, where there is one.
    pub button: &'static str,
}

const SIGN_IN: &str = "Sign in again";
const NEW_LINK: &str = "Send a new link";

fn bad(status: i64, title: &str, happened: impl Into<String>, next: impl Into<String>) -> Text {
    Text {
        status,
        good: false,
        title: title.to_owned(),
        happened: happened.into(),
        next: next.into(),
        button: SIGN_IN,
    }
}

/// The sign-in succeeded, and a rotation goes on.
pub fn rotation_goes_on(mailbox: &MailboxAddress) -> Text {
    Text {
        status: 200,
        good: true,
        title: "Thank you, that was all".to_owned(),
        happened: format!("{mailbox} is signed in, and the new client secret works for it."),
        next: "The change goes on by itself now; you can close this window.".to_owned(),
        button: SIGN_IN,
    }
}

/// The sign-in succeeded; the new secret still has to be handed to ShopCtrl.
pub fn hand_over_remains(mailbox: &MailboxAddress) -> Text {
    Text {
        status: 200,
        good: true,
        title: "Signed in; one thing is left".to_owned(),
        happened: format!("{mailbox} is signed in, and the permission is stored."),
        next: "The new client secret still has to be entered in ShopCtrl; the person who runs this system hands it over.".to_owned(),
        button: SIGN_IN,
    }
}

/// The sign-in succeeded; nothing was waiting for it.
pub fn connected(mailbox: &MailboxAddress) -> Text {
    Text {
        status: 200,
        good: true,
        title: "The mailbox is connected".to_owned(),
        happened: format!("{mailbox} is signed in, and the permission is stored."),
        next: "You can close this window; client secrets are renewed without you from now on."
            .to_owned(),
        button: SIGN_IN,
    }
}

/// What the link was for is done.
pub fn already_done() -> Text {
    Text {
        status: 200,
        good: true,
        title: "Nothing left to do".to_owned(),
        happened: "What this link was for is already done.".to_owned(),
        next: "You can close this window.".to_owned(),
        button: SIGN_IN,
    }
}

/// The link belongs to an attempt that was given up.
pub fn superseded() -> Text {
    bad(
        410,
        "This link is out of date",
        "It belongs to an earlier attempt that was given up.",
        "Use the newest message about this mailbox; if there is none, one will come when you are needed.",
    )
}

/// The link has ended.
pub fn expired() -> Text {
    Text {
        button: NEW_LINK,
        ..bad(
            410,
            "This link has ended",
            "For safety a link works for a limited time, and this one is over.",
            "Have a new one sent; it goes to the contact that is set for this mailbox.",
        )
    }
}

/// A new link is on its way.
pub fn new_link_sent() -> Text {
    Text {
        status: 202,
        good: true,
        title: "A new link is on its way".to_owned(),
        happened: "It goes to the contact that is set for this mailbox.".to_owned(),
        next: "It should arrive within a few minutes; you can close this window.".to_owned(),
        button: SIGN_IN,
    }
}

/// The link is not one of ours.
pub fn invalid_link() -> Text {
    bad(
        400,
        "This link does not work",
        "It is incomplete or was changed on its way.",
        "Open it again from the message, or copy all of it into the address bar.",
    )
}

/// There is no such page.
pub fn no_such_page() -> Text {
    bad(
        404,
        "There is nothing here",
        "This address has no page.",
        "Open the link from the message that you were sent.",
    )
}

/// The sign-in cannot be taken up: no cookie, another state.
pub fn start_again() -> Text {
    bad(
        400,
        "Please start again",
        "This sign-in took too long, was used before, or was begun in another window.",
        "Open the link from the message once more, in one window only.",
    )
}

/// Signed in as somebody else.
pub fn wrong_account(mailbox: &MailboxAddress) -> Text {
    bad(
        403,
        "That was another account",
        format!("You signed in with an account that is not {mailbox}; nothing was changed."),
        format!(
            "Open the link in a private window and sign in as {mailbox}, also where single sign-on offers your own account."
        ),
    )
}

/// Not all permissions were granted.
pub fn consent_incomplete(mailbox: &MailboxAddress) -> Text {
    bad(
        403,
        "A permission is missing",
        format!(
            "{mailbox} is signed in, but did not get every permission that ShopCtrl's connections use; nothing was changed."
        ),
        "Sign in again and accept all that Microsoft asks; if it does not ask, an administrator of Microsoft 365 has to grant it.",
    )
}

/// Something on our side.
pub fn our_trouble() -> Text {
    bad(
        503,
        "That did not work just now",
        "Something on our side did not answer; nothing was changed.",
        "Try again in a few minutes; if it happens again, tell the contact this page's reference.",
    )
}

/// Something on our side that trying again does not mend.
pub fn misconfigured() -> Text {
    bad(
        500,
        "This has to be set right first",
        "A setting of this system is wrong; nothing was changed.",
        "Tell the person who runs it this page's reference.",
    )
}

/// What kept the sign-in from succeeding.
pub fn obstacle(obstacle: Obstacle, mailbox: &MailboxAddress) -> Text {
    match obstacle {
        Obstacle::Declined => bad(
            403,
            "The permission was not given",
            "The sign-in ended before the permission was given; nothing was changed.",
            "If you pressed Cancel, sign in again and choose Accept; if Microsoft asked for an administrator, one has to grant the permission first.",
        ),
        Obstacle::AdminApproval => bad(
            403,
            "An administrator has to agree",
            "Your organisation lets only an administrator grant this permission.",
            "Ask an administrator of Microsoft 365 to grant the app's permissions in the Entra admin center, then sign in again.",
        ),
        Obstacle::WrongAccount => wrong_account(mailbox),
        Obstacle::NotAssigned => bad(
            403,
            "The account is not assigned to the app",
            format!("The app is open to assigned users only, and {mailbox} is not one of them."),
            "Ask an administrator of Microsoft 365 to assign it under Enterprise applications, then sign in again.",
        ),
        Obstacle::BlockedByPolicy => bad(
            403,
            "A rule of your organisation blocked the sign-in",
            "Microsoft 365 allows this sign-in only under conditions that this device or network does not meet.",
            "Try from a device or network of your organisation, or ask its administrator about Conditional Access.",
        ),
        Obstacle::MoreProof => bad(
            403,
            "Microsoft wants a further proof",
            "The sign-in needs a second step, such as a code, that was not completed.",
            "Sign in again and complete all steps that Microsoft shows.",
        ),
        Obstacle::AccountTrouble => bad(
            403,
            "The account cannot sign in",
            format!("{mailbox} is locked or disabled, or its password is wrong or has ended."),
            "Have the account set right by your helpdesk, then sign in again.",
        ),
        Obstacle::ClientRefused => bad(
            503,
            "The new secret is not known everywhere yet",
            "Microsoft needs up to some minutes until a new client secret works; nothing was changed.",
            "Sign in again in a few minutes.",
        ),
        Obstacle::Registration => bad(
            500,
            "The app registration has to be set right",
            "Microsoft does not accept the app's registration as it is.",
            "Tell the person who runs this system this page's reference.",
        ),
        Obstacle::StartAgain => bad(
            400,
            "Please start again",
            "This sign-in took too long or was used before.",
            "Sign in again.",
        ),
        Obstacle::Passing => bad(
            503,
            "Microsoft did not answer just now",
            "Microsoft's sign-in has a passing trouble; nothing was changed.",
            "Sign in again in a few minutes.",
        ),
        Obstacle::Unknown => bad(
            500,
            "The sign-in did not succeed",
            "Microsoft ended the sign-in for a reason that this system does not know; nothing was changed.",
            "Sign in again; if it happens again, tell the contact this page's reference.",
        ),
    }
}
