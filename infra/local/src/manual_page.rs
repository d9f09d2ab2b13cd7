//! The 36 steps of ShopCtrl's help page *Rotating Client Secret for Your Microsoft Office 365 Mailbox*,
//! and which chapter shows what takes their place.

use std::ops::RangeInclusive;

/// How many steps the page has.
pub const STEPS: usize = 36;
/// Log in to Microsoft 365 with the shop mail credentials.
pub const SIGN_IN: u8 = 19;
/// Review and approve the permissions.
pub const APPROVE: u8 = 20;

/// Some of the steps.
pub type Steps = &'static [RangeInclusive<u8>];

/// A new client secret in the Entra admin center.
pub const ISSUE: Steps = &[1..=10];
/// ShopCtrl's screens, receiving and sending, without the sign-ins.
pub const DELIVER: Steps = &[11..=18, 21..=22, 24..=28, 31..=32];
/// Microsoft's sign-in and permissions, once for each direction.
pub const AUTHORIZE: Steps = &[19..=20, 29..=30];
/// Test MailBox, and a test e-mail.
pub const PROVE: Steps = &[23..=23, 33..=33];
/// The date, the reminder, and all of it again.
pub const REPEAT: Steps = &[34..=36];

/// The steps as people write them: `11-18, 21-22 and 33`.
pub fn written(steps: Steps) -> String {
    let one = |range: &RangeInclusive<u8>| match range.start() == range.end() {
        true => range.start().to_string(),
        false => format!("{}-{}", range.start(), range.end()),
    };
    let ranges: Vec<String> = steps.iter().map(one).collect();
    match ranges.split_last() {
        Some((last, front)) if !front.is_empty() => format!("{} and {last}", front.join(", ")),
        _ => ranges.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_one_chapter() {
        let all = [ISSUE, DELIVER, AUTHORIZE, PROVE, REPEAT].concat();
        let mut steps: Vec<u8> = all.into_iter().flatten().collect();
        steps.sort_unstable();
        assert_eq!(steps, (1..=36).collect::<Vec<u8>>());
        assert_eq!(steps.len(), STEPS);
    }

    #[test]
    fn steps_read_well() {
        assert_eq!(written(ISSUE), "1-10");
        assert_eq!(written(PROVE), "23 and 33");
        assert_eq!(written(DELIVER), "11-18, 21-22, 24-28 and 31-32");
    }
}
