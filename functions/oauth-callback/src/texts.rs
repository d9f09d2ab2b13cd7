//! Every word that a person reads on a page, in one place: another language is another file like it.

use jiff::Timestamp;
use maud::{Markup, html};
use shared::attestations::HandOverState;
use shared::entra::refusal::RefusalReason;
use shared::ids::MailboxAddress;
use shared::mailbox_secret::{Connection, Delivery, Direction, Protocol, RestsOn, SignInName};
use shared::shopctrl::status::LastMailCheck;
use shared::ticket::{Purpose, Ticket};

use crate::calendar::Entry;
use crate::hand_over::{How, Task};
use crate::hints::Hint;
use crate::reveal::NotShown;
use crate::watch::Seen;

/// The language of this file (RFC 5646).
pub const LANGUAGE: &str = "en";
/// The name at the top of every page.
pub const BRAND: &str = "Shop mail";
/// Before the reference that the logs carry too.
pub const REFERENCE: &str = "Reference for support:";

/// A page's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The HTTP status.
    pub status: i64,
    /// Whether it is good news.
    pub good: bool,
    /// The heading.
    pub title: String,
    /// One sentence: what happened.
    pub happened: String,
    /// One sentence: what to do. Where it depends, a line for each case.
    pub next: String,
    /// On the button, where there is one.
    pub button: &'static str,
    /// Over the address to pass on, where there is one.
    pub pass_on: &'static str,
}

/// On the button that copies the value beside it.
pub const COPY: &str = "Copy";
/// On it for a moment afterwards.
pub const COPIED: &str = "Copied";
/// On the button that leads back to the hand-over.
pub const BACK: &str = "Back to the steps";
const FOR_AN_ADMINISTRATOR: &str = "Link for an administrator of Microsoft 365";

const SIGN_IN: &str = "Sign in again";
const NEW_LINK: &str = "Send a new link";

fn bad(status: i64, title: &str, happened: impl Into<String>, next: impl Into<String>) -> Text {
    Text {
        status,
        good: false,
        title: title.to_owned(),
        happened: happened.into(),
        next: next.into(),
        button: SIGN_IN,
        pass_on: FOR_AN_ADMINISTRATOR,
    }
}

/// The sign-in succeeded while somebody had stopped the mailbox's rotation.
pub fn stored_while_off(mailbox: &MailboxAddress) -> Text {
    Text {
        status: 200,
        good: true,
        title: "Thank you".to_owned(),
        happened: format!("The permission of {mailbox} is stored."),
        next: "Somebody has stopped the renewal of this mailbox's client secret; it goes on when they switch it on again. You can close this window.".to_owned(),
        button: SIGN_IN,
        pass_on: FOR_AN_ADMINISTRATOR,
    }
}

/// Somebody has stopped the mailbox's rotation.
pub fn switched_off() -> Text {
    bad(
        409,
        "The renewal of this mailbox is stopped",
        "Somebody has switched the renewal of its client secret off, so no new link is sent.",
        "Tell the person who runs this system this page's reference if that was not meant.",
    )
}

/// The sign-in succeeded, and a rotation goes on.
pub fn rotation_goes_on(purpose: Purpose, mailbox: &MailboxAddress) -> Text {
    Text {
        status: 200,
        good: true,
        title: "Thank you, that was all".to_owned(),
        happened: match purpose {
            Purpose::Rotate => {
                format!("{mailbox} is signed in, and the new client secret works for it.")
            }
            Purpose::Connect => format!("{mailbox} is signed in, and the permission is stored."),
        },
        next: "The change goes on by itself now; you can close this window.".to_owned(),
        button: SIGN_IN,
        pass_on: FOR_AN_ADMINISTRATOR,
    }
}

/// The sign-in succeeded; the new secret still has to be handed to ShopCtrl.
pub fn hand_over_remains(mailbox: &MailboxAddress) -> Text {
    Text {
        status: 200,
        good: true,
        title: "Signed in; one thing is left".to_owned(),
        happened: format!("{mailbox} is signed in, and the permission is stored."),
        next: "The new client secret still has to be entered in ShopCtrl; the link for that was sent in a message of its own.".to_owned(),
        button: SIGN_IN,
        pass_on: FOR_AN_ADMINISTRATOR,
    }
}

/// The sign-in succeeded; whether ShopCtrl wants one of its own, and where, could not be learned.
pub fn authorize_remains(mailbox: &MailboxAddress) -> Text {
    bad(
        503,
        "Signed in; ShopCtrl could not be asked",
        format!(
            "{mailbox} is signed in, and the permission is stored. ShopCtrl did not say whether it wants a sign-in of its own, and where."
        ),
        "Sign in again in a few minutes. If this page comes again, open the mailbox's settings in ShopCtrl: where Status is Not authorized, press Authorize.",
    )
}

/// The sign-in succeeded; nothing was waiting for it. `attended`: a person enters new secrets in ShopCtrl.
pub fn connected(mailbox: &MailboxAddress, attended: bool) -> Text {
    Text {
        status: 200,
        good: true,
        title: "The mailbox is connected".to_owned(),
        happened: format!("{mailbox} is signed in, and the permission is stored."),
        next: if attended {
            "You can close this window. When a new client secret has to be entered in ShopCtrl, a message with a link comes in good time."
        } else {
            "You can close this window; client secrets are renewed without you from now on."
        }
        .to_owned(),
        button: SIGN_IN,
        pass_on: FOR_AN_ADMINISTRATOR,
    }
}

/// What the link was for is done.
pub fn already_done() -> Text {
    Text {
        status: 200,
        good: true,
        title: "Nothing left to do".to_owned(),
        happened: "What this link was for is already done.".to_owned(),
        next: "You can close this window.".to_owned(),
        button: SIGN_IN,
        pass_on: FOR_AN_ADMINISTRATOR,
    }
}

/// The link belongs to an attempt that was given up.
pub fn superseded() -> Text {
    bad(
        410,
        "This link is out of date",
        "It belongs to an earlier attempt that was given up.",
        "Use the newest message about this mailbox; if there is none, one will come when you are needed.",
    )
}

/// The link has ended.
pub fn expired() -> Text {
    Text {
        button: NEW_LINK,
        ..bad(
            410,
            "This link has ended",
            "For safety a link works for a limited time, and this one is over.",
            "Have a new one sent; it goes to the contact that is set for this mailbox.",
        )
    }
}

/// A new link was asked for.
pub fn new_link_sent() -> Text {
    Text {
        status: 202,
        good: true,
        title: "A new link was asked for".to_owned(),
        happened: "If you are still needed, it goes to the contact that is set for this mailbox.".to_owned(),
        next: "Mostly that takes a few minutes, else until the next check, some hours. You can close this window.".to_owned(),
        button: SIGN_IN,
        pass_on: FOR_AN_ADMINISTRATOR,
    }
}

/// Lambda would have ended the request.
pub fn out_of_time() -> Text {
    bad(
        503,
        "This took too long",
        "A service that is needed did not answer in time. What you did may have been done all the same.",
        "Open the link again in a few minutes: what was done is not asked for again.",
    )
}

/// Microsoft refuses the secret that is in use: no sign-in can be completed with it.
pub fn current_secret_refused() -> Text {
    bad(
        409,
        "The sign-in cannot be completed with this link",
        "Microsoft does not accept the client secret that is in use: it has ended, or was removed.",
        "Use the newest message about this mailbox. If none comes within some hours, tell the person who runs this system this page's reference.",
    )
}

/// The link is not one of ours.
pub fn invalid_link() -> Text {
    bad(
        400,
        "This link does not work",
        "It is incomplete or was changed on its way.",
        "Open it again from the message, or copy all of it into the address bar.",
    )
}

/// There is no such page.
pub fn no_such_page() -> Text {
    bad(
        404,
        "There is nothing here",
        "This address has no page.",
        "Open the link from the message that you were sent.",
    )
}

/// The sign-in cannot be taken up: no cookie, another state.
pub fn start_again() -> Text {
    bad(
        400,
        "Please start again",
        "This sign-in took too long, was used before, or was begun in another window.",
        "Open the link from the message once more, in one window only.",
    )
}

/// What Microsoft said of the account does not hold what it has to.
pub fn id_token_refused() -> Text {
    bad(
        500,
        "The sign-in could not be verified",
        "What Microsoft sent about the account did not pass this system's checks; nothing was changed.",
        "Sign in once more; if this page comes again, show its reference to the person who runs this system.",
    )
}

/// Signed in as somebody else.
pub fn wrong_account(name: &SignInName) -> Text {
    bad(
        403,
        "That was another account",
        format!("You signed in with an account that is not {name}; nothing was changed."),
        format!(
            "Open the link in a private window and sign in as {name}, also where single sign-on offers your own account."
        ),
    )
}

/// Signed in with another name than the mailbox's account is expected to have. Where only that name is
/// known, it may be the right account all the same.
pub fn another_name(expected: &SignInName) -> Text {
    let wrong = wrong_account(expected);
    let or_is_it = match expected.rests_on() {
        RestsOn::Addresses => return wrong,
        RestsOn::AddressAlone => {
            "Was it the mailbox's account, which signs in with a name that is not its address? Tell that name to the person who runs this system: it belongs into the mailbox document, as sign_in_as."
        }
        RestsOn::SignInAs => {
            "Was it the mailbox's account? Tell the name to the person who runs this system: the mailbox document says another one, as sign_in_as."
        }
    };
    Text {
        title: "Another account was expected".to_owned(),
        happened: format!(
            "This link is for the account that signs in as {expected}. Microsoft gave another name, so nothing was changed."
        ),
        next: format!(
            "Was it your own account? Open the link in a private window and sign in as {expected}.\n{or_is_it}"
        ),
        ..wrong
    }
}

/// Signed in with a private account.
pub fn personal_account(name: &SignInName) -> Text {
    bad(
        403,
        "That was a personal account",
        "You signed in with a personal Microsoft account, and the shop's mailbox is a work account; nothing was changed.",
        format!(
            "Sign in as {name}; if Microsoft asks which account to use, choose \u{201c}Work or school account\u{201d}."
        ),
    )
}

/// Signed in with an account of another organisation, or as a guest.
pub fn foreign_account(name: &SignInName) -> Text {
    bad(
        403,
        "That account is of another organisation",
        "You signed in with an account that is not of the shop's own organisation, or only a guest there; nothing was changed.",
        format!("Open the link in a private window and sign in as {name} itself."),
    )
}

/// An administrator came back from granting the app's permissions.
pub fn admin_granted() -> Text {
    Text {
        status: 200,
        good: true,
        title: "Thank you".to_owned(),
        happened: "Microsoft says that the permission was granted.".to_owned(),
        next: "Tell whoever sent you this link that they can open their own link and sign in now; you can close this window.".to_owned(),
        button: SIGN_IN,
        pass_on: FOR_AN_ADMINISTRATOR,
    }
}

/// An administrator came back without having granted them.
pub fn admin_declined(number: Option<i64>) -> Text {
    bad(
        403,
        "The permission was not granted",
        format!(
            "Microsoft ended the request without a grant{}; nothing was changed.",
            numbered(number)
        ),
        "If that was not meant, open the link once more and choose Accept; it takes an administrator who may consent for the organisation.",
    )
}

/// The session of a hand-over is over, or was never begun in this browser.
pub fn session_over() -> Text {
    bad(
        403,
        "Please sign in once more",
        "For safety this page works for an hour after a sign-in, and only in the window of that sign-in.",
        "Open the link from the message again; what you have done so far is kept.",
    )
}

/// Why the secret is not shown.
pub fn not_shown(why: NotShown, name: &SignInName) -> Text {
    match why {
        NotShown::AnotherAccount => wrong_account(name),
        NotShown::NotPending => already_done(),
        NotShown::OldSignIn => bad(
            403,
            "Please sign in once more",
            "The client secret is shown only within ten minutes of a sign-in.",
            format!("Sign in again as {name}; what you have done so far is kept."),
        ),
        NotShown::NotInRevealTo => bad(
            403,
            "This account may not see the secret here",
            not_in_reveal_to(),
            "Go back to the steps, and have that person enter the secret or give it to you safely.",
        ),
        NotShown::RotatorIsTheApp => bad(
            403,
            "The secret cannot be shown here",
            "The app renews its own secret, so this secret is worth more than the mailbox; a setting has to be changed first.",
            "Tell the person who runs this system: a rotator of its own is needed, or the secret is handed over from AWS.",
        ),
        NotShown::ApplicationPermissions => bad(
            403,
            "The secret cannot be shown here",
            "The app has application permissions, so this secret opens more than this mailbox; a setting has to be changed first.",
            "Tell the person who runs this system: take the application permissions from the app, or hand the secret over from AWS.",
        ),
        NotShown::NotChecked => bad(
            403,
            "The secret cannot be shown here",
            "Microsoft's answer does not tell what else this secret opens.",
            "Tell the person who runs this system; the secret can be handed over from AWS.",
        ),
    }
}

/// Not all permissions were granted.
pub fn consent_incomplete(mailbox: &MailboxAddress) -> Text {
    bad(
        403,
        "A permission is missing",
        format!(
            "{mailbox} is signed in, but did not get every permission that ShopCtrl's connections use; nothing was changed."
        ),
        "Sign in again and accept all that Microsoft asks; if it does not ask, an administrator of Microsoft 365 has to grant it.",
    )
}

/// Something on our side.
pub fn our_trouble() -> Text {
    bad(
        503,
        "That did not work just now",
        "Something on our side did not answer; nothing was changed.",
        "Try again in a few minutes; if it happens again, tell the contact this page's reference.",
    )
}

/// Something on our side that trying again does not mend.
pub fn misconfigured() -> Text {
    bad(
        500,
        "This has to be set right first",
        "A setting of this system is wrong; nothing was changed.",
        "Tell the person who runs it this page's reference.",
    )
}

/// Microsoft's number, for whoever has to look it up.
fn numbered(number: Option<i64>) -> String {
    number.map_or_else(String::new, |number| format!(" (AADSTS{number})"))
}

/// What kept the sign-in from succeeding.
pub fn obstacle(obstacle: RefusalReason, number: Option<i64>, name: &SignInName) -> Text {
    let numbered = numbered(number);
    match obstacle {
        RefusalReason::Declined => bad(
            403,
            "The permission was not given",
            "The sign-in ended before the permission was given; nothing was changed.",
            "If you pressed Cancel, sign in again and choose Accept; if Microsoft asked for an administrator's approval, pass the link below on to one first.",
        ),
        RefusalReason::AdminApproval => bad(
            403,
            "An administrator has to agree",
            "Your organisation lets only an administrator grant this permission.",
            "Pass the link below on to an administrator of Microsoft 365; when the permission is granted, sign in again.",
        ),
        RefusalReason::WrongAccount => another_name(name),
        RefusalReason::PersonalAccount => personal_account(name),
        RefusalReason::ForeignAccount => foreign_account(name),
        RefusalReason::NotAssigned => bad(
            403,
            "The account is not assigned to the app",
            format!("The app is open to assigned users only, and {name} is not one of them."),
            "Ask an administrator of Microsoft 365 to assign it under Enterprise applications, then sign in again.",
        ),
        RefusalReason::BlockedByPolicy => bad(
            403,
            "A rule of your organisation blocked the sign-in",
            format!(
                "Microsoft 365 allows this sign-in only under conditions that this device or network does not meet{numbered}."
            ),
            "Try from a device or network of your organisation, or show this number to its administrator and ask about Conditional Access.",
        ),
        RefusalReason::MoreProof => bad(
            403,
            "Microsoft wants a further proof",
            "The sign-in needs a second step, such as a code, that was not completed.",
            "Sign in again and complete all steps that Microsoft shows.",
        ),
        RefusalReason::AccountTrouble => bad(
            403,
            "The account cannot sign in",
            format!("{name} is locked or disabled, or its password is wrong or has ended."),
            "Have the account set right by your helpdesk, then sign in again.",
        ),
        RefusalReason::ClientRefused => bad(
            503,
            "The new secret is not known everywhere yet",
            "Microsoft needs up to some minutes until a new client secret works; nothing was changed.",
            "Sign in again in a few minutes.",
        ),
        RefusalReason::Registration => bad(
            500,
            "The app registration has to be set right",
            format!("Microsoft does not accept the app's registration as it is{numbered}."),
            "Show this number, and this page's reference, to the person who runs this system.",
        ),
        RefusalReason::Federation => bad(
            500,
            "The system's own sign-in has to be set right",
            format!(
                "Microsoft does not accept how this system proves itself{numbered}; nothing was changed."
            ),
            "Show this number, and this page's reference, to the person who runs this system.",
        ),
        RefusalReason::StartAgain => bad(
            400,
            "Please start again",
            "This sign-in took too long or was used before.",
            "Sign in again.",
        ),
        RefusalReason::Transient => bad(
            503,
            "Microsoft did not answer just now",
            "Microsoft's sign-in has a passing trouble; nothing was changed.",
            "Sign in again in a few minutes.",
        ),
        RefusalReason::Unknown => bad(
            500,
            "The sign-in did not succeed",
            format!(
                "Microsoft ended the sign-in for a reason that this system does not know{numbered}; nothing was changed."
            ),
            "Show this number to an administrator of your Microsoft 365, and this page's reference to the person who runs this system.",
        ),
    }
}

// === The hand-over ===

/// A text in which what stands between pairs of `**` is a label of ShopCtrl's or Microsoft's.
pub fn marked(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split("**").enumerate() {
            @if at % 2 == 1 { b { (part) } } @else { (part) }
        }
    }
}

fn day(time: Timestamp) -> String {
    time.strftime("%-d %B %Y").to_string()
}

fn clock(time: Timestamp) -> String {
    time.strftime("%H:%M UTC").to_string()
}

/// The name of a direction at the front of a line.
pub fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Receiving => "Receiving:",
        Direction::Sending => "Sending:",
    }
}

fn host(connection: &Connection) -> &str {
    let ui = connection.shopctrl.ui.as_str();
    let host = ui.split("://").last().unwrap_or(ui);
    host.split('/').next().unwrap_or(host)
}

/// Shop and mailbox, as terms with what they are here.
pub fn what_it_is_about(
    connections: &[&Connection],
    mailbox: &MailboxAddress,
) -> Vec<(&'static str, String)> {
    let mut shops: Vec<String> = Vec::new();
    for connection in connections {
        let shop = format!("{} at {}", connection.shopctrl.shop_id, host(connection));
        if !shops.contains(&shop) {
            shops.push(shop);
        }
    }
    vec![("Shop", shops.join(", ")), ("Mailbox", mailbox.to_string())]
}

/// Over the first screen.
pub fn start_title(ended: bool) -> String {
    let title = if ended {
        "The shop's mail stands still"
    } else {
        "The shop's mail needs you"
    };
    title.to_owned()
}

/// Why now.
pub fn why_now(purpose: Purpose, ends: Timestamp, ended: bool) -> String {
    if purpose == Purpose::Connect {
        return "ShopCtrl shows that it is not authorized for this mailbox, and wants the sign-in of its owner. Until then no mail flows where it does.".to_owned();
    }
    if ended {
        return format!(
            "The client secret with which ShopCtrl reaches this mailbox ended on {}, and mail has stood still since then. A new one is ready.",
            day(ends)
        );
    }
    format!(
        "The client secret with which ShopCtrl reaches this mailbox ends on {}, and then mail would stop. A new one is ready; until you have handed it over, mail goes on with the old one.",
        day(ends)
    )
}

/// Over the list of what is asked.
pub const WHAT_IS_ASKED: &str = "What you are asked to do";

/// The list of what is asked.
pub fn what_is_asked(name: &SignInName, connections: &[&Connection], enters: bool) -> Vec<String> {
    let sign_in =
        format!("Sign in at Microsoft as **{name}**, the shop's mailbox, and not as yourself.");
    if !enters {
        return vec![
            sign_in,
            "Let ShopCtrl sign in as this mailbox once more, by a button on the next page."
                .to_owned(),
        ];
    }
    let has = |direction| {
        let mut attended = connections
            .iter()
            .filter(|c| c.delivery == Delivery::Attended);
        attended.any(|c| c.direction == direction)
    };
    let place = match (has(Direction::Receiving), has(Direction::Sending)) {
        (true, false) => "for receiving",
        (false, true) => "for sending",
        _ => "first for receiving, then for sending",
    };
    vec![
        sign_in,
        format!(
            "Enter the new client secret in ShopCtrl, {place}. The next page shows each step and has everything to copy."
        ),
        "Say what ShopCtrl shows. This page then looks whether mail flows, and tells you when it is done."
            .to_owned(),
    ]
}

/// What has to be at hand.
pub fn what_is_needed(name: &SignInName) -> String {
    format!(
        "You need the password of {name}, and a ShopCtrl user with Shop owner admin permissions. It takes about ten minutes."
    )
}

/// Over the word on private windows.
pub const PRIVATE_WINDOW: &str = "Open this in a private window";
/// Why, and how.
pub const WHY_PRIVATE: &str = "Else Microsoft may sign you in with your own account without asking. In Chrome press **Ctrl+Shift+N** (on a Mac **\u{2318}+Shift+N**) and paste this link there:";
/// Over the page's own link.
pub const THIS_LINK: &str = "This page's link";

/// On the button of the first screen.
pub fn sign_in_as(name: &SignInName) -> String {
    format!("Sign in as {name}")
}

/// For who reads this page again because Microsoft's did not lead on.
pub const NEVER_CAME_BACK: &str = "Microsoft shows an error and does not lead back here?";

/// What to do then. Entra shows a wrong redirect URI and most errors of a registration on its own page
/// (reply-url.md; RFC 6749, 4.1.2.1).
pub fn never_came_back(name: &SignInName) -> String {
    let unknown = match name.rests_on() {
        RestsOn::Addresses => String::new(),
        RestsOn::AddressAlone | RestsOn::SignInAs => format!(
            " If Microsoft does not know {name}, the mailbox's account has another sign-in name: the setting sign_in_as in the mailbox document is for it."
        ),
    };
    format!(
        "Then the app registration has to be set right by an administrator of Microsoft 365. If the page says AADSTS50011, this redirect URI (platform Web) is missing in it; for any other number pass that number on.{unknown} Afterwards open this link again."
    )
}

/// Over the redirect URI.
pub const REDIRECT_URI: &str = "Redirect URI";
/// ShopCtrl's own labels.
pub const TENANT_ID: &str = "Tenant ID";
/// ShopCtrl's own labels.
pub const CLIENT_ID: &str = "Client ID";
/// ShopCtrl's own labels.
pub const CLIENT_SECRET: &str = "Client Secret";

/// How far it is.
pub fn progress(at: usize, of: usize) -> String {
    format!("Part {} of {of}", at + 1)
}

/// Over the steps of one connection.
pub fn task_title(task: &Task<'_>) -> String {
    let title = match (&task.how, task.connection.direction) {
        (How::Enter { .. }, Direction::Receiving) => "Receiving mail: enter the new client secret",
        (How::Enter { .. }, Direction::Sending) => "Sending mail: enter the new client secret",
        (How::Authorize { .. }, Direction::Receiving) => "Receiving mail: authorize ShopCtrl",
        (How::Authorize { .. }, Direction::Sending) => "Sending mail: authorize ShopCtrl",
    };
    title.to_owned()
}

/// The steps in ShopCtrl, after its help page, around the values to copy.
pub struct Steps {
    /// Before the link to ShopCtrl.
    pub open: String,
    /// To the connection.
    pub find: Vec<String>,
    /// From the values on.
    pub authorize: Vec<String>,
}

/// The steps for one connection (ShopCtrl's help page on rotating the client secret, steps 11 to 33,
/// and what its set-up pages add).
pub fn steps(connection: &Connection, name: &SignInName) -> Steps {
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
pub fn open_shopctrl(connection: &Connection) -> String {
    format!("open ShopCtrl at {}", host(connection))
}

/// Over the values.
pub const ENTER: &str = "Expand **Auth Parameters** and enter these values; **Tenant ID** and **Client ID** stand there already and should be the same. **Status** changes to **Not authorized**, and this direction rests until you have authorized it: go on at once.";
/// On the button that shows the secret.
pub const SHOW_SECRET: &str = "Show";
/// Below the secret.
pub const SECRET_SHOWN: &str = "Paste it into ShopCtrl and nowhere else. It is not shown again when you leave this page, but you can ask for it again.";
/// Where a sign-in is too old.
pub const SIGN_IN_TO_SEE: &str = "It is shown only within ten minutes of a sign-in.";
/// On that link.
pub const SIGN_IN_AGAIN: &str = "Sign in again";
/// Over the command that reads the secret in AWS.
pub const COMMAND: &str = "Command for a person with access to AWS";
/// Where the person presses on without having seen the secret.
pub const NOT_SHOWN_YET: &str = "The new client secret was not shown on this page yet. Only go on if it stands in ShopCtrl all the same: mail that flows now may still use the old one.";

/// Why the secret is not shown to this account.
pub fn not_in_reveal_to() -> &'static str {
    "This account is not among those to whom the secret is shown here (reveal_to in the mailbox document). A person with access to AWS can read it."
}

/// Before the account's id.
pub fn for_reveal_to() -> &'static str {
    "To have it shown here next time, reveal_to needs this object ID:"
}

/// The command that reads the pending secret (AWS CLI).
pub fn command(arn: &str, version: &str) -> String {
    format!(
        "aws secretsmanager get-secret-value --secret-id {arn} --version-id {version} --query SecretString --output text"
    )
}

/// Over the buttons.
pub const WHAT_DOES_IT_SHOW: &str = "What does ShopCtrl show now?";
/// The statement that counts.
pub const SAYS_AUTHORIZED: &str = "Status shows Authorized";
/// The other one.
pub const SAYS_OTHER: &str = "It shows something else";
/// The statement after ShopCtrl's own sign-in.
pub const HAS_AUTHORIZED: &str = "ShopCtrl says that access was granted";

/// What a statement rests on, as it is recorded.
pub fn evidence(state: HandOverState, direction: Direction) -> &'static str {
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
pub const IT_FAILED: &str = "That did not work yet";

/// Before the hints.
pub fn it_failed() -> &'static str {
    "This direction is not done. Look at these, then go through the steps once more:"
}

/// The step that authorizes a connection at ShopCtrl.
pub fn authorize_there(name: &SignInName) -> String {
    format!(
        "ShopCtrl needs a sign-in as **{name}** of its own; the new client secret goes there by itself afterwards."
    )
}

/// On the button that leads to ShopCtrl's own sign-in.
pub const AUTHORIZE_AT_SHOPCTRL: &str = "Authorize ShopCtrl";

/// What comes after it.
pub fn after_authorizing(name: &SignInName) -> Vec<String> {
    vec![
        format!(
            "Microsoft signs in **{name}**; review and approve the permissions if it asks."
        ),
        "ShopCtrl says in a **Success** window that access was granted. Then come back to this page."
            .to_owned(),
    ]
}

/// Over the screen between the hand-over and its end.
pub fn watching_title(purpose: Purpose) -> String {
    let title = match purpose {
        Purpose::Rotate => "Thank you: now it is proved",
        Purpose::Connect => "Thank you, that was all",
    };
    title.to_owned()
}

/// What happens meanwhile.
pub fn watching(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Rotate => {
            "You have done your part. The new client secret is being tested, and ShopCtrl's next check of the mail is waited for. That takes some minutes; you may leave this page open or close it."
        }
        Purpose::Connect => {
            "ShopCtrl gets its client secret by itself at the next check, within some hours. You can close this page."
        }
    }
}

/// Where other accounts' connections wait too.
pub const OTHERS_WAIT: &str = "Another mailbox of this shop has its own link, which was sent too: it has to be handed over as well before all is done.";
/// On the button that loads the page again.
pub const LOOK_AGAIN: &str = "Look again";
/// On the button for who pressed too early.
pub const NOT_AUTHORIZED_AFTER_ALL: &str = "It shows something else after all";

/// How one connection stands, in one or two sentences.
pub fn standing(task: &Task<'_>, seen: Option<&Seen>) -> Vec<String> {
    let mut says = Vec::new();
    match &task.how {
        How::Enter { said } => says.extend(said.map(|said| {
            format!(
                "You said at {} that Status shows Authorized.",
                clock(said.at)
            )
        })),
        How::Authorize { .. } => says.push("You said that access was granted.".to_owned()),
    }
    let Some(seen) = seen else {
        says.push("ShopCtrl cannot be asked just now.".to_owned());
        return says;
    };
    let Some(since) = seen.since else {
        return says;
    };
    match task.connection.direction {
        Direction::Receiving => says.push(match seen.status.last_mail_check {
            LastMailCheck::At(last) if since.mail_check => {
                format!("ShopCtrl checked the mail at {} after that.", clock(last))
            }
            LastMailCheck::At(_) | LastMailCheck::NotSaid | LastMailCheck::Unreadable => {
                "ShopCtrl has not checked the mail since then.".to_owned()
            }
        }),
        Direction::Sending => match since.arrived {
            Some(_) if since.test_mail => says.push("The test mail has arrived.".to_owned()),
            Some(_) => says.push("The test mail is not there yet.".to_owned()),
            None => {}
        },
    }
    if let (Some(arrived), Direction::Receiving) = (since.arrived, task.connection.direction) {
        says.push(match arrived {
            0 => "No mail has come in since then.".to_owned(),
            1 => "1 mail has come in since then.".to_owned(),
            n => format!("{n} mails have come in since then."),
        });
    }
    says
}

/// What may be behind it, and what to do.
pub fn hint(hint: Hint, connection: &Connection, name: &SignInName) -> String {
    match hint {
        Hint::MailOverride => format!(
            "If {} is an acceptance server, its **Mail override** sends every mail to an invented address: a test mail from there never arrives. That is no fault; rely on Status.",
            host(connection)
        ),
        Hint::Enable => {
            "Open **Edit**: is **Enable** on at the top of Mailbox details?".to_owned()
        }
        Hint::CheckMail => {
            "In the list under Receiving email: is **Check mail** on, and the shop saved?".to_owned()
        }
        Hint::ShopInactive => {
            "The shop is not active in ShopCtrl, so its mail is not checked. That is no fault of the connection.".to_owned()
        }
        Hint::AutoReply => {
            "If **Auto Reply** is on, ShopCtrl answers the test mail too. That is no fault.".to_owned()
        }
        Hint::AnotherSmtp => {
            "If the shop has another SMTP connection of lower priority, mail goes out through that one while this one fails: look at this connection's own **Status**.".to_owned()
        }
        Hint::WholeValue => {
            "Was the whole value copied, without a space before or behind it? It is the secret's value that is needed, not its ID.".to_owned()
        }
        Hint::OtherAccount => format!(
            "Did the Success window name **{name}**? If it named another account, press **Save and Authorize** again in a private window."
        ),
    }
}

/// Over the last screen.
pub const DONE: &str = "Done: mail goes on with the new secret";

/// What is done.
pub fn done(mailbox: &MailboxAddress) -> String {
    format!("The new client secret of {mailbox} is in use, and it was seen to work.")
}

/// The dates that follow.
pub fn next_dates(ends: Timestamp, renewal: Timestamp) -> Vec<(&'static str, String)> {
    vec![
        ("The new client secret ends on", day(ends)),
        (
            "The next renewal begins on or soon after",
            format!("{}; you will get a link like this one", day(renewal)),
        ),
    ]
}

/// The end of it.
pub const NOTHING_LEFT: &str =
    "There is nothing left to do, and nothing to remember. You can close this window.";
/// On the link to the calendar file.
pub const CALENDAR: &str = "Put these dates into my calendar (a file)";

/// The same dates for a calendar.
pub fn calendar(ticket: &Ticket, ends: Timestamp, renewal: Timestamp) -> Vec<Entry> {
    let mailbox = &ticket.mailbox;
    vec![
        Entry {
            uid: format!("renewal-{}@shopmail", ticket.version),
            day: renewal,
            summary: format!("{mailbox}: the client secret is renewed"),
            description: "A link to the guided page is sent to the contact on this day or soon after. If none comes within a week, tell whoever runs the system.".to_owned(),
        },
        Entry {
            uid: format!("end-{}@shopmail", ticket.version),
            day: ends,
            summary: format!("{mailbox}: the client secret ends"),
            description: "If it was not renewed before, the shop's mail stops on this day.".to_owned(),
        },
    ]
}
