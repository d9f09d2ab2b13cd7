//! The beliefs that are tried, in the words of docs/beliefs.md.

const DOCUMENT: &str = include_str!("../../../docs/beliefs.md");

#[derive(Debug, Clone, Copy)]
pub struct Belief {
    pub id: &'static str,
    /// Its words in docs/beliefs.md.
    pub text: &'static str,
    /// What that means for this try.
    pub believed: &'static str,
}

/// What docs/beliefs.md has besides.
pub struct Row {
    /// Under which heading.
    pub place: String,
    /// The last cell, with its heading: what rests on it, or why either answer is safe.
    pub touches: String,
}

impl Belief {
    pub fn row(&self) -> Option<Row> {
        let (before, row) = DOCUMENT.split_once(self.text)?;
        let (_, heading) = before.rsplit_once("\n#")?;
        let heading = heading.lines().next()?.trim_start_matches(['#', ' ']);
        let (_, header) = before.rsplit_once("\n| belief |")?;
        Some(Row {
            place: format!("docs/beliefs.md, {heading}"),
            touches: format!("{}: {}", last_cell(header)?, last_cell(row)?),
        })
    }
}

fn last_cell(row: &str) -> Option<&str> {
    let cells = row.lines().next()?.strip_suffix(" |")?;
    cells.rsplit_once(" | ").map(|(_, last)| last)
}

pub const LABELS_STAY: Belief = Belief {
    id: "labels-stay",
    text: "Labels of our own stay when `AWSCURRENT` leaves their version.",
    believed: "key-1 stays on the first version when AWSCURRENT moves to the second",
};

pub const LABELS_STAY_PREVIOUS: Belief = Belief {
    id: "labels-stay-previous",
    text: "A label of our own stays on its version when `AWSCURRENT` leaves it, and when `AWSPREVIOUS` does.",
    believed: "key-1 stays when AWSPREVIOUS moves on to the second version",
};

pub const PREVIOUS_FOLLOWS: Belief = Belief {
    id: "previous-follows",
    text: "Moving `AWSCURRENT` moves `AWSPREVIOUS` to the version that it leaves.",
    believed: "the first version has AWSPREVIOUS then",
};

pub const PENDING_STAYS: Belief = Belief {
    id: "pending-stays",
    text: "After the promotion `AWSPENDING` may stay on the version that has become current; moving `AWSCURRENT` does not take it away, the service does so later, or not.",
    believed: "the second version has AWSCURRENT and AWSPENDING both",
};

pub const PUT_TAKES_LABEL: Belief = Belief {
    id: "put-takes-label",
    text: "`PutSecretValue` takes a label from whichever version has it, without asking.",
    believed: "AWSPENDING is on the third version once that was put with it",
};

pub const DEPRECATED: Belief = Belief {
    id: "deprecated",
    text: "One without is deprecated: not described, readable by its id, and removed when there are more than 100 and it is a day old.",
    believed: "without labels the first version is not described, and its value can be read by its id",
};

pub const PRIMARY_REGION: Belief = Belief {
    id: "primary-region",
    text: "A secret that is not replicated has no `PrimaryRegion`; one that is has its own region there, or the primary's.",
    believed: "none is described of a new secret",
};

pub const VALUE_ONCE: Belief = Belief {
    id: "value-once",
    text: "A version takes its value once: the same value again changes nothing, another is `ResourceExistsException`.",
    believed: "the second PutSecretValue with a token is taken with the same value, and is ResourceExistsException with another",
};

pub const COMPARE_AND_SWAP: Belief = Belief {
    id: "compare-and-swap",
    text: "Who moves or drops it names the version that has it (`RemoveFromVersionId`), or the call fails with `InvalidParameterException` and changes nothing: a compare-and-swap.",
    believed: "AWSCURRENT is not moved where another version is named, or none: InvalidParameterException",
};

pub const TEXTS: Belief = Belief {
    id: "texts",
    text: "The texts of `InvalidParameterException`.",
    believed: "without RemoveFromVersionId: that it can't be empty; AWSCURRENT dropped: that it can't be completely removed",
};

pub const TWENTY_LABELS: Belief = Belief {
    id: "twenty-labels",
    text: "A secret has at most 20 labels **over all its versions**.",
    believed: "20 labels on two versions are taken, the 21st is refused",
};

pub const LABEL_LIMIT: Belief = Belief {
    id: "label-limit",
    text: "Beyond that a label is refused with `LimitExceededException`.",
    believed: "LimitExceededException",
};

pub const LATE: Belief = Belief {
    id: "late",
    text: "How long a read may be old: seconds.",
    believed: "labels, values and tags show within 10 s (LABEL_WAIT)",
};

pub const CONFIGURATION_TEST: Belief = Belief {
    id: "configuration-test",
    text: "What a configuration test is given: a version that is empty, or one that holds the existing value.",
    believed: "the AWSPENDING version of RotateImmediately=false is empty, or holds the current value, and is gone afterwards",
};

pub const ROTATE_AT_ONCE: Belief = Belief {
    id: "rotate-at-once",
    text: "Before the first step a version without a value has `AWSPENDING` under the token, and reading it is `ResourceNotFoundException`.",
    believed: "after RotateSecret the token's version has AWSPENDING and no value",
};

pub const STANDING: Belief = Belief {
    id: "standing",
    text: r#"`RotateSecret` then answers `InvalidRequestException`, "A previous rotation isn't complete. That rotation will be reattempted.", and the old token is tried again."#,
    believed: "InvalidRequestException, and AWSPENDING stays under the first token",
};

pub const STANDING_TEST: Belief = Belief {
    id: "standing-test",
    text: "`RotateSecret` with `RotateImmediately` false answers the same while `AWSPENDING` stands.",
    believed: "InvalidRequestException too, and AWSPENDING stays under the first token",
};

pub const CANCEL: Belief = Belief {
    id: "cancel",
    text: "`CancelRotateSecret` stops before the next step and leaves `AWSPENDING` where it is.",
    believed: "AWSPENDING is still there afterwards",
};

pub const STS_TOKEN: Belief = Belief {
    id: "sts-token",
    text: "`sts:GetWebIdentityToken` gives a JWT whose `sub` is the role's ARN, and whose `aud` is text for one audience and a list for several.",
    believed: "RS256; iss without a slash at its end; sub an ARN of IAM's, not of a session; aud a text",
};

pub const SES: Belief = Belief {
    id: "ses",
    text: "Amazon SES sends as verified identities only, and in the sandbox to such only; else it answers `MessageRejected` (400).",
    believed: "a mail from an address that nobody verified is MessageRejected",
};

pub const PROPAGATION: Belief = Belief {
    id: "propagation",
    text: "There is an upper bound to a new secret's propagation: three minutes are enough (`PROPAGATION_WAIT`).",
    believed: "each new secret signs in three times in a row within 180 s; 4 to 18 s were seen by others",
};

pub const MEANWHILE: Belief = Belief {
    id: "meanwhile",
    text: "Meanwhile the answer is 401 `invalid_client` with 7000215, or with 7000222 where all that a replica knows has ended.",
    believed: "invalid_client AADSTS7000215",
};

pub const READS_LAG: Belief = Belief {
    id: "reads-lag",
    text: "Reads lag writes, and replicas disagree: one look proves nothing.",
    believed: "a new secret is listed, though perhaps not at the first look",
};

pub const WHOLE_ROTATION: Belief = Belief {
    id: "whole-rotation",
    text: "`PutSecretValue` sets value and labels in one call, labels of our own among them, and `DescribeSecret` shows labels without a value.",
    believed: "a client secret that is issued, stored so, read back, proved and promoted works, and the one before can go",
};

pub const NO_PERMISSION: Belief = Belief {
    id: "no-permission",
    text: "An app-only token proves a client secret of any app whose service principal is in the tenant, without any permission: it is then issued without `roles`.",
    believed: "an app without any permission gets a token, without roles",
};

pub const WIDS: Belief = Belief {
    id: "wids",
    text: "Every app-only token has one entry in `wids` that means nothing (`0997a1d0-0d1d-4acb-b408-d5ca73121e90`).",
    believed: "wids has that entry alone",
};

pub const DATE: Belief = Belief {
    id: "date",
    text: "Entra's answers carry a `Date`, and its clock decides when a secret ends.",
    believed: "the token endpoint's answer has a Date",
};

pub const HINT_SENT: Belief = Belief {
    id: "hint-sent",
    text: "Graph always sends `hint`.",
    believed: "each client secret that is listed has one",
};

pub const HINT: Belief = Belief {
    id: "hint",
    text: "`hint` is the first three characters of the secret, and comes with `passwordCredentials`.",
    believed: "it is the value's first three characters",
};

pub const NAME: Belief = Belief {
    id: "name",
    text: "A display name is kept to 90 characters.",
    believed: "of 120 characters 90 come back",
};

pub const REFUSED_CODES: Belief = Belief {
    id: "refused-codes",
    text: "`invalid_client` is not always the secret: 650051, 650052, 650053, 500011, 500014, 700016 and 700025 are the registration.",
    believed: "a wrong, a removed and an ended secret are invalid_client with 7000215 or 7000222",
};

pub const REMOVED: Belief = Belief {
    id: "removed",
    text: "A removed secret may sign in at some replicas for a while, and tokens that it got work on for 60 to 90 minutes.",
    believed: "it is refused three times in a row within the patience, and not listed any more",
};

pub const REMOVED_TWICE: Belief = Belief {
    id: "removed-twice",
    text: r#"`removePassword` answers 204; for a key that is not there 400 with "No password credential found with keyId"."#,
    believed: "the second removal is that 400",
};

pub const ON_PRINCIPAL: Belief = Belief {
    id: "on-principal",
    text: "A secret on the app's **service principal** signs in as well, and no read of the app registration shows it.",
    believed: "it signs in, and is not listed",
};

pub const TWO_SECRETS: Belief = Belief {
    id: "two-secrets",
    text: "An app that takes personal accounts (`AzureADandPersonalMicrosoftAccount`, `PersonalMicrosoftAccount`) has two client secrets at most; others have no limit that matters.",
    believed: "two are added, the third is refused",
};

pub const THIRD_WORDS: Belief = Belief {
    id: "third-words",
    text: "The words with which a third secret is refused, where two are allowed.",
    believed: "a 400; its words are not known, and nobody reads them",
};

pub const NOT_ADDED: Belief = Belief {
    id: "not-added",
    text: "409 and 429 mean that nothing was added; a time-out or 5xx means that nobody knows.",
    believed: "of several at once, as many are listed as were answered with success",
};

pub const VIOLATION: Belief = Belief {
    id: "violation",
    text: "`Directory_ConcurrencyViolation` may come as 400, too.",
    believed: "who is refused has that code, as 409, 503 or 400",
};

pub const OWNERSHIP_ALONE: Belief = Belief {
    id: "ownership-alone",
    text: "`Application.ReadWrite.OwnedBy` without ownership is nothing, and ownership without the role is nothing: 403 `Authorization_RequestDenied`.",
    believed: "an owner without the role: 403 Authorization_RequestDenied",
};

pub const ROLE_ALONE: Belief = Belief {
    id: "role-alone",
    text: OWNERSHIP_ALONE.text,
    believed: "the role at an app of others: 403 Authorization_RequestDenied; at its own: added",
};

pub const OWNED_OBJECTS: Belief = Belief {
    id: "owned-objects",
    text: "`servicePrincipals(appId='…')/ownedObjects` lists what a rotator owns, apps and groups, 100 a page with `@odata.nextLink`; `Application.ReadWrite.OwnedBy` is enough.",
    believed: "the app that it owns is listed, with its credentials",
};

pub const POLICY: Belief = Belief {
    id: "policy",
    text: "The first is read with `Policy.Read.All`.",
    believed: "a rotator without that permission is refused the tenant's policy: 403",
};

pub const ASSERTION: Belief = Belief {
    id: "assertion",
    text: "A federated token is compared to the letter: issuer, subject, one audience, RS256 only. AWS works as an issuer.",
    believed: "a federated credential with the token's own issuer and subject lets it sign in",
};

pub const REFRESH_TOKEN: Belief = Belief {
    id: "refresh-token",
    text: "A refresh token survives a new client secret, and the old one's removal.",
    believed: "it is redeemed with the new secret, beside the old one and after its removal",
};

pub const BASIC: Belief = Belief {
    id: "basic",
    text: "The API takes HTTP Basic with an employee's login, below `v1/`; its base address differs from one installation to the next.",
    believed: "v1/Me and v1/System/Version answer 200",
};

pub const LAST_MAIL_CHECK: Belief = Belief {
    id: "last-mail-check",
    text: "`v1/Shops/ShopStatus` gives `LastMailCheck`, one time for a shop, with seven fractional digits and a local offset.",
    believed: "the shop is listed with a time",
};

pub const LOGIN: Belief = Belief {
    id: "login",
    text: "Basic works for an employee without two-factor sign-in.",
    believed: "the login of --shopctrl is taken (it is to be one without two-factor sign-in)",
};

pub const ERROR_BODY: Belief = Belief {
    id: "error-body",
    text: "An error's body.",
    believed: "without a login: 401; what stands in the body is not known, and not read",
};

pub const DAILY: Belief = Belief {
    id: "daily",
    text: "ShopCtrl checks the mail of an active shop more often than once a day.",
    believed: "the last check is less than a day ago, or the shop is not active",
};

pub const MAIL_CHECKS: Belief = Belief {
    id: "mail-checks",
    text: "ShopCtrl checks mail every few minutes.",
    believed: "LastMailCheck moves within 6 minutes (MAIL_CHECK_WAIT)",
};

#[cfg(test)]
mod tests;
