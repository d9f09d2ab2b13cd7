//! The beliefs that are tried, one row each, in the words of docs/beliefs.md.

/// A belief.
#[derive(Debug, Clone, Copy)]
pub struct Belief {
    /// By which it is known.
    pub id: &'static str,
    /// What tries it.
    pub probe: Probe,
    /// Its words in docs/beliefs.md.
    pub text: &'static str,
    /// The heading there that it is below.
    pub anchor: &'static str,
    /// What that means for this try.
    pub believed: &'static str,
    /// What rests on it, and has to be looked at where it is otherwise.
    pub touches: &'static [&'static str],
}

/// What is tried at one go. Each makes what it needs, so that one which cannot run costs no other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// AWS: labels while a rotation is played through.
    Labels,
    /// AWS: what a version and a label refuse.
    Refusals,
    /// AWS: how late what was written shows.
    Lateness,
    /// AWS: RotateSecret, with a rotation function.
    Rotation,
    /// AWS: the token of STS.
    Identity,
    /// AWS: a mail that SES must refuse.
    Mail,
    /// Entra: how long a new client secret takes.
    NewSecrets,
    /// AWS and Entra: a rotation from one end to the other.
    WholeRotation,
    /// Entra: what is shown of client secrets, and how the wrong ones are refused.
    Credentials,
    /// Entra: a third client secret where two are allowed.
    TwoSecrets,
    /// Entra: several writes on one app at once.
    AtOnce,
    /// Entra: role and ownership.
    Ownership,
    /// Entra: a token of AWS as a client assertion.
    Federation,
    /// Entra: a person's refresh token.
    RefreshToken,
    /// ShopCtrl's interface.
    ShopCtrl,
}

impl Probe {
    /// All, in the order in which they run.
    pub const ALL: [Self; 15] = [
        Self::Labels,
        Self::Refusals,
        Self::Lateness,
        Self::Rotation,
        Self::Identity,
        Self::Mail,
        Self::NewSecrets,
        Self::WholeRotation,
        Self::Credentials,
        Self::TwoSecrets,
        Self::AtOnce,
        Self::Ownership,
        Self::Federation,
        Self::RefreshToken,
        Self::ShopCtrl,
    ];

    /// Its heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Labels => "Secrets Manager: labels, as a rotation moves them",
            Self::Refusals => "Secrets Manager: what is refused",
            Self::Lateness => "Secrets Manager: how late what was written shows",
            Self::Rotation => "Secrets Manager: RotateSecret",
            Self::Identity => "STS: the token that a rotator signs in with",
            Self::Mail => "SES",
            Self::NewSecrets => "Entra: a new client secret",
            Self::WholeRotation => "Secrets Manager and Entra: a whole rotation",
            Self::Credentials => "Entra: what is shown and what is refused of client secrets",
            Self::TwoSecrets => "Entra: an app that takes personal accounts",
            Self::AtOnce => "Entra: several writes on one app at once",
            Self::Ownership => "Entra: role and ownership",
            Self::Federation => "Entra: a token of AWS in place of a client secret",
            Self::RefreshToken => "Entra: a person's refresh token",
            Self::ShopCtrl => "ShopCtrl",
        }
    }
}

macro_rules! beliefs {
    ($($name:ident = $belief:expr;)*) => {
        $(pub const $name: Belief = $belief;)*
        /// All of them.
        pub const ALL: &[Belief] = &[$($name),*];
    };
}

beliefs! {
LABELS_STAY = Belief {
    id: "labels-stay",
    probe: Probe::Labels,
    text: "Labels of our own stay when `AWSCURRENT` leaves their version.",
    anchor: "aws",
    believed: "key-1 stays on the first version when AWSCURRENT moves to the second",
    touches: &["shared/src/secret_store/versions.rs", "rotation: retire/old.rs, sweep.rs",
        "docs/decisions.md: Labels are the state, tags a cache"],
};
LABELS_STAY_PREVIOUS = Belief {
    id: "labels-stay-previous",
    probe: Probe::Labels,
    text: "A label of our own stays on its version when `AWSCURRENT` leaves it, and when `AWSPREVIOUS` does.",
    anchor: "versions-and-labels",
    believed: "key-1 stays when AWSPREVIOUS moves on to the second version",
    touches: &["shared/src/secret_store/versions.rs", "rotation: retire/old.rs, sweep.rs"],
};
PREVIOUS_FOLLOWS = Belief {
    id: "previous-follows",
    probe: Probe::Labels,
    text: "Moving `AWSCURRENT` moves `AWSPREVIOUS` to the version that it leaves.",
    anchor: "versions-and-labels",
    believed: "the first version has AWSPREVIOUS then",
    touches: &["rotation: finish_secret.rs, retire/old.rs"],
};
PENDING_STAYS = Belief {
    id: "pending-stays",
    probe: Probe::Labels,
    text: "After the promotion `AWSPENDING` may stay on the version that has become current; moving `AWSCURRENT` does not take it away, the service does so later, or not.",
    anchor: "the-rotation",
    believed: "the second version has AWSCURRENT and AWSPENDING both",
    touches: &["shared/src/secret_store/versions.rs"],
};
PUT_TAKES_LABEL = Belief {
    id: "put-takes-label",
    probe: Probe::Labels,
    text: "`PutSecretValue` takes a label from whichever version has it, without asking.",
    anchor: "versions-and-labels",
    believed: "AWSPENDING is on the third version once that was put with it",
    touches: &["shared/src/grants.rs", "rotation: create_secret.rs"],
};
DEPRECATED = Belief {
    id: "deprecated",
    probe: Probe::Labels,
    text: "One without is deprecated: not described, readable by its id, and removed when there are more than 100 and it is a day old.",
    anchor: "versions-and-labels",
    believed: "without labels the first version is not described, and its value can be read by its id",
    touches: &["shared/src/grants.rs", "rotation: retire/old.rs"],
};
PRIMARY_REGION = Belief {
    id: "primary-region",
    probe: Probe::Labels,
    text: "A secret that is not replicated has no `PrimaryRegion`; one that is has its own region there, or the primary's.",
    anchor: "aws",
    believed: "none is described of a new secret",
    touches: &["shared/src/secret_store.rs (is_replica)"],
};
VALUE_ONCE = Belief {
    id: "value-once",
    probe: Probe::Refusals,
    text: "A version takes its value once: the same value again changes nothing, another is `ResourceExistsException`.",
    anchor: "versions-and-labels",
    believed: "the second PutSecretValue with a token is taken with the same value, and is ResourceExistsException with another",
    touches: &["rotation: create_secret.rs", "shared/src/secret_store.rs", "infra/mailbox.yaml (PutCommand)"],
};
COMPARE_AND_SWAP = Belief {
    id: "compare-and-swap",
    probe: Probe::Refusals,
    text: "Who moves or drops it names the version that has it (`RemoveFromVersionId`), or the call fails with `InvalidParameterException` and changes nothing: a compare-and-swap.",
    anchor: "versions-and-labels",
    believed: "AWSCURRENT is not moved where another version is named, or none: InvalidParameterException",
    touches: &["shared/src/secret_store.rs", "rotation: finish_secret.rs",
        "docs/decisions.md: Moving a label is the compare-and-swap"],
};
TEXTS = Belief {
    id: "texts",
    probe: Probe::Refusals,
    text: "The texts of `InvalidParameterException`.",
    anchor: "aws",
    believed: "without RemoveFromVersionId: that it can't be empty; AWSCURRENT dropped: that it can't be completely removed",
    touches: &["docs/beliefs.md: the table of texts", "shared/src/secret_store.rs"],
};
TWENTY_LABELS = Belief {
    id: "twenty-labels",
    probe: Probe::Refusals,
    text: "A secret has at most 20 labels **over all its versions**.",
    anchor: "versions-and-labels",
    believed: "20 labels on two versions are taken, the 21st is refused",
    touches: &["rotation: create_secret.rs, retire/old.rs, sweep.rs", "shared/src/secret_store/versions.rs (MOST_LABELS)"],
};
LABEL_LIMIT = Belief {
    id: "label-limit",
    probe: Probe::Refusals,
    text: "Beyond that a label is refused with `LimitExceededException`.",
    anchor: "versions-and-labels",
    believed: "LimitExceededException",
    touches: &["shared/src/aws.rs", "shared/src/secret_store.rs"],
};
LATE = Belief {
    id: "late",
    probe: Probe::Lateness,
    text: "How long a read may be old: seconds.",
    anchor: "aws",
    believed: "labels, values and tags show within 10 s (LABEL_WAIT)",
    touches: &["rotation: settings.rs (LABEL_WAIT), begin.rs", "docs/decisions.md: Nothing is read as strongly consistent"],
};
CONFIGURATION_TEST = Belief {
    id: "configuration-test",
    probe: Probe::Rotation,
    text: "What a configuration test is given: a version that is empty, or one that holds the existing value.",
    anchor: "aws",
    believed: "the AWSPENDING version of RotateImmediately=false is empty, or holds the current value, and is gone afterwards",
    touches: &["rotation: begin.rs, guard.rs, configuration_test.rs"],
};
ROTATE_AT_ONCE = Belief {
    id: "rotate-at-once",
    probe: Probe::Rotation,
    text: "Before the first step a version without a value has `AWSPENDING` under the token, and reading it is `ResourceNotFoundException`.",
    anchor: "the-rotation",
    believed: "after RotateSecret the token's version has AWSPENDING and no value",
    touches: &["rotation: create_secret.rs", "shared/src/secret_store/versions.rs"],
};
STANDING = Belief {
    id: "standing",
    probe: Probe::Rotation,
    text: r#"`RotateSecret` then answers `InvalidRequestException`, "A previous rotation isn't complete. That rotation will be reattempted.", and the old token is tried again."#,
    anchor: "the-rotation",
    believed: "InvalidRequestException, and AWSPENDING stays under the first token",
    touches: &["shared/src/secret_store.rs (counts it as success)", "expiry-checker: plan/rotation_next.rs"],
};
STANDING_TEST = Belief {
    id: "standing-test",
    probe: Probe::Rotation,
    text: "`RotateSecret` with `RotateImmediately` false answers the same while `AWSPENDING` stands.",
    anchor: "aws",
    believed: "InvalidRequestException too, and AWSPENDING stays under the first token",
    touches: &["infra/mailbox.yaml (Backstop)", "docs/runbook.md"],
};
CANCEL = Belief {
    id: "cancel",
    probe: Probe::Rotation,
    text: "`CancelRotateSecret` stops before the next step and leaves `AWSPENDING` where it is.",
    anchor: "the-rotation",
    believed: "AWSPENDING is still there afterwards",
    touches: &["rotation: guard.rs", "expiry-checker: plan/rotation_next.rs"],
};
STS_TOKEN = Belief {
    id: "sts-token",
    probe: Probe::Identity,
    text: "`sts:GetWebIdentityToken` gives a JWT whose `sub` is the role's ARN, and whose `aud` is text for one audience and a list for several.",
    anchor: "eventbridge-sqs-lambda-sts-sns-ses-api-gateway",
    believed: "RS256; iss without a slash at its end; sub an ARN of IAM's, not of a session; aud a text",
    touches: &["shared/src/entra/rotator.rs", "template.yaml", "the documents: the rotator's app"],
};
SES = Belief {
    id: "ses",
    probe: Probe::Mail,
    text: "Amazon SES sends as verified identities only, and in the sandbox to such only; else it answers `MessageRejected` (400).",
    anchor: "eventbridge-sqs-lambda-sts-sns-ses-api-gateway",
    believed: "a mail from an address that nobody verified is MessageRejected",
    touches: &["notifier: channels.rs"],
};
PROPAGATION = Belief {
    id: "propagation",
    probe: Probe::NewSecrets,
    text: "There is an upper bound to a new secret's propagation: three minutes are enough (`PROPAGATION_WAIT`).",
    anchor: "entra-and-graph",
    believed: "each new secret signs in three times in a row within 180 s; 4 to 18 s were seen by others",
    touches: &["rotation: settings.rs (PROPAGATION_WAIT), proof/sign_in.rs"],
};
MEANWHILE = Belief {
    id: "meanwhile",
    probe: Probe::NewSecrets,
    text: "Meanwhile the answer is 401 `invalid_client` with 7000215, or with 7000222 where all that a replica knows has ended.",
    anchor: "client-secrets-and-tokens",
    believed: "invalid_client AADSTS7000215",
    touches: &["shared/src/entra/refusal.rs", "rotation: proof/sign_in.rs"],
};
READS_LAG = Belief {
    id: "reads-lag",
    probe: Probe::NewSecrets,
    text: "Reads lag writes, and replicas disagree: one look proves nothing.",
    anchor: "graph",
    believed: "a new secret is listed, though perhaps not at the first look",
    touches: &["rotation: credentials/removal.rs, create_secret.rs"],
};
WHOLE_ROTATION = Belief {
    id: "whole-rotation",
    probe: Probe::WholeRotation,
    text: "`PutSecretValue` sets value and labels in one call, labels of our own among them, and `DescribeSecret` shows labels without a value.",
    anchor: "versions-and-labels",
    believed: "a client secret that is issued, stored so, read back, proved and promoted works, and the one before can go",
    touches: &["rotation: create_secret.rs, set_secret.rs, finish_secret.rs", "docs/calls.md"],
};
NO_PERMISSION = Belief {
    id: "no-permission",
    probe: Probe::Credentials,
    text: "An app-only token proves a client secret of any app whose service principal is in the tenant, without any permission: it is then issued without `roles`.",
    anchor: "client-secrets-and-tokens",
    believed: "an app without any permission gets a token, without roles",
    touches: &["rotation: proof/sign_in.rs", "docs/decisions.md: A secret is proved by an app-only token"],
};
WIDS = Belief {
    id: "wids",
    probe: Probe::Credentials,
    text: "Every app-only token has one entry in `wids` that means nothing (`0997a1d0-0d1d-4acb-b408-d5ca73121e90`).",
    anchor: "entra-and-graph",
    believed: "wids has that entry alone",
    touches: &["shared/src/entra/token.rs (has_application_permissions)", "oauth-callback: routes/reveal.rs"],
};
DATE = Belief {
    id: "date",
    probe: Probe::Credentials,
    text: "Entra's answers carry a `Date`, and its clock decides when a secret ends.",
    anchor: "entra-and-graph",
    believed: "the token endpoint's answer has a Date",
    touches: &["shared/src/http.rs (date)", "shared/src/entra/token.rs"],
};
HINT_SENT = Belief {
    id: "hint-sent",
    probe: Probe::Credentials,
    text: "Graph always sends `hint`.",
    anchor: "entra-and-graph",
    believed: "each client secret that is listed has one",
    touches: &["rotation: credentials/superseded.rs, adoption.rs", "shared/src/credential.rs (Fit)"],
};
HINT = Belief {
    id: "hint",
    probe: Probe::Credentials,
    text: "`hint` is the first three characters of the secret, and comes with `passwordCredentials`.",
    anchor: "graph",
    believed: "it is the value's first three characters",
    touches: &["shared/src/credential.rs", "rotation: configuration_test.rs, adoption.rs"],
};
NAME = Belief {
    id: "name",
    probe: Probe::Credentials,
    text: "A display name is kept to 90 characters.",
    anchor: "entra-and-graph",
    believed: "of 120 characters 90 come back",
    touches: &["shared/src/credential.rs (LONGEST_NAME)", "the documents: Limits"],
};
REFUSED_CODES = Belief {
    id: "refused-codes",
    probe: Probe::Credentials,
    text: "`invalid_client` is not always the secret: 650051, 650052, 650053, 500011, 500014, 700016 and 700025 are the registration.",
    anchor: "client-secrets-and-tokens",
    believed: "a wrong, a removed and an ended secret are invalid_client with 7000215 or 7000222",
    touches: &["shared/src/entra/refusal.rs", "rotation: inspect/facts.rs"],
};
REMOVED = Belief {
    id: "removed",
    probe: Probe::Credentials,
    text: "A removed secret may sign in at some replicas for a while, and tokens that it got work on for 60 to 90 minutes.",
    anchor: "client-secrets-and-tokens",
    believed: "it is refused three times in a row within the patience, and not listed any more",
    touches: &["rotation: credentials/removal.rs", "the documents: Limits"],
};
REMOVED_TWICE = Belief {
    id: "removed-twice",
    probe: Probe::Credentials,
    text: r#"`removePassword` answers 204; for a key that is not there 400 with "No password credential found with keyId"."#,
    anchor: "graph",
    believed: "the second removal is that 400",
    touches: &["shared/src/graph.rs (NO_SUCH_PASSWORD)", "rotation: credentials/removal.rs"],
};
ON_PRINCIPAL = Belief {
    id: "on-principal",
    probe: Probe::Credentials,
    text: "A secret on the app's **service principal** signs in as well, and no read of the app registration shows it.",
    anchor: "graph",
    believed: "it signs in, and is not listed",
    touches: &["rotation: retire.rs"],
};
TWO_SECRETS = Belief {
    id: "two-secrets",
    probe: Probe::TwoSecrets,
    text: "An app that takes personal accounts (`AzureADandPersonalMicrosoftAccount`, `PersonalMicrosoftAccount`) has two client secrets at most; others have no limit that matters.",
    anchor: "graph",
    believed: "two are added, the third is refused",
    touches: &["shared/src/graph/application.rs (most_credentials)", "rotation: room.rs, issuing.rs"],
};
THIRD_WORDS = Belief {
    id: "third-words",
    probe: Probe::TwoSecrets,
    text: "The words with which a third secret is refused, where two are allowed.",
    anchor: "entra-and-graph",
    believed: "a 400; its words are not known, and nobody reads them",
    touches: &["shared/src/graph.rs", "docs/beliefs.md"],
};
NOT_ADDED = Belief {
    id: "not-added",
    probe: Probe::AtOnce,
    text: "409 and 429 mean that nothing was added; a time-out or 5xx means that nobody knows.",
    anchor: "entra-and-graph",
    believed: "of several at once, as many are listed as were answered with success",
    touches: &["shared/src/graph.rs (refusal)", "rotation: credentials/issuing.rs",
        "docs/decisions.md: An unknown outcome of addPassword is not tried again"],
};
VIOLATION = Belief {
    id: "violation",
    probe: Probe::AtOnce,
    text: "`Directory_ConcurrencyViolation` may come as 400, too.",
    anchor: "entra-and-graph",
    believed: "who is refused has that code, as 409, 503 or 400",
    touches: &["shared/src/graph.rs (refusal)"],
};
OWNERSHIP_ALONE = Belief {
    id: "ownership-alone",
    probe: Probe::Ownership,
    text: "`Application.ReadWrite.OwnedBy` without ownership is nothing, and ownership without the role is nothing: 403 `Authorization_RequestDenied`.",
    anchor: "graph",
    believed: "an owner without the role: 403 Authorization_RequestDenied",
    touches: &["shared/src/graph/application.rs (next_step)", "rotation: configuration_test.rs"],
};
ROLE_ALONE = Belief {
    id: "role-alone",
    believed: "the role at an app of others: 403 Authorization_RequestDenied; at its own: added",
    ..OWNERSHIP_ALONE
};
OWNED_OBJECTS = Belief {
    id: "owned-objects",
    probe: Probe::Ownership,
    text: "`servicePrincipals(appId='…')/ownedObjects` lists what a rotator owns, apps and groups, 100 a page with `@odata.nextLink`; `Application.ReadWrite.OwnedBy` is enough.",
    anchor: "graph",
    believed: "the app that it owns is listed, with its credentials",
    touches: &["shared/src/graph/registrations.rs", "rotation: inspect/registrations.rs"],
};
POLICY = Belief {
    id: "policy",
    probe: Probe::Ownership,
    text: "The first is read with `Policy.Read.All`.",
    anchor: "graph",
    believed: "a rotator without that permission is refused the tenant's policy: 403",
    touches: &["shared/src/graph/policies.rs", "the documents: lifetime"],
};
ASSERTION = Belief {
    id: "assertion",
    probe: Probe::Federation,
    text: "A federated token is compared to the letter: issuer, subject, one audience, RS256 only. AWS works as an issuer.",
    anchor: "client-secrets-and-tokens",
    believed: "a federated credential with the token's own issuer and subject lets it sign in",
    touches: &["shared/src/entra/rotator.rs", "template.yaml", "the documents: the rotator's app"],
};
REFRESH_TOKEN = Belief {
    id: "refresh-token",
    probe: Probe::RefreshToken,
    text: "A refresh token survives a new client secret, and the old one's removal.",
    anchor: "entra-and-graph",
    believed: "it is redeemed with the new secret, beside the old one and after its removal",
    touches: &["rotation: proof/grant.rs", "shared/src/grants.rs", "the documents: What a person still does"],
};
BASIC = Belief {
    id: "basic",
    probe: Probe::ShopCtrl,
    text: "The API takes HTTP Basic with an employee's login, below `v1/`; its base address differs from one installation to the next.",
    anchor: "shopctrl",
    believed: "v1/Me and v1/System/Version answer 200",
    touches: &["shared/src/shopctrl.rs"],
};
LAST_MAIL_CHECK = Belief {
    id: "last-mail-check",
    probe: Probe::ShopCtrl,
    text: "`v1/Shops/ShopStatus` gives `LastMailCheck`, one time for a shop, with seven fractional digits and a local offset.",
    anchor: "shopctrl",
    believed: "the shop is listed with a time",
    touches: &["shared/src/shopctrl/status.rs", "rotation: proof/connections.rs"],
};
LOGIN = Belief {
    id: "login",
    probe: Probe::ShopCtrl,
    text: "Basic works for an employee without two-factor sign-in.",
    anchor: "shopctrl-1",
    believed: "the login of --shopctrl is taken (it is to be one without two-factor sign-in)",
    touches: &["rotation: delivery/logins.rs, configuration_test.rs"],
};
ERROR_BODY = Belief {
    id: "error-body",
    probe: Probe::ShopCtrl,
    text: "An error's body.",
    anchor: "shopctrl-1",
    believed: "without a login: 401; what stands in the body is not known, and not read",
    touches: &["shared/src/shopctrl.rs (refusal)"],
};
DAILY = Belief {
    id: "daily",
    probe: Probe::ShopCtrl,
    text: "ShopCtrl checks the mail of an active shop more often than once a day.",
    anchor: "shopctrl-1",
    believed: "the last check is less than a day ago, or the shop is not active",
    touches: &["shared/src/shopctrl/status.rs (STANDS_STILL)", "docs/runbook.md: mail_not_checked"],
};
MAIL_CHECKS = Belief {
    id: "mail-checks",
    probe: Probe::ShopCtrl,
    text: "ShopCtrl checks mail every few minutes.",
    anchor: "shopctrl-1",
    believed: "LastMailCheck moves within 6 minutes (MAIL_CHECK_WAIT)",
    touches: &["rotation: settings.rs (MAIL_CHECK_WAIT), proof/connections.rs"],
};
}

#[cfg(test)]
mod tests;
