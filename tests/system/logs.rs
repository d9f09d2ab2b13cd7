//! What the engineer on call reads: JSON lines that say of which secret, rotation and step they are.

use serde_json::Value;

use crate::support::Scenario;
use crate::support::steps::{STEPS, TOKEN};

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_step_is_json_and_names_secret_token_and_step() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    for name in STEPS {
        scenario.take_step(name, TOKEN).await;
    }
    // And one that fails.
    let refused = scenario
        .step("setSecret", "77777777-2222-4333-8444-000000000000")
        .await;
    assert_eq!(refused.error_type(), Some("Refused"));
    let lines = scenario.world.lambda.logs();
    let mut steps = Vec::new();
    for line in lines.iter().filter(|line| line.function == "rotation") {
        let line: Value = serde_json::from_str(&line.line).expect("JSON");
        assert!(
            line["message"].is_string() && line["level"].is_string(),
            "{line}"
        );
        assert!(line["requestId"].is_string(), "{line}");
        assert_eq!(line["span"]["secret"], "shopmail/orders", "{line}");
        assert!(line["span"]["token"].is_string(), "{line}");
        steps.push(line["span"]["step"].as_str().expect("a step").to_owned());
        if line["level"] == "ERROR" {
            assert_eq!(line["kind"], "Refused");
            assert!(
                line["failure"]
                    .as_str()
                    .unwrap()
                    .contains("no version with this token")
            );
        }
    }
    for name in STEPS {
        assert!(steps.iter().any(|step| step == name), "{name}: {steps:?}");
    }
}
