//! What ShopCtrl's pages leave open about its screens: the simulator can do either (docs/beliefs.md, ShopCtrl).

use super::ShopCtrl;

/// How the screens behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScreenHabits {
    /// Where *Back to Shop Settings* leads.
    pub back_to: BackTo,
    /// Whether the login page goes on to the deep link that was opened, and not to the Sales Channels panel.
    pub login_keeps_link: bool,
}

impl Default for ScreenHabits {
    fn default() -> Self {
        Self {
            back_to: BackTo::MailboxDetails,
            login_keeps_link: true,
        }
    }
}

/// Where *Back to Shop Settings* leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackTo {
    /// To Mailbox details with its *Status*, as the set-up pages read.
    MailboxDetails,
    /// To the list of mailboxes, as the rotation page reads: it goes on with selecting the mailbox.
    List,
}

impl ShopCtrl {
    /// Sets how the screens behave.
    pub fn set_screen_habits(&self, habits: ScreenHabits) {
        self.state().habits = habits;
    }

    pub(super) fn habits(&self) -> ScreenHabits {
        self.state().habits
    }
}
