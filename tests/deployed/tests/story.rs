//! Both templates deployed, and a mailbox from its first check to its first rotation.

use deployed::{Access, Checkout, Functions, MiniStack, Programs, Templates, Terminal, stacks};

#[tokio::test(flavor = "multi_thread")]
async fn both_templates_deploy() {
    let Some(programs) = Programs::or_say("both_templates_deploy") else {
        return;
    };
    let mini_stack = MiniStack::start(&programs, Access::Open).await;
    let functions = Functions::built().unwrap();
    let checkout = Checkout::new(&Templates::for_mini_stack(), &functions);
    let terminal = Terminal::new(&checkout, &programs, mini_stack.client_env());
    let outputs = stacks::deploy_system(&terminal, &[("NotifyEmail", "it@shop.example")]).await;
    assert!(outputs.contains_key("RotationRoleArn"), "{outputs:?}");
    let mailbox = [
        ("Name", "orders"),
        ("Mailbox", "orders@shop.example"),
        ("Contact", "it@shop.example"),
        ("TenantId", "0b5a7c1e-6c0e-4f0a-9b1d-3a1f0f1c2d3e"),
        ("ClientId", "8e4b3f52-1d0c-4c54-9f0e-0a7d3f1b2c4d"),
        ("RotatorClientId", "5d8e2a90-3b1f-4c7d-8a6e-2f9c0b1d4e5a"),
        ("ShopCtrlUi", "https://shop.example"),
        ("ShopCtrlApi", "https://shop.example/v1"),
        ("ShopId", "12"),
        ("ShopCtrlCredentials", "shopmail-shopctrl/shop.example"),
    ];
    let outputs = stacks::deploy_mailbox(&terminal, "shopmail-orders", &mailbox).await;
    eprintln!("{outputs:#?}");
}
