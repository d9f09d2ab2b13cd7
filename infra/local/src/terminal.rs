//! What there is to write on.

use std::io::{IsTerminal, stderr, stdout};
use std::os::fd::AsFd;

use simulators::binaries::Shown;
use terminal_size::{Width, terminal_size_of};

/// Where neither a terminal nor `COLUMNS` says how wide it is: a file, a pipe.
const USUAL: usize = 100;
/// A terminal that does not say it, such as one that a program made.
const OF_A_TERMINAL: u16 = 80;
/// Longer lines are hard to read, and shorter ones no text.
const READABLE: std::ops::RangeInclusive<usize> = 40..=120;

/// How long a line on standard output may be, now: people drag their windows.
pub fn width() -> usize {
    let terminal = width_of(&stdout()).map(usize::from);
    let wished = || std::env::var("COLUMNS").ok()?.parse().ok();
    readable(terminal.or_else(wished))
}

/// How wide it is, if it is a terminal.
fn width_of<Output: AsFd + IsTerminal>(output: &Output) -> Option<u16> {
    let said = terminal_size_of(output).map(|(Width(columns), _)| columns);
    said.or_else(|| output.is_terminal().then_some(OF_A_TERMINAL))
}

fn readable(columns: Option<usize>) -> usize {
    let columns = columns.unwrap_or(USUAL);
    columns.clamp(*READABLE.start(), *READABLE.end())
}

/// Whether standard output takes colours, and nobody forbade them (<https://no-color.org>).
pub fn takes_colours() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !no_colour && !is_dumb() && stdout().is_terminal()
}

/// What cargo shows on standard error: a bar redraws its line, which only a terminal can.
pub fn of_the_build() -> Shown {
    match width_of(&stderr()) {
        Some(width) if !is_dumb() => Shown::Bar { width },
        _ => Shown::Errors,
    }
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_wide_as_the_terminal_where_that_can_be_read() {
        assert_eq!(readable(Some(80)), 80);
        assert_eq!(readable(None), 100);
        assert_eq!(readable(Some(10)), 40);
        assert_eq!(readable(Some(400)), 120);
    }
}
