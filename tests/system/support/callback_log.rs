//! What `oauth-callback` logs of a request, found by the reference on the request's page.

use serde_json::Value;
use simulators::browser::Page;

use super::Scenario;
use super::visitor::reference;

impl Scenario {
    /// The log lines of the request with the page's reference, the last one included.
    pub async fn log_of(&self, page: &Page) -> Vec<Value> {
        self.log_of_reference(reference(page)).await
    }

    /// The log lines of the request with this reference, the last one included.
    pub async fn log_of_reference(&self, reference: &str) -> Vec<Value> {
        // A line comes through a pipe, and may come a moment after the answer.
        let mut news = self.world.lambda.subscribe();
        loop {
            let lines = self.world.lambda.logs().into_iter();
            let lines: Vec<Value> = lines
                .filter(|line| line.function == "oauth-callback")
                .map(|line| {
                    serde_json::from_str::<Value>(&line.line).expect("a JSON object a line")
                })
                .filter(|line| line["span"]["reference"] == reference)
                .collect();
            if lines.iter().any(|line| line["outcome"].is_string()) {
                return lines;
            }
            let wait = tokio::time::timeout(std::time::Duration::from_secs(10), news.recv()).await;
            wait.unwrap_or_else(|_| panic!("{reference} is not in the log"))
                .ok();
        }
    }

    /// The outcome that the log has for a page, by the page's reference.
    pub async fn outcome(&self, page: &Page) -> String {
        let lines = self.log_of(page).await;
        let outcome = lines.iter().find_map(|line| line["outcome"].as_str());
        outcome.unwrap_or_default().to_owned()
    }
}
