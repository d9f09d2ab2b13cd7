//! The steps of a hand-over for one connection.

use shared::grants::attestations::HandOverState;
use shared::mailbox_secret::{Connection, Direction, Protocol, SignInName};

use super::common::host;
use super::refused;
use crate::hand_over::reveal::NotRevealed;
use crate::hand_over::task::{Task, TaskKind};

pub(crate) fn progress(at: usize, of: usize) -> String {
    format!("Part {} of {of}", at + 1)
}

pub(crate) fn title(task: &Task<'_>) -> &'static str {
    match (&task.kind, task.connection.direction) {
        (TaskKind::EnterSecret { .. }, Direction::Receiving) => {
            "Receiving mail: enter the new client secret"
        }
        (TaskKind::EnterSecret { .. }, Direction::Sending) => {
            "Sending mail: enter the new client secret"
        }
        (TaskKind::Authorize { .. }, Direction::Receiving) => "Receiving mail: authorize ShopCtrl",
        (TaskKind::Authorize { .. }, Direction::Sending) => "Sending mail: authorize ShopCtrl",
    }
}

/// The steps in ShopCtrl, after its help page, around the values to copy.
#[derive(Debug)]
pub(crate) struct Steps {
    /// Before the link to ShopCtrl.
    pub open: String,
    /// To the connection.
    pub find: Vec<String>,
    /// From the values on.
    pub authorize: Vec<String>,
}

/// The steps for one connection (ShopCtrl's help page on rotating the client secret, steps 11 to 33,
/// and what its set-up pages add).
pub(crate) fn steps(connection: &Connection, name: &SignInName) -> Steps {
    let mailbox = &connection.mailbox;
    let shop = connection.shopctrl.shop_id;
    let (list, test) = match connection.direction {
        Direction::Receiving => (
            "Receiving email",
            "Select the mailbox in the list and press **Test MailBox**: a popup says whether the connection works.".to_owned(),
        ),
        Direction::Sending => (
            "Sending email",
            format!("Press **Send test mail** and enter **{mailbox}** as the address: this page looks for that mail."),
        ),
    };
    let switches = match connection.direction {
        Direction::Receiving => {
            "Press **Back to Shop Settings** and open **Edit** once more: **Status** shows **Authorized**, and **Enable** is on. Press **Ok**. In the list **Check mail** is on. **Save** the shop."
        }
        Direction::Sending => {
            "Press **Back to Shop Settings** and open **Edit** once more: **Status** shows **Authorized**, and **Enable** is on. Press **Ok**, and **Save** the shop."
        }
    };
    let protocol = match connection.protocol {
        Protocol::Graph => "Microsoft Graph API",
        Protocol::Imap => "IMAP",
        Protocol::Pop3 => "POP3",
        Protocol::Smtp => "SMTP",
    };
    Steps {
        open: "In this private window, log in as a user with **Shop owner admin** permissions:"
            .to_owned(),
        find: vec![
            format!("Go to **Sales Channels** > the icon of shop **{shop}** > **Settings**."),
            format!("Go to **Communication** > **E-mail** > **{list}**."),
            format!(
                "Select the Microsoft 365 connection of **{mailbox}** (protocol **{protocol}**) and press **Edit**. Save what you have changed on other tabs first: it would be lost in step 6."
            ),
        ],
        authorize: vec![
            "Press **Save and Authorize** and confirm that unsaved changes on other tabs will be lost.".to_owned(),
            format!(
                "Microsoft signs in **{name}**. If it offers accounts, choose this one and not your own; review and approve the permissions if it asks."
            ),
            format!(
                "A **Success** window says that access was granted for **{name}**. If another window comes, one of the values was wrong: copy them once more, whole, and go on from step 5."
            ),
            switches.to_owned(),
            test,
        ],
    }
}

/// On the link to ShopCtrl.
pub(crate) fn open_shopctrl(connection: &Connection) -> String {
    format!("open ShopCtrl at {}", host(connection))
}

/// Over the values.
pub(crate) const ENTER: &str = "Expand **Auth Parameters** and enter these values; **Tenant ID** and **Client ID** stand there already and should be the same. **Status** changes to **Not authorized**, and this direction rests until you have authorized it: go on at once.";
/// On the button that shows the secret.
pub(crate) const SHOW_SECRET: &str = "Show";
/// Below the secret.
pub(crate) const SECRET_SHOWN: &str = "Paste it into ShopCtrl and nowhere else. It is not shown again when you leave this page, but you can ask for it again.";
/// Where a sign-in is too old.
pub(crate) const SIGN_IN_TO_SEE: &str = "It is shown only within ten minutes of a sign-in.";
/// On that link.
pub(crate) const SIGN_IN_AGAIN: &str = "Sign in again";
/// Over the command that reads the secret in AWS.
pub(crate) const COMMAND: &str = "Command for a person with access to AWS";
/// Where the person presses on without having seen the secret.
pub(crate) const NOT_SHOWN_YET: &str = "The new client secret was not shown on this page yet. Only go on if it stands in ShopCtrl all the same: mail that flows now may still use the old one.";

/// Before the account's id.
pub(crate) const FOR_REVEAL_TO: &str =
    "To have it shown here next time, reveal_to needs this object ID:";

/// Why the secret is not shown.
pub(crate) fn withheld(reason: NotRevealed, name: &SignInName) -> String {
    refused::reveal(reason, name).happened
}

/// The command that reads the pending secret (AWS CLI).
pub(crate) fn command(arn: &str, version: &str) -> String {
    format!(
        "aws secretsmanager get-secret-value --secret-id {arn} --version-id {version} --query SecretString --output text"
    )
}

/// Over the buttons.
pub(crate) const WHAT_DOES_IT_SHOW: &str = "What does ShopCtrl show now?";
/// The statement that counts.
pub(crate) const SAYS_AUTHORIZED: &str = "Status shows Authorized";
/// The other one.
pub(crate) const SAYS_OTHER: &str = "It shows something else";
/// The statement after ShopCtrl's own sign-in.
pub(crate) const HAS_AUTHORIZED: &str = "ShopCtrl says that access was granted";

/// What a statement rests on, as it is recorded.
pub(crate) fn evidence(state: HandOverState, direction: Direction) -> &'static str {
    match (state, direction) {
        (HandOverState::Attested, Direction::Receiving) => {
            "the person says that Status shows Authorized after the new client secret was entered, Success window and Test MailBox included"
        }
        (HandOverState::Attested, Direction::Sending) => {
            "the person says that Status shows Authorized after the new client secret was entered, Success window and Send test mail included"
        }
        (HandOverState::Failed, _) => "the person says that Status does not show Authorized",
    }
}

/// Over the hints.
pub(crate) const IT_FAILED: &str = "That did not work yet";

/// Before the hints.
pub(crate) const LOOK_AT_THESE: &str =
    "This direction is not done. Look at these, then go through the steps once more:";

/// The step that authorizes a connection at ShopCtrl.
pub(crate) fn authorize_there(name: &SignInName) -> String {
    format!(
        "ShopCtrl needs a sign-in as **{name}** of its own; the new client secret goes there by itself afterwards."
    )
}

/// On the button that leads to ShopCtrl's own sign-in.
pub(crate) const AUTHORIZE_AT_SHOPCTRL: &str = "Authorize ShopCtrl";

/// What comes after it.
pub(crate) fn after_authorizing(name: &SignInName) -> Vec<String> {
    vec![
        format!(
            "Microsoft signs in **{name}**; review and approve the permissions if it asks."
        ),
        "ShopCtrl says in a **Success** window that access was granted. Then come back to this page."
            .to_owned(),
    ]
}
