//! What the system's stack has besides what the story goes through.

use std::collections::BTreeSet;

use simulators::aws::template::template;

use crate::Story;

/// The alarms by their names in the template, but for the one that MiniStack cannot have.
fn alarms() -> BTreeSet<&'static str> {
    let resources = template().unwrap()["Resources"].as_object().unwrap();
    let alarms = resources.iter().filter(|(name, resource)| {
        resource["Type"] == "AWS::CloudWatch::Alarm" && *name != "NoticesLost"
    });
    alarms.map(|(name, _)| name.as_str()).collect()
}

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
        let deployed = self
            .words(&format!(
                "aws cloudwatch describe-alarms --output text \
                 --query \"MetricAlarms[?AlarmActions==['{topic}']].AlarmName\""
            ))
            .await;
        // "shopmail-<name in the template>-<what makes it unique>".
        let names = deployed.iter().filter_map(|name| name.split('-').nth(1));
        assert_eq!(names.collect::<BTreeSet<_>>(), alarms());
        assert_eq!(deployed.len(), alarms().len(), "{deployed:?}");
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
