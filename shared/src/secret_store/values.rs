//! Many current values at once: BatchGetSecretValue.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::types::{ApiErrorType, SecretValueEntry};
use futures_util::future::join_all;

use super::versions::CURRENT;
use super::{SecretStore, SecretValue, absent, shown, timestamp};
use crate::aws::{classify, classify_one};
use crate::failure::{Failure, Kind};
use crate::retry::{CallError, Effect, Retry};

/// "Retrieves the contents of the encrypted fields … for up to 20 secrets" (API reference, BatchGetSecretValue).
const MOST: usize = 20;

impl SecretStore {
    /// The current values of these secrets, named or by ARN: 20 a call, the calls side by side. Each that was asked for
    /// has its value, or why not.
    ///
    /// # Errors
    /// [`CallError`] when no call was answered.
    pub async fn values(
        &self,
        secrets: &[&str],
    ) -> Result<BTreeMap<String, Result<SecretValue, CallError>>, CallError> {
        let mut asked = secrets.to_vec();
        // One that is asked for twice is an error of the whole call (jdx/fnox#296).
        asked.sort_unstable();
        asked.dedup();
        let parts = asked.chunks(MOST);
        let parts = parts.map(async |part| (part, self.part(part).await));
        let (mut values, mut answered, mut failure) = (BTreeMap::new(), asked.is_empty(), None);
        for (part, read) in join_all(parts).await {
            match read {
                Ok(read) => {
                    answered = true;
                    values.extend(read);
                }
                Err(error) => {
                    let of_each = part.iter();
                    values.extend(of_each.map(|id| ((*id).to_owned(), Err(error.clone()))));
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(error) if !answered => Err(error),
            _ => Ok(values),
        }
    }

    /// What one call holds.
    async fn part(
        &self,
        ids: &[&str],
    ) -> Result<Vec<(String, Result<SecretValue, CallError>)>, CallError> {
        let list = ids.iter().map(|id| (*id).to_owned()).collect();
        let request = self.0.batch_get_secret_value();
        let request = request.set_secret_id_list(Some(list));
        let mut pages = request.into_paginator().send();
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| classify("reading secrets", &error))?;
            entries.extend(page.secret_values.unwrap_or_default());
            errors.extend(page.errors.unwrap_or_default());
        }
        let read = ids.iter().map(async |id| {
            let value = match found(id, &entries, &errors) {
                Found::Value(value) => value,
                Found::Other => self.value_with_label(id, CURRENT).await,
            };
            ((*id).to_owned(), value)
        });
        Ok(join_all(read).await)
    }
}

/// What the answer has for one of the secrets.
enum Found {
    /// Its current value, or why there is none.
    Value(Result<SecretValue, CallError>),
    /// A version that does not say that it is the current one: AWS's own is, and moto's is the pending one in a
    /// rotation.
    Other,
}

fn found(id: &str, entries: &[SecretValueEntry], errors: &[ApiErrorType]) -> Found {
    let of_it = |entry: &&SecretValueEntry| {
        let named = entry.arn().into_iter().chain(entry.name());
        named.into_iter().any(|named| same(id, named))
    };
    if let Some(entry) = entries.iter().find(of_it) {
        return match entry.version_stages().iter().any(|l| l == CURRENT) {
            true => Found::Value(value(id, entry)),
            false => Found::Other,
        };
    }
    let of_it = |error: &&ApiErrorType| error.secret_id().is_some_and(|named| same(id, named));
    Found::Value(Err(match errors.iter().find(of_it) {
        Some(error) => refused(id, error),
        None => unanswered(id),
    }))
}

fn value(id: &str, entry: &SecretValueEntry) -> Result<SecretValue, CallError> {
    let text = entry.secret_string().ok_or_else(|| absent(id, CURRENT))?;
    Ok(SecretValue {
        version: entry.version_id().unwrap_or_default().to_owned(),
        text: text.to_owned().into(),
        created: entry.created_date().and_then(timestamp),
    })
}

fn refused(id: &str, error: &ApiErrorType) -> CallError {
    match error.error_code().unwrap_or("unknown error") {
        "ResourceNotFoundException" => absent(id, CURRENT),
        code => {
            let what = format!("reading the secret {}", shown(id));
            classify_one(&what, code, error.message().unwrap_or_default())
        }
    }
}

fn unanswered(id: &str) -> CallError {
    CallError {
        effect: Effect::None,
        retry: Retry::No,
        status: None,
        failure: Failure::new(
            Kind::Temporary,
            format!(
                "reading the secret {}: the answer says nothing of it",
                shown(id)
            ),
        ),
    }
}

/// Whether the two name one secret: each is a name, an ARN, or an ARN without its six random characters ("Finding a
/// secret from a partial ARN").
fn same(one: &str, other: &str) -> bool {
    one == other || is_arn_of(one, other) || is_arn_of(other, one)
}

fn is_arn_of(arn: &str, other: &str) -> bool {
    let Some((partial, random)) = arn.rsplit_once('-').filter(|_| arn.starts_with("arn:")) else {
        return false;
    };
    let name = partial.split_once(":secret:").map(|(_, name)| name);
    random.len() == 6 && (partial == other || name == Some(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:1:secret:shopmail/a-AbC123";

    fn entry(labels: &[&str]) -> SecretValueEntry {
        let entry = SecretValueEntry::builder().arn(ARN).name("shopmail/a");
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let entry = entry.version_id("v").secret_string("text");
        entry.set_version_stages(Some(labels)).build()
    }

    #[test]
    fn a_secret_is_found_by_name_arn_and_partial_arn_and_none_by_a_like_name() {
        let partial = "arn:aws:secretsmanager:eu-west-1:1:secret:shopmail/a";
        for id in [ARN, partial, "shopmail/a"] {
            let found = found(id, &[entry(&[CURRENT])], &[]);
            assert!(
                matches!(found, Found::Value(Ok(v)) if v.version == "v"),
                "{id}"
            );
        }
        for other in ["shopmail/a-AbC123", "a", "shopmail/ab", "shopmail/a/grants"] {
            assert!(!same(other, ARN), "{other}");
        }
    }

    #[test]
    fn a_version_that_is_not_the_current_one_is_not_taken_for_it() {
        for labels in [&["AWSPENDING"][..], &[]] {
            assert!(matches!(found(ARN, &[entry(labels)], &[]), Found::Other));
        }
    }

    #[test]
    fn what_is_refused_says_why_and_what_is_left_out_says_that() {
        let error = |code: &str| {
            let error = ApiErrorType::builder().secret_id("shopmail/a");
            [error
                .error_code(code)
                .message("Access to KMS is not allowed")
                .build()]
        };
        for (code, kind) in [
            ("ResourceNotFoundException", Kind::Misconfigured),
            ("AccessDeniedException", Kind::Misconfigured),
            ("InternalServiceError", Kind::Temporary),
            ("ThrottlingException", Kind::Temporary),
        ] {
            let Found::Value(Err(refused)) = found(ARN, &[], &error(code)) else {
                panic!("{code} is refused");
            };
            assert_eq!((refused.failure.kind, refused.has_code(code)), (kind, true));
        }
        let Found::Value(Err(left_out)) = found("shopmail/b", &[entry(&[CURRENT])], &[]) else {
            panic!("it is an error");
        };
        assert_eq!(left_out.failure.kind, Kind::Temporary);
    }
}
