//! The calendar file of a finished hand-over: when the next one is to be expected (RFC 5545).

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A whole-day entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The same each time the file is made, so that a calendar that has it does not take it twice.
    pub uid: String,
    /// The day (UTC).
    pub day: Timestamp,
    /// What stands in the calendar.
    pub summary: String,
    /// What stands below it.
    pub description: String,
}

/// The file's text, made at `now`.
#[must_use]
pub(crate) fn file(entries: &[Entry], now: Timestamp) -> String {
    let mut lines = vec![
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//shopmail//hand-over//EN".to_owned(),
    ];
    for entry in entries {
        let day = entry.day.to_zoned_datetime(TimeZone::UTC);
        let next = day.tomorrow().unwrap_or_else(|_| day.clone());
        lines.extend([
            "BEGIN:VEVENT".to_owned(),
            format!("UID:{}", text(&entry.uid)),
            format!("DTSTAMP:{}", now.strftime("%Y%m%dT%H%M%SZ")),
            format!("DTSTART;VALUE=DATE:{}", day.strftime("%Y%m%d")),
            format!("DTEND;VALUE=DATE:{}", next.strftime("%Y%m%d")),
            format!("SUMMARY:{}", text(&entry.summary)),
            format!("DESCRIPTION:{}", text(&entry.description)),
            "TRANSP:TRANSPARENT".to_owned(),
            "END:VEVENT".to_owned(),
        ]);
    }
    lines.push("END:VCALENDAR".to_owned());
    lines.iter().fold(String::new(), |mut file, line| {
        fold(line, &mut file);
        file
    })
}

/// Section 3.3.11: what has a meaning of its own is escaped.
fn text(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace(';', "\\;")
        .replace(',', "\\,")
        .replace(['\r', '\n'], "\\n")
}

/// Section 3.1: no line is longer than 75 octets; what is longer goes on behind a space.
fn fold(line: &str, file: &mut String) {
    let mut octets = 0;
    for character in line.chars() {
        if octets + character.len_utf8() > 75 {
            file.push_str("\r\n ");
            octets = 1;
        }
        octets += character.len_utf8();
        let _ = file.write_char(character);
    }
    file.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(description: &str) -> Entry {
        Entry {
            uid: "due-token@shopmail".into(),
            day: "2027-04-16T13:00:00Z".parse().unwrap(),
            summary: "Client secret of orders@shop.example: renewal".into(),
            description: description.into(),
        }
    }

    #[test]
    fn an_entry_is_a_whole_day_that_blocks_no_time() {
        let file = file(&[entry("x")], "2026-11-23T09:00:00Z".parse().unwrap());
        for line in [
            "DTSTAMP:20261123T090000Z\r\n",
            "DTSTART;VALUE=DATE:20270416\r\nDTEND;VALUE=DATE:20270417\r\n",
            "TRANSP:TRANSPARENT\r\n",
            "END:VCALENDAR\r\n",
        ] {
            assert!(file.contains(line), "{line} in {file}");
        }
    }

    #[test]
    fn no_text_ends_a_line_or_makes_one_too_long() {
        let long = entry(&format!("a,b;c\\d\r\nEND:VEVENT\n{}", "ü".repeat(200)));
        let file = file(&[long], Timestamp::UNIX_EPOCH);
        assert_eq!(file.matches("END:VEVENT\r\n").count(), 1);
        assert!(file.contains("a\\,b\\;c\\\\d"));
        assert!(file.split("\r\n").all(|line| line.len() <= 75), "{file}");
    }
}
