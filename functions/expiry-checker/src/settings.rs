//! The settings of `expiry-checker`.

use shared::aws::AwsSettings;
use shared::check_schedule::CheckSchedule;
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
    /// `NOTIFIER_FUNCTION`: name or ARN of the notifier, which a dry run asks what all mail depends on. Without it that is
    /// not visible.
    pub notifier_function: Option<String>,
    /// `INVOKE_TIMEOUT`: how long the rotation function may take to answer (default `PT14M`).
    pub invoke_timeout: Period,
    /// `SLOT_WAIT`: how long an invocation is asked for again while the account has no free slot (default `PT2M`).
    pub slot_wait: Period,
    /// `RENEW_BEFORE` (default `P30D`), `RENEW_SHARE`, `HARD_STOP` (default `P7D`), `THRESHOLDS`, `TIME_ZONE`, `WINDOW`
    /// and `FREEZE`, which a mailbox's tag `shopmail:policy` may change.
    pub policy: Policy,
    /// `CHECK_SCHEDULE`: how often it is called, as the template has it.
    pub check_schedule: Option<CheckSchedule>,
    /// `TICKET_KEY_SECRET`: the secret that signs links (default `shopmail-ticket-key`), whose tag says which check is
    /// under way.
    pub ticket_key_secret: String,
    /// `INVOCATIONS_AT_ONCE`: how many invocations of the rotation function it waits for at once (default 6: in an
    /// account with ten slots that leaves some to the sign-in pages).
    pub invocations_at_once: usize,
    /// `QUARANTINE`: how long a superseded credential is kept (default `P7D`); as the rotation function has it.
    pub quarantine: Period,
    /// `AWS_LAMBDA_FUNCTION_NAME`: the dimension of its metrics (default `expiry-checker`).
    pub function_name: String,
}

impl Settings {
    /// The time from one check to the next, where it is known.
    pub(crate) fn interval(&self) -> Option<Period> {
        self.check_schedule.and_then(CheckSchedule::interval)
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// [`shared::failure::Kind::Misconfigured`], naming all that is missing or wrong.
    pub fn read<F: Fn(&str) -> Option<String>>(mut reader: Reader<F>) -> Result<Self, Failure> {
        let settings = Self {
            aws: AwsSettings::read(&mut reader),
            event_bus: reader.or("EVENT_BUS", "default".to_owned()),
            rotation_function: reader.required("ROTATION_FUNCTION"),
            notifier_function: reader.optional("NOTIFIER_FUNCTION"),
            invoke_timeout: reader.or("INVOKE_TIMEOUT", Period::seconds(14 * 60)),
            slot_wait: reader.or("SLOT_WAIT", Period::seconds(120)),
            policy: Policy::read(&mut reader),
            check_schedule: reader.optional("CHECK_SCHEDULE"),
            ticket_key_secret: reader.or("TICKET_KEY_SECRET", "shopmail-ticket-key".to_owned()),
            invocations_at_once: reader.or("INVOCATIONS_AT_ONCE", 6).max(1),
            quarantine: reader.or("QUARANTINE", Period::days(7)),
            function_name: reader.or("AWS_LAMBDA_FUNCTION_NAME", "expiry-checker".to_owned()),
        };
        reader.finish()?;
        Ok(settings)
    }
}
