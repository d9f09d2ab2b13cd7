//! The steps of a hand-over for one connection.

use shared::grants::attestations::HandOverState;
use shared::half_done::HalfDone;
use shared::mailbox_secret::{Connection, Direction, Protocol, SignInName};

use super::common::host;
use super::refused;
use crate::hand_over::reveal::NotRevealed;
use crate::hand_over::task::{Task, TaskKind};
use crate::hand_over::way::Way;

pub(crate) fn progress(at: usize, of: usize) -> String {
    format!("Part {} of {of}", at + 1)
}

/// Before the steps for what does not have it.
pub(crate) fn half_done(half_done: HalfDone) -> &'static str {
    match half_done {
        HalfDone::SendingNotYet => "Receiving has the new secret, sending not yet.",
        HalfDone::ReceivingNotYet => "Sending has the new secret, receiving not yet.",
        HalfDone::SomeNotYet => "Some connections have the new secret, others not yet.",
    }
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
    /// To the list of mailboxes.
    pub open: Open,
    /// To the connection.
    pub find: Vec<String>,
    /// From the values on.
    pub authorize: Vec<String>,
}

/// The first step: a link, with what is said before and behind it.
#[derive(Debug)]
pub(crate) struct Open {
    pub before: String,
    pub link: String,
    pub behind: String,
}

/// The steps for one connection (ShopCtrl's help page on rotating the client secret, steps 11 to 33, and what its
/// set-up pages add). Not *Test MailBox*: ShopCtrl's next mail check shows the same, and this page looks for it.
pub(crate) fn steps(connection: &Connection, name: &SignInName, way: Way<'_>) -> Steps {
    let mut find = match way {
        Way::FirstScreen => from_first_screen(connection),
        Way::Link(_) | Way::Settings => Vec::new(),
    };
    // What a row of the list shows is not documented: the Client ID tells connections apart.
    find.push(format!(
        "Select the Microsoft 365 connection and press **Edit**: its **Protocol** is **{}**. Save what you have changed on other tabs of ShopCtrl first: it would be lost.",
        protocol(connection.protocol)
    ));
    let mut authorize = vec![
        "Press **Save and Authorize** and confirm that unsaved changes on other tabs will be lost."
            .to_owned(),
        format!(
            "Microsoft signs in **{name}**. If it offers accounts, choose this one and not your own; review and approve the permissions if it asks."
        ),
        format!(
            "A **Success** window says that access was granted for **{name}**: press **Back to Shop Settings**. If another window comes, one of the values was wrong: copy them once more, whole, and enter them again."
        ),
        STATUS.to_owned(),
    ];
    match connection.direction {
        // Nothing else shows from outside whether mail is sent.
        Direction::Sending => authorize.push(format!(
            "Close that window with **Ok**, press **Send test mail** in the list, and enter **{}** as the address: this page looks for that mail.",
            connection.mailbox
        )),
        Direction::Receiving => {}
    }
    Steps {
        open: open(connection, way),
        find,
        authorize,
    }
}

/// The set-up pages come back to a window with *Status*, the rotation page to the list: these words hold for both.
const STATUS: &str = "Look at **Status** in the window Mailbox details: it shows **Authorized**. If that window is not open, select the connection, press **Edit** and expand **Auth Parameters**. If **Enable** at its top is off, switch it on and press **Ok**.";

fn open(connection: &Connection, way: Way<'_>) -> Open {
    let (topic, shop) = (topic(connection.direction), connection.shopctrl.shop_id);
    match way {
        Way::FirstScreen => Open {
            before:
                "In this private window, log in as a user with **Shop owner admin** permissions:"
                    .to_owned(),
            link: open_shopctrl(connection),
            behind: String::new(),
        },
        Way::Settings => Open {
            before: format!(
                "In ShopCtrl close **Mailbox details** if it is open, and go on to **Communication** > **E-mail** > **{topic}**. If the shop's settings are not open any more:"
            ),
            link: open_shopctrl(connection),
            behind: format!(
                " and go to **Sales Channels** > the icon of shop **{shop}** > **Settings**."
            ),
        },
        Way::Link(_) => Open {
            before: "In this private window:".to_owned(),
            link: format!("open {topic} at {}", host(connection)),
            behind: format!(
                ". If ShopCtrl asks for it, log in as a user with **Shop owner admin** permissions. If something else than **{topic}** of shop **{shop}** is open then, press this link once more."
            ),
        },
    }
}

fn from_first_screen(connection: &Connection) -> Vec<String> {
    vec![
        format!(
            "Go to **Sales Channels** > the icon of shop **{}** > **Settings**.",
            connection.shopctrl.shop_id
        ),
        format!(
            "Go to **Communication** > **E-mail** > **{}**.",
            topic(connection.direction)
        ),
    ]
}

/// ShopCtrl's name for it in the shop's settings.
fn topic(direction: Direction) -> &'static str {
    match direction {
        Direction::Receiving => "Receiving email",
        Direction::Sending => "Sending email",
    }
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Graph => "Microsoft Graph API",
        Protocol::Imap => "IMAP",
        Protocol::Pop3 => "POP3",
        Protocol::Smtp => "SMTP",
    }
}

/// On the link to ShopCtrl.
fn open_shopctrl(connection: &Connection) -> String {
    format!("open ShopCtrl at {}", host(connection))
}

/// Over the values.
pub(crate) const ENTER: &str = "Expand **Auth Parameters** and enter these values; **Tenant ID** and **Client ID** stand there already. If they are others, it is another connection: leave it as it is, and look for the one that has these. **Status** changes to **Not authorized**, and this direction rests until you have authorized it: go on at once.";
/// Where it was shown for the other direction: nothing has to be shown and copied twice.
pub(crate) const SAME_SECRET: &str = "The **Client Secret** is the one that you have just entered for the other direction. If you have copied nothing else since then, paste it; if you have, show it once more:";
/// On the button that shows the secret.
pub(crate) const SHOW_SECRET: &str = "Show";
/// Below the secret.
pub(crate) const SECRET_SHOWN: &str = "Paste it into ShopCtrl and nowhere else. It is not shown again when you leave this page, but you can ask for it again.";
/// Where a sign-in is too old.
pub(crate) const SIGN_IN_TO_SEE: &str =
    "It is shown only within ten minutes of entering the password at Microsoft.";
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
            "the person says that Status shows Authorized after the new client secret was entered, Success window included"
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
