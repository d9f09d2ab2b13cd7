//! The programs of `infra/onboarding` against CloudFormation, as MiniStack has it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use deployed::terminal::quoted;
use deployed::{Site, Terminal};
use serde_json::Value;

const DEFAULTS: &str = "\
TenantId=0b5a7c1e-6c0e-4f0a-9b1d-3a1f0f1c2d3e
RotatorClientId=5d8e2a90-3b1f-4c7d-8a6e-2f9c0b1d4e5a
ShopCtrlUi=https://shop.example
ShopCtrlApi=https://shop.example/v1
ShopCtrlCredentials=shopmail-shopctrl/shop.example
Contact=it@shop.example
";
const LIST: &str = "\
Name,Mailbox,ClientId,ShopId
orders,orders@shop.example,8e4b3f52-1d0c-4c54-9f0e-0a7d3f1b2c4d,12
returns,returns@shop.example,7d3a2e41-2c1b-4d65-8e1f-1b6c4e2a3d5f,13
";
const NAMES: [&str; 2] = ["orders", "returns"];
const ADD: &str = "infra/onboarding/add-mailboxes list.csv";

/// An AWS CLI whose caller dies at a call of which a file has the number, as soon as that call has had its effect.
fn put_deadly_aws(folder: &Path, aws: &str) {
    let path = folder.join("aws");
    let (folder, aws) = (quoted(folder.display()), quoted(aws));
    let script = format!(
        "#!/bin/sh\nleft=$(($(cat {folder}/calls) - 1))\necho $left > {folder}/calls\n\
         if [ $left -ne 0 ]; then exec {aws} \"$@\"; fi\n\
         {aws} \"$@\" > {folder}/said 2>&1\nkill -KILL $PPID\n"
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

async fn described(terminal: &Terminal, command: &str) -> Option<Value> {
    let ran = terminal
        .try_to_run(&format!("{command} --output json"))
        .await;
    ran.succeeded
        .then(|| serde_json::from_str(&ran.output).unwrap())
}

/// Of a secret that CloudFormation has made without a value.
async fn take_empty_versions_away(site: &Site) {
    for name in NAMES {
        let value = format!("aws secretsmanager get-secret-value --secret-id shopmail/{name}");
        let value = described(&site.terminal, &value).await;
        if value.is_some_and(|value| value["SecretString"] == "") {
            let secret = format!("shopmail/{name}");
            site.mini_stack.take_the_empty_version_away(&secret).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_dies_at_one_call_after_the_other_is_finished_by_a_run_that_lives() {
    let Some(site) = Site::start_or_say().await else {
        return;
    };
    let (checkout, terminal) = (site.checkout.path(), &site.terminal);
    std::fs::write(checkout.join("mailbox-defaults"), DEFAULTS).unwrap();
    std::fs::write(checkout.join("list.csv"), LIST).unwrap();
    let plan = terminal.run(ADD).await;
    assert_eq!(
        plan.matches("create the stack; put the document").count(),
        2,
        "{plan}"
    );

    let deadly = tempfile::tempdir().unwrap();
    let aws = terminal.run("command -v aws").await;
    put_deadly_aws(deadly.path(), aws.trim_end());
    let folder = quoted(deadly.path().display());
    for calls in [3, 5, 4, 7, 6] {
        // By Python itself: what the path has of it may be a script that puts an `aws` of its own before this one.
        let command = format!(
            "python=$(python3 -c 'import sys; print(sys.executable)'); echo {calls} > {folder}/calls
            PATH={folder}:$PATH \"$python\" {ADD} --apply"
        );
        let ran = terminal.try_to_run(&command).await;
        assert!(!ran.succeeded, "{calls}: {}", ran.output);
        take_empty_versions_away(&site).await;
    }
    let last = terminal.run(&format!("{ADD} --apply")).await;
    assert!(last.contains("Done: "), "{last}");
    // MiniStack has no rotation schedules: that alone is left over.
    let plan = terminal.run(ADD).await;
    assert!(
        !plan.contains("stack;") && !plan.contains("document"),
        "{plan}"
    );
    for name in NAMES {
        let stack = format!("aws cloudformation describe-stacks --stack-name shopmail-{name}");
        let stack = described(terminal, &stack).await.unwrap();
        let value = format!("aws secretsmanager get-secret-value --secret-id shopmail/{name}");
        let value = described(terminal, &value).await.unwrap();
        let document: Value =
            serde_json::from_str(value["SecretString"].as_str().unwrap()).unwrap();
        assert_eq!(document["connections"][0]["id"], format!("{name}-in"));
        // Put once, by the token that is the same each time.
        let token = stack["Stacks"][0]["StackId"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next();
        assert_eq!(value["VersionId"].as_str(), token);
    }
}
