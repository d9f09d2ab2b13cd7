//! The notifier, invoked by the checker's dry run: what all mail depends on only it can see.

use serde_json::json;

use crate::aws::AwsSettings;
use crate::failure::{Failure, Kind};
use crate::http;
use crate::lambda_function::LambdaFunction;
use crate::period::Period;
use crate::preflight::{ACTION, SystemPreflight};

/// The notifier.
#[derive(Debug, Clone)]
pub struct NotifierFunction(LambdaFunction);

impl NotifierFunction {
    /// The function with this name or ARN. While the account has no free slot it is asked again for `slot_wait`.
    #[must_use]
    pub fn new(
        settings: &AwsSettings,
        http: &http::Client,
        name: String,
        slot_wait: Period,
    ) -> Self {
        let called = "notifier";
        Self(LambdaFunction::new(settings, http, called, name, slot_wait))
    }

    /// What it sees of SNS and SES.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn preflight(&self) -> Result<SystemPreflight, Failure> {
        let answer = self.0.invoke(json!({ "Action": ACTION })).await?;
        serde_json::from_value(answer).map_err(|_| {
            let what = "asking the notifier for the preflight: its answer cannot be read";
            Failure::new(Kind::Misconfigured, what)
                .next_step("Deploy the functions of one release together.")
        })
    }
}
