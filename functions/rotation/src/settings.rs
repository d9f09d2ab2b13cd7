//! The settings of `rotation`.

use shared::aws::AwsSettings;
use shared::cloud::MicrosoftSettings;
use shared::config::{BaseUrl, Reader};
use shared::failure::Failure;
use shared::period::Period;
use shared::policy::Policy;
use shared::shopctrl::ShopCtrlPaths;

/// The settings, each an environment variable; durations in ISO 8601.
#[derive(Debug)]
pub struct Settings {
    /// `AWS_*`, `CONNECT_TIMEOUT`, `REQUEST_TIMEOUT`.
    pub aws: AwsSettings,
    /// `ENTRA_URL`, `GRAPH_URL`.
    pub microsoft: MicrosoftSettings,
    /// `SHOPCTRL_CONNECTION_PATH`.
    pub shopctrl_paths: ShopCtrlPaths,
    /// `EVENT_BUS`: name or ARN of the bus (default `default`).
    pub event_bus: String,
    /// `CALLBACK_URL`: address of the callback, without a trailing slash (required).
    pub callback_url: BaseUrl,
    /// `TICKET_KEY_SECRET`: the secret that signs links (default `shopmail-ticket-key`).
    pub ticket_key_secret: String,
    /// `TICKET_LIFETIME`: how long a link is good (default `P7D`).
    pub ticket_lifetime: Period,
    /// `ASK_AGAIN_AFTER`: the pause before a link is sent anew on request, which doubles each time up to a day
    /// (default `PT15M`).
    pub ask_again_after: Period,
    /// `SIGN_IN_SUCCESSES`: so many sign-ins in a row prove a new secret: Entra's replicas may
    /// disagree for a while (default 3).
    pub sign_in_successes: u32,
    /// `SIGN_IN_INTERVAL`: the pause between them (default `PT2S`).
    pub sign_in_interval: Period,
    /// `PROPAGATION_WAIT`: how long a new secret may take to sign in; 4 to 18 s were seen, minutes
    /// on bad days (default `PT3M`).
    pub propagation_wait: Period,
    /// `MAIL_CHECK_WAIT`: how long ShopCtrl may take to check mail with the new secret (default `PT6M`).
    pub mail_check_wait: Period,
    /// `ROUND_TRIP_WAIT`: how long the test mail of a round trip may take (default `PT3M`).
    pub round_trip_wait: Period,
    /// `LABEL_WAIT`: how long a label or value of Secrets Manager's that is expected may take to show
    /// (default `PT10S`).
    pub label_wait: Period,
    /// `LOOK_INTERVAL`: the pause between the looks by which a credential is taken as gone in Entra
    /// (default `PT5S`).
    pub look_interval: Period,
    /// `ISSUE_GRACE`: a credential of ours that no label names and that is younger than this may yet be
    /// stored by another invocation, or its label not show yet (default `PT1M`).
    pub issue_grace: Period,
    /// `REDEEM_EVERY`: a grant that is so old is redeemed by the next check or proof, and what comes of it is
    /// stored: Entra lets an idle refresh token die after 90 days (default `P30D`).
    pub redeem_every: Period,
    /// `QUARANTINE`: how long a superseded credential is kept (default `P7D`).
    pub quarantine: Period,
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
            microsoft: MicrosoftSettings::read(&mut reader),
            shopctrl_paths: ShopCtrlPaths::read(&mut reader),
            event_bus: reader.or("EVENT_BUS", "default".to_owned()),
            callback_url: reader.required("CALLBACK_URL"),
            ticket_key_secret: reader.or("TICKET_KEY_SECRET", "shopmail-ticket-key".to_owned()),
            ticket_lifetime: reader.or("TICKET_LIFETIME", Period::days(7)),
            ask_again_after: reader.or("ASK_AGAIN_AFTER", Period::seconds(15 * 60)),
            sign_in_successes: reader.or("SIGN_IN_SUCCESSES", 3),
            sign_in_interval: reader.or("SIGN_IN_INTERVAL", Period::seconds(2)),
            propagation_wait: reader.or("PROPAGATION_WAIT", Period::seconds(180)),
            mail_check_wait: reader.or("MAIL_CHECK_WAIT", Period::seconds(360)),
            round_trip_wait: reader.or("ROUND_TRIP_WAIT", Period::seconds(180)),
            label_wait: reader.or("LABEL_WAIT", Period::seconds(10)),
            look_interval: reader.or("LOOK_INTERVAL", Period::seconds(5)),
            issue_grace: reader.or("ISSUE_GRACE", Period::seconds(60)),
            redeem_every: reader.or("REDEEM_EVERY", Period::days(30)),
            quarantine: reader.or("QUARANTINE", Period::days(7)),
            policy: Policy::read(&mut reader),
        };
        reader.finish()?;
        Ok(settings)
    }
}
