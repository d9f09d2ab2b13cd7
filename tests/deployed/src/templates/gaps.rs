//! What MiniStack 1.5.33 cannot take of the templates, one edit each.

use super::Template;

/// "AWS::CloudWatch::Alarm Properties.Metrics (metric math) is not supported": the stack would be rolled back.
pub(super) fn alarms_have_no_metric_math(system: &mut Template) {
    system.remove_resource("NoticesLost");
}

/// `Unrecognized resource types: [AWS::SecretsManager::RotationSchedule]`. The simulated Secrets Manager is called as
/// CloudFormation would call it, by [`crate::Beside::schedule_rotation`].
pub(super) fn no_rotation_schedules(mailbox: &mut Template) {
    mailbox.remove_resource("BackstopRotation");
}

/// `!Ref` of a secret is its ARN ("Ref returns the ARN", AWS::SecretsManager::Secret), and MiniStack's is its name.
pub(super) fn secrets_by_their_arn(mailbox: &mut Template) {
    mailbox.replace(
        "Value: !Ref MailboxSecret",
        "Value: !GetAtt MailboxSecret.Arn",
    );
    mailbox.replace("Value: !Ref Grants", "Value: !GetAtt Grants.Arn");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::mini_stack::{Access, MiniStack};
    use crate::programs::Programs;
    use crate::until::until;

    /// An operation of CloudFormation's, and its answer.
    async fn cloud_formation(
        mini_stack: &MiniStack,
        operation: &str,
        asked: &[(&str, &str)],
    ) -> String {
        let always = [("Action", operation), ("Version", "2010-05-15")];
        let asked = [&always[..], asked].concat();
        let answer = mini_stack.query("cloudformation", &asked).await;
        answer.unwrap_or_else(|refused| refused)
    }

    /// What becomes of a stack with this one resource, and an output with its `Ref`.
    async fn stack_of(mini_stack: &MiniStack, name: &str, resource: Value) -> String {
        let template = json!({
            "Resources": {"It": resource}, "Outputs": {"Ref": {"Value": {"Ref": "It"}}},
        });
        let (name, template) = (("StackName", name), template.to_string());
        let create = [name, ("TemplateBody", &template)];
        let created = cloud_formation(mini_stack, "CreateStack", &create).await;
        if !created.contains("<StackId>") {
            return created;
        }
        until("a stack", async || {
            let events = cloud_formation(mini_stack, "DescribeStackEvents", &[name]).await;
            let stack = cloud_formation(mini_stack, "DescribeStacks", &[name]).await;
            let ended =
                ["CREATE_COMPLETE", "ROLLBACK_COMPLETE"].map(|end| format!(">{end}</StackStatus>"));
            let ended = ended.iter().any(|end| stack.contains(end));
            ended.then(|| format!("{stack}{events}"))
        })
        .await
    }

    #[tokio::test]
    async fn each_gap_is_there_still_or_its_edit_can_go() {
        let Some(programs) = Programs::or_say() else {
            return;
        };
        let mini_stack = MiniStack::start(&programs, Access::Open).await;
        let alarm = json!({"Type": "AWS::CloudWatch::Alarm", "Properties": {
            "Metrics": [{"Id": "a", "Expression": "TIME_SERIES(1)"}], "Threshold": 1,
            "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold",
        }});
        let alarm = stack_of(&mini_stack, "alarm", alarm).await;
        assert!(alarm.contains("(metric math) is not supported"), "{alarm}");
        let schedule = json!({"Type": "AWS::SecretsManager::RotationSchedule", "Properties": {"SecretId": "x"}});
        let schedule = stack_of(&mini_stack, "schedule", schedule).await;
        assert!(
            schedule.contains("Unrecognized resource types"),
            "{schedule}"
        );
        let secret =
            json!({"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "without"}});
        let secret = stack_of(&mini_stack, "secret", secret).await;
        assert!(
            secret.contains("<OutputValue>without</OutputValue>"),
            "{secret}"
        );
        let value = mini_stack
            .call(
                "secretsmanager.GetSecretValue",
                &json!({"SecretId": "without"}),
            )
            .await;
        assert_eq!(value["SecretString"], "");
        mini_stack.take_the_empty_version_away("without").await;
        let left = mini_stack
            .call(
                "secretsmanager.DescribeSecret",
                &json!({"SecretId": "without"}),
            )
            .await;
        assert!(!left.to_string().contains("AWSCURRENT"), "{left}");
    }
}
