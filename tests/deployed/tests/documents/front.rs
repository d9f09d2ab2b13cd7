//! One Secrets Manager before two: that of the home region is the simulated one, which rotates, and takes over what
//! CloudFormation makes in MiniStack's; other regions have MiniStack's.

use std::sync::Arc;

use bytes::Bytes;
use deployed::relay::{relay, serve_all};
use deployed::{Beside, MiniStack};
use http::header::AUTHORIZATION;
use http::{Request, Response};
use serde_json::json;
use simulators::aws::account::REGION;
use simulators::serve::bind;

/// Serves it, and says where it is.
pub async fn serve_front(beside: &Arc<Beside>, mini_stack: &Arc<MiniStack>) -> String {
    let (listener, address) = bind().await.unwrap();
    let both = (Arc::clone(beside), Arc::clone(mini_stack));
    serve_all(listener, "front", &beside.world, |request| async move {
        let (beside, mini_stack) = both;
        answer(&beside, &mini_stack, request).await
    });
    format!("http://{address}")
}

async fn answer(
    beside: &Beside,
    mini_stack: &MiniStack,
    request: Request<Bytes>,
) -> Response<Bytes> {
    let signed = request.headers().get(AUTHORIZATION);
    let signed = signed.and_then(|value| value.to_str().ok());
    let is_home = signed.is_some_and(|scope| scope.contains(&format!("/{REGION}/")));
    if !is_home {
        return relay(mini_stack, &mini_stack.url, request).await;
    }
    take_over(beside, mini_stack).await;
    relay(mini_stack, &beside.secrets_manager_url(), request).await
}

/// As CloudFormation would have made them there.
async fn take_over(beside: &Beside, mini_stack: &MiniStack) {
    let all = mini_stack
        .call("secretsmanager.ListSecrets", &json!({}))
        .await;
    let names = all["SecretList"].as_array().into_iter().flatten();
    for name in names.filter_map(|secret| secret["Name"].as_str()) {
        if beside.world.secrets_manager.snapshot(name).is_none() {
            beside.take_over(name).await;
        }
    }
}
