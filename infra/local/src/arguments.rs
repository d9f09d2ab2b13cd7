//! What was asked for on the command line.

/// What `--help` prints.
pub const HELP: &str = "\
Renews a shop mailbox's client secret on this machine, and tells how: the three functions run as
they would on AWS, and everything around them (AWS, Microsoft Entra, ShopCtrl) is simulated.
Nothing leaves this machine, and no account is needed.

Usage: cargo run -p local [-- OPTIONS]

Options:
  --interactive  stop at the sign-in, print two links for your browser (a sign-in, and a hand-over to
                 ShopCtrl), and stay until Ctrl-C
  --json         one JSON object a line instead of text
  --help         this

Exit status: 0 when every step was really seen, 1 when one was not, 2 for a wrong option.
";

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Print [`HELP`].
    Help,
    /// Tell the story.
    Story {
        /// With a person at a browser.
        interactive: bool,
        /// As JSON lines.
        json: bool,
    },
}

/// Reads the arguments, without the program's name.
///
/// # Errors
/// What is wrong, in a sentence.
pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Wish, String> {
    let (mut interactive, mut json, mut help) = (false, false, false);
    for argument in arguments {
        match argument.as_str() {
            "--interactive" => interactive = true,
            "--json" => json = true,
            "--help" | "-h" => help = true,
            other => return Err(format!("'{other}' is not an option; --help lists them")),
        }
    }
    if help {
        return Ok(Wish::Help);
    }
    Ok(Wish::Story { interactive, json })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> Result<Wish, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_may_come_together_and_an_unknown_one_is_named() {
        let story = |interactive, json| Ok(Wish::Story { interactive, json });
        assert_eq!(read_line(""), story(false, false));
        assert_eq!(read_line("--json --interactive"), story(true, true));
        assert_eq!(read_line("--json --help"), Ok(Wish::Help));
        assert!(read_line("--jason").unwrap_err().contains("'--jason'"));
        assert!(read_line("now").is_err());
    }
}
