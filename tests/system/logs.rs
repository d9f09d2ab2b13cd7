//! What the engineer on call reads: JSON lines that say of which secret, rotation and step they are.

use serde_json::Value;
use simulators::world::{MailboxPlan, World, short_waits};

use crate::steps::{STEPS, TOKEN, begin, step, succeeded};

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_step_is_json_and_names_secret_token_and_step() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    begin(&world, &mailbox, TOKEN);
    for name in STEPS {
        succeeded(name, &step(&world, &mailbox, name, TOKEN).await);
    }
    // And one that fails.
    let refused = step(
        &world,
        &mailbox,
        "setSecret",
        "77777777-2222-4333-8444-000000000000",
    )
    .await;
    assert_eq!(refused.error_type(), Some("Refused"));
    let lines = world.lambda.logs();
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
