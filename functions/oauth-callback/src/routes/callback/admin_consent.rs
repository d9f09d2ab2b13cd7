//! An administrator's way back from Microsoft. Nothing of it is authenticated, and nothing is done by it
//! (entra-docs, v2-admin-consent.md).

use shared::entra::refusal::number_in;
use shared::entra::sign_in::ADMIN_CONSENT_STATE;

use crate::outcome::Outcome;
use crate::request::Request;

/// It has our `state`, and `admin_consent` mostly (azure-docs#45151: an error may come without).
pub(crate) fn is_redirect(request: &Request) -> bool {
    let state = request.query("state");
    request.has_query("admin_consent") || state.as_deref() == Some(ADMIN_CONSENT_STATE)
}

/// What it says. `admin_consent=True` comes with a refusal too, so `error` is looked at first.
pub(crate) fn outcome(request: &Request) -> Outcome {
    let consent = request.query("admin_consent").unwrap_or_default();
    if !request.has_query("error") && consent.eq_ignore_ascii_case("true") {
        return Outcome::AdminGranted;
    }
    let description = request.query("error_description").unwrap_or_default();
    Outcome::AdminDeclined {
        number: number_in(&description),
    }
}
