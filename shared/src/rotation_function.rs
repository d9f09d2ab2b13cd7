//! The rotation function, invoked: by the checker, which learns of Entra and ShopCtrl in no other way, and by the
//! sign-in pages.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws::AwsSettings;
use crate::failure::{Failure, Kind};
use crate::http;
use crate::ids::KeyId;
use crate::lambda_function::LambdaFunction;
use crate::period::Period;
use crate::rotation::inspection::{Inspect, Inspected};
use crate::rotation::{Action, ActionCall, AskedAgain, Retired, Step, StepCall, Swept};

/// The rotation function.
#[derive(Debug, Clone)]
pub struct RotationFunction(LambdaFunction);

impl RotationFunction {
    /// The function with this name or ARN. An invocation that was not carried out, because the account's slots are in
    /// use, is asked for again for `slot_wait`: one is free once another invocation has ended.
    #[must_use]
    pub fn new(
        settings: &AwsSettings,
        http: &http::Client,
        name: String,
        slot_wait: Period,
    ) -> Self {
        let called = "rotation";
        Self(LambdaFunction::new(settings, http, called, name, slot_wait))
    }

    /// Looks at many secrets.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn inspect(&self, inspect: &Inspect) -> Result<Inspected, Failure> {
        let answer = self.0.invoke(inspect.event()).await?;
        read("inspect", answer)
    }

    /// Has the steps of a rotation taken from this one to the last, and does not wait for what takes minutes.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn continue_later(
        &self,
        first: Step,
        secret: &str,
        token: &str,
    ) -> Result<(), Failure> {
        let call = step_call(first, secret, token);
        let event = call.continue_event();
        self.0.invoke_later(event).await
    }

    /// Puts in order what was left behind. Credentials that other secrets name are left, where that is known;
    /// else all are.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn sweep(
        &self,
        secret: &str,
        named_by_others: Option<&BTreeSet<KeyId>>,
    ) -> Result<Swept, Failure> {
        self.act(Action::Sweep, secret, named_by_others).await
    }

    /// Removes superseded credentials, but for those that other secrets name.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn retire(
        &self,
        secret: &str,
        named_by_others: Option<&BTreeSet<KeyId>>,
    ) -> Result<Retired, Failure> {
        self.act(Action::Retire, secret, named_by_others).await
    }

    /// Sends the link anew of what a person is waited for.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn ask(&self, secret: &str) -> Result<AskedAgain, Failure> {
        self.act(Action::Ask, secret, None).await
    }

    async fn act<Report: DeserializeOwned>(
        &self,
        action: Action,
        secret: &str,
        named_by_others: Option<&BTreeSet<KeyId>>,
    ) -> Result<Report, Failure> {
        let call = ActionCall {
            action,
            secret: secret.to_owned(),
            named_by_others: named_by_others.cloned(),
        };
        let answer = self.0.invoke(call.event()).await?;
        read(action.name(), answer)
    }

    /// A step of a rotation, with its own token.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn step(&self, step: Step, secret: &str, token: &str) -> Result<(), Failure> {
        let call = step_call(step, secret, token);
        self.0.invoke(call.event()).await.map(drop)
    }
}

fn step_call(step: Step, secret: &str, token: &str) -> StepCall {
    StepCall {
        step,
        secret: secret.to_owned(),
        token: token.to_owned(),
        rotation_token: None,
    }
}

fn read<Report: DeserializeOwned>(name: &str, answer: Value) -> Result<Report, Failure> {
    serde_json::from_value(answer).map_err(|_| {
        Failure::new(
            Kind::Misconfigured,
            format!("asking rotation to {name}: its answer cannot be read"),
        )
        .next_step("Deploy the functions of one release together.")
    })
}
