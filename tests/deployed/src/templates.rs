//! The test's copy of the templates, in which what MiniStack lacks is worked round.
//!
//! They are edited as text: an edit that does not find what it edits fails, so that none stays here whose place in the
//! template is gone; and a test says when a gap is.

mod gaps;

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::checkout::repository;

/// Both.
#[derive(Debug, Clone)]
pub struct Templates {
    /// template.yaml
    pub system: Template,
    /// infra/mailbox.yaml
    pub mailbox: Template,
}

/// The text of one.
#[derive(Debug, Clone)]
pub struct Template(String);

impl Templates {
    /// As they stand.
    fn as_they_stand() -> Self {
        Self {
            system: Template::read("template.yaml"),
            mailbox: Template::read("infra/mailbox.yaml"),
        }
    }

    /// With the gaps of MiniStack's worked round.
    pub fn for_mini_stack() -> Self {
        let mut templates = Self::as_they_stand();
        gaps::alarms_have_no_metric_math(&mut templates.system);
        gaps::no_rotation_schedules(&mut templates.mailbox);
        gaps::secrets_by_their_arn(&mut templates.mailbox);
        templates
    }

    /// People reach the pages at this address, and not at the HTTP API's own, which is a name that only a DNS knows.
    pub fn with_pages_at(mut self, url: &str) -> Self {
        self.system.replace("!GetAtt HttpApi.ApiEndpoint", url);
        self.system.replace("${HttpApi.ApiEndpoint}", url);
        self
    }

    /// ShopCtrl is reached without TLS: the simulated one has none.
    pub fn with_shopctrl_on_loopback(mut self) -> Self {
        let tls = "AllowedPattern: ^https://[^\"\\s]+[^/\"\\s]$";
        self.mailbox.replace(
            tls,
            "AllowedPattern: ^http://127[.]0[.]0[.]1:[^\"\\s]+[^/\"\\s]$",
        );
        self
    }

    /// The functions have these settings too, or instead of the template's.
    pub fn with_settings(mut self, settings: &BTreeMap<String, String>) -> Self {
        for (name, value) in settings {
            self.system.set(name, value);
        }
        self
    }
}

impl Template {
    fn read(path: &str) -> Self {
        Self(fs::read_to_string(repository().join(path)).expect("a template"))
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Puts `with` wherever `find` stands.
    pub fn replace(&mut self, find: &str, with: &str) {
        assert!(self.0.contains(find), "the template has no {find}");
        self.0 = self.0.replace(find, with);
    }

    /// Takes the resource with this logical ID out, with the comment behind it: that of the next.
    fn remove_resource(&mut self, logical_id: &str) {
        let head = format!("\n  {logical_id}:\n");
        let (before, after) = self
            .0
            .split_once(&head)
            .unwrap_or_else(|| panic!("the template has no {logical_id}"));
        // What is its own is further in, or empty; the next begins as far out as it.
        let is_own = |line: &&str| line.is_empty() || line.starts_with("   ");
        let own: usize = after
            .split_inclusive('\n')
            .take_while(|line| is_own(&line.trim_end_matches('\n')))
            .map(str::len)
            .sum();
        self.0 = format!("{before}\n{}", &after[own..]);
    }

    /// Gives the functions a setting: instead of the template's wherever there is one, else to all functions.
    fn set(&mut self, name: &str, value: &str) {
        let variable = format!("{name}: ");
        if !self
            .0
            .lines()
            .any(|line| line.trim_start().starts_with(&variable))
        {
            let first = "        EVENT_BUS: !Ref EventBus\n";
            self.replace(first, &format!("{first}        {variable}\n"));
        }
        let quoted = Value::from(value); // JSON's quoting is YAML's, too
        let lines = self.0.lines().map(|line| match line.split_once(&variable) {
            Some((far_in, _)) if far_in.trim().is_empty() => {
                format!("{far_in}{variable}{quoted}\n")
            }
            _ => format!("{line}\n"),
        });
        self.0 = lines.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_goes_out_with_its_own_lines_alone() {
        let mut template = Template(
            "Resources:\n  A:\n    Type: X\n\n    More: 1\n\n  # of B\n  B:\n    Type: Y\n"
                .to_owned(),
        );
        template.remove_resource("A");
        assert_eq!(template.text(), "Resources:\n  # of B\n  B:\n    Type: Y\n");
        template.remove_resource("B");
        assert_eq!(template.text(), "Resources:\n  # of B\n");
    }

    #[test]
    fn a_setting_is_changed_where_it_stands_and_added_where_it_does_not() {
        let settings = [
            ("QUARANTINE", "P1D"),
            ("TLS_EXTRA_ROOTS", "a\nb"),
            ("ENTRA_URL", "http://x"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let templates = Templates::as_they_stand().with_settings(&settings.into());
        let lines = |part: &str| templates.system.text().matches(part).count();
        assert_eq!(lines("          QUARANTINE: \"P1D\"\n"), 2);
        assert_eq!(lines("QUARANTINE: !Ref"), 0);
        assert_eq!(lines("        TLS_EXTRA_ROOTS: \"a\\nb\"\n"), 1);
        assert_eq!(lines("        ENTRA_URL: \"http://x\"\n"), 1);
    }
}
