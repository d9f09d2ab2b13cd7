//! What is tried, and in which order.

use crate::beliefs::{self, Belief};

/// What is tried at one go. Each makes what it needs, so that one which cannot run costs no other one.
#[derive(Debug, Clone, Copy)]
pub enum Probe {
    Labels,
    Refusals,
    Lateness,
    Rotation,
    Identity,
    Mail,
    NewSecrets,
    WholeRotation,
    Credentials,
    TwoSecrets,
    AtOnce,
    Ownership,
    Federation,
    RefreshToken,
    ShopCtrl,
}

/// All, in the order in which they run, each with its heading and the beliefs that it tries.
pub const PROBES: &[(Probe, &str, &[Belief])] = &[
    (
        Probe::Labels,
        "Secrets Manager: labels, as a rotation moves them",
        &[
            beliefs::LABELS_STAY,
            beliefs::LABELS_STAY_PREVIOUS,
            beliefs::PREVIOUS_FOLLOWS,
            beliefs::PENDING_STAYS,
            beliefs::PUT_TAKES_LABEL,
            beliefs::DEPRECATED,
            beliefs::PRIMARY_REGION,
        ],
    ),
    (
        Probe::Refusals,
        "Secrets Manager: what is refused",
        &[
            beliefs::VALUE_ONCE,
            beliefs::COMPARE_AND_SWAP,
            beliefs::TEXTS,
            beliefs::TWENTY_LABELS,
            beliefs::LABEL_LIMIT,
        ],
    ),
    (
        Probe::Lateness,
        "Secrets Manager: how late what was written shows",
        &[beliefs::LATE],
    ),
    (
        Probe::Rotation,
        "Secrets Manager: RotateSecret",
        &[
            beliefs::CONFIGURATION_TEST,
            beliefs::ROTATE_AT_ONCE,
            beliefs::STANDING,
            beliefs::STANDING_TEST,
            beliefs::CANCEL,
        ],
    ),
    (
        Probe::Identity,
        "STS: the token that a rotator signs in with",
        &[beliefs::STS_TOKEN],
    ),
    (Probe::Mail, "SES", &[beliefs::SES]),
    (
        Probe::NewSecrets,
        "Entra: a new client secret",
        &[beliefs::PROPAGATION, beliefs::MEANWHILE, beliefs::READS_LAG],
    ),
    (
        Probe::WholeRotation,
        "Secrets Manager and Entra: a whole rotation",
        &[beliefs::WHOLE_ROTATION],
    ),
    (
        Probe::Credentials,
        "Entra: what is shown and what is refused of client secrets",
        &[
            beliefs::NO_PERMISSION,
            beliefs::WIDS,
            beliefs::DATE,
            beliefs::HINT_SENT,
            beliefs::HINT,
            beliefs::NAME,
            beliefs::REFUSED_CODES,
            beliefs::REMOVED,
            beliefs::REMOVED_TWICE,
            beliefs::ON_PRINCIPAL,
        ],
    ),
    (
        Probe::TwoSecrets,
        "Entra: an app that takes personal accounts",
        &[beliefs::TWO_SECRETS, beliefs::THIRD_WORDS],
    ),
    (
        Probe::AtOnce,
        "Entra: several writes on one app at once",
        &[beliefs::NOT_ADDED, beliefs::VIOLATION],
    ),
    (
        Probe::Ownership,
        "Entra: role and ownership",
        &[
            beliefs::OWNERSHIP_ALONE,
            beliefs::ROLE_ALONE,
            beliefs::OWNED_OBJECTS,
            beliefs::POLICY,
        ],
    ),
    (
        Probe::Federation,
        "Entra: a token of AWS in place of a client secret",
        &[beliefs::ASSERTION],
    ),
    (
        Probe::RefreshToken,
        "Entra: a person's refresh token",
        &[beliefs::REFRESH_TOKEN],
    ),
    (
        Probe::ShopCtrl,
        "ShopCtrl",
        &[
            beliefs::BASIC,
            beliefs::LAST_MAIL_CHECK,
            beliefs::LOGIN,
            beliefs::ERROR_BODY,
            beliefs::DAILY,
            beliefs::MAIL_CHECKS,
        ],
    ),
];

#[cfg(test)]
pub fn all() -> impl Iterator<Item = Belief> {
    PROBES.iter().flat_map(|(.., beliefs)| *beliefs).copied()
}
