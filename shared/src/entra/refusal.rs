//! What Entra's refusals mean: one table, for the token endpoint, the sign-in and the rotator.
//!
//! Microsoft asks apps to react to `error` and `suberror`; the numbers are "subject to change"
//! (entra-docs, reference-error-codes.md). So `error` says what a refusal can be at all, `suberror` and the
//! number say it better, and a number that nobody knows never makes it something cheerful.

use serde::{Deserialize, Serialize};

use crate::failure::sanitized_code;

/// An OAuth error response of Entra's (RFC 6749, 5.2), without its free text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OAuthError {
    /// `error`
    pub error: String,
    /// `suberror`
    pub suberror: Option<String>,
    /// The first of `error_codes`, the number behind `AADSTS`.
    pub number: Option<i64>,
    /// `correlation_id`, by which Microsoft's support finds the request.
    pub correlation_id: Option<String>,
}

impl OAuthError {
    /// From texts as they came.
    #[must_use]
    pub fn new(error: &str, suberror: Option<&str>, number: Option<i64>) -> Self {
        Self {
            error: sanitized_code(error),
            suberror: suberror.map(sanitized_code),
            number,
            correlation_id: None,
        }
    }

    /// `invalid_client AADSTS7000215`
    #[must_use]
    pub fn code(&self) -> String {
        match self.number {
            Some(number) => format!("{} AADSTS{number}", self.error),
            None => self.error.clone(),
        }
    }
}

/// Which endpoint refused (RFC 6749, 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuthEndpoint {
    /// `/token`: the app has shown its secret or assertion.
    Token,
    /// `/authorize`, by the redirect from it: no secret was shown at all, so none can be meant.
    Authorization,
}

/// What a refusal means, in the terms of what can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalReason {
    /// Transient: it passes by itself.
    Transient,
    /// Entra refuses the app's client secret.
    ClientRefused,
    /// Tenant id, client id or the app registration itself is wrong.
    Registration,
    /// The rotator's federated credential does not match, or is not known everywhere yet.
    Federation,
    /// The person pressed Cancel, or was stopped at "Need admin approval" and went back: Entra's
    /// answer does not tell which.
    Declined,
    /// Only an administrator of the tenant can grant this.
    AdminApproval,
    /// Signed in with another account, or none is there by that name.
    WrongAccount,
    /// Signed in with a personal Microsoft account.
    PersonalAccount,
    /// Signed in with an account that is not of this tenant.
    ForeignAccount,
    /// The app wants users to be assigned, and this one is not.
    NotAssigned,
    /// Multi-factor sign-in has to be done or set up.
    MoreProof,
    /// The account is locked, disabled, or its password is wrong or over.
    AccountError,
    /// The sign-in took too long, was used twice or mixed with another, or the grant has ended.
    StartAgain,
    /// Conditional Access, security defaults, or a device rule.
    BlockedByPolicy,
    /// Nothing that we know.
    Unknown,
}

impl RefusalReason {
    /// What a refusal means.
    #[must_use]
    pub fn of(error: &OAuthError, at: OAuthEndpoint) -> Self {
        let by_number = error.number.and_then(by_number);
        let by_suberror = error.suberror.as_deref().and_then(by_suberror);
        match error.error.as_str() {
            "temporarily_unavailable" | "server_error" => Self::Transient,
            // Of the client alone: its secret, its federation, its registration.
            "invalid_client" => match (error.number, by_number) {
                (_, Some(Self::ClientRefused)) | (None, _)
                    if at == OAuthEndpoint::Authorization =>
                {
                    Self::Registration
                }
                (None, _) => Self::ClientRefused,
                (Some(_), Some(known)) => known,
                (Some(_), None) => Self::Unknown,
            },
            "invalid_grant"
            | "interaction_required"
            | "login_required"
            | "bad_token"
            | "interrupted_user"
            | "consent_required"
            | "access_denied" => by_suberror
                .or(by_number)
                .unwrap_or_else(|| match error.number {
                    Some(_) => Self::Unknown,
                    None => by_error(&error.error),
                }),
            other => by_number.unwrap_or_else(|| by_error(other)),
        }
    }

    /// The short name that pages and logs share.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transient => "passing",
            Self::ClientRefused => "client-refused",
            Self::Registration => "registration",
            Self::Federation => "federation",
            Self::Declined => "declined",
            Self::AdminApproval => "admin-approval",
            Self::WrongAccount => "wrong-account",
            Self::PersonalAccount => "personal-account",
            Self::ForeignAccount => "foreign-account",
            Self::NotAssigned => "not-assigned",
            Self::MoreProof => "more-proof",
            Self::AccountError => "account-trouble",
            Self::StartAgain => "start-again",
            Self::BlockedByPolicy => "blocked-by-policy",
            Self::Unknown => "unknown",
        }
    }
}

/// The error alone (RFC 6749, 4.1.2.1 and 5.2; OpenID Connect Core, 3.1.2.6; msal-node's
/// InteractionRequiredAuthErrorCodes).
fn by_error(error: &str) -> RefusalReason {
    match error {
        "access_denied" | "consent_required" => RefusalReason::Declined,
        "invalid_grant" | "login_required" | "bad_token" => RefusalReason::StartAgain,
        "interaction_required" | "interrupted_user" => RefusalReason::MoreProof,
        "unauthorized_client"
        | "invalid_request"
        | "invalid_scope"
        | "invalid_resource"
        | "unsupported_response_type"
        | "unsupported_grant_type" => RefusalReason::Registration,
        _ => RefusalReason::Unknown,
    }
}

/// What else Entra says of a grant (entra-docs, reference-error-codes.md; MSAL's InvalidGrant suberrors).
fn by_suberror(suberror: &str) -> Option<RefusalReason> {
    Some(match suberror {
        "consent_required" => RefusalReason::Declined,
        "basic_action" | "additional_action" => RefusalReason::MoreProof,
        "message_only" | "protection_policy_required" => RefusalReason::BlockedByPolicy,
        "user_password_expired" => RefusalReason::AccountError,
        "bad_token" | "token_expired" => RefusalReason::StartAgain,
        _ => return None,
    })
}

/// Entra's numbers. Each line has its source; all else is entra-docs, reference-error-codes.md.
fn by_number(number: i64) -> Option<RefusalReason> {
    Some(match number {
        // Microsoft cannot reach the issuer for a moment (azure-workload-identity#642, #605;
        // azure-cli#28863); the clocks differ (certificate-credentials.md); a request loop, which passes
        // once the asking stops.
        50_166 | 90_061 | 501_661 | 700_024 | 50_196 => RefusalReason::Transient,
        90_006 | 90_012 | 90_013 | 90_024 | 90_033 | 90_090 | 50_087 => RefusalReason::Transient,
        // Wrong, or not known to that replica yet; or all that it knows have ended
        // (active-directory-dotnetcore-daemon-v2#87).
        7_000_215 | 7_000_222 => RefusalReason::ClientRefused,
        // Federation: nothing is trusted, issuer, audience, subject, and the case of letters
        // (workload-identity-federation-considerations.md; Azure/login#515, #517).
        70_021 | 700_211..=700_213 | 7_002_137 | 7_002_138 | 50_027 | 700_027 | 50_013 => {
            RefusalReason::Federation
        }
        // The registration: a resource or a permission that is not in it, no service principal, disabled, a
        // public client, another tenant (PostHog#43486; azure-docs#67211).
        650_051..=650_053
        | 650_056
        | 650_057
        | 65_005
        | 500_011
        | 500_014
        | 700_016
        | 700_022
        | 700_025
        | 7_000_112
        | 7_000_218
        | 70_001
        | 70_011
        | 1_000_031
        | 50_011
        | 50_194
        | 90_002
        | 28_002 => RefusalReason::Registration,
        // Conditional Access and device rules (azure-cli#29282).
        53_000..=53_999 | 530_000..=530_999 | 50_097 | 50_131 | 50_158 => {
            RefusalReason::BlockedByPolicy
        }
        90_093..=90_095 | 900_941 | 900_981 => RefusalReason::AdminApproval,
        65_001 | 65_004 => RefusalReason::Declined,
        16_000 | 51_004 | 50_034 => RefusalReason::WrongAccount,
        500_200 | 500_208 => RefusalReason::PersonalAccount,
        50_020 | 90_072 => RefusalReason::ForeignAccount,
        50_105 => RefusalReason::NotAssigned,
        50_072 | 50_074 | 50_076 | 50_078 | 50_079 | 500_121 => RefusalReason::MoreProof,
        50_053 | 50_055 | 50_057 | 50_126 => RefusalReason::AccountError,
        54_005 | 70_008 | 501_481 | 50_173 | 70_000 | 700_082 | 70_043 => RefusalReason::StartAgain,
        _ => return None,
    })
}

/// The number behind `AADSTS` at the front of a redirect's `error_description`. The rest of that
/// text is untrusted and read no further.
#[must_use]
pub fn number_in(description: &str) -> Option<i64> {
    let digits: String = description
        .trim_start()
        .strip_prefix("AADSTS")?
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at_token(error: &str, number: Option<i64>) -> RefusalReason {
        RefusalReason::of(&OAuthError::new(error, None, number), OAuthEndpoint::Token)
    }

    fn at_redirect(error: &str, number: Option<i64>) -> RefusalReason {
        RefusalReason::of(
            &OAuthError::new(error, None, number),
            OAuthEndpoint::Authorization,
        )
    }

    #[test]
    fn the_number_is_read_from_the_front_only() {
        assert_eq!(number_in("AADSTS65004: User declined"), Some(65_004));
        assert_eq!(number_in("see AADSTS65004"), None);
        assert_eq!(number_in("AADSTSx"), None);
    }

    #[test]
    fn only_two_numbers_and_none_mean_the_secret_and_a_redirect_never_does() {
        for number in [Some(7_000_215), Some(7_000_222), None] {
            assert_eq!(
                at_token("invalid_client", number),
                RefusalReason::ClientRefused
            );
            assert_eq!(
                at_redirect("invalid_client", number),
                RefusalReason::Registration
            );
        }
        for number in [
            650_051, 650_052, 650_053, 500_011, 500_014, 700_016, 700_025,
        ] {
            for of in [at_token, at_redirect] {
                let seen = of("invalid_client", Some(number));
                assert_eq!(seen, RefusalReason::Registration, "{number}");
            }
        }
        assert_eq!(at_token("invalid_client", Some(1)), RefusalReason::Unknown);
        assert_eq!(
            at_token("invalid_client", Some(700_213)),
            RefusalReason::Federation
        );
    }

    #[test]
    fn what_passes_by_itself_is_known_under_every_error() {
        for number in [50_166, 90_061, 501_661, 90_013, 700_024] {
            for error in ["invalid_request", "invalid_client", "server_error"] {
                assert_eq!(
                    at_token(error, Some(number)),
                    RefusalReason::Transient,
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn a_policy_is_not_taken_for_a_slow_person() {
        for number in [53_003, 53_999, 530_003, 530_035, 50_097] {
            let seen = at_token("invalid_grant", Some(number));
            assert_eq!(seen, RefusalReason::BlockedByPolicy, "{number}");
        }
        let suberror = OAuthError::new("invalid_grant", Some("message_only"), Some(1));
        let seen = RefusalReason::of(&suberror, OAuthEndpoint::Token);
        assert_eq!(seen, RefusalReason::BlockedByPolicy);
    }

    #[test]
    fn a_number_that_nobody_knows_makes_nothing_cheerful_of_an_error() {
        for error in ["invalid_grant", "access_denied", "interaction_required"] {
            assert_eq!(at_token(error, Some(1)), RefusalReason::Unknown, "{error}");
            assert_ne!(at_token(error, None), RefusalReason::Unknown, "{error}");
        }
    }

    #[test]
    fn an_untrusted_text_does_not_get_into_a_code() {
        assert_eq!(OAuthError::new("<b>x</b> y", None, None).code(), "bxby");
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic(text in ".*", number in prop::option::of(any::<i64>())) {
            let _ = number_in(&text);
            let _ = at_token(&text, number);
            let _ = at_redirect(&text, number);
        }
    }
}
