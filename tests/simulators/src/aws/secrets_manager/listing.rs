//! `ListSecrets` and `ListSecretVersionIds`: filters, pages, and a list that may be stale.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{described, seconds};
use super::secrets::Secrets;
use super::{Secret, SecretsManager, State, Version};
use crate::aws::aws_json::AwsError;

const MAX_PAGE: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListSecrets {
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    include_planned_deletion: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
    sort_order: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    key: String,
    values: Vec<String>,
}

pub(super) fn list_secrets(
    manager: &SecretsManager,
    asked: ListSecrets,
) -> Result<Value, AwsError> {
    for filter in &asked.filters {
        filter.check()?;
    }
    let size = page_size(asked.max_results)?;
    let mut state = manager.state();
    let listed = shown(&mut state, manager.clock.now());
    let all = listed.all();
    let after = match &asked.next_token {
        None => None,
        Some(token) => Some(listed.place(&named_by(token)).ok_or_else(invalid_token)?),
    };
    let descending = asked.sort_order.as_deref() == Some("desc");
    let places: Box<dyn Iterator<Item = usize>> = match descending {
        false => Box::new(after.map_or(0, |after| after + 1)..all.len()),
        true => Box::new((0..after.unwrap_or(all.len())).rev()),
    };
    let is_asked_for = |secret: &&Secret| {
        (asked.include_planned_deletion || secret.deleted.is_none())
            && asked.filters.iter().all(|filter| filter.matches(secret))
    };
    let mut found = places.filter_map(|at| all.get(at)).filter(is_asked_for);
    let page: Vec<&Secret> = found.by_ref().take(size).collect();
    let more = found.next().is_some();
    let next = page.last().filter(|_| more);
    let next = next.map(|last| token_of(&last.arn));
    let entries: Vec<Value> = page
        .iter()
        .map(|&secret| described(secret, "SecretVersionsToStages"))
        .collect();
    let mut answer = json!({"SecretList": entries});
    if let (Some(next), Some(fields)) = (next, answer.as_object_mut()) {
        fields.insert("NextToken".to_owned(), next.into());
    }
    Ok(answer)
}

/// The secrets as the list shows them: "All Secrets Manager operations are eventually consistent. ListSecrets
/// might not reflect changes from the last five minutes."
fn shown(state: &mut State, now: Timestamp) -> &Secrets {
    let Some(staleness) = state.settings.list_staleness else {
        return &state.secrets;
    };
    let fresh = |taken: Timestamp| now.duration_since(taken) <= staleness;
    let picture = state.list_picture.take();
    let picture = picture.filter(|(taken, _)| fresh(*taken));
    let picture = picture.unwrap_or_else(|| (now, state.secrets.clone()));
    &state.list_picture.insert(picture).1
}

impl Filter {
    fn check(&self) -> Result<(), AwsError> {
        let known = [
            "description",
            "name",
            "tag-key",
            "tag-value",
            "primary-region",
            "owning-service",
            "all",
        ];
        if known.contains(&self.key.as_str()) && (1..=10).contains(&self.values.len()) {
            return Ok(());
        }
        Err(AwsError::new(
            "InvalidParameterException",
            format!("Invalid filter: {}", self.key),
        ))
    }

    /// One of the values fits. "You can prefix your search value with an exclamation mark (!) in
    /// order to perform negation filters." (Filter)
    fn matches(&self, secret: &Secret) -> bool {
        self.values
            .iter()
            .any(|value| match value.strip_prefix('!') {
                Some(value) => !self.finds(secret, value),
                None => self.finds(secret, value),
            })
    }

    /// The comparisons that the type `Filter` documents for each key.
    fn finds(&self, secret: &Secret, value: &str) -> bool {
        let description = secret.description.as_deref().unwrap_or_default();
        let lower = value.to_lowercase();
        match self.key.as_str() {
            "name" => secret.name.starts_with(value),
            "description" => description.to_lowercase().starts_with(&lower),
            "tag-key" => secret.tags.keys().any(|key| key.starts_with(value)),
            "tag-value" => secret.tags.values().any(|tag| tag.starts_with(value)),
            "primary-region" => {
                let region = secret.primary_region.as_deref();
                region.is_some_and(|region| region.starts_with(value))
            }
            "owning-service" => false,
            _ => {
                let tags = secret
                    .tags
                    .iter()
                    .flat_map(|(key, tag)| [key.as_str(), tag]);
                let attributes: Vec<String> = [secret.name.as_str(), description]
                    .into_iter()
                    .chain(tags)
                    .map(str::to_lowercase)
                    .collect();
                lower
                    .split_whitespace()
                    .any(|word| attributes.iter().any(|attribute| attribute.contains(word)))
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListSecretVersionIds {
    secret_id: String,
    #[serde(default)]
    include_deprecated: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
}

pub(super) fn list_secret_version_ids(
    manager: &SecretsManager,
    asked: ListSecretVersionIds,
) -> Result<Value, AwsError> {
    let mut state = manager.state();
    let secret = state.secret_mut(&asked.secret_id)?;
    let mut versions = secret.versions.clone();
    versions.retain(|version| asked.include_deprecated || !version.labels.is_empty());
    let (page, next) = page_of_versions(versions, asked.max_results, asked.next_token.as_deref())?;
    let entries: Vec<Value> = page
        .iter()
        .map(|version| {
            json!({
                "VersionId": version.id,
                "VersionStages": version.labels,
                "CreatedDate": seconds(version.created),
            })
        })
        .collect();
    let mut answer = json!({"ARN": secret.arn, "Name": secret.name, "Versions": entries});
    if let (Some(next), Some(fields)) = (next, answer.as_object_mut()) {
        fields.insert("NextToken".to_owned(), next.into());
    }
    Ok(answer)
}

/// One page, and the token of the next.
fn page_of_versions(
    mut all: Vec<Version>,
    max: Option<usize>,
    token: Option<&str>,
) -> Result<(Vec<Version>, Option<String>), AwsError> {
    let size = page_size(max)?;
    let start = match token.map(named_by) {
        None => 0,
        Some(last) => {
            let found = all.iter().position(|version| version.id == last);
            found.map(|at| at + 1).ok_or_else(invalid_token)?
        }
    };
    let mut page = all.split_off(start);
    let more = page.len() > size;
    page.truncate(size);
    let next = page.last().filter(|_| more);
    let next = next.map(|last| token_of(&last.id));
    Ok((page, next))
}

fn page_size(asked: Option<usize>) -> Result<usize, AwsError> {
    let size = asked.unwrap_or(MAX_PAGE);
    if !(1..=MAX_PAGE).contains(&size) {
        return Err(AwsError::new(
            "InvalidParameterException",
            format!("MaxResults must be between 1 and {MAX_PAGE}."),
        ));
    }
    Ok(size)
}

/// The token of the page behind the entry with this name.
fn token_of(last: &str) -> String {
    BASE64URL_NOPAD.encode(last.as_bytes())
}

fn named_by(token: &str) -> String {
    let name = BASE64URL_NOPAD.decode(token.as_bytes()).unwrap_or_default();
    String::from_utf8(name).unwrap_or_default()
}

fn invalid_token() -> AwsError {
    AwsError::new(
        "InvalidNextTokenException",
        "The NextToken value is invalid.",
    )
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::client::Client;
    use super::*;

    async fn names(client: &Client, asked: Value) -> Vec<String> {
        let listed = client.call("ListSecrets", asked).await.unwrap();
        let entries = listed["SecretList"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["Name"].as_str().unwrap().to_owned())
            .collect()
    }

    #[tokio::test]
    async fn tag_filters_compare_the_beginning_with_case() {
        let client = Client::new();
        client
            .manager
            .create("a", "v", &[("shopmail:managed", "mailbox")])
            .unwrap();
        client
            .manager
            .create("b", "v", &[("shopmail:managed", "mailbox-old")])
            .unwrap();
        client
            .manager
            .create("c", "v", &[("other", "mailbox")])
            .unwrap();
        let by = |key: &str, value: &str| json!({"Key": key, "Values": [value]});
        let both =
            json!({"Filters": [by("tag-key", "shopmail:managed"), by("tag-value", "mailbox")]});
        assert_eq!(names(&client, both).await, ["a", "b"], "a prefix is enough");
        let case = json!({"Filters": [by("tag-key", "Shopmail")]});
        assert!(names(&client, case).await.is_empty());
        let negated = json!({"Filters": [by("tag-key", "!shopmail")]});
        assert_eq!(names(&client, negated).await, ["c"]);
    }

    #[tokio::test]
    async fn pages_hold_everything_once() {
        let client = Client::new();
        for n in 0..5 {
            client.manager.create(&format!("s{n}"), "v", &[]).unwrap();
        }
        let mut asked = json!({"MaxResults": 2});
        let mut seen = Vec::new();
        loop {
            seen.extend(names(&client, asked.clone()).await);
            let listed = client.call("ListSecrets", asked.clone()).await.unwrap();
            match listed.get("NextToken") {
                Some(next) => asked["NextToken"] = next.clone(),
                None => break,
            }
        }
        assert_eq!(seen, ["s0", "s1", "s2", "s3", "s4"]);
        let wrong = client
            .call("ListSecrets", json!({"NextToken": "nonsense"}))
            .await;
        assert_eq!(wrong.unwrap_err(), "InvalidNextTokenException");
    }

    #[tokio::test]
    async fn a_stale_list_catches_up() {
        let client = Client::new();
        client.manager.create("a", "v", &[]).unwrap();
        let five_minutes = SignedDuration::from_mins(5);
        client
            .manager
            .configure(|settings| settings.list_staleness = Some(five_minutes));
        client.manager.create("b", "v", &[]).unwrap();
        assert_eq!(names(&client, json!({})).await, ["a"]);
        client.clock.advance(SignedDuration::from_mins(6));
        assert_eq!(names(&client, json!({})).await, ["a", "b"]);
    }
}
