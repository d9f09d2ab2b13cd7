//! What was asked for on the command line.

use std::path::PathBuf;

use shared::cloud::Cloud;
use shared::ids::MailboxAddress;
use shared::period::Period;

use crate::pace::Pace;

pub const HELP: &str = "\
Tries on real accounts what this project believes of AWS, Microsoft Entra and ShopCtrl. It makes
throw-away app registrations and secrets with a marker in their names, rotates them, prints what was
believed beside what was seen, and removes them. docs/first-hour.md says what it needs.

Usage: cargo run -p first-hour [-- [clean-up] OPTIONS]

  clean-up                   only remove what a run that was killed has left

Options:
  --rotation-function ARN    the deployed function, for what RotateSecret answers
  --sign-in NAME             somebody of the tenant who signs in once, for the refresh token
  --shopctrl FILE            {\"api\", \"shop_id\", \"username\", \"password\"}
  --cloud NAME               global (default), us-gov, us-dod or china
  --tries N                  so many new client secrets are timed (default 5)
  --interval PERIOD          longest pause between two looks (default PT2S)
  --patience PERIOD          so long one thing is waited for (default PT3M)
  --short-life PERIOD        life of the client secret whose end is waited for (default PT2M)
  --long-wait PERIOD         for a person's sign-in and ShopCtrl's mail check (default PT6M)
  --json                     one JSON object a line instead of the table
  --help                     this

Exit status: 0 when nothing is otherwise than believed, 1 when something is, 2 for a wrong option,
3 when something could not be removed or looked for, 130 after Ctrl-C.
";

#[derive(Debug)]
pub enum Wish {
    Help,
    Run(Options),
    /// Remove what is left of all runs.
    CleanUp(Options),
}

#[derive(Debug)]
pub struct Options {
    /// Its ARN.
    pub rotation_function: Option<String>,
    pub sign_in: Option<MailboxAddress>,
    /// The file with ShopCtrl's login.
    pub shopctrl: Option<PathBuf>,
    pub cloud: Cloud,
    pub pace: Pace,
    pub json: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rotation_function: None,
            sign_in: None,
            shopctrl: None,
            cloud: Cloud::Global,
            pace: Pace {
                tries: 5,
                interval: Period::seconds(2),
                patience: Period::seconds(180),
                short_life: Period::seconds(120),
                long_wait: Period::seconds(360),
            },
            json: false,
        }
    }
}

/// Reads the arguments, without the program's name.
pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Wish, String> {
    let mut options = Options::default();
    let (mut clean_up, mut help) = (false, false);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (option, given) = match argument.split_once('=') {
            Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
            None => (argument.clone(), None),
        };
        match (option.as_str(), &given) {
            ("clean-up", None) => clean_up = true,
            ("--json", None) => options.json = true,
            ("--help" | "-h", None) => help = true,
            _ => {
                let value = given.or_else(|| arguments.next());
                let value = value.ok_or_else(|| {
                    format!("'{argument}' is not an option or wants a value; --help lists them")
                })?;
                set(&mut options, &option, &value)?;
            }
        }
    }
    Ok(match (help, clean_up) {
        (true, _) => Wish::Help,
        (false, true) => Wish::CleanUp(options),
        (false, false) => Wish::Run(options),
    })
}

fn set(options: &mut Options, option: &str, value: &str) -> Result<(), String> {
    let wrong = |what: &str| format!("{option}: '{value}' is not {what}");
    let period = || {
        let read = value.parse::<Period>();
        read.map_err(|error| format!("{option}: '{value}' is {error}"))
    };
    match option {
        "--rotation-function" if value.starts_with("arn:") => {
            options.rotation_function = Some(value.to_owned());
        }
        "--rotation-function" => return Err(wrong("an ARN")),
        "--sign-in" => {
            let name = MailboxAddress::read(value);
            options.sign_in = Some(name.ok_or_else(|| wrong("the name of an account"))?);
        }
        "--shopctrl" => options.shopctrl = Some(value.into()),
        "--cloud" => options.cloud = Cloud::named(value).ok_or_else(|| wrong("a cloud"))?,
        "--tries" => {
            let tries = value.parse().ok().filter(|tries| (1..=50).contains(tries));
            options.pace.tries = tries.ok_or_else(|| wrong("a number from 1 to 50"))?;
        }
        "--interval" => options.pace.interval = period()?,
        "--patience" => options.pace.patience = period()?,
        "--short-life" => options.pace.short_life = period()?,
        "--long-wait" => options.pace.long_wait = period()?,
        _ => return Err(format!("'{option}' is not an option; --help lists them")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> Result<Wish, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_come_in_both_forms_and_a_wrong_one_is_named() {
        let line = "--tries 3 --interval=PT1S --sign-in ann@shop.example --json";
        match read_line(line) {
            Ok(Wish::Run(options)) => {
                assert_eq!((options.pace.tries, options.json), (3, true));
                assert_eq!(options.pace.interval, Period::seconds(1));
                assert!(options.sign_in.is_some());
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(read_line("clean-up --json"), Ok(Wish::CleanUp(_))));
        assert!(matches!(read_line("--help --tries 2"), Ok(Wish::Help)));
        for wrong in [
            "--trys 3",
            "--tries",
            "--tries 0",
            "--interval 3",
            "--cloud mars",
            "now",
            "--rotation-function shopmail-rotation",
        ] {
            assert!(read_line(wrong).is_err(), "{wrong}");
        }
        assert!(HELP.lines().all(|line| line.len() <= 100));
    }
}
