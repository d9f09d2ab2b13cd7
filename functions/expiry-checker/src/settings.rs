//! The settings of `expiry-checker`.

use shared::aws::AwsSettings;
use shared::config::Reader;
use shared::failure::Failure;
use shared::period::Period;
use shared::policy::Policy;

/// The settings, each an environment variable; durations in ISO 8601.
#[derive(Debug)]
pub struct Settings {
    /// `AWS_*`, `CONNECT_TIMEOUT`, `REQUEST_TIMEOUT`.
    pub aws: AwsSettings,
    /// `EVENT_BUS`: name or ARN of the bus (default `default`).
    pub event_bus: String,
    /// `ROTATION_FUNCTION`: name or ARN of the rotation function (required).
    pub rotation_function: String,
    /// `INVOKE_TIMEOUT`: how long the rotation function may take to answer (default `PT14M`).
    pub invoke_timeout: Period,
    /// `RENEW_BEFORE` (default `P30D`), `RENEW_SHARE`, `HARD_STOP` (default `P7D`), `THRESHOLDS`, `TIME_ZONE`, `WINDOW`
    /// and `FREEZE`, which a mailbox's tag `shopmail:policy` may change.
    pub policy: Policy,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`shared::failure::Kind::Misconfigured`], naming all that is missing or wrong.
    pub fn read<F: Fn(&str) -> Option<String>>(mut reader: Reader<F>) -> Result<Self, Failure> {
        let settings = Self {
            aws: AwsSettings::read(&mut reader),
            event_bus: reader.or("EVENT_BUS", "default".to_owned()),
            rotation_function: reader.required("ROTATION_FUNCTION"),
            invoke_timeout: reader.or("INVOKE_TIMEOUT", Period::seconds(14 * 60)),
            policy: Policy::read(&mut reader),
        };
        reader.finish()?;
        Ok(settings)
    }
}
