//! Graph's answers: of one that is no success a bounded code is kept and nothing else; what cannot be
//! read is an unknown outcome; and "no such credential" is never taken from a success.

use serde_json::json;
use shared::cloud::{Cloud, MicrosoftSettings};
use shared::config::Reader;
use shared::credential::ClientSecret;
use shared::entra::App;
use shared::entra::token::{ClientProof, TokenEndpoint};
use shared::graph::application::{Registration, Removal};
use shared::http::Client;
use shared::ids::{DirectoryId, KeyId};
use shared::retry::{CallError, Effect};

use crate::canned::{Canned, answering, at_once};
use crate::said::{assert_all_comes_of_the_code, assert_fit_for_logs_and_mails};

/// See the module.
pub fn property(data: &[u8]) {
    let Some(answer) = Canned::read(data) else {
        return;
    };
    for operation in [read, add_password, remove_password, read_owners] {
        let Err(error) = operation(answer.clone()) else {
            continue;
        };
        assert_fit_for_logs_and_mails(&error.failure);
        assert_eq!(error.status, Some(answer.status));
        if answer.is_success() {
            assert_eq!(error.failure.code, None, "it has none to give");
            assert_eq!(error.effect, Effect::Unknown);
        }
        let code_alone = match &error.failure.code {
            Some(code) => json!({"error": {"code": code}}).to_string(),
            None => String::new(),
        };
        let of_the_code_alone = operation(answer.saying(code_alone)).unwrap_err();
        assert_all_comes_of_the_code(&error, &of_the_code_alone);
    }
}

fn read(answer: Canned) -> Result<(), CallError> {
    on_registration(answer, |registration| {
        at_once(registration.read()).map(|_| ())
    })
}

fn add_password(answer: Canned) -> Result<(), CallError> {
    on_registration(answer, |registration| {
        let issued = at_once(registration.add_password("a name", jiff::Timestamp::UNIX_EPOCH))?;
        let (printed, secret) = (format!("{issued:?}"), issued.secret.expose());
        assert!(!secret.is_empty());
        let told_apart = secret.len() >= 8 && secret.contains('~');
        let named = issued.name.is_some_and(|name| name.contains(secret));
        assert!(!told_apart || named || !printed.contains(secret));
        Ok(())
    })
}

fn remove_password(answer: Canned) -> Result<(), CallError> {
    let success = answer.is_success();
    on_registration(answer, |registration| {
        let removal = at_once(registration.remove_password(KeyId(uuid::Uuid::nil())))?;
        assert_eq!(matches!(removal, Removal::Removed), success);
        Ok(())
    })
}

fn read_owners(answer: Canned) -> Result<(), CallError> {
    on_registration(answer, |registration| {
        at_once(registration.is_owned_by("an app")).map(|_| ())
    })
}

fn on_registration<T>(
    answer: Canned,
    call: impl FnOnce(&Registration) -> Result<T, CallError>,
) -> Result<T, CallError> {
    call(&registration(answer))
}

/// An app registration whose rotator has signed in, and of which Graph answers this.
pub(crate) fn registration(answer: Canned) -> Registration {
    let proof = ClientProof::Secret(ClientSecret::new("a secret".to_owned()));
    let signed_in = client(Canned::json(200, &json!({"access_token": "a token"})));
    let endpoint = TokenEndpoint::new(signed_in, app(), proof);
    let tokens = at_once(endpoint.client_credentials()).unwrap();
    Registration::new(client(answer), app(), tokens)
}

/// An app registration somewhere.
pub(crate) fn app() -> App {
    let id = DirectoryId::read("11111111-1111-4111-8111-111111111111").unwrap();
    App {
        endpoints: MicrosoftSettings::read(&mut Reader::new(|_| None)).endpoints(Cloud::Global),
        tenant: id.clone(),
        client_id: id,
    }
}

/// So that the two modules that speak with Entra answer alike.
pub(crate) fn client(answer: Canned) -> Client {
    answering(move |_| answer.clone())
}
