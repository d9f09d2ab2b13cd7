//! The event that the function was called with.

use jiff::Timestamp;
use serde_json::Value;
use shared::events::{Left, Totals};
use shared::failure::{Failure, Kind};
use shared::ids::DirectoryId;
use shared::json;

/// A check.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The schedule's time, which is *now* for all that is decided.
    pub now: Timestamp,
    /// Only say what would be done.
    pub dry_run: bool,
    /// What it looks at.
    pub scope: Scope,
    /// The part of the check, from 1.
    pub part: u32,
    /// What the parts before have counted.
    pub so_far: Totals,
}

/// What a check looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All mailbox secrets.
    All,
    /// What an earlier part had no time for.
    Left(Left),
    /// One secret, and those that share a leaked client secret with it.
    Requested(Requested),
}

/// A secret whose leaked client secret was just replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// Its ARN.
    pub arn: String,
    /// The version that was promoted, if that is known.
    pub promoted: Option<String>,
}

impl Check {
    /// What was asked for one secret only.
    pub fn requested(&self) -> Option<&Requested> {
        match &self.scope {
            Scope::Requested(requested) => Some(requested),
            Scope::All | Scope::Left(_) => None,
        }
    }

    /// Reads EventBridge's scheduled event, our own `Check Continues` and `Check Requested`, or
    /// `{"dry_run": true}` by hand. Without `time` it is `machine`, the machine's clock.
    ///
    /// # Errors
    /// [`Kind::Refused`], naming the field.
    pub fn read(event: &Value, machine: Timestamp) -> Result<Self, Failure> {
        if !event.is_object() {
            return Err(wrong("it is not an object"));
        }
        let detail_type = event.get("detail-type").and_then(Value::as_str);
        let continues = detail_type == Some("Check Continues");
        let requested = detail_type == Some("Check Requested");
        let (source, at) = match event.get("detail") {
            Some(detail) if continues || requested => (detail, "detail."),
            _ => (event, ""),
        };
        let now = match source.get("time") {
            None => machine,
            Some(time) => time
                .as_str()
                .and_then(|time| time.parse().ok())
                .ok_or_else(|| {
                    wrong(&format!(
                        "{at}time is not a timestamp such as 2026-11-23T06:00:00Z"
                    ))
                })?,
        };
        let dry_run = match event.get("dry_run") {
            None => false,
            Some(Value::Bool(dry_run)) => *dry_run,
            Some(_) => return Err(wrong("dry_run is not true or false")),
        };
        let text = |field: &str, wanted: bool| match source.get(field).filter(|_| wanted) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(wrong(&format!("detail.{field} is not a text"))),
        };
        let tenants: Option<Vec<DirectoryId>> =
            field(source, "tenants", continues, json::read_value)?;
        let without_tenant = field(source, "without_tenant", continues, json::read_value)?;
        let rotations_wait = field(source, "rotations_wait", continues, json::read_value)?;
        let part = field(source, "part", continues, json::read_value)?.unwrap_or(1);
        let so_far = field(source, "totals", continues, json::read_value)?.unwrap_or_default();
        let scope = match (text("secret_arn", requested)?, tenants) {
            (Some(arn), _) => Scope::Requested(Requested {
                arn,
                promoted: text("token", true)?,
            }),
            (None, _) if requested => return Err(wrong("detail.secret_arn is missing")),
            (None, Some(tenants)) => Scope::Left(Left {
                tenants,
                without_tenant: without_tenant.unwrap_or(false),
                rotations_wait: rotations_wait.unwrap_or(false),
            }),
            // What an earlier release published says where to go on in another way: all of it again harms nobody.
            (None, None) => Scope::All,
        };
        // A call by hand that misspells dry_run must not become a check that acts.
        if source.get("time").is_none() && event.get("dry_run").is_none() {
            return Err(wrong(
                "it has neither time, as the schedule's event has, nor dry_run",
            ));
        }
        Ok(Self {
            now,
            dry_run,
            scope,
            part,
            so_far,
        })
    }
}

/// A field of `Check Continues`; what earlier releases published does not have all of them.
fn field<T>(
    detail: &Value,
    name: &str,
    wanted: bool,
    read: fn(&Value) -> Result<T, String>,
) -> Result<Option<T>, Failure> {
    let field = detail.get(name).filter(|_| wanted);
    let read = field
        .map(|field| read(field).map_err(|problem| wrong(&format!("detail.{name}: {problem}"))));
    read.transpose()
}

fn wrong(problem: &str) -> Failure {
    Failure::new(Kind::Refused, format!("reading the event: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MACHINE: Timestamp = Timestamp::UNIX_EPOCH;

    fn tenant() -> DirectoryId {
        DirectoryId::read("00000000-0000-4000-8000-000000000001").unwrap()
    }

    #[test]
    fn the_schedules_time_is_now() {
        let event = json!({"version": "0", "detail-type": "Scheduled Event", "source": "aws.events",
            "time": "2026-11-23T06:00:00Z", "detail": {}});
        let check = Check::read(&event, MACHINE).unwrap();
        assert_eq!(check.now.to_string(), "2026-11-23T06:00:00Z");
        assert!(!check.dry_run);
    }

    #[test]
    fn a_continued_check_keeps_its_time() {
        let event = json!({"detail-type": "Check Continues", "source": "shopmail", "time": "2026-11-23T06:14:00Z",
            "detail": {"id": "x", "tenants": [tenant()], "time": "2026-11-23T06:00:00Z"}});
        let check = Check::read(&event, MACHINE).unwrap();
        assert_eq!(check.now.to_string(), "2026-11-23T06:00:00Z");
        let left = Left {
            tenants: vec![tenant()],
            without_tenant: false,
            rotations_wait: false,
        };
        assert_eq!(check.scope, Scope::Left(left));
        assert_eq!((check.part, check.so_far), (1, Totals::default()));
    }

    #[test]
    fn a_part_goes_on_with_what_those_before_have_counted() {
        let mut so_far = Totals::default();
        so_far.counts.checked = 7;
        so_far.calls = 99;
        let event = json!({"detail-type": "Check Continues", "source": "shopmail",
            "detail": {"id": "x", "tenants": [tenant()], "time": "2026-11-23T06:00:00Z", "part": 3, "totals": so_far}});
        let check = Check::read(&event, MACHINE).unwrap();
        assert_eq!((check.part, check.so_far), (3, so_far));
    }

    #[test]
    fn a_requested_check_is_of_one_secret_at_the_promotions_time() {
        let event = json!({"detail-type": "Check Requested", "source": "shopmail", "time": "2026-11-23T06:00:09Z",
            "detail": {"id": "x", "secret": "s", "secret_arn": "arn", "time": "2026-11-23T06:00:00Z"}});
        let check = Check::read(&event, MACHINE).unwrap();
        assert_eq!(check.now.to_string(), "2026-11-23T06:00:00Z");
        let only = check.requested().unwrap();
        assert_eq!((only.arn.as_str(), &only.promoted), ("arn", &None));
    }

    #[test]
    fn the_sample_payloads_are_what_their_names_say() {
        let read = |sample: &str| {
            let check = Check::read(&serde_json::from_str(sample).unwrap(), MACHINE).unwrap();
            (check.dry_run, check.part, check.scope)
        };
        let left = Left {
            tenants: vec![DirectoryId::read("0b5a7c1e-6c0e-4f0a-9b1d-3a1f0f1c2d3e").unwrap()],
            without_tenant: false,
            rotations_wait: false,
        };
        for (sample, meant) in [
            (
                include_str!("../../../infra/events/schedule.json"),
                (false, 1, Scope::All),
            ),
            (
                include_str!("../../../infra/events/check-now.json"),
                (false, 1, Scope::All),
            ),
            (
                include_str!("../../../infra/events/dry-run.json"),
                (true, 1, Scope::All),
            ),
            (
                include_str!("../../../infra/events/check-continues.json"),
                (false, 2, Scope::Left(left)),
            ),
        ] {
            assert_eq!(read(sample), meant);
        }
        let requested = read(include_str!("../../../infra/events/check-requested.json"));
        let (false, 1, Scope::Requested(of)) = requested else {
            panic!("{requested:?}");
        };
        assert!(of.arn.contains(":secret:shopmail/orders-") && of.promoted.is_some());
    }

    #[test]
    fn wrong_events_are_refused_and_the_field_is_named() {
        for (event, field) in [
            (json!([]), "object"),
            (json!({}), "dry_run"),
            (json!({"dry-run": true}), "dry_run"),
            (json!({"time": 5}), "time"),
            (json!({"time": "yesterday"}), "time"),
            (json!({"dry_run": "yes"}), "dry_run"),
            (
                json!({"detail-type": "Check Continues", "detail": {"tenants": ["x"]}}),
                "tenants",
            ),
            (
                json!({"detail-type": "Check Continues", "detail": {"tenants": [], "without_tenant": 1}}),
                "without_tenant",
            ),
            (
                json!({"detail-type": "Check Continues", "detail": {"part": -1, "time": "2026-11-23T06:00:00Z"}}),
                "part",
            ),
            (
                json!({"detail-type": "Check Continues", "detail": {"totals": [], "time": "2026-11-23T06:00:00Z"}}),
                "totals",
            ),
            (
                json!({"detail-type": "Check Requested", "detail": {"time": "2026-11-23T06:00:00Z"}}),
                "secret_arn",
            ),
        ] {
            let failure = Check::read(&event, MACHINE).unwrap_err();
            assert_eq!(failure.kind, Kind::Refused);
            assert!(failure.what.contains(field), "{event}: {failure}");
        }
    }
}
