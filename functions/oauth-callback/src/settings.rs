//! The settings of `oauth-callback`.

use shared::aws::AwsSettings;
use shared::cloud::MicrosoftSettings;
use shared::config::{BaseUrl, Reader};
use shared::entra::App;
use shared::failure::Failure;
use shared::mailbox_secret::MailboxSecret;
use shared::period::Period;
use shared::policy::Policy;
use shared::shopctrl::ShopCtrlPaths;

use crate::route::Route;

/// The settings, each an environment variable.
#[derive(Debug)]
pub struct Settings {
    /// `AWS_*`, `CONNECT_TIMEOUT`, `REQUEST_TIMEOUT`.
    pub aws: AwsSettings,
    /// `ENTRA_URL`, `GRAPH_URL`.
    pub microsoft: MicrosoftSettings,
    /// `SHOPCTRL_CONNECTION_PATH`.
    pub shopctrl_paths: ShopCtrlPaths,
    /// `CALLBACK_URL`: this function's own address, without a trailing slash (required). The app
    /// registration has `<CALLBACK_URL>/callback` as a redirect URI of the platform Web.
    pub callback_url: BaseUrl,
    /// `TICKET_KEY_SECRET`: the secret that signs links (default `shopmail-ticket-key`).
    pub ticket_key_secret: String,
    /// `ROTATION_FUNCTION`: name or ARN of the rotation function, which sends links anew (required).
    pub rotation_function: String,
    /// `SLOT_WAIT`: how long an invocation is asked for again while the account has no free slot (default `PT5S`: a
    /// person waits for the page).
    pub slot_wait: Period,
    /// `EVENT_BUS`: name or ARN of the bus (default `default`).
    pub event_bus: String,
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
            callback_url: reader.required("CALLBACK_URL"),
            ticket_key_secret: reader.or("TICKET_KEY_SECRET", "shopmail-ticket-key".to_owned()),
            rotation_function: reader.required("ROTATION_FUNCTION"),
            slot_wait: reader.or("SLOT_WAIT", Period::seconds(5)),
            event_bus: reader.or("EVENT_BUS", "default".to_owned()),
            policy: Policy::read(&mut reader),
        };
        reader.finish()?;
        Ok(settings)
    }

    /// The whole address of a route.
    #[must_use]
    pub fn url(&self, route: Route) -> String {
        format!("{}{}", self.callback_url, route.path())
    }

    /// The redirect URI of the sign-in.
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        self.url(Route::Callback)
    }

    /// The app that a mailbox document is of.
    #[must_use]
    pub fn app(&self, mailbox: &MailboxSecret) -> App {
        App {
            endpoints: self.microsoft.endpoints(mailbox.cloud),
            tenant: mailbox.tenant_id.clone(),
            client_id: mailbox.client_id.clone(),
        }
    }
}
