//! What several mails say.

use jiff::{SignedDuration, Timestamp};
use shared::config::BaseUrl;
use shared::drift::DriftKind;
use shared::events::MailFlow;
use shared::half_done::HalfDone;
use shared::mailbox::Unusable;

use crate::compose::MAILBOX;
use crate::event::{self, Mailbox, Notice};
use crate::mail::Link;
use crate::words::Urgency;

pub(super) const OLD_LINKS: &str =
    "If it has ended, open it all the same: the page can have a new one sent.";

/// To a contact, of what an administrator has to mend.
pub(crate) const BOTH_HAVE_IT: &str = "Whoever runs this system has this mail too.";

/// The same, at once.
pub(super) fn now(to_do: &str) -> String {
    if to_do.starts_with("Now") {
        return to_do.to_owned();
    }
    let mut letters = to_do.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string());
    format!("Now: {}{}", first.unwrap_or_default(), letters.as_str())
}

/// A day as subjects have it.
pub(super) fn day(time: Timestamp) -> String {
    time.strftime("%-d %b %Y").to_string()
}

/// The last day on which something can be done before that time.
pub(super) fn last_day_before(end: Timestamp) -> String {
    let before = end.checked_sub(SignedDuration::from_secs(1));
    day(before.unwrap_or(end))
}

pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// So long is the name of a mailbox in a subject at most.
const NAME: usize = 40;

/// Which shop and mailbox it is about.
pub(crate) fn place(mailbox: &Mailbox) -> String {
    let name = mailbox.mailboxes.first();
    let name = name.map_or(mailbox.secret.as_str(), |address| address.as_str());
    let name = match name.chars().count() > NAME {
        true => format!("{}...", name.chars().take(NAME - 3).collect::<String>()),
        false => name.to_owned(),
    };
    match &mailbox.shop {
        Some(shop) => format!("Shop {shop}, {name}"),
        None => name,
    }
}

/// The first letter large.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

/// Where the delivery of a new client secret came to.
pub(super) fn half_done(half_done: HalfDone) -> String {
    let left = match half_done {
        HalfDone::SendingNotYet => "sending",
        HalfDone::ReceivingNotYet => "receiving",
        HalfDone::SomeNotYet => "the others",
    };
    let state = sentence(&half_done.to_string());
    format!("{state} The renewal goes on with {left}.")
}

/// Whether mail flows, and until when if nobody does anything.
pub(super) fn mail_until(mail: MailFlow, end: Option<Timestamp>) -> String {
    match (mail, end.map(time)) {
        (MailFlow::Flows, Some(end)) => {
            format!("Mail works now. If nothing is done, it stops on {end}.")
        }
        (MailFlow::Flows, None) => "Mail works now.".to_owned(),
        (MailFlow::StandsStill, _) => "Mail stands still.".to_owned(),
        (MailFlow::NotKnown, Some(end)) => format!(
            "Whether mail works now could not be seen. The client secret in use ends on {end}."
        ),
        (MailFlow::NotKnown, None) => {
            "Whether mail works now, and until when, could not be seen.".to_owned()
        }
    }
}

pub(super) fn urgency(mail: MailFlow, otherwise: Urgency) -> Urgency {
    match mail {
        MailFlow::StandsStill => Urgency::StandsStill,
        MailFlow::Flows | MailFlow::NotKnown => otherwise,
    }
}

pub(super) fn link(link: &event::Link) -> Link {
    Link {
        address: link.address.clone(),
        behind: format!("The link works until {}. {OLD_LINKS}", time(link.ends)),
    }
}

/// What is not as it was left, in a few words.
pub(super) fn drift(what: DriftKind) -> &'static str {
    match what {
        DriftKind::NoCurrentVersion => "the secret in AWS has no current version",
        DriftKind::RegistrationMissing => "the app registration is gone from Entra",
        DriftKind::SecretRefused => "Entra refuses the client secret",
        DriftKind::CredentialMissing => "Entra lists no such client secret",
        DriftKind::KeyIdIsAnothers => "Secret ID and Value do not belong together",
        DriftKind::ClientSecretIsAnId => "a Secret ID is stored as the client secret",
        DriftKind::ClientSecretEndsInLineBreak => "the stored client secret ends in a line break",
        DriftKind::ConnectionNotAuthorized => "ShopCtrl shows Not authorized",
        DriftKind::ConnectionDisabled => "switched off in ShopCtrl",
        DriftKind::ConnectionHoldsAnotherSecret => "ShopCtrl holds another client secret",
        DriftKind::RotationOff => "the rotation is switched off in AWS",
        DriftKind::BackstopEarly => "AWS's own schedule comes too early",
        DriftKind::BackstopLate => "AWS's own schedule comes too late",
        DriftKind::LeakedSecretStillValid => "a leaked client secret still works",
        DriftKind::SupersededSecretInUse => "a replaced client secret is still used",
        DriftKind::MailNotChecked => "ShopCtrl does not check the mail",
        DriftKind::RotatorMayNotManage => "the rotator may not add client secrets",
        DriftKind::RotatorIsNoOwner => "the rotator is no owner of the app registration",
        DriftKind::NoRoomForSecret => "no room for one more client secret in Entra",
        DriftKind::ClientSecretsForbidden => "a policy in Entra forbids new client secrets",
        DriftKind::RedirectUriMissing => "the redirect URI is missing in Entra",
        DriftKind::ShopNotVisible => "the ShopCtrl login does not see the shop",
        DriftKind::Unusable(unusable) => match unusable {
            Unusable::SmtpAuthOffForTenant
            | Unusable::SmtpAuthOffForMailbox
            | Unusable::SmtpAuthOff => "authenticated SMTP is switched off",
            Unusable::SmtpSignInRefused => "Exchange refuses the sign-in by SMTP",
            Unusable::ImapSignInRefused => "Exchange refuses the sign-in by IMAP",
            Unusable::Pop3SignInRefused | Unusable::TokenTooLongForPop3 => {
                "Exchange refuses the sign-in by POP3"
            }
            Unusable::ImapNotConnected => "Exchange opens no mailbox by IMAP",
            Unusable::Pop3NotConnected => "Exchange opens no mailbox by POP3",
            Unusable::SignInBlockedByPolicy => "a policy blocks the sign-in",
            Unusable::MayNotSendAs => "the account may not send as the mailbox",
            Unusable::WrongAudience => "Entra gives a token for another service",
            Unusable::AccountBlocked => "the mailbox's account is blocked",
            Unusable::NotInExchangeOnline => "the mailbox is not in Exchange Online",
            Unusable::NoMailbox => "the account has no mailbox",
            Unusable::AccessDenied => "Microsoft Graph denies access to the inbox",
            Unusable::Refused => "the mail server refuses",
        },
    }
}

/// Of the commands in what there is to do.
pub(crate) fn commands(to_do: &str) -> String {
    let of_whom = match to_do.contains(MAILBOX) {
        true => " MAILBOX stands for the mailbox's address.",
        false => "",
    };
    format!(
        "The commands are for Exchange Online PowerShell: Connect-ExchangeOnline comes first.{of_whom}"
    )
}

/// How a mail is known to be genuine.
pub(crate) fn genuine(
    has_link: bool,
    pages: Option<&BaseUrl>,
    administrator: Option<&str>,
) -> String {
    let whom = match administrator {
        Some(address) => format!("ask {address}"),
        None => "ask whoever runs this system".to_owned(),
    };
    match (has_link, pages) {
        (true, Some(pages)) => format!(
            "Is this mail genuine? Its links begin with {}/ and lead to Microsoft's own sign-in page, as a rule login.microsoftonline.com. Enter the mailbox's password only there, and your ShopCtrl login only in ShopCtrl. If in doubt, open no link and {whom}: it can be sent again.",
            pages.as_str()
        ),
        (true, None) => format!(
            "Is this mail genuine? Its links lead to Microsoft's own sign-in page, as a rule login.microsoftonline.com. Enter the mailbox's password only there, and your ShopCtrl login only in ShopCtrl. If in doubt, open no link and {whom}: it can be sent again."
        ),
        (false, _) => {
            format!("This mail has no link and asks for no password. If in doubt, {whom}.")
        }
    }
}

/// By what the engineer on call finds it.
pub(crate) fn reference(notices: &[&Notice]) -> String {
    let first = |notice: &&Notice| format!("{} {}", notice.mailbox.secret, notice.id);
    match notices {
        [] => String::new(),
        [one] => format!("For whoever is asked about this mail: {}", first(one)),
        [one, ..] => format!(
            "For whoever is asked about this mail: {} and {} more",
            first(one),
            notices.len() - 1
        ),
    }
}

/// To the administrator, of what a contact should do.
pub(crate) fn for_somebody_else(contact: &str) -> String {
    format!("This is for {contact}. Please pass it on.")
}

/// The same where it was tried.
pub(crate) fn not_mailed(contact: &str, code: &str) -> String {
    format!("This is for {contact}, to whom it could not be mailed ({code}). Please pass it on.")
}
