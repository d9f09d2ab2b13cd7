//! Waiting until something has come to rest.

use tokio::sync::Notify;

/// Looks again whenever `changed` says so, until it is so.
pub(crate) async fn settled_when(changed: &Notify, is_settled: impl Fn() -> bool) {
    loop {
        let change = changed.notified();
        tokio::pin!(change);
        // Registered before the look, so that no change in between is missed.
        change.as_mut().enable();
        if is_settled() {
            return;
        }
        change.await;
    }
}
