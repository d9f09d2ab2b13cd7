//! What to try next.

use crate::fact::Fact;
use crate::layout::behind;
use crate::scenario::Scenario;

const COMMAND: &str = "cargo run -p local";
const INTERACTIVE: &str = "you are the person, in your own browser";

/// The commands, each with what it shows.
fn commands(told: Scenario) -> Vec<(String, &'static str)> {
    let other = |scenario: Scenario| {
        let command = format!("{COMMAND}{}", scenario.arguments());
        (scenario != told).then(|| (command, scenario.shows()))
    };
    let interactive = (format!("{COMMAND} -- --interactive"), INTERACTIVE);
    let short = [Scenario::Preflight].into_iter().chain(Scenario::NAMED);
    other(Scenario::Renewal)
        .into_iter()
        .chain([interactive])
        .chain(short.filter_map(other))
        .collect()
}

/// For programs.
pub fn fact(told: Scenario) -> Fact {
    let commands = commands(told).into_iter().map(|(command, _)| command);
    Fact::new("commands", commands.collect::<Vec<_>>()).quiet()
}

/// For eyes.
pub fn lines(told: Scenario, width: usize) -> Vec<String> {
    let commands = commands(told);
    let widest = commands.iter().map(|(command, _)| command.len());
    let widest = widest.max().unwrap_or_default();
    let longest = commands.iter().map(|(_, shows)| shows.len());
    let beside = 4 + widest + 2 + longest.max().unwrap_or_default() <= width;
    let one = |(command, shows): &(String, &str)| match beside {
        true => vec![format!("    {command:widest$}  {shows}")],
        false => {
            let mut lines = vec![format!("    {command}")];
            lines.extend(behind("        ", shows, width));
            lines
        }
    };
    commands.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_story_is_named_and_the_one_that_was_told_is_not() {
        for told in Scenario::NAMED {
            let lines = lines(told, 60).join("\n");
            assert!(!lines.contains(&format!("--scenario {}\n", told.name())));
            assert_eq!(lines.matches("--scenario").count(), 4, "{lines}");
            assert!(lines.contains("    cargo run -p local\n"), "{lines}");
            assert!(lines.contains(" -- preflight\n"), "{lines}");
        }
        assert!(
            !lines(Scenario::Preflight, 60)
                .join("\n")
                .contains(" -- preflight")
        );
        let lines = lines(Scenario::Renewal, 120);
        assert_eq!(lines.len(), 7);
        assert!(lines.iter().all(|line| line.len() <= 120));
    }
}
