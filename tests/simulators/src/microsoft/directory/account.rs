//! Tenants and the people in them.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// The tenant of personal Microsoft accounts (entra-docs, id-token-claims-reference).
pub const PERSONAL_TENANT: Uuid = Uuid::from_u128(0x9188040d_6c67_4c5b_b112_36a304b66dad);

/// Who may consent to an app's delegated permissions in a tenant (docs/beliefs.md, Entra).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsentPolicy {
    /// People may, except to what reads mail.
    #[default]
    MicrosoftManaged,
    /// People may.
    Users,
    /// Only administrators may.
    Admins,
}

/// A tenant.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: Uuid,
    /// Its domain, which can stand for the id in URLs.
    pub domain: String,
    /// Who may consent.
    pub consent_policy: ConsentPolicy,
    /// `passwordLifetime` of the default app management policy (facts, 1.7).
    pub longest_secret: Option<SignedDuration>,
    /// `passwordAddition` of that policy.
    pub secrets_blocked: Option<SecretsBlocked>,
    /// `SmtpClientAuthenticationDisabled` of `Set-TransportConfig`.
    pub smtp_auth_disabled: bool,
    /// Whether security defaults are on.
    pub security_defaults: bool,
}

/// A policy that blocks new client secrets (graph-docs, resources/passwordcredentialconfiguration).
#[derive(Debug, Clone)]
pub struct SecretsBlocked {
    /// For apps that were made on or after this day; none stands for all.
    pub apps_since: Option<Timestamp>,
    /// The service principals that it excepts as callers, by a custom security attribute that they have.
    pub excepted_callers: BTreeSet<Uuid>,
}

impl Tenant {
    /// A tenant in which SMTP AUTH is off, as it is in those made since January 2020 (OfficeDocs-Exchange,
    /// authenticated-client-smtp-submission.md), and nothing else is decided.
    pub(super) fn new(id: Uuid, domain: &str) -> Self {
        Self {
            id,
            domain: domain.to_owned(),
            consent_policy: ConsentPolicy::default(),
            longest_secret: None,
            secrets_blocked: None,
            smtp_auth_disabled: true,
            security_defaults: false,
        }
    }
}

/// *Manage email apps* of a mailbox (`Set-CASMailbox`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailApps {
    /// IMAP, which a new mailbox has on.
    pub imap: bool,
    /// POP, which a new mailbox has on.
    pub pop: bool,
    /// Authenticated SMTP; none for what the organization has.
    pub smtp_auth: Option<bool>,
}

impl Default for EmailApps {
    fn default() -> Self {
        Self {
            imap: true,
            pop: true,
            smtp_auth: None,
        }
    }
}

/// What kind of account somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AccountKind {
    /// A work account of the tenant.
    #[default]
    Member,
    /// A guest from this identity provider; its `oid` here is not the one at home.
    Guest {
        /// The home's issuer, the `idp` claim.
        idp: String,
    },
    /// A personal Microsoft account.
    Personal,
}

/// What keeps a person with the right password from a token (docs/beliefs.md, Entra).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// Conditional Access says no: 53003.
    ConditionalAccess,
    /// The device is not compliant: 53000.
    Device,
    /// The account is disabled: 50057.
    Disabled,
    /// The account is locked: 50053.
    Locked,
    /// The password has expired: 50055. Refresh tokens go on working (facts, 2.6).
    PasswordExpired,
}

/// What is known of an account; everything here can be changed later.
#[derive(Debug, Clone)]
pub struct Person {
    /// `userPrincipalName`: what is typed at sign-in.
    pub upn: String,
    /// `mail`, which often differs from the UPN (docs/beliefs.md, Exchange).
    pub mail: Option<String>,
    /// `proxyAddresses`: `SMTP:` for the primary, `smtp:` for aliases.
    pub proxy_addresses: Vec<String>,
    /// The name shown.
    pub display_name: String,
    /// The password.
    pub password: String,
    /// The kind of account.
    pub kind: AccountKind,
    /// Whether there is an Exchange Online mailbox.
    pub has_mailbox: bool,
    /// The code to be typed as a second factor, when one is needed.
    pub second_factor: Option<String>,
    /// What stands in the way.
    pub obstacle: Option<Obstacle>,
    /// Whether the person may consent for the tenant.
    pub is_admin: bool,
    /// Addresses of shared mailboxes that the person has Full Access to (graph-docs, outlook-share-messages-folders).
    pub full_access: Vec<String>,
    /// Addresses that the person has *Send As* for, beside their own.
    pub send_as: Vec<String>,
    /// What the mailbox may be used by.
    pub email_apps: EmailApps,
}

impl Person {
    /// A work account with a mailbox at `address` and nothing special about it.
    #[must_use]
    pub fn with_mailbox(address: &str, password: &str) -> Self {
        Self {
            upn: address.to_owned(),
            mail: Some(address.to_owned()),
            proxy_addresses: vec![format!("SMTP:{address}")],
            display_name: address.split('@').next().unwrap_or(address).to_owned(),
            password: password.to_owned(),
            kind: AccountKind::Member,
            has_mailbox: true,
            second_factor: None,
            obstacle: None,
            is_admin: false,
            full_access: Vec::new(),
            send_as: Vec::new(),
            email_apps: EmailApps::default(),
        }
    }

    /// Whether this is what the person types at the sign-in: the UPN, and no other address, unless the tenant has
    /// e-mail as an alternate login (entra-docs, howto-authentication-use-email-signin.md), which this one has not.
    #[must_use]
    pub fn signs_in_as(&self, name: &str) -> bool {
        self.upn.eq_ignore_ascii_case(name)
    }

    /// Every address that the account is known under, aliases included.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        let aliases = self.proxy_addresses.iter().filter_map(|proxy| {
            let (kind, alias) = proxy.split_once(':')?;
            kind.eq_ignore_ascii_case("smtp").then_some(alias)
        });
        std::iter::once(self.upn.as_str())
            .chain(self.mail.as_deref())
            .chain(aliases)
    }

    /// Whether the person may send mail from this address.
    #[must_use]
    pub fn may_send_as(&self, address: &str) -> bool {
        let mut others = self.send_as.iter();
        self.has_address(address) || others.any(|other| other.eq_ignore_ascii_case(address))
    }

    /// Whether the account is known under this address, aliases included.
    #[must_use]
    pub fn has_address(&self, address: &str) -> bool {
        self.addresses()
            .any(|known| known.eq_ignore_ascii_case(address))
    }
}

/// An account in a tenant.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its `oid`.
    pub oid: Uuid,
    /// Its `tid`.
    pub tenant_id: Uuid,
    /// What is known of it.
    pub person: Person,
}
