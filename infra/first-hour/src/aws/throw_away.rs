//! Secrets that carry the marker. A handle is had by making one or by finding the marker, and each call that changes a
//! secret is made through a handle: so no other secret is ever touched.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, RotationRulesType, Tag};
use secrecy::SecretString;
use shared::aws::{AwsSettings, Service};
use shared::failure::Failure;
use shared::http;
use shared::secret_store::versions::Versions;
use shared::secret_store::{SecretMetadata, SecretStore};

use super::{Refusal, answered, done, for_a_person};
use crate::marker::{Of, Run, TAG, run_of_secret};

/// Secrets Manager, as far as throw-away secrets go. Its client is nobody else's: what it does, it does to such.
pub struct Secrets {
    client: Client,
    /// What the functions read with.
    store: SecretStore,
    run: Run,
    /// The names of what was made, or begun to be.
    made: Mutex<BTreeSet<String>>,
}

const NOT_THERE: &str = "ResourceNotFoundException";

/// Done, or refused: which of them is what is asked.
type Answer<T> = Result<Result<T, Refusal>, Failure>;

/// A secret that carries the marker.
pub struct ThrowAwaySecret<'a> {
    secrets: &'a Secrets,
    arn: String,
    name: String,
}

impl Secrets {
    pub fn new(settings: &AwsSettings, http: &http::Client, run: Run) -> Self {
        Self {
            client: Client::new(&settings.config(Service::SecretsManager, http)),
            store: SecretStore::new(settings, http),
            run,
            made: Mutex::default(),
        }
    }

    /// Makes one, with this as the value of its first version, whose id is given.
    pub async fn make(
        &self,
        purpose: &str,
        version: &str,
        value: &str,
    ) -> Result<ThrowAwaySecret<'_>, Failure> {
        let name = self.run.secret(purpose);
        self.note(&name);
        let tag = Tag::builder().key(TAG).value(self.run.id()).build();
        let request = self.client.create_secret().name(&name);
        let request = request
            .description("Made by shopmail's first-hour; it removes it again.")
            .client_request_token(version)
            .secret_string(value)
            .tags(tag);
        let answer = done("secretsmanager:CreateSecret", request.send().await)?;
        Ok(ThrowAwaySecret {
            secrets: self,
            arn: answer.arn().unwrap_or(&name).to_owned(),
            name,
        })
    }

    fn note(&self, name: &str) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(name.to_owned());
    }

    /// Those that carry the marker: of the list, which may be minutes old, and of what this run has begun to make. What
    /// cannot be looked at keeps none of the others.
    pub async fn find(&self, of: &Of, failures: &mut Vec<Failure>) -> Vec<ThrowAwaySecret<'_>> {
        let made = self.made.lock();
        let mut names = made.unwrap_or_else(PoisonError::into_inner).clone();
        if let Err(failure) = self.list(&mut names).await {
            failures.push(failure);
        }
        let mut found = Vec::new();
        for name in &names {
            match self.look_at(name, of).await {
                Ok(secret) => found.extend(secret),
                Err(failure) => failures.push(failure),
            }
        }
        found
    }

    async fn list(&self, names: &mut BTreeSet<String>) -> Result<(), Failure> {
        let mut next = None;
        loop {
            let filter = Filter::builder()
                .key(FilterNameStringType::TagKey)
                .values(TAG);
            let request = self.client.list_secrets().filters(filter.build());
            let answer = request.set_next_token(next).send().await;
            let page = done("secretsmanager:ListSecrets", answer)?;
            let listed = page.secret_list().iter().filter_map(|entry| entry.name());
            // Others are not even described.
            let ours = listed.filter(|name| run_of_secret(name).is_some());
            names.extend(ours.map(str::to_owned));
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// The list says what there may be; the secret itself says whose it is.
    async fn look_at(&self, name: &str, of: &Of) -> Result<Option<ThrowAwaySecret<'_>>, Failure> {
        let request = self.client.describe_secret().secret_id(name);
        let described = answered("secretsmanager:DescribeSecret", request.send().await)?;
        let described = match described {
            Ok(described) => described,
            Err(refusal) if refusal.code == NOT_THERE => return Ok(None),
            Err(refusal) => return Err(refusal.into()),
        };
        let tag = described.tags().iter().find(|tag| tag.key() == Some(TAG));
        let name = described.name().unwrap_or(name);
        let is_ours = of.has_secret(name, tag.and_then(Tag::value));
        let is_there = described.deleted_date().is_none();
        Ok((is_ours && is_there).then(|| ThrowAwaySecret {
            secrets: self,
            arn: described.arn().unwrap_or(name).to_owned(),
            name: name.to_owned(),
        }))
    }
}

impl ThrowAwaySecret<'_> {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As the functions read it.
    pub async fn describe(&self) -> Result<SecretMetadata, Failure> {
        let described = self.secrets.store.describe(&self.arn).await;
        described.map_err(|error| for_a_person("secretsmanager:DescribeSecret", error.failure))
    }

    /// Its versions and their labels.
    pub async fn versions(&self) -> Result<Versions, Failure> {
        Ok(self.describe().await?.versions)
    }

    pub async fn value_of(&self, version: &str) -> Answer<SecretString> {
        let request = self.secrets.client.get_secret_value();
        let request = request.secret_id(&self.arn).version_id(version);
        let answer = answered("secretsmanager:GetSecretValue", request.send().await)?;
        Ok(answer.map(|value| value.secret_string().unwrap_or_default().into()))
    }

    /// The value that the label gives, where it is this version's.
    pub async fn value_at(
        &self,
        label: &str,
        version: &str,
    ) -> Result<Option<SecretString>, Failure> {
        let request = self.secrets.client.get_secret_value();
        let request = request.secret_id(&self.arn).version_stage(label);
        let answer = answered("secretsmanager:GetSecretValue", request.send().await)?;
        let value = answer
            .ok()
            .filter(|value| value.version_id() == Some(version));
        Ok(value.and_then(|value| value.secret_string().map(SecretString::from)))
    }

    pub async fn put(&self, version: &str, value: &str, labels: &[&str]) -> Answer<()> {
        let request = self.secrets.client.put_secret_value();
        let request = request.secret_id(&self.arn).client_request_token(version);
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let request = request
            .secret_string(value)
            .set_version_stages(Some(labels));
        let answer = answered("secretsmanager:PutSecretValue", request.send().await)?;
        Ok(answer.map(drop))
    }

    /// Moves, adds or drops a label.
    pub async fn move_label(
        &self,
        label: &str,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Answer<()> {
        let request = self.secrets.client.update_secret_version_stage();
        let request = request.secret_id(&self.arn).version_stage(label);
        let request = request
            .set_remove_from_version_id(from.map(str::to_owned))
            .set_move_to_version_id(to.map(str::to_owned));
        let answer = answered(
            "secretsmanager:UpdateSecretVersionStage",
            request.send().await,
        )?;
        Ok(answer.map(drop))
    }

    pub async fn set_tag(&self, key: &str, value: &str) -> Result<(), Failure> {
        let request = self.secrets.client.tag_resource().secret_id(&self.arn);
        let tag = Tag::builder().key(key).value(value).build();
        done("secretsmanager:TagResource", request.tags(tag).send().await).map(drop)
    }

    /// With a schedule by which nothing is due of its own accord.
    pub async fn rotate(&self, function: &str, token: &str, immediately: bool) -> Answer<()> {
        let rules = RotationRulesType::builder().automatically_after_days(1000);
        let request = self.secrets.client.rotate_secret().secret_id(&self.arn);
        let request = request
            .client_request_token(token)
            .rotation_lambda_arn(function)
            .rotation_rules(rules.build())
            .rotate_immediately(immediately);
        let answer = answered("secretsmanager:RotateSecret", request.send().await)?;
        Ok(answer.map(drop))
    }

    pub async fn cancel(&self) -> Result<(), Failure> {
        let request = self.secrets.client.cancel_rotate_secret();
        let answer = request.secret_id(&self.arn).send().await;
        done("secretsmanager:CancelRotateSecret", answer).map(drop)
    }

    /// Deletes it for good. What is not there any more is gone as well.
    pub async fn delete(self) -> Result<(), Failure> {
        let request = self.secrets.client.delete_secret().secret_id(&self.arn);
        let request = request.force_delete_without_recovery(true);
        match answered("secretsmanager:DeleteSecret", request.send().await)? {
            Err(refusal) if refusal.code != NOT_THERE => {
                let failure =
                    Failure::from(refusal).while_doing(&format!("deleting {}", self.name));
                Err(failure.next_step("delete it by hand: aws secretsmanager delete-secret"))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
