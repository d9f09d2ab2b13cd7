//! What is wrong with a mailbox or a protocol of it, and what an administrator does about it.

use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::retry::CallError;

/// Why a mailbox cannot be used the way that a connection uses it, whatever the client secret. Where one answer has
/// several causes, the next step names them by likelihood, with a check for each (docs/beliefs.md, Mail protocols).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unusable {
    /// SMTP AUTH is off for the organisation, and not switched on for the mailbox.
    SmtpAuthOffForTenant,
    /// SMTP AUTH is off for the mailbox.
    SmtpAuthOffForMailbox,
    /// SMTP AUTH is off; Exchange does not say for whom.
    SmtpAuthOff,
    /// SMTP refuses the sign-in and does not say why.
    SmtpSignInRefused,
    /// IMAP refuses the sign-in and does not say why.
    ImapSignInRefused,
    /// POP3 refuses the sign-in and does not say why.
    Pop3SignInRefused,
    /// IMAP takes the sign-in and opens nothing.
    ImapNotConnected,
    /// POP3 takes the sign-in and opens nothing.
    Pop3NotConnected,
    /// POP3 refuses the sign-in, and the token is longer than it takes.
    TokenTooLongForPop3,
    /// Security defaults or Conditional Access.
    SignInBlockedByPolicy,
    /// The account may not send as the mailbox.
    MayNotSendAs,
    /// The token is for another resource than Outlook's.
    WrongAudience,
    /// Entra says that the account is disabled.
    AccountBlocked,
    /// The account's mailbox is not in Exchange Online.
    NotInExchangeOnline,
    /// The account has no mailbox that Graph opens.
    NoMailbox,
    /// Graph denies access to the inbox.
    AccessDenied,
    /// Anything else that a server says: its reply code is all that is shown.
    Refused,
}

impl Unusable {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::SmtpAuthOffForTenant,
        Self::SmtpAuthOffForMailbox,
        Self::SmtpAuthOff,
        Self::SmtpSignInRefused,
        Self::ImapSignInRefused,
        Self::Pop3SignInRefused,
        Self::ImapNotConnected,
        Self::Pop3NotConnected,
        Self::TokenTooLongForPop3,
        Self::SignInBlockedByPolicy,
        Self::MayNotSendAs,
        Self::WrongAudience,
        Self::AccountBlocked,
        Self::NotInExchangeOnline,
        Self::NoMailbox,
        Self::AccessDenied,
        Self::Refused,
    ];

    /// Its name in events and drift.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::SmtpAuthOffForTenant => "smtp_auth_off_for_tenant",
            Self::SmtpAuthOffForMailbox => "smtp_auth_off_for_mailbox",
            Self::SmtpAuthOff => "smtp_auth_off",
            Self::SmtpSignInRefused => "smtp_sign_in_refused",
            Self::ImapSignInRefused => "imap_sign_in_refused",
            Self::Pop3SignInRefused => "pop3_sign_in_refused",
            Self::ImapNotConnected => "imap_not_connected",
            Self::Pop3NotConnected => "pop3_not_connected",
            Self::TokenTooLongForPop3 => "token_too_long_for_pop3",
            Self::SignInBlockedByPolicy => "sign_in_blocked_by_policy",
            Self::MayNotSendAs => "may_not_send_as",
            Self::WrongAudience => "wrong_audience",
            Self::AccountBlocked => "account_blocked",
            Self::NotInExchangeOnline => "not_in_exchange_online",
            Self::NoMailbox => "no_mailbox",
            Self::AccessDenied => "access_denied",
            Self::Refused => "refused_by_mail_server",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|unusable| unusable.code() == code)
    }

    /// Of an answer of Graph's to who opens an inbox.
    pub(super) fn of_graph(error: &CallError) -> Option<Self> {
        Self::of_graph_code(
            error.status?,
            error.failure.code.as_deref().unwrap_or_default(),
        )
    }

    /// The same, by its status and code.
    #[must_use]
    pub fn of_graph_code(status: u16, code: &str) -> Option<Self> {
        match (status, code) {
            (403, _) => Some(Self::AccessDenied),
            (404, "MailboxNotEnabledForRESTAPI") => Some(Self::NotInExchangeOnline),
            // microsoft-graph-docs#2085; zammad#3230
            (404, _) => Some(Self::NoMailbox),
            _ => None,
        }
    }

    /// The same, where the token that was refused tells more.
    pub(super) fn of_token(self, token: &SecretString) -> Self {
        match self {
            Self::SmtpSignInRefused | Self::ImapSignInRefused | Self::Pop3SignInRefused
                if !audience_is_outlook(token) =>
            {
                Self::WrongAudience
            }
            Self::Pop3SignInRefused if is_too_long_for_pop3(token) => Self::TokenTooLongForPop3,
            other => other,
        }
    }

    /// Exchange also says so by mistake, in outages that last a moment (docs/beliefs.md, Mail protocols).
    #[must_use]
    pub fn may_be_a_mistake(self) -> bool {
        matches!(
            self,
            Self::ImapNotConnected
                | Self::Pop3NotConnected
                | Self::ImapSignInRefused
                | Self::Pop3SignInRefused
                | Self::SmtpSignInRefused
                | Self::NoMailbox
                | Self::Refused
        )
    }

    /// The one with this next step.
    #[must_use]
    pub fn with_next_step(next_step: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|unusable| unusable.next_step() == next_step)
    }

    /// What it means.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::SmtpAuthOffForTenant => {
                "authenticated SMTP is switched off for the whole organisation, so ShopCtrl cannot send"
            }
            Self::SmtpAuthOffForMailbox => {
                "authenticated SMTP is switched off for this mailbox, so ShopCtrl cannot send"
            }
            Self::SmtpAuthOff => "authenticated SMTP is switched off, so ShopCtrl cannot send",
            Self::SmtpSignInRefused => "Exchange refuses the sign-in by SMTP, and does not say why",
            Self::ImapSignInRefused => "Exchange refuses the sign-in by IMAP, and does not say why",
            Self::Pop3SignInRefused => "Exchange refuses the sign-in by POP3, and does not say why",
            Self::ImapNotConnected => "Exchange takes the sign-in by IMAP, and opens no mailbox",
            Self::Pop3NotConnected => "Exchange takes the sign-in by POP3, and opens no mailbox",
            Self::TokenTooLongForPop3 => {
                "Exchange refuses the sign-in by POP3, and the token is longer than it takes there"
            }
            Self::SignInBlockedByPolicy => {
                "a policy of the organisation keeps the account from signing in to its mailbox"
            }
            Self::MayNotSendAs => "the account may not send as this mailbox",
            Self::WrongAudience => {
                "Entra gave a token for another service than Outlook's mail protocols"
            }
            Self::AccountBlocked => "the mailbox's account is blocked from signing in",
            Self::NotInExchangeOnline => {
                "the account's mailbox is not in Exchange Online: inactive, deleted, or on a server of your own"
            }
            Self::NoMailbox => "the account has no mailbox that Microsoft Graph opens",
            Self::AccessDenied => "Microsoft Graph denies access to the inbox",
            Self::Refused => "the mail server refuses, with a code that is not known here",
        }
    }

    /// What an administrator does. Commands stand between backquotes, and are Exchange Online PowerShell's; MAILBOX stands
    /// for the mailbox's address. Several causes are numbered, the likeliest first, and nothing follows them: a mail makes
    /// a list of that (`mail/to_do.rs` of the notifier).
    #[must_use]
    pub fn next_step(self) -> &'static str {
        match self {
            Self::SmtpAuthOffForTenant => {
                "Switch it on for this mailbox, which is enough; where sign_in_as names another account, for that one: `Set-CASMailbox -Identity MAILBOX -SmtpClientAuthenticationDisabled $false`. Or in Microsoft 365 admin center > Users > Active users > the account > Mail > Manage email apps > Authenticated SMTP. It takes up to an hour."
            }
            Self::SmtpAuthOffForMailbox => {
                "Switch it on for this mailbox, for the organisation's switch does not count here; where sign_in_as names another account, for that one: `Set-CASMailbox -Identity MAILBOX -SmtpClientAuthenticationDisabled $false`. Or in Microsoft 365 admin center > Users > Active users > the account > Mail > Manage email apps > Authenticated SMTP. It takes up to an hour."
            }
            Self::SmtpAuthOff => {
                "Switch it on for this mailbox, which counts before the organisation's switch; where sign_in_as names another account, for that one: `Set-CASMailbox -Identity MAILBOX -SmtpClientAuthenticationDisabled $false`. It takes up to an hour."
            }
            Self::SmtpSignInRefused => {
                "Find the cause, the likeliest first. (1) The mailbox is a shared one, or has another sign-in name than its address: SMTP takes only the account that signed in, so sign_in_as in the mailbox document has to be its user principal name. (2) The account has no mailbox or licence of its own. A mailbox is named here: `Get-EXOMailbox -Identity MAILBOX`. A licence: Microsoft 365 admin center > Users > Active users > the account > Licenses and apps. (3) The account was blocked a short while ago: the same page shows it. (4) Trouble at Microsoft: Microsoft 365 admin center > Health > Service health."
            }
            Self::ImapSignInRefused => {
                "Find the cause, the likeliest first. (1) The address is no mailbox of this tenant. A mailbox is named here: `Get-EXOMailbox -Identity MAILBOX`. If none is, correct tenant_id, cloud or mailbox in the mailbox document. (2) The account was blocked, or lost its licence: Microsoft 365 admin center > Users > Active users > the account. (3) IMAP is off for the mailbox. It shows False: `Get-CASMailbox -Identity MAILBOX | Format-List ImapEnabled`. Switch it on, which takes up to an hour: `Set-CASMailbox -Identity MAILBOX -ImapEnabled $true`. (4) Trouble at Microsoft: Microsoft 365 admin center > Health > Service health."
            }
            Self::ImapNotConnected => {
                "Find the cause, the likeliest first. (1) IMAP is off for the mailbox. It shows False: `Get-CASMailbox -Identity MAILBOX | Format-List ImapEnabled`. Switch it on, which takes up to an hour: `Set-CASMailbox -Identity MAILBOX -ImapEnabled $true`. (2) If it is a shared mailbox, look here first: the account that signs in needs FullAccess to it, and is named here: `Get-MailboxPermission -Identity MAILBOX`. A new right takes up to an hour. (3) The address has no mailbox in Exchange Online, or no licence. A mailbox is named here: `Get-EXOMailbox -Identity MAILBOX`. A licence: Microsoft 365 admin center > Users > Active users > the account > Licenses and apps. (4) Trouble at Microsoft: Microsoft 365 admin center > Health > Service health. In outages this answer has come for days."
            }
            Self::Pop3SignInRefused | Self::Pop3NotConnected => {
                "Find the cause, the likeliest first. (1) POP is off for the mailbox. It shows False: `Get-CASMailbox -Identity MAILBOX | Format-List PopEnabled`. Switch it on, which takes up to an hour: `Set-CASMailbox -Identity MAILBOX -PopEnabled $true`. (2) If it is a shared mailbox, look here first: the account that signs in needs FullAccess to it, and is named here: `Get-MailboxPermission -Identity MAILBOX`. A new right takes up to an hour. (3) The address has no mailbox in Exchange Online, or no licence. A mailbox is named here: `Get-EXOMailbox -Identity MAILBOX`. A licence: Microsoft 365 admin center > Users > Active users > the account > Licenses and apps. (4) Trouble at Microsoft: Microsoft 365 admin center > Health > Service health."
            }
            Self::TokenTooLongForPop3 => {
                "Have ShopCtrl receive by IMAP or Microsoft Graph: Exchange's POP3 takes tokens of up to 4,096 characters, and how long one is depends on the account."
            }
            Self::SignInBlockedByPolicy => {
                "See in Entra admin center > Monitoring > Sign-in logs > User sign-ins (non-interactive), which policy it was: the tab Conditional Access of the account's entry names it. Have it leave the account out, or allow the place that it signs in from. None is named: security defaults, in Entra admin center > Overview > Properties."
            }
            Self::MayNotSendAs => {
                "Give the account that signs in, ACCOUNT, the right: `Add-RecipientPermission -Identity MAILBOX -Trustee ACCOUNT -AccessRights SendAs`. It takes up to an hour. If another account was meant, correct mailbox and sign_in_as in the mailbox document."
            }
            Self::WrongAudience => {
                "See in Entra > App registrations > the app > API permissions that the delegated permissions of the mail protocols are there (IMAP.AccessAsUser.All, POP.AccessAsUser.All, SMTP.Send), and whether cloud in the mailbox document is the tenant's."
            }
            Self::AccountBlocked => {
                "Unblock it, if it is meant to work: Microsoft 365 admin center > Users > Active users > the account > Unblock sign-in. If another account took its place, correct the mailbox document."
            }
            Self::NotInExchangeOnline => {
                "See whether the account has an Exchange Online licence: Microsoft 365 admin center > Users > Active users > the account > Licenses and apps. If it was deleted, restore it (Users > Deleted users). If its mailbox is on a server of your own, or the account is a guest, ShopCtrl does not reach it by Microsoft 365."
            }
            Self::NoMailbox => {
                "Give the account an Exchange Online licence: Microsoft 365 admin center > Users > Active users > the account > Licenses and apps. A new mailbox takes up to a day to be there."
            }
            Self::AccessDenied => {
                "Find the cause, the likeliest first. (1) The account has no mailbox of its own: a shared mailbox does not work by Microsoft Graph in ShopCtrl, only by IMAP or POP3. (2) The app lacks the delegated permission Mail.Read of Microsoft Graph: Entra > App registrations > the app > API permissions."
            }
            Self::Refused => {
                "Test the connection in ShopCtrl. If that fails too, look the code up at learn.microsoft.com/exchange, and tell whoever runs this system."
            }
        }
    }

    /// What a look sees when it is over.
    #[must_use]
    pub fn seen_over(self) -> &'static str {
        "A test of the mailbox, as ShopCtrl uses it, passes again."
    }
}

/// POP3 refuses such tokens, or ends the connection (MailKit#1948).
pub(super) fn is_too_long_for_pop3(token: &SecretString) -> bool {
    token.expose_secret().len() > 4096
}

/// Whether a token is for Outlook; one that cannot be read is taken to be. Microsoft keeps the form of these to itself
/// (entra-docs, access-tokens.md), so it decides only what a person is told once a server has refused it.
fn audience_is_outlook(token: &SecretString) -> bool {
    #[derive(Deserialize)]
    struct Claims {
        aud: String,
    }
    let payload = token.expose_secret().split('.').nth(1);
    let payload = payload.and_then(|payload| BASE64URL_NOPAD.decode(payload.as_bytes()).ok());
    let claims = payload.and_then(|payload| serde_json::from_slice::<Claims>(&payload).ok());
    let Some(Claims { aud }) = claims else {
        return true;
    };
    // By its address in any cloud, or by the id of "Office 365 Exchange Online" (entra-docs, first-party apps).
    aud.contains("outlook") || aud == "00000002-0000-0ff1-ce00-000000000000"
}
