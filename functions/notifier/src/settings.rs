//! The settings of `notifier`.

use shared::aws::AwsSettings;
use shared::config::{BaseUrl, Reader};
use shared::failure::Failure;

/// The settings, each an environment variable.
#[derive(Debug)]
pub struct Settings {
    /// `AWS_*`, `CONNECT_TIMEOUT`, `REQUEST_TIMEOUT`.
    pub aws: AwsSettings,
    /// `NOTICES_TOPIC`: ARN of the administrator's SNS topic (required).
    pub topic: String,
    /// Who gets what.
    pub addresses: Addresses,
}

/// Who sends and who gets.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// `MAIL_FROM`: an address, or `Name <address>`, that Amazon SES may send as. Without it all mail goes to the
    /// topic.
    pub sender: Option<String>,
    /// `NOTIFY_EMAIL`: the address that is subscribed to the topic, so that nobody gets a mail twice.
    pub administrator: Option<String>,
    /// `CALLBACK_URL`: where the pages are, by which a mail is known to be genuine.
    pub pages: Option<BaseUrl>,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`shared::failure::Kind::Misconfigured`], naming all that is missing or wrong.
    pub fn read<F: Fn(&str) -> Option<String>>(mut reader: Reader<F>) -> Result<Self, Failure> {
        let settings = Self {
            aws: AwsSettings::read(&mut reader),
            topic: reader.required("NOTICES_TOPIC"),
            addresses: Addresses {
                sender: reader.optional("MAIL_FROM"),
                administrator: reader.optional("NOTIFY_EMAIL"),
                pages: reader.optional("CALLBACK_URL"),
            },
        };
        reader.finish()?;
        Ok(settings)
    }
}
