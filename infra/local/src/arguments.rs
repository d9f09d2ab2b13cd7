//! What was asked for on the command line.

use crate::scenario::Scenario;

/// What `--help` prints before and behind the names of the scenarios.
const HELP: [&str; 2] = [
    "\
Renews a shop mailbox's client secret on this machine, and tells how: the four functions run as
they would on AWS, and everything around them (AWS, Microsoft Entra and Exchange, ShopCtrl) is
simulated. Nothing leaves this machine, and no account is needed.

Usage: cargo run -p local [-- [preflight] OPTIONS]

preflight          another story, a short one: what a dry run of the check says of all that a
                   renewal needs of others, where it is there, and where it was taken away

Options:
  --scenario NAME  another story, a short one:
",
    "  --interactive    stop at the sign-in, print numbered links for your browser (a sign-in, a
                   hand-over to ShopCtrl, and a sign-in for a mailbox by IMAP and SMTP), and
                   stay until Ctrl-C
  --json           one JSON object a line instead of text
  --help           this

NO_COLOR=1 leaves the colours out.
Exit status: 0 when all that is told was really seen, 1 when not, 2 for a wrong option.
",
];

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Print [`help`].
    Help,
    /// Tell a story.
    Story {
        /// Which one.
        scenario: Scenario,
        /// With a person at a browser.
        interactive: bool,
        /// As JSON lines.
        json: bool,
    },
}

/// What `--help` prints.
pub fn help() -> String {
    let [before, behind] = HELP;
    let names = Scenario::NAMED.map(|scenario| {
        let (name, shows) = (scenario.name(), scenario.shows());
        format!("                   {name:11}  {shows}\n")
    });
    format!("{before}{}{behind}", names.concat())
}

/// Reads the arguments, without the program's name.
///
/// # Errors
/// What is wrong, in a sentence.
pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Wish, String> {
    let (mut interactive, mut json, mut help) = (false, false, false);
    let mut scenario = Scenario::Renewal;
    let mut preflight = false;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (option, value) = match argument.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        match (option, value) {
            ("--scenario", value) => {
                scenario = named(value.or_else(|| arguments.next()).as_deref())?;
            }
            ("preflight", None) => preflight = true,
            ("--interactive", None) => interactive = true,
            ("--json", None) => json = true,
            ("--help" | "-h", None) => help = true,
            _ => return Err(format!("'{argument}' is not an option; --help lists them")),
        }
    }
    if help {
        return Ok(Wish::Help);
    }
    if preflight && scenario != Scenario::Renewal {
        return Err("preflight goes without --scenario".to_owned());
    }
    if preflight {
        scenario = Scenario::Preflight;
    }
    if interactive && scenario != Scenario::Renewal {
        return Err("--interactive goes without --scenario and preflight".to_owned());
    }
    Ok(Wish::Story {
        scenario,
        interactive,
        json,
    })
}

fn named(name: Option<&str>) -> Result<Scenario, String> {
    let name = name.unwrap_or_default();
    Scenario::named(name).ok_or_else(|| {
        let names = Scenario::NAMED.map(Scenario::name).join(", ");
        format!("'{name}' is not a scenario; there are {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> Result<Wish, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_may_come_together_and_an_unknown_one_is_named() {
        let story = |interactive, json| {
            let scenario = Scenario::Renewal;
            Ok(Wish::Story {
                scenario,
                interactive,
                json,
            })
        };
        assert_eq!(read_line(""), story(false, false));
        assert_eq!(read_line("--json --interactive"), story(true, true));
        assert_eq!(read_line("--json --help"), Ok(Wish::Help));
        assert!(read_line("--jason").unwrap_err().contains("'--jason'"));
        assert!(read_line("--json=yes").is_err());
        assert!(read_line("now").is_err());
    }

    #[test]
    fn a_scenario_is_named_and_a_wrong_name_answered_with_the_right_ones() {
        let told = |line| match read_line(line) {
            Ok(Wish::Story { scenario, .. }) => scenario,
            other => panic!("{other:?}"),
        };
        assert_eq!(told("--scenario killed"), Scenario::Killed);
        assert_eq!(told("--json --scenario=broken-mail"), Scenario::BrokenMail);
        for line in ["--scenario", "--scenario --json", "--scenario dead"] {
            let wrong = read_line(line).unwrap_err();
            assert!(wrong.contains("killed, expired"), "{wrong}");
        }
        assert_eq!(told("preflight --json"), Scenario::Preflight);
        for line in [
            "--scenario killed --interactive",
            "preflight --interactive",
            "preflight --scenario killed",
            "--scenario preflight",
        ] {
            assert!(read_line(line).is_err(), "{line}");
        }
        for scenario in Scenario::NAMED {
            assert!(help().contains(scenario.name()));
        }
        assert!(help().lines().all(|line| line.len() <= 100));
    }
}
