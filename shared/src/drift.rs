//! What is not as it was left: seen by `rotation`'s looks, decided by in the checker, published as an event.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::credential::Slip;
use crate::events::MailFlow;
use crate::failure::{Failure, Kind};
use crate::ids::ConnectionId;
use crate::mailbox::Unusable;

/// Something that is not as it was left, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// What.
    pub what: DriftKind,
    /// At which connection; none where it is about the secret.
    pub connection: Option<ConnectionId>,
}

impl Drift {
    /// The failure that it is where it stops the shop's mail.
    #[must_use]
    pub fn stops_mail(&self) -> Option<Failure> {
        let failure = self.what.failure()?;
        Some(match &self.connection {
            Some(connection) => failure.while_doing(&format!("connection {connection}")),
            None => failure,
        })
    }
}

impl From<DriftKind> for Drift {
    fn from(what: DriftKind) -> Self {
        Self {
            what,
            connection: None,
        }
    }
}

/// What is not as it was left; its code is its name in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DriftKind {
    /// No version has AWSCURRENT.
    NoCurrentVersion,
    /// Entra knows no app registration with this client id.
    RegistrationMissing,
    /// Entra refuses the current client secret.
    SecretRefused,
    /// Entra no longer lists the credential that the document names.
    CredentialMissing,
    /// The document's `key_id` is another credential's.
    KeyIdIsAnothers,
    /// The document's client secret is a GUID.
    ClientSecretIsAnId,
    /// The document's client secret ends in a line break.
    ClientSecretEndsInLineBreak,
    /// ShopCtrl says that the connection is not Authorized.
    ConnectionNotAuthorized,
    /// The connection is switched off in ShopCtrl.
    ConnectionDisabled,
    /// The connection holds another client secret than the current one.
    ConnectionHoldsAnotherSecret,
    /// Rotation was switched off though one is wanted or under way.
    RotationOff,
    /// Secrets Manager rotates by itself before the secret is due, and would ask a person for nothing.
    BackstopEarly,
    /// Secrets Manager rotates by itself so late that a person has no week left.
    BackstopLate,
    /// A credential that leaked is kept in Entra.
    LeakedSecretStillValid,
    /// Somebody signs in with a superseded client secret.
    SupersededSecretInUse,
    /// ShopCtrl has not checked the shop's mail for a day, and nothing else says why.
    MailNotChecked,
    /// The rotator has no permission to add client secrets.
    RotatorMayNotManage,
    /// The rotator may manage its own apps only, and does not own this one.
    RotatorIsNoOwner,
    /// Entra allows the app two client secrets, and both places are taken by what is not ours to remove.
    NoRoomForSecret,
    /// A policy of the tenant's forbids to add client secrets, or such as live for a day.
    ClientSecretsForbidden,
    /// The app registration does not have our redirect URI.
    RedirectUriMissing,
    /// The ShopCtrl login does not see the connection's shop.
    ShopNotVisible,
    /// The mailbox cannot be used the way that the connection does.
    Unusable(Unusable),
}

impl Serialize for DriftKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for DriftKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        let of_code = |kind: &Self| kind.code() == code;
        let kind = Self::ALL.into_iter().find(of_code);
        kind.ok_or_else(|| de::Error::custom("not a code of drift"))
    }
}

impl From<Slip> for DriftKind {
    fn from(slip: Slip) -> Self {
        match slip {
            Slip::Id => Self::ClientSecretIsAnId,
            Slip::LineBreak => Self::ClientSecretEndsInLineBreak,
        }
    }
}

impl DriftKind {
    /// All of them; a new one at the end, for its place is its letter in a tag.
    pub const ALL: [Self; 39] = [
        Self::NoCurrentVersion,
        Self::RegistrationMissing,
        Self::SecretRefused,
        Self::CredentialMissing,
        Self::KeyIdIsAnothers,
        Self::ClientSecretIsAnId,
        Self::ClientSecretEndsInLineBreak,
        Self::ConnectionNotAuthorized,
        Self::ConnectionDisabled,
        Self::ConnectionHoldsAnotherSecret,
        Self::RotationOff,
        Self::LeakedSecretStillValid,
        Self::SupersededSecretInUse,
        Self::BackstopEarly,
        Self::BackstopLate,
        Self::Unusable(Unusable::SmtpAuthOffForTenant),
        Self::Unusable(Unusable::SmtpAuthOffForMailbox),
        Self::Unusable(Unusable::SmtpAuthOff),
        Self::Unusable(Unusable::SmtpSignInRefused),
        Self::Unusable(Unusable::ImapSignInRefused),
        Self::Unusable(Unusable::Pop3SignInRefused),
        Self::Unusable(Unusable::ImapNotConnected),
        Self::Unusable(Unusable::Pop3NotConnected),
        Self::Unusable(Unusable::TokenTooLongForPop3),
        Self::Unusable(Unusable::SignInBlockedByPolicy),
        Self::Unusable(Unusable::MayNotSendAs),
        Self::Unusable(Unusable::WrongAudience),
        Self::Unusable(Unusable::AccountBlocked),
        Self::Unusable(Unusable::NotInExchangeOnline),
        Self::Unusable(Unusable::NoMailbox),
        Self::Unusable(Unusable::AccessDenied),
        Self::Unusable(Unusable::Refused),
        Self::MailNotChecked,
        Self::RotatorMayNotManage,
        Self::RotatorIsNoOwner,
        Self::NoRoomForSecret,
        Self::ClientSecretsForbidden,
        Self::RedirectUriMissing,
        Self::ShopNotVisible,
    ];

    /// The code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoCurrentVersion => "no_current_version",
            Self::RegistrationMissing => "registration_missing",
            Self::SecretRefused => "secret_refused",
            Self::CredentialMissing => "credential_missing",
            Self::KeyIdIsAnothers => "key_id_is_anothers",
            Self::ClientSecretIsAnId => "client_secret_is_an_id",
            Self::ClientSecretEndsInLineBreak => "client_secret_ends_in_line_break",
            Self::ConnectionNotAuthorized => "connection_not_authorized",
            Self::ConnectionDisabled => "connection_disabled",
            Self::ConnectionHoldsAnotherSecret => "connection_holds_another_secret",
            Self::RotationOff => "rotation_off",
            Self::BackstopEarly => "backstop_early",
            Self::BackstopLate => "backstop_late",
            Self::LeakedSecretStillValid => "leaked_secret_still_valid",
            Self::SupersededSecretInUse => "superseded_secret_in_use",
            Self::MailNotChecked => "mail_not_checked",
            Self::RotatorMayNotManage => "rotator_may_not_manage_apps",
            Self::RotatorIsNoOwner => "rotator_is_no_owner",
            Self::NoRoomForSecret => "no_room_for_a_client_secret",
            Self::ClientSecretsForbidden => "client_secrets_forbidden",
            Self::RedirectUriMissing => "redirect_uri_missing",
            Self::ShopNotVisible => "shop_not_visible",
            Self::Unusable(unusable) => unusable.code(),
        }
    }

    /// Whether the shop's mail stands still by it.
    #[must_use]
    pub fn stops_mail(self) -> bool {
        match self {
            Self::NoCurrentVersion
            | Self::RegistrationMissing
            | Self::SecretRefused
            | Self::ConnectionNotAuthorized
            | Self::ConnectionDisabled
            | Self::MailNotChecked
            | Self::Unusable(_) => true,
            // With these the current secret works, or it is not used; or SecretRefused comes with them.
            Self::CredentialMissing
            | Self::KeyIdIsAnothers
            | Self::ClientSecretIsAnId
            | Self::ClientSecretEndsInLineBreak
            | Self::ConnectionHoldsAnotherSecret
            | Self::RotationOff
            | Self::BackstopEarly
            | Self::BackstopLate
            | Self::LeakedSecretStillValid
            | Self::SupersededSecretInUse
            | Self::RotatorMayNotManage
            | Self::RotatorIsNoOwner
            | Self::NoRoomForSecret
            | Self::ClientSecretsForbidden
            | Self::RedirectUriMissing
            | Self::ShopNotVisible => false,
        }
    }

    /// Whether the next renewal fails by it, or nobody begins one, while all works until then.
    #[must_use]
    pub fn bars_the_renewal(self) -> bool {
        match self {
            Self::RotationOff
            | Self::RotatorMayNotManage
            | Self::RotatorIsNoOwner
            | Self::NoRoomForSecret
            | Self::ClientSecretsForbidden
            | Self::RedirectUriMissing
            | Self::ShopNotVisible => true,
            Self::NoCurrentVersion
            | Self::RegistrationMissing
            | Self::SecretRefused
            | Self::CredentialMissing
            | Self::KeyIdIsAnothers
            | Self::ClientSecretIsAnId
            | Self::ClientSecretEndsInLineBreak
            | Self::ConnectionNotAuthorized
            | Self::ConnectionDisabled
            | Self::ConnectionHoldsAnotherSecret
            | Self::BackstopEarly
            | Self::BackstopLate
            | Self::LeakedSecretStillValid
            | Self::SupersededSecretInUse
            | Self::MailNotChecked
            | Self::Unusable(_) => false,
        }
    }

    /// Whether the shop's mail flows all the same.
    #[must_use]
    pub fn mail(self) -> MailFlow {
        match self {
            // ShopCtrl may hold one that works.
            Self::NoCurrentVersion
            | Self::ClientSecretIsAnId
            | Self::ClientSecretEndsInLineBreak => MailFlow::NotKnown,
            Self::RegistrationMissing
            | Self::SecretRefused
            | Self::ConnectionNotAuthorized
            | Self::ConnectionDisabled
            | Self::MailNotChecked
            | Self::Unusable(_) => MailFlow::StandsStill,
            Self::CredentialMissing
            | Self::KeyIdIsAnothers
            | Self::ConnectionHoldsAnotherSecret
            | Self::RotationOff
            | Self::BackstopEarly
            | Self::BackstopLate
            | Self::LeakedSecretStillValid
            | Self::SupersededSecretInUse
            | Self::RotatorMayNotManage
            | Self::RotatorIsNoOwner
            | Self::NoRoomForSecret
            | Self::ClientSecretsForbidden
            | Self::RedirectUriMissing
            | Self::ShopNotVisible => MailFlow::Flows,
        }
    }

    /// What it means.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::NoCurrentVersion => {
                "no version of the secret has AWSCURRENT, so the client secret in use is not known here"
            }
            Self::RegistrationMissing => {
                "Entra knows no app registration with this client id, so mail stands still"
            }
            Self::SecretRefused => "Entra refuses the current client secret, so mail stands still",
            Self::CredentialMissing => {
                "the app registration in Entra lists no client secret with the key_id of the mailbox document"
            }
            Self::KeyIdIsAnothers => {
                "in the mailbox document, key_id and client_secret are of two client secrets"
            }
            Self::ClientSecretIsAnId => {
                "in the mailbox document, client_secret is a Secret ID and not the Value"
            }
            Self::ClientSecretEndsInLineBreak => {
                "in the mailbox document, client_secret ends in a line break"
            }
            Self::ConnectionNotAuthorized => {
                "ShopCtrl shows the connection as not Authorized, so its mail stands still"
            }
            Self::ConnectionDisabled => {
                "the connection is switched off in ShopCtrl, so its mail stands still"
            }
            Self::ConnectionHoldsAnotherSecret => {
                "somebody entered another client secret in ShopCtrl"
            }
            Self::RotationOff => {
                "the rotation of the secret is switched off in AWS, so nothing renews the client secret"
            }
            Self::BackstopEarly => {
                "Secrets Manager's own schedule would renew it too early, and ask a person without need"
            }
            Self::BackstopLate => {
                "Secrets Manager's own schedule comes in the last week of the client secret, or after it"
            }
            Self::LeakedSecretStillValid => {
                "a client secret that leaked was replaced and still works in Entra"
            }
            Self::SupersededSecretInUse => {
                "Entra shows that the previous client secret was used after a person had entered the new one in ShopCtrl; if ShopCtrl uses it, mail stops when it ends"
            }
            Self::MailNotChecked => {
                "ShopCtrl has not checked the shop's mail for a day, though the mailbox can be opened"
            }
            Self::RotatorMayNotManage => {
                "the rotator has no permission in Entra to add client secrets"
            }
            Self::RotatorIsNoOwner => {
                "the rotator is no owner of the app registration in Entra, and may add client secrets to its own apps only"
            }
            Self::NoRoomForSecret => {
                "the app registration may have two client secrets, and both places are taken"
            }
            Self::ClientSecretsForbidden => {
                "a policy of the tenant's forbids the rotator to add client secrets"
            }
            Self::RedirectUriMissing => {
                "the app registration in Entra does not have the redirect URI of our pages, so nobody can sign in there"
            }
            Self::ShopNotVisible => {
                "ShopCtrl does not show the shop to this system's login, so no renewal can be followed there"
            }
            Self::Unusable(unusable) => unusable.meaning(),
        }
    }

    /// What a person does.
    #[must_use]
    pub fn next_step(self) -> &'static str {
        match self {
            Self::NoCurrentVersion => {
                "Now: give AWSCURRENT back to the version that had it (runbook, Drift codes)."
            }
            Self::RegistrationMissing => {
                "Now: restore the app registration in Entra (App registrations, Deleted applications). If another one took its place on purpose, correct client_id and tenant_id in the mailbox document."
            }
            Self::SecretRefused => {
                "Wait for the next check: it renews the client secret, and asks the contact if it has to. A mail says when it is over. No such mail within a day: runbook, Mail is down."
            }
            Self::CredentialMissing => {
                "Not urgent: set key_id in the mailbox document to the Secret ID that Entra shows for the client secret in use. If Entra refuses that one, the next check renews it."
            }
            Self::KeyIdIsAnothers => {
                "Not urgent: set key_id in the mailbox document to the Secret ID that Entra shows for the client secret in use. Until then it is renewed before the earlier of both ends."
            }
            Self::ClientSecretIsAnId | Self::ClientSecretEndsInLineBreak => {
                "Nothing for the mail: the same check renews the client secret, and a mail says when that is done. In the next weeks: correct whatever writes such documents."
            }
            Self::ConnectionNotAuthorized => {
                "Now: have the contact open the link of the last mail, or press Save and Authorize in ShopCtrl, signed in as the mailbox."
            }
            Self::ConnectionDisabled => {
                "Now: switch Enable on in ShopCtrl. If it is meant to be off, take the connection out of the mailbox document."
            }
            Self::ConnectionHoldsAnotherSecret => {
                "Nothing at once: the checks put the right one back. Ask who entered the other one, or it happens again."
            }
            Self::RotationOff => {
                "Now: ask who switched it off, and switch it on again, or mail stops when the client secret ends (runbook, Stop and go on)."
            }
            Self::BackstopEarly | Self::BackstopLate => {
                "In the next weeks: set BackstopSchedule of the mailbox's stack past the due point and before the last week (runbook, Drift codes)."
            }
            Self::LeakedSecretStillValid => {
                "Now: see which mailbox still uses it and have that one renewed, then remove it in Entra (runbook, Drift codes)."
            }
            Self::SupersededSecretInUse => {
                "In the next days: enter the current client secret in ShopCtrl again, for receiving and sending (runbook, Hand-over by hand), and ask what else uses the app registration."
            }
            Self::MailNotChecked => {
                "Now: in ShopCtrl, the shop's Settings > Communication > E-mail > Receiving email: is Check mail on and the shop saved, is Enable on in Mailbox details, and what does Test MailBox say? If the shop is not meant to get mail, take the connection out of the mailbox document."
            }
            Self::RotatorMayNotManage => {
                "Before the next renewal: give the rotator's app the application permission Application.ReadWrite.OwnedBy, with admin consent (runbook, Preflight: it prints the command)."
            }
            Self::RotatorIsNoOwner => {
                "Before the next renewal: make the rotator's service principal an owner of the app registration (runbook, Preflight: it prints the command)."
            }
            Self::NoRoomForSecret => {
                "Before the next renewal: remove a client secret that nobody uses, or admit no personal accounts (runbook, The app allows two credentials only)."
            }
            Self::ClientSecretsForbidden => {
                "Before the next renewal: except the rotator from the policy, as a caller, or this app registration (runbook, Preflight: it prints how)."
            }
            Self::RedirectUriMissing => {
                "Before the next renewal: add the redirect URI again, platform Web (runbook, Preflight: it prints the command)."
            }
            Self::ShopNotVisible => {
                "Before the next renewal: give the ShopCtrl login a role in this shop, or correct shop_id in the mailbox document."
            }
            Self::Unusable(unusable) => unusable.next_step(),
        }
    }

    /// What a look sees when it is over.
    #[must_use]
    pub fn seen_over(self) -> &'static str {
        match self {
            Self::NoCurrentVersion => "A version of the secret has AWSCURRENT again.",
            Self::RegistrationMissing => "Entra knows the app registration again.",
            Self::SecretRefused => "Entra accepts the client secret again.",
            Self::CredentialMissing => {
                "The app registration in Entra has the client secret that the document names."
            }
            Self::KeyIdIsAnothers => {
                "In the mailbox document, key_id and client_secret are of one client secret."
            }
            Self::ClientSecretIsAnId | Self::ClientSecretEndsInLineBreak => {
                "Entra accepts the client secret in the mailbox document."
            }
            Self::ConnectionNotAuthorized => "ShopCtrl shows the connection as Authorized again.",
            Self::ConnectionDisabled => "The connection is switched on in ShopCtrl again.",
            Self::ConnectionHoldsAnotherSecret => {
                "ShopCtrl holds the current client secret for the connection again."
            }
            Self::RotationOff => "The rotation is switched on again.",
            Self::BackstopEarly | Self::BackstopLate => {
                "Secrets Manager's own schedule comes past the due point and before the last week."
            }
            Self::LeakedSecretStillValid => {
                "The client secret that leaked is gone from Entra, or has ended."
            }
            Self::SupersededSecretInUse => {
                "The replaced client secret is gone from Entra, or has ended."
            }
            Self::MailNotChecked => "ShopCtrl checks the shop's mail again.",
            Self::RotatorMayNotManage => "The rotator has the permission again.",
            Self::RotatorIsNoOwner => "The rotator is an owner of the app registration again.",
            Self::NoRoomForSecret => "The app registration has room for one more client secret.",
            Self::ClientSecretsForbidden => {
                "No policy keeps the rotator from adding client secrets."
            }
            Self::RedirectUriMissing => "The app registration has the redirect URI again.",
            Self::ShopNotVisible => "The ShopCtrl login sees the shop again.",
            Self::Unusable(unusable) => unusable.seen_over(),
        }
    }

    /// The failure that it is, where it stops the shop's mail.
    fn failure(self) -> Option<Failure> {
        let failure = Failure::new(Kind::Misconfigured, self.meaning());
        self.stops_mail()
            .then(|| failure.next_step(self.next_step()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_runbook_and_in_the_schemas_of_events() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}")).unwrap();
        let runbook = read("docs/runbook.md");
        let (_, behind) = runbook.split_once("## Drift codes").unwrap();
        let (codes, _) = behind.split_once("\n## ").unwrap();
        let schemas = ["drift-found", "client-secret-rotated", "mailbox-recovered"];
        let schemas = schemas.map(|name| read(&format!("infra/event-schemas/{name}.schema.json")));
        for what in DriftKind::ALL {
            let code = what.code();
            assert!(codes.contains(&format!("`{code}`")), "{code}");
            let in_all = schemas.iter().all(|s| s.contains(&format!("\"{code}\"")));
            assert!(in_all, "{code}");
        }
    }

    #[test]
    fn a_code_is_the_name_on_the_wire() {
        for what in [
            DriftKind::NoCurrentVersion,
            DriftKind::ClientSecretIsAnId,
            DriftKind::ClientSecretEndsInLineBreak,
            DriftKind::ConnectionHoldsAnotherSecret,
            DriftKind::SupersededSecretInUse,
        ] {
            let drift = Drift::from(what);
            let wire = serde_json::json!({"what": what.code(), "connection": null});
            assert_eq!(serde_json::to_value(&drift).unwrap(), wire);
            assert_eq!(serde_json::from_value::<Drift>(wire).unwrap(), drift);
        }
    }
}
