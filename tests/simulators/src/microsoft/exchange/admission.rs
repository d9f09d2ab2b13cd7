//! Whom Exchange lets in by IMAP, POP3 and SMTP, and to which mailbox.

use data_encoding::BASE64;
use jiff::Timestamp;
use uuid::Uuid;

use super::Protocol;
use crate::microsoft::directory::account::{Account, Obstacle};
use crate::microsoft::directory::scope::{OUTLOOK, OUTLOOK_365};
use crate::microsoft::directory::{Directory, Records};

/// Why an account's mailbox cannot be used by a protocol, whatever its token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shut {
    /// There is no mailbox in Exchange Online: none was made, or the licence is gone.
    NoMailbox,
    /// Sign-in is blocked.
    Blocked,
    /// *Manage email apps* has it off.
    Off,
    /// `SmtpClientAuthenticationDisabled` of the mailbox.
    SmtpAuthOffForMailbox,
    /// `SmtpClientAuthenticationDisabled` of the organization, and nothing else at the mailbox.
    SmtpAuthOffForTenant,
    /// "SMTP AUTH is disabled when security defaults are on" (OfficeDocs-Exchange,
    /// authenticated-client-smtp-submission.md).
    SecurityDefaults,
}

impl std::fmt::Display for Shut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoMailbox => "it has no mailbox in Exchange Online",
            Self::Blocked => "its sign-in is blocked",
            Self::Off => "the protocol is off for the mailbox",
            Self::SmtpAuthOffForMailbox => "SmtpClientAuthentication is disabled for the Mailbox",
            Self::SmtpAuthOffForTenant => "SmtpClientAuthentication is disabled for the Tenant",
            Self::SecurityDefaults => "security defaults are on",
        })
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is no token, or not one for Exchange, or it has ended.
    BadToken,
    /// The token has not the protocol's scope.
    NoScope,
    /// `user=` is no mailbox that the account may open.
    NotTheirs,
    /// The mailbox cannot be used so.
    Shut(Shut),
}

/// Somebody who was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admitted {
    /// Who signed in.
    pub(super) by: Uuid,
    /// Whose mailbox it is.
    pub(super) mailbox: Uuid,
    /// When the token ends.
    pub(super) expires: Timestamp,
}

impl Protocol {
    fn scope(self) -> &'static str {
        match self {
            Self::Imap => "IMAP.AccessAsUser.All",
            Self::Pop3 => "POP.AccessAsUser.All",
            Self::Smtp => "SMTP.Send",
        }
    }
}

impl Records {
    /// What keeps the protocol from this account's mailbox.
    pub(crate) fn shut(&self, protocol: Protocol, account: &Account) -> Option<Shut> {
        let person = &account.person;
        if person.obstacle == Some(Obstacle::Disabled) {
            return Some(Shut::Blocked);
        }
        if !person.has_mailbox {
            return Some(Shut::NoMailbox);
        }
        let apps = person.email_apps;
        match protocol {
            Protocol::Imap => (!apps.imap).then_some(Shut::Off),
            Protocol::Pop3 => (!apps.pop).then_some(Shut::Off),
            Protocol::Smtp => {
                let tenant = self.tenants.by_id(account.tenant_id)?;
                match apps.smtp_auth {
                    _ if tenant.security_defaults => Some(Shut::SecurityDefaults),
                    Some(true) => None,
                    Some(false) => Some(Shut::SmtpAuthOffForMailbox),
                    None => tenant
                        .smtp_auth_disabled
                        .then_some(Shut::SmtpAuthOffForTenant),
                }
            }
        }
    }
}

impl Directory {
    /// What keeps the protocol from this address now.
    pub(crate) fn shut(&self, protocol: Protocol, address: &str) -> Option<Shut> {
        let records = self.records();
        match records.accounts.at_address(address) {
            Some(account) => records.shut(protocol, account),
            None => Some(Shut::NoMailbox),
        }
    }

    /// Judges what came with `AUTHENTICATE XOAUTH2` or `AUTH XOAUTH2`.
    pub(super) fn admit(&self, protocol: Protocol, response: &str) -> Result<Admitted, Refusal> {
        let response = response.trim();
        self.note_secret(response);
        let (user, token) = read(response).ok_or(Refusal::BadToken)?;
        let token = self.access_token(&token).ok_or(Refusal::BadToken)?;
        let is_ours = [OUTLOOK, OUTLOOK_365].contains(&token.audience.as_str());
        if !is_ours || token.expires <= self.clock.now() {
            return Err(Refusal::BadToken);
        }
        let records = self.records();
        let by = token.oid.and_then(|oid| records.account(oid));
        let by = by.ok_or(Refusal::BadToken)?;
        if !token.has_scope(protocol.scope()) {
            return Err(Refusal::NoScope);
        }
        // SMTP judges the switch of the mailbox that is named before the identity (nextcloud/mail#13668).
        let named = records.accounts.at_address(&user);
        let shut = named.and_then(|named| records.shut(protocol, named));
        if let (Protocol::Smtp, Some(shut)) = (protocol, shut) {
            return Err(Refusal::Shut(shut));
        }
        let mailbox = match by.person.has_address(&user) {
            true => by,
            // By SMTP the account signs in as itself, and names the shared mailbox as the sender
            // (nextcloud/mail#13667, frappe/frappe#23079).
            false if protocol == Protocol::Smtp => return Err(Refusal::NotTheirs),
            false => {
                let mut shared = by.person.full_access.iter();
                let shared = shared.any(|shared| shared.eq_ignore_ascii_case(&user));
                let shared = shared.then_some(named).flatten();
                shared.ok_or(Refusal::NotTheirs)?
            }
        };
        match (records.shut(protocol, by), records.shut(protocol, mailbox)) {
            (Some(Shut::Blocked), _) => Err(Refusal::Shut(Shut::Blocked)),
            // That sign-in is blocked is so of most shared mailboxes.
            (_, Some(shut)) if by.oid == mailbox.oid || shut != Shut::Blocked => {
                Err(Refusal::Shut(shut))
            }
            _ => Ok(Admitted {
                by: by.oid,
                mailbox: mailbox.oid,
                expires: token.expires,
            }),
        }
    }
}

/// `user=…^Aauth=Bearer …^A^A` (office-developer-exchange-docs,
/// how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth.md).
fn read(response: &str) -> Option<(String, String)> {
    let bytes = BASE64.decode(response.as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let text = text.strip_prefix("user=")?.strip_suffix("\u{1}\u{1}")?;
    let (user, token) = text.split_once("\u{1}auth=Bearer ")?;
    Some((user.to_owned(), token.to_owned()))
}
