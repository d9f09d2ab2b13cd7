//! What is over.

use jiff::Timestamp;
use shared::drift::DriftKind;
use shared::events::{OpenTrouble, Trouble};

use super::common::{day, time};
use super::{Message, Urgency};
use crate::event::{Recovered, Rotated};

pub(super) fn rotated(rotated: &Rotated) -> Message {
    let Rotated { expires_at, closes } = rotated;
    let mut particular = vec![format!(
        "The new client secret is valid until {}.",
        time(*expires_at)
    )];
    particular.extend(closes.iter().map(|open| match open.since {
        Some(since) => format!(
            "Over: {}, as first seen on {}.",
            trouble_was(&open.trouble),
            time(since)
        ),
        None => format!("Over: {}.", trouble_was(&open.trouble)),
    }));
    Message {
        urgency: Urgency::Over,
        headline: format!("all is well, renewed until {}", day(*expires_at)),
        of_many: "are well again".into(),
        general: vec![
            "The client secret with which ShopCtrl reaches the mailbox was renewed. The new one signs in at Microsoft, ShopCtrl has it for each connection, and it is the one in use.".to_owned(),
        ],
        particular,
        to_do: "Nothing. Links that were sent before are needed no more.".to_owned(),
        for_administrator: None,
        link: None,
    }
}

pub(super) fn recovered(recovered: &Recovered) -> Message {
    let Recovered { closes, at, seen } = recovered;
    let OpenTrouble { trouble, since } = closes;
    Message {
        urgency: Urgency::Over,
        headline: format!("all clear ({})", trouble_was(trouble)),
        of_many: "are in order again".into(),
        general: vec![seen.clone()],
        particular: between(*since, *at, trouble),
        to_do: "Nothing.".to_owned(),
        for_administrator: None,
        link: None,
    }
}

fn between(since: Option<Timestamp>, at: Timestamp, trouble: &Trouble) -> Vec<String> {
    let mut between = Vec::new();
    if let Trouble::Drift {
        connection: Some(id),
        ..
    } = trouble
    {
        between.push(format!("The connection is {id}."));
    }
    between.push(match since {
        Some(since) => format!(
            "The check of {} saw this. The checks from {} on had seen it otherwise.",
            time(at),
            time(since)
        ),
        None => format!("The check of {} saw this.", time(at)),
    });
    between
}

fn trouble_was(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::WaitingForPerson => "the renewal had waited for a person",
        Trouble::PermissionEnding => "a sign-in had been missing",
        Trouble::RotationFailed => "the renewal had failed",
        Trouble::Stalled => "it could not be checked, or stood still",
        Trouble::Expiring => "the client secret had been about to end",
        Trouble::Expired => "the client secret had ended",
        Trouble::Drift { what, .. } => had_been(*what),
    }
}

/// What was not as it was left.
pub(super) fn had_been(what: DriftKind) -> &'static str {
    match what {
        DriftKind::NoCurrentVersion => "the secret in AWS had no current version",
        DriftKind::RegistrationMissing => "the app registration had been gone from Entra",
        DriftKind::SecretRefused => "Entra had refused the client secret",
        DriftKind::CredentialMissing => "Entra had listed no such client secret",
        DriftKind::KeyIdIsAnothers => "Secret ID and Value had not belonged together",
        DriftKind::ClientSecretIsAnId => "a Secret ID had been stored as the client secret",
        DriftKind::ClientSecretEndsInLineBreak => {
            "the stored client secret had ended in a line break"
        }
        DriftKind::ConnectionNotAuthorized => "ShopCtrl had shown Not authorized",
        DriftKind::ConnectionDisabled => "it had been switched off in ShopCtrl",
        DriftKind::ConnectionHoldsAnotherSecret => "ShopCtrl had held another client secret",
        DriftKind::RotationOff => "the rotation had been switched off in AWS",
        DriftKind::BackstopEarly => "AWS's own schedule had come too early",
        DriftKind::BackstopLate => "AWS's own schedule had come too late",
        DriftKind::LeakedSecretStillValid => "a leaked client secret had still worked",
        DriftKind::SupersededSecretInUse => "a replaced client secret had still been used",
        DriftKind::MailNotChecked => "ShopCtrl had not checked the mail",
        DriftKind::RotatorMayNotManage => "the rotator had not been allowed to add client secrets",
        DriftKind::RotatorIsNoOwner => "the rotator had been no owner of the app registration",
        DriftKind::NoRoomForSecret => "there had been no room for one more client secret in Entra",
        DriftKind::ClientSecretsForbidden => "a policy in Entra had forbidden new client secrets",
        DriftKind::RedirectUriMissing => "the redirect URI had been missing in Entra",
        DriftKind::ShopNotVisible => "the ShopCtrl login had not seen the shop",
        DriftKind::Unusable(_) => "the mailbox could not be used as ShopCtrl uses it",
    }
}
