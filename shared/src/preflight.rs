//! What a rotation needs of others, and whether it is there: said by a dry run for each mailbox and for the system, and
//! looked at by each check, so that a renewal that cannot be is known months before it is due.

pub mod commands;

use serde::{Deserialize, Serialize};

use crate::drift::{Drift, DriftKind};
use crate::ids::ConnectionId;
use commands::{MailboxNames, SystemNames};

/// `Action` of the event by which the checker asks the notifier for the rows of the system: [`SystemPreflight`].
pub const ACTION: &str = "preflight";

/// Something that a mailbox's rotation needs of others; its code is its name in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// The rotator's token names a role that lets it add client secrets.
    RotatorRole,
    /// With the role for its own apps only: the rotator is an owner of the app registration.
    RotatorOwnsApp,
    /// One more client secret fits where Entra allows two.
    RoomForSecret,
    /// The tenant's app management policy lets the rotator add client secrets.
    SecretsAllowed,
    /// It allows them to live for a day or more.
    LifetimeAllowed,
    /// The app registration has our redirect URI, of the platform Web.
    RedirectUri,
    /// A connection's delegated permission was granted.
    DelegatedPermission,
    /// Where `reveal_to` is used: the app registration's id tokens say when a password was given.
    AuthTime,
    /// ShopCtrl takes the login of a connection.
    ShopctrlLogin,
    /// That login sees the connection's shop.
    Shop,
    /// The owner of a mailbox gave a grant that works.
    OwnersGrant,
    /// Rotation is switched on in AWS.
    RotationOn,
    /// The backstop comes between the renewal and the last week.
    Backstop,
    /// It is known when the client secret ends.
    EndKnown,
    /// Somebody is named who hears of it, at another address than the mailbox's own.
    Contact,
}

/// The same of the whole system: what all mail depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemRequirement {
    /// Whoever runs the system confirmed the topic's subscription.
    TopicConfirmed,
    /// SES mails anybody, and not verified addresses only.
    OutOfSandbox,
    /// SES may send as the sender.
    SenderVerified,
}

/// Whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// It is.
    Present,
    /// It is not.
    Missing,
    /// Whoever looks may not see it.
    NotVisible {
        /// With this it could.
        permission: Permission,
    },
    /// This look could not tell: what it asked did not answer, or was not asked. The next one may.
    NotSeen,
    /// It answered, and what it says does not tell. The next look will see no more.
    NotTold,
}

/// What lets somebody see more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Permission {
    /// An application permission of Microsoft Graph.
    #[serde(rename = "Application.Read.All")]
    ApplicationRead,
    /// The same.
    #[serde(rename = "Policy.Read.All")]
    PolicyRead,
    /// The notifier's, on its topic.
    #[serde(rename = "sns:ListSubscriptionsByTopic")]
    ListSubscriptions,
    /// The notifier's.
    #[serde(rename = "ses:GetAccount")]
    GetSesAccount,
    /// The notifier's, on its sender.
    #[serde(rename = "ses:GetEmailIdentity")]
    GetSesIdentity,
    /// The checker's, on the notifier, which its setting `NOTIFIER_FUNCTION` has to name.
    #[serde(rename = "lambda:InvokeFunction")]
    InvokeNotifier,
}

/// What a look saw of a mailbox: between `rotation` and the checker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Of what.
    pub requirement: Requirement,
    /// Whether it is there.
    pub seen: Seen,
    /// At which connection; none where it is about the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    /// What exactly, where only the look knows that: the redirect URI, the delegated permission, the account, the
    /// secret of the ShopCtrl login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// A row as a dry run prints it, of a mailbox or of the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The code of the requirement.
    pub requirement: String,
    /// Whether it is there.
    pub seen: Seen,
    /// At which connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// What exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// What is needed, in one line.
    pub meaning: String,
    /// What grants it, or where it is not visible what lets it be seen: to be copied and pasted. None where nothing is to
    /// be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What the notifier answers to `{"Action": "preflight"}`: one row for each [`SystemRequirement`] that applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemPreflight {
    /// They.
    pub rows: Vec<Told>,
}

impl Requirement {
    /// What is needed.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::RotatorRole => {
                "the rotator may add client secrets (Application.ReadWrite.OwnedBy)"
            }
            Self::RotatorOwnsApp => "the rotator is an owner of the app registration",
            Self::RoomForSecret => {
                "one more client secret fits into the app registration (with personal accounts it may have two)"
            }
            Self::SecretsAllowed => {
                "the tenant's app management policy lets the rotator add client secrets"
            }
            Self::LifetimeAllowed => {
                "the tenant's app management policy allows client secrets that live for a day or more"
            }
            Self::RedirectUri => {
                "the app registration has the redirect URI of our pages, platform Web"
            }
            Self::DelegatedPermission => {
                "the delegated permission that the connection needs is granted"
            }
            Self::AuthTime => {
                "the id token says when the password was given (optional claim auth_time), as reveal_to wants"
            }
            Self::ShopctrlLogin => "ShopCtrl takes the login",
            Self::Shop => "the ShopCtrl login sees the shop",
            Self::OwnersGrant => "the mailbox's owner has signed in, and what they gave works",
            Self::RotationOn => "rotation is switched on in AWS",
            Self::Backstop => {
                "Secrets Manager's own schedule comes between the renewal and the last week of the client secret"
            }
            Self::EndKnown => "it is known when the client secret ends",
            Self::Contact => {
                "somebody is named who is mailed, at another address than the mailbox's own"
            }
        }
    }
}

impl Requirement {
    /// The drift that it is where it is missing and the next renewal would fail by it. The others are no drift: they are
    /// asked for or told in another way (an owner's grant, a login, the backstop), or no renewal fails by them.
    #[must_use]
    pub fn drift(self) -> Option<DriftKind> {
        Some(match self {
            Self::RotatorRole => DriftKind::RotatorMayNotManage,
            Self::RotatorOwnsApp => DriftKind::RotatorIsNoOwner,
            Self::RoomForSecret => DriftKind::NoRoomForSecret,
            Self::SecretsAllowed | Self::LifetimeAllowed => DriftKind::ClientSecretsForbidden,
            Self::RedirectUri => DriftKind::RedirectUriMissing,
            Self::Shop => DriftKind::ShopNotVisible,
            Self::DelegatedPermission
            | Self::AuthTime
            | Self::ShopctrlLogin
            | Self::OwnersGrant
            | Self::RotationOn
            | Self::Backstop
            | Self::EndKnown
            | Self::Contact => return None,
        })
    }
}

impl SystemRequirement {
    /// What is needed.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::TopicConfirmed => {
                "whoever runs the system confirmed the subscription to its mails"
            }
            Self::OutOfSandbox => {
                "Amazon SES mails any address (the account is out of the sandbox)"
            }
            Self::SenderVerified => "Amazon SES may send as the sender (a verified identity)",
        }
    }

    /// The row, with the command.
    #[must_use]
    pub fn told(self, seen: Seen, names: &SystemNames<'_>) -> Told {
        Told {
            requirement: code(&self),
            seen,
            connection: None,
            about: None,
            meaning: self.meaning().to_owned(),
            command: commands::for_system(self, seen, names),
        }
    }
}

impl Permission {
    /// Its name, as Microsoft or AWS writes it.
    #[must_use]
    pub fn name(self) -> String {
        code(&self)
    }
}

impl Row {
    /// The drift that it is.
    #[must_use]
    pub fn drift(&self) -> Option<Drift> {
        self.drift_if_missing()
            .filter(|_| self.seen == Seen::Missing)
    }

    /// The drift that it is where it is missing.
    #[must_use]
    pub fn drift_if_missing(&self) -> Option<Drift> {
        Some(Drift {
            what: self.requirement.drift()?,
            connection: self.connection.clone(),
        })
    }

    /// Of the secret as a whole.
    #[must_use]
    pub fn new(requirement: Requirement, seen: Seen) -> Self {
        Self {
            requirement,
            seen,
            connection: None,
            about: None,
        }
    }

    /// Of this.
    #[must_use]
    pub fn about(self, about: String) -> Self {
        Self {
            about: Some(about),
            ..self
        }
    }

    /// At this connection.
    #[must_use]
    pub fn at(self, connection: ConnectionId) -> Self {
        Self {
            connection: Some(connection),
            ..self
        }
    }

    /// As a dry run prints it.
    #[must_use]
    pub fn told(self, names: &MailboxNames<'_>) -> Told {
        Told {
            command: commands::for_mailbox(&self, names),
            requirement: code(&self.requirement),
            seen: self.seen,
            connection: self.connection.map(|id| id.as_str().to_owned()),
            about: self.about,
            meaning: self.requirement.meaning().to_owned(),
        }
    }
}

/// The name on the wire.
fn code(named: &impl Serialize) -> String {
    let value = serde_json::to_value(named).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
