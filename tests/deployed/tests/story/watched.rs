//! What the system's stack has besides what the story goes through.

use std::collections::BTreeSet;

use crate::Story;

/// But for NoticesLost, which MiniStack cannot have.
const ALARMS: [&str; 9] = [
    "CallbackFails",
    "CheckerFails",
    "CheckerSilent",
    "EndNearWithoutRotation",
    "EndNotKnown",
    "MailUnsent",
    "MailboxesNotWell",
    "NoticesLate",
    "RotationCutOff",
];

impl Story {
    /// A command's answer, one word a line.
    async fn words(&self, command: &str) -> BTreeSet<String> {
        let told = self.terminal.run(command).await;
        told.split_whitespace().map(str::to_owned).collect()
    }

    /// What the stack has besides what the story goes through.
    pub async fn assert_watched(&self) {
        let named: BTreeSet<&str> = self.system.keys().map(String::as_str).collect();
        let outputs = [
            "CallbackUrl",
            "NoticesTopicArn",
            "RotationFunctionArn",
            "RotationRoleArn",
        ];
        assert_eq!(named, outputs.into());
        let callback = format!("{}/callback", self.beside.world.callback_url);
        assert_eq!(self.system["CallbackUrl"], callback);
        let topic = &self.system["NoticesTopicArn"];
        let alarms = self
            .words(&format!(
                "aws cloudwatch describe-alarms --output text \
                 --query \"MetricAlarms[?AlarmActions==['{topic}']].AlarmName\""
            ))
            .await;
        for alarm in ALARMS {
            let is_it = |name: &String| name.starts_with(&format!("shopmail-{alarm}-"));
            assert!(alarms.iter().any(is_it), "{alarm} in {alarms:?}");
        }
        assert_eq!(alarms.len(), ALARMS.len(), "{alarms:?}");
        for function in ["rotation", "expiry-checker", "oauth-callback", "notifier"] {
            let group = format!("/aws/lambda/shopmail-{function}");
            let kept = format!(
                "aws logs describe-log-groups --log-group-name-prefix {group} \
                 --query 'logGroups[].retentionInDays' --output text"
            );
            assert_eq!(self.words(&kept).await, ["90".to_owned()].into());
            let lines = format!(
                "aws logs filter-log-events --log-group-name {group} --query 'events[].message' \
                 --output text"
            );
            let lines = self.terminal.run(&lines).await;
            assert!(lines.contains("\"level\":\"INFO\""), "{group}: {lines}");
        }
    }
}
