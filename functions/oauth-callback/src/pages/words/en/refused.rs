//! Why a sign-in did not succeed, or a secret is not shown.

use shared::entra::refusal::RefusalReason;
use shared::mailbox_secret::{RestsOn, SignInName};

use crate::hand_over::reveal::NotRevealed;

/// What a message page says.
#[derive(Debug)]
pub(crate) struct MessageWords {
    /// The heading.
    pub title: &'static str,
    /// One sentence: what happened.
    pub happened: String,
    /// One sentence: what to do. Where it depends, a line for each case.
    pub next: String,
}

pub(super) fn message(
    title: &'static str,
    happened: impl Into<String>,
    next: impl Into<String>,
) -> MessageWords {
    MessageWords {
        title,
        happened: happened.into(),
        next: next.into(),
    }
}

/// Microsoft's number, for whoever has to look it up.
pub(super) fn numbered(number: Option<i64>) -> String {
    number.map_or_else(String::new, |number| format!(" (AADSTS{number})"))
}

pub(super) fn already_done() -> MessageWords {
    message(
        "Nothing left to do",
        "What this link was for is already done.",
        "You can close this window.",
    )
}

pub(super) fn wrong_account(name: &SignInName) -> MessageWords {
    message(
        "That was another account",
        format!("You signed in with an account that is not {name}; nothing was changed."),
        sign_in_privately(name),
    )
}

fn sign_in_privately(name: &SignInName) -> String {
    format!(
        "Open the link in a private window and sign in as {name}, also where single sign-on offers your own account."
    )
}

/// ShopCtrl's set-up page of Microsoft Graph: "shared mailboxes not supported".
fn no_address_of_it(name: &SignInName) -> MessageWords {
    message(
        "That was another account",
        format!("You signed in with an account that has no address {name}; nothing was changed."),
        format!(
            "{}\nIs it a shared mailbox, as which nobody can sign in? With Microsoft Graph ShopCtrl does not support these. Tell the person who runs this system: by IMAP or POP3 it can be used.",
            sign_in_privately(name)
        ),
    )
}

pub(super) fn another_name(expected: &SignInName) -> MessageWords {
    let or_is_it = match expected.rests_on() {
        RestsOn::Addresses => return no_address_of_it(expected),
        RestsOn::AddressAlone => {
            "Was it the mailbox's account, which signs in with a name that is not its address? Tell that name to the person who runs this system: it belongs into the mailbox document, as sign_in_as."
        }
        RestsOn::SignInAs => {
            "Was it the mailbox's account? Tell the name to the person who runs this system: the mailbox document says another one, as sign_in_as."
        }
    };
    message(
        "Another account was expected",
        format!(
            "This link is for the account that signs in as {expected}. Microsoft gave another name, so nothing was changed."
        ),
        format!(
            "Was it your own account? Open the link in a private window and sign in as {expected}.\n{or_is_it}"
        ),
    )
}

pub(super) fn personal_account(name: &SignInName) -> MessageWords {
    message(
        "That was a personal account",
        "You signed in with a personal Microsoft account, and the shop's mailbox is a work account; nothing was changed.",
        format!(
            "Sign in as {name}; if Microsoft asks which account to use, choose \u{201c}Work or school account\u{201d}."
        ),
    )
}

pub(super) fn foreign_account(name: &SignInName) -> MessageWords {
    message(
        "That account is of another organisation",
        "You signed in with an account that is not of the shop's own organisation, or only a guest there; nothing was changed.",
        format!("Open the link in a private window and sign in as {name} itself."),
    )
}

pub(super) fn reveal(reason: NotRevealed, name: &SignInName) -> MessageWords {
    match reason {
        NotRevealed::AnotherAccount => wrong_account(name),
        NotRevealed::NotPending => already_done(),
        NotRevealed::OldSignIn => message(
            "Please sign in once more",
            "The client secret is shown only within ten minutes of entering the password at Microsoft.",
            format!("Sign in again as {name}; what you have done so far is kept."),
        ),
        NotRevealed::NotInRevealTo => message(
            "This account may not see the secret here",
            "The mailbox document does not name this account as one to which the secret is shown (reveal_to). A person with access to AWS can read it.",
            "Go back to the steps, and have that person enter the secret or give it to you safely.",
        ),
        NotRevealed::RotatorIsTheApp => message(
            "The secret cannot be shown here",
            "The app renews its own secret, so this secret is worth more than the mailbox; a setting has to be changed first.",
            "Tell the person who runs this system: a rotator of its own is needed, or the secret is handed over from AWS.",
        ),
        NotRevealed::ApplicationPermissions => message(
            "The secret cannot be shown here",
            "The app has application permissions, so this secret opens more than this mailbox; a setting has to be changed first.",
            "Tell the person who runs this system: take the application permissions from the app, or hand the secret over from AWS.",
        ),
        NotRevealed::NotChecked => message(
            "The secret cannot be shown here",
            "Microsoft's answer does not tell what else this secret opens.",
            "Tell the person who runs this system; the secret can be handed over from AWS.",
        ),
    }
}

pub(super) fn sign_in(
    reason: RefusalReason,
    number: Option<i64>,
    name: &SignInName,
) -> MessageWords {
    let numbered = numbered(number);
    match reason {
        RefusalReason::Declined => message(
            "The permission was not given",
            "The sign-in ended before the permission was given; nothing was changed.",
            "If you pressed Cancel, sign in again and choose Accept; if Microsoft asked for an administrator's approval, pass the link below on to one first.",
        ),
        RefusalReason::AdminApproval => message(
            "An administrator has to agree",
            "Your organisation lets only an administrator grant this permission.",
            "Pass the link below on to an administrator of Microsoft 365; when the permission is granted, sign in again.",
        ),
        RefusalReason::WrongAccount => another_name(name),
        RefusalReason::PersonalAccount => personal_account(name),
        RefusalReason::ForeignAccount => foreign_account(name),
        RefusalReason::NotAssigned => message(
            "The account is not assigned to the app",
            format!("The app is open to assigned users only, and {name} is not one of them."),
            "Ask an administrator of Microsoft 365 to assign it under Enterprise applications, then sign in again.",
        ),
        RefusalReason::BlockedByPolicy => message(
            "A rule of your organisation blocked the sign-in",
            format!(
                "Microsoft 365 allows this sign-in only under conditions that this device or network does not meet{numbered}."
            ),
            "Try from a device or network of your organisation, or show this number to its administrator and ask about Conditional Access.",
        ),
        RefusalReason::MoreProof => message(
            "Microsoft wants a further proof",
            "The sign-in needs a second step, such as a code, that was not completed.",
            "Sign in again and complete all steps that Microsoft shows.",
        ),
        RefusalReason::AccountError => message(
            "The account cannot sign in",
            format!("{name} is locked or disabled, or its password is wrong or has ended."),
            "Have the account set right by your helpdesk, then sign in again.",
        ),
        RefusalReason::ClientRefused => message(
            "The new secret is not known everywhere yet",
            "Microsoft needs up to some minutes until a new client secret works; nothing was changed.",
            "Sign in again in a few minutes.",
        ),
        RefusalReason::Registration => message(
            "The app registration has to be set right",
            format!("Microsoft does not accept the app's registration as it is{numbered}."),
            "Show this number, and this page's reference, to the person who runs this system.",
        ),
        RefusalReason::Federation => message(
            "The system's own sign-in has to be set right",
            format!(
                "Microsoft does not accept how this system proves itself{numbered}; nothing was changed."
            ),
            "Show this number, and this page's reference, to the person who runs this system.",
        ),
        RefusalReason::StartAgain => message(
            "Please start again",
            "This sign-in took too long or was used before.",
            "Sign in again.",
        ),
        RefusalReason::Transient => message(
            "Microsoft did not answer just now",
            "Microsoft's sign-in has a passing trouble; nothing was changed.",
            "Sign in again in a few minutes.",
        ),
        RefusalReason::Unknown => message(
            "The sign-in did not succeed",
            format!(
                "Microsoft ended the sign-in for a reason that this system does not know{numbered}; nothing was changed."
            ),
            "Show this number to an administrator of your Microsoft 365, and this page's reference to the person who runs this system.",
        ),
    }
}
