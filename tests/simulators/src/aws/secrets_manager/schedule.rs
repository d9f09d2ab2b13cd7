//! `RotationRules`: how often a secret rotates by itself.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::aws::aws_json::AwsError;

/// `RotationRules`, as they go over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RotationRules {
    /// 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automatically_after_days: Option<i64>,
    /// The window's length, `3h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// `rate(10 days)`, `rate(4 hours)`. A `cron()` is taken, but its dates are not computed: such a
    /// secret has no `NextRotationDate` and never becomes due by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_expression: Option<String>,
}

impl RotationRules {
    /// Rules with `AutomaticallyAfterDays`.
    #[must_use]
    pub fn every_days(days: i64) -> Self {
        Self {
            automatically_after_days: Some(days),
            ..Self::default()
        }
    }

    pub(super) fn check(&self) -> Result<(), AwsError> {
        let refuse = |message: &str| Err(AwsError::new("InvalidParameterException", message));
        match (self.automatically_after_days, &self.schedule_expression) {
            (Some(_), Some(_)) => {
                refuse("You can't specify both AutomaticallyAfterDays and ScheduleExpression.")
            }
            (Some(days), None) if !(1..=1000).contains(&days) => {
                refuse("AutomaticallyAfterDays must be between 1 and 1000.")
            }
            (None, Some(expression)) if expression.starts_with("cron(") => Ok(()),
            // "As often as every four hours" (Rotation schedules).
            (None, Some(expression)) => match rate(expression) {
                Some(every) if every >= SignedDuration::from_hours(4) => Ok(()),
                Some(_) => refuse("A secret can't rotate more often than every four hours."),
                None => refuse("Invalid ScheduleExpression."),
            },
            _ => Ok(()),
        }
    }

    /// When the service starts a rotation by itself, counted from the last one.
    #[must_use]
    pub fn next_after(&self, last: Timestamp) -> Option<Timestamp> {
        let every = match (self.automatically_after_days, &self.schedule_expression) {
            (Some(days), _) => SignedDuration::from_hours(days.checked_mul(24)?),
            (None, Some(expression)) => rate(expression)?,
            (None, None) => return None,
        };
        last.checked_add(every).ok()
    }
}

fn rate(expression: &str) -> Option<SignedDuration> {
    let inner = expression.strip_prefix("rate(")?.strip_suffix(')')?;
    let (number, unit) = inner.trim().split_once(' ')?;
    let number: i64 = number.parse().ok().filter(|&number| number > 0)?;
    let hours = match unit.trim() {
        "hour" | "hours" => 1,
        "day" | "days" => 24,
        _ => return None,
    };
    Some(SignedDuration::from_hours(number.checked_mul(hours)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(text: &str) -> RotationRules {
        RotationRules {
            schedule_expression: Some(text.to_owned()),
            ..RotationRules::default()
        }
    }

    #[test]
    fn rates_and_days_give_the_next_date() {
        let last: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let next = |rules: RotationRules| rules.next_after(last).map(|next| next.to_string());
        assert_eq!(
            next(RotationRules::every_days(30)).unwrap(),
            "2027-01-31T00:00:00Z"
        );
        assert_eq!(
            next(expression("rate(10 days)")).unwrap(),
            "2027-01-11T00:00:00Z"
        );
        assert_eq!(
            next(expression("rate(4 hours)")).unwrap(),
            "2027-01-01T04:00:00Z"
        );
        assert_eq!(next(expression("cron(0 8 1 * ? *)")), None);
    }

    #[test]
    fn what_the_service_refuses_is_refused() {
        assert!(expression("rate(3 hours)").check().is_err());
        assert!(expression("every day").check().is_err());
        assert!(RotationRules::every_days(1001).check().is_err());
        let both = RotationRules {
            automatically_after_days: Some(1),
            ..expression("rate(1 day)")
        };
        assert!(both.check().is_err());
        assert!(expression("cron(0 8 1 * ? *)").check().is_ok());
    }
}
