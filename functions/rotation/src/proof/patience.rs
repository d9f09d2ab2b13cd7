//! How long what is proved is called: until the end of an invocation in a rotation, and in a look for as long as whom it
//! calls has time.

use shared::failure::Failure;
use shared::mailbox::MailClient;
use shared::retry::{CallError, Deadline, out_of_time, with_retries};

/// Calls until it succeeds, the error is final, or nobody waits any more. Only for calls that may safely be made twice.
pub(crate) trait Patience {
    /// A call to Entra or Graph.
    async fn entra<T>(&self, call: impl AsyncFnMut() -> Result<T, CallError>)
    -> Result<T, Failure>;

    /// A conversation with the mail server of this name.
    async fn mail_server<T>(
        &self,
        host: &str,
        call: impl AsyncFnMut() -> Result<T, CallError>,
    ) -> Result<T, Failure>;
}

impl Patience for Deadline {
    async fn entra<T>(
        &self,
        call: impl AsyncFnMut() -> Result<T, CallError>,
    ) -> Result<T, Failure> {
        Ok(with_retries(*self, call).await?)
    }

    async fn mail_server<T>(
        &self,
        _: &str,
        mut call: impl AsyncFnMut() -> Result<T, CallError>,
    ) -> Result<T, Failure> {
        let in_time = async || match self.leaves_time_for(MailClient::CALLS) {
            true => call().await,
            false => Err(out_of_time()),
        };
        Ok(with_retries(*self, in_time).await?)
    }
}
