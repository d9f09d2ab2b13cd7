//! What `notifier` may do: events of the bus go to it through its queue.

use deployed::until::until;
use serde_json::json;

use crate::account::Account;

const CONTACT: Option<&str> = Some("owner@agency.example");

/// Mails, to a contact and to who runs the system.
pub async fn mails(account: &Account) {
    let ses = ["NotifierRole", "MailsAsTheSender", "ses:SendEmail", "*"];
    let sns = [
        "NotifierRole",
        "PublishesToTheTopic",
        "sns:Publish",
        "Notices",
    ];
    looks_whether_mail_would_arrive(account).await;
    let mailed = account.mini_stack.mails().await.len();
    let asks_contact = async || publish(account, "00000000000000a1", CONTACT).await;
    account.without(ses, asks_contact).await;
    let asks_somebody = async || publish(account, "00000000000000a2", None).await;
    account.without(sns, asks_somebody).await;
    publish(account, "00000000000000a3", CONTACT).await;
    until("the contact is mailed", async || {
        let mails = account.mini_stack.mails().await;
        (mails.len() > mailed).then_some(())
    })
    .await;
}

async fn looks_whether_mail_would_arrive(account: &Account) {
    let preflight = json!({"Action": "preflight"});
    let looks = async || account.invoke("notifier", &preflight).await;
    for [sid, action, on] in [
        [
            "SeesWhoIsSubscribed",
            "sns:ListSubscriptionsByTopic",
            "Notices",
        ],
        ["SeesWhetherTheAccountMaySend", "ses:GetAccount", "*"],
        [
            "SeesWhetherTheSenderIsVerified",
            "ses:GetEmailIdentity",
            "identity/*",
        ],
    ] {
        account
            .without(["NotifierRole", sid, action, on], looks)
            .await;
    }
    let answer = looks().await;
    assert!(
        answer.contains("rows") && !answer.contains("not_visible"),
        "{answer}"
    );
}

async fn publish(account: &Account, id: &str, contact: Option<&str>) -> String {
    let detail = json!({
        "id": id, "secret": "shopmail/orders", "contact": contact,
        "secret_arn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shopmail/orders-AbCdEf",
        "mailbox": "orders@shop.example", "reason": "no_grant",
        "link": "https://mail-access.example/authorize?ticket=a", "link_expires_at": "2027-01-01T00:00:00Z",
    });
    let entry = json!({
        "Source": "shopmail", "DetailType": "Authorization Required", "Detail": detail.to_string(),
    });
    let entries = json!({"Entries": [entry]});
    account
        .aws("AWSEvents.PutEvents", entries)
        .await
        .to_string()
}
