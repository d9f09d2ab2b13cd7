//! What MiniStack 1.5.33 cannot take of the templates, one edit each.

use super::Template;

/// "AWS::CloudWatch::Alarm Properties.Metrics (metric math) is not supported": the stack would be rolled back.
pub(super) fn alarms_have_no_metric_math(system: &mut Template) {
    system.remove_resource("NoticesLost");
}

/// "Unrecognized resource types: [AWS::SecretsManager::RotationSchedule]". Who has a Secrets Manager that rotates calls
/// RotateSecret as CloudFormation would: [`crate::secrets`].
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
