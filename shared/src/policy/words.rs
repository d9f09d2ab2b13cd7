//! The words of a policy, as settings and as the tag `shopmail:policy` write them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::Policy;
use super::calendar::{Calendar, Window};
use crate::config::Reader;
use crate::failure::{Failure, Kind, sanitized_code};

/// The tag that holds a mailbox's own policy, as `renew-before=P45D window=mon-fri/09:00-17:00
/// time-zone=Europe/Amsterdam freeze=2026-11-23/2026-12-28`. What it leaves out comes from the settings. Of windows and
/// freezes there may be several; of the rest a second one would leave open which counts.
pub const TAG: &str = "shopmail:policy";

/// Values with spaces between.
#[derive(Debug)]
struct Several<T>(Vec<T>);

impl<T: FromStr> FromStr for Several<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        let values = text.split_ascii_whitespace().map(str::parse);
        Ok(Self(values.collect::<Result<_, _>>()?))
    }
}

impl Policy {
    /// Reads `RENEW_BEFORE` (default `P30D`), `RENEW_SHARE` (`none`), `HARD_STOP` (`P7D`), `THRESHOLDS`
    /// (`30/14/7/3/1`), `TIME_ZONE` (`UTC`), `WINDOW` (`any`) and `FREEZE` (none).
    pub fn read<F: Fn(&str) -> Option<String>>(reader: &mut Reader<F>) -> Self {
        let default = Self::default();
        Self {
            renew_before: reader.or("RENEW_BEFORE", default.renew_before),
            renew_share: reader.or("RENEW_SHARE", default.renew_share),
            hard_stop: reader.or("HARD_STOP", default.hard_stop),
            thresholds: reader.or("THRESHOLDS", default.thresholds),
            calendar: Calendar {
                zone: reader.or("TIME_ZONE", default.calendar.zone),
                windows: reader.or("WINDOW", Several(Vec::new())).0,
                freezes: reader.or("FREEZE", Several(Vec::new())).0,
            },
        }
    }

    /// This policy, changed by what the mailbox's tag says. Its windows take the place of the settings', its
    /// freezes come on top.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`], naming the word of the tag that is wrong.
    pub fn with_tag(mut self, tag: Option<&str>) -> Result<Self, Failure> {
        let mut windows: Vec<Window> = Vec::new();
        let mut given = BTreeSet::new();
        for word in tag.unwrap_or_default().split_ascii_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            if !matches!(name, "window" | "freeze" | "default") && !given.insert(name) {
                return Err(wrong(&format!("{name} is given twice")));
            }
            match name {
                "renew-before" => self.renew_before = read(name, value)?,
                "renew-share" => self.renew_share = read(name, value)?,
                "hard-stop" => self.hard_stop = read(name, value)?,
                "thresholds" => self.thresholds = read(name, value)?,
                "time-zone" => self.calendar.zone = read(name, value)?,
                "window" => windows.push(read(name, value)?),
                "freeze" => self.calendar.freezes.push(read(name, value)?),
                // The name of a policy, without a setting of its own.
                "default" => {}
                _ => return Err(unknown(name)),
            }
        }
        if !windows.is_empty() {
            self.calendar.windows = windows;
        }
        Ok(self)
    }
}

fn read<T: FromStr>(name: &str, value: &str) -> Result<T, Failure>
where
    T::Err: fmt::Display,
{
    let wrong_value = |error| wrong(&format!("{name} is {error}"));
    value.parse().map_err(wrong_value)
}

fn unknown(name: &str) -> Failure {
    wrong(&format!(
        "the word \"{}\" is none of renew-before=, renew-share=, hard-stop=, thresholds=, time-zone=, window= and freeze=",
        sanitized_code(name)
    ))
}

fn wrong(problem: &str) -> Failure {
    Failure::new(
        Kind::Misconfigured,
        format!("reading the tag {TAG}: {problem}"),
    )
    .next_step("Correct the tag.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings(settings: &[(&str, &str)]) -> Result<Policy, Failure> {
        let lookup = |name: &str| {
            let mut named = settings.iter().filter(|(setting, _)| *setting == name);
            named.next().map(|(_, value)| (*value).to_owned())
        };
        let mut reader = Reader::new(lookup);
        let policy = Policy::read(&mut reader);
        reader.finish().map(|()| policy)
    }

    fn tagged(tag: &str) -> Policy {
        Policy::default().with_tag(Some(tag)).unwrap()
    }

    #[test]
    fn settings_and_tag_have_the_same_words() {
        let of_settings = settings(&[
            ("RENEW_BEFORE", "P45D"),
            ("RENEW_SHARE", "1/10"),
            ("HARD_STOP", "P5D"),
            ("THRESHOLDS", "60/21/7"),
            ("TIME_ZONE", "Europe/Amsterdam"),
            ("WINDOW", "mon-thu/09:00-17:00 fri/09:00-12:00"),
            ("FREEZE", "2026-11-23/2026-12-28 2027-11-22/2027-12-27"),
        ]);
        let of_tag = tagged(
            "renew-before=P45D renew-share=1/10 hard-stop=P5D thresholds=60/21/7 time-zone=Europe/Amsterdam window=mon-thu/09:00-17:00 window=fri/09:00-12:00 freeze=2026-11-23/2026-12-28 freeze=2027-11-22/2027-12-27",
        );
        assert_eq!(of_settings.unwrap(), of_tag);
        assert_ne!(of_tag, Policy::default());
        assert_eq!(settings(&[]).unwrap(), Policy::default());
        assert_eq!(tagged("default"), Policy::default());
    }

    #[test]
    fn a_tags_windows_take_the_place_of_the_settings_and_its_freezes_come_on_top() {
        let fleet = settings(&[
            ("WINDOW", "mon-fri/09:00-17:00"),
            ("FREEZE", "2026-11-23/2026-12-28"),
        ]);
        let fleet = fleet.unwrap();
        let own = fleet
            .clone()
            .with_tag(Some("window=any freeze=2027-02-01/2027-02-02"));
        let own = own.unwrap().calendar;
        assert_eq!(own.windows, ["any".parse().unwrap()]);
        assert_eq!(own.freezes.len(), 2);
        assert_eq!(
            fleet.clone().with_tag(Some("hard-stop=P7D")).unwrap(),
            fleet
        );
    }

    #[test]
    fn a_wrong_word_is_named_by_tag_and_settings() {
        for (tag, named) in [
            ("renew-before=soon", "renew-before is"),
            ("renew-share=1/2", "renew-share is"),
            ("hard-stop=7", "hard-stop is"),
            ("thresholds=30,14", "thresholds is"),
            ("time-zone=Amsterdam", "time-zone is"),
            ("window=working-hours", "window is"),
            ("freeze=2026-12-28/2026-12-01", "freeze is"),
            ("holiday", "\"holiday\""),
            (
                "hard-stop=P7D default hard-stop=P7D",
                "hard-stop is given twice",
            ),
            ("Freeze=2026-12-01/2026-12-28", "\"Freeze\""),
        ] {
            let error = Policy::default().with_tag(Some(tag)).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
        for name in [
            "RENEW_BEFORE",
            "RENEW_SHARE",
            "HARD_STOP",
            "THRESHOLDS",
            "TIME_ZONE",
            "WINDOW",
            "FREEZE",
        ] {
            let error = settings(&[(name, "wrong")]).unwrap_err();
            assert!(
                error.to_string().contains(&format!("{name} is not")),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_tag_makes_the_reader_panic(
            tag in prop_oneof![".*", "(window|freeze|thresholds|renew-share|time-zone)=[a-z0-9:/+-]{0,24}"],
        ) {
            let _ = Policy::default().with_tag(Some(&tag));
        }
    }
}
