//! What is not as it was left: seen by `rotation`'s probe, decided by in the checker, published as an event.

use serde::{Deserialize, Serialize};

use crate::credential::Slip;
use crate::failure::{Failure, Kind};
use crate::ids::ConnectionId;

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
        let (what, next_step) = self.what.stops_mail()?;
        let failure = Failure::new(Kind::Misconfigured, what).next_step(next_step);
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// A credential that leaked is kept in Entra.
    LeakedSecretStillValid,
    /// Somebody signs in with a superseded client secret.
    SupersededSecretInUse,
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
            Self::LeakedSecretStillValid => "leaked_secret_still_valid",
            Self::SupersededSecretInUse => "superseded_secret_in_use",
        }
    }

    /// What stands still by it and what a person does, where it stops the shop's mail.
    #[must_use]
    pub fn stops_mail(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::NoCurrentVersion => Some((
                "no version of the secret has AWSCURRENT, so nobody knows the client secret",
                "Give AWSCURRENT back to the version that had it: runbook, Drift codes.",
            )),
            Self::RegistrationMissing => Some((
                "Entra knows no app registration with this client id, so mail stands still",
                "Restore the app registration in Entra, or correct client_id and tenant_id.",
            )),
            Self::SecretRefused => Some((
                "Entra refuses the current client secret, so mail stands still",
                "A check that sees it again starts a rotation; runbook, Drift codes.",
            )),
            Self::ConnectionNotAuthorized => Some((
                "ShopCtrl shows it as not Authorized, so its mail stands still",
                "Press Authorize in ShopCtrl, or open the link that was sent to the contact.",
            )),
            Self::ConnectionDisabled => Some((
                "it is switched off in ShopCtrl, so its mail stands still",
                "Switch Enable on in ShopCtrl, or take the connection out of the mailbox document.",
            )),
            // With these the current secret works, or it is not used; or SecretRefused comes with them.
            Self::CredentialMissing
            | Self::KeyIdIsAnothers
            | Self::ClientSecretIsAnId
            | Self::ClientSecretEndsInLineBreak
            | Self::ConnectionHoldsAnotherSecret
            | Self::RotationOff
            | Self::LeakedSecretStillValid
            | Self::SupersededSecretInUse => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
