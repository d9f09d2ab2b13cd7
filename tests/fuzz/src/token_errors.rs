//! The token endpoint's answers: of one that is no success Entra's `error`, number and ids are kept,
//! bounded, and nothing else; and what is done next hangs on `error` alone.

use serde_json::json;
use shared::credential::ClientSecret;
use shared::entra::refusal::OAuthError;
use shared::entra::token::{ClientProof, TokenEndpoint, TokenError, Tokens};

use crate::canned::{Canned, at_once};
use crate::graph_errors::{app, client};
use crate::said::{assert_all_comes_of_the_code, assert_fit_for_logs_and_mails};

/// See the module.
pub fn property(data: &[u8]) {
    let Some(answer) = Canned::read(data) else {
        return;
    };
    match ask(answer.clone()) {
        Ok(tokens) => {
            assert!(answer.is_success());
            let (printed, secret) = (format!("{tokens:?}"), data.split(|byte| *byte == b'"'));
            for value in secret.filter_map(|value| std::str::from_utf8(value).ok()) {
                let told_apart = value.len() >= 8 && value.contains('~');
                let scope = tokens
                    .scopes()
                    .iter()
                    .any(|scope| scope.contains(&value.to_lowercase()));
                assert!(
                    !told_apart || scope || !printed.contains(value),
                    "{printed}"
                );
            }
        }
        Err(TokenError::ClientRefused(trouble)) => {
            assert_eq!(trouble.error, "invalid_client");
            assert_bounded(&trouble);
            let alone = ask(answer.saying(only(&trouble)));
            assert!(matches!(alone, Err(TokenError::ClientRefused(same)) if same == trouble));
        }
        Err(TokenError::PersonNeeded(trouble)) => {
            assert_bounded(&trouble);
            let alone = ask(answer.saying(only(&trouble)));
            assert!(matches!(alone, Err(TokenError::PersonNeeded(same)) if same == trouble));
        }
        Err(TokenError::AppRefused(trouble, failure)) => {
            assert_bounded(&trouble);
            assert_fit_for_logs_and_mails(&failure);
            let alone = ask(answer.saying(only(&trouble)));
            assert!(matches!(alone, Err(TokenError::AppRefused(same, _)) if same == trouble));
        }
        Err(TokenError::Call(error)) => {
            assert_fit_for_logs_and_mails(&error.failure);
            assert_eq!(error.status, Some(answer.status));
            let code_alone = match &error.failure.code {
                Some(code) => {
                    let (name, number) = match code.split_once(" AADSTS") {
                        Some((name, number)) => (name, number.parse().ok()),
                        None => (code.as_str(), None),
                    };
                    only(&OAuthError {
                        error: name.to_owned(),
                        number,
                        ..OAuthError::default()
                    })
                }
                None => String::new(),
            };
            let Err(TokenError::Call(alone)) = ask(answer.saying(code_alone)) else {
                panic!("another kind of error than {error:?}")
            };
            assert_all_comes_of_the_code(&error, &alone);
        }
    }
}

fn ask(answer: Canned) -> Result<Tokens, TokenError> {
    let proof = ClientProof::Secret(ClientSecret::new("a secret".to_owned()));
    let endpoint = TokenEndpoint::new(client(answer), app(), proof);
    at_once(endpoint.client_credentials())
}

fn assert_bounded(trouble: &OAuthError) {
    let texts = [
        Some(&trouble.error),
        trouble.suberror.as_ref(),
        trouble.correlation_id.as_ref(),
    ];
    for text in texts.into_iter().flatten() {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        assert!(text.len() <= 64 && text.chars().all(plain), "{text:?}");
    }
}

/// An answer that says this and nothing else.
fn only(trouble: &OAuthError) -> String {
    let numbers: Vec<i64> = trouble.number.into_iter().collect();
    json!({
        "error": trouble.error, "suberror": trouble.suberror,
        "error_codes": numbers, "correlation_id": trouble.correlation_id,
    })
    .to_string()
}
