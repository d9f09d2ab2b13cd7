//! A mailbox that ShopCtrl reaches by mail protocols: opened as ShopCtrl opens it, shut at Exchange, mended by a person,
//! and renewed.

use jiff::SignedDuration;
use serde_json::Value;
use simulators::gate::Call;
use simulators::microsoft::exchange::store::Mail;
use simulators::shopctrl::{Protocol, Status};
use simulators::world::MailboxPlan;
use url::form_urlencoded;
use uuid::Uuid;

use super::{days, hours, renew};
use crate::fact::Fact;
use crate::narration::text;
use crate::scenario::RENEW_BEFORE_DAYS;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

const CODE: &str = "smtp_auth_off_for_tenant";
/// So many days after it comes into the story, its renewal is due.
const DAYS_TO_RENEWAL: i64 = 3;

/// The mailbox.
pub fn plan() -> MailboxPlan {
    MailboxPlan {
        name: "returns".to_owned(),
        address: "returns@shop.example".to_owned(),
        receiving: Protocol::Imap,
        sending: Protocol::Smtp,
        shop_id: 14,
        ends_in: days(RENEW_BEFORE_DAYS + DAYS_TO_RENEWAL),
        ..MailboxPlan::default()
    }
}

/// Gives how long the mailbox could not send.
pub async fn tell(story: &mut Story) -> Result<SignedDuration, Stop> {
    another_mailbox(story).await?;
    let broken = story.world.clock.now();
    switched_off(story).await?;
    let mended = story.world.clock.now();
    switched_on(story).await?;
    renewed(story).await?;
    Ok(mended.duration_since(broken))
}

async fn another_mailbox(story: &mut Story) -> Result<(), Stop> {
    let headline = "Another mailbox, which ShopCtrl reaches by IMAP and SMTP";
    story.chapter("mail_protocols", headline, &[]).await?;
    let mailbox = story.add_mailbox(&plan())?;
    let ends = story.world.clock.now() + plan().ends_in;
    story.turn_to(mailbox.clone());
    story.tell(
        Told::new(
            "another_mailbox",
            "Not every mailbox is reached by Microsoft Graph. This one's mail is fetched by IMAP and sent by SMTP. Exchange has a switch for each. A customer's mail lies in the inbox, unread.",
        )
        .fact(Fact::new("mailbox", mailbox.address.clone()))
        .fact(Fact::day("expires_at", ends))
        .fact(Fact::new("key_id", mailbox.first_key.to_string())),
    )?;
    let directory = &story.world.directory;
    directory.receive_mail("customer@mail.example", &mailbox.address, "My parcel");
    let before = mails(story);
    see(before.len() == 1, "one mail in the inbox")?;
    // The news of before is no news of this mailbox.
    story.untold();
    story.world.gate.clear();
    story.check_after(hours(6)).await?;
    let calls = story.world.gate.calls();
    see_opened(&calls)?;
    see(mails(story) == before, "the mailbox as it was")?;
    let found = of_this(story, "Drift Found");
    see(found.is_empty(), "a mailbox that is in order")?;
    story.tell(
        Told::new(
            "opened",
            "At least once a day a check opens each mailbox as ShopCtrl does. EXAMINE opens the inbox for reading only, and by SMTP there is a sign-in and no mail. Nothing has changed: the customer's mail is still unread, and nothing was sent.",
        )
        .tone(Tone::Good)
        .fact(Fact::new("imap", commands(&calls, "imap")))
        .fact(Fact::new("smtp", commands(&calls, "smtp"))),
    )
}

async fn switched_off(story: &mut Story) -> Result<(), Stop> {
    let headline = "SMTP is switched off at Exchange, and the next check finds it";
    story.chapter("smtp_off", headline, &[]).await?;
    set_smtp_auth(story, None);
    let connections = story.connections();
    let mut statuses = connections.iter().map(|connection| connection.status);
    see(
        story.standing_still() == 1 && statuses.all(|status| status == Status::Authorized),
        "a mailbox that cannot send, and Authorized in ShopCtrl all the same",
    )?;
    story.tell(
        Told::new(
            "smtp_off",
            "Somebody tidies up at Exchange and removes the mailbox's own setting for authenticated SMTP. So the organisation's counts, and that is off. The client secret is good, and ShopCtrl still shows Authorized; but no mail goes out.",
        )
        .tone(Tone::Fault),
    )?;
    story.check_after(hours(6)).await?;
    let command = see_told(story)?;
    story.tell(
        Told::new(
            "explained",
            "One mail says which of Exchange's switches it is, and has the command for it. This system has no right to change it, and asks for none.",
        )
        .tone(Tone::Good)
        .fact(Fact::new("command", command).quiet()),
    )
}

/// One event and one mail say what it is, and the mail has the command that mends it.
fn see_told(story: &Story) -> Result<String, Stop> {
    let command = format!(
        "Set-CASMailbox -Identity {} -SmtpClientAuthenticationDisabled $false",
        story.mailbox.address
    );
    let found = of_this(story, "Drift Found");
    let is_told = |drift: &Value| {
        text(drift, "what") == CODE
            && text(drift, "mail") == "stands_still"
            && text(drift, "connection") == "returns-out"
    };
    see(
        found.len() == 1 && found.iter().all(is_told),
        "one event about SMTP, and what it is",
    )?;
    let mails = story.world.sns.published();
    let has_it = mails.iter().filter(|mail| mail.message.contains(&command));
    see(
        has_it.count() == 1,
        "one mail to the administrator, with the command",
    )?;
    Ok(command)
}

async fn switched_on(story: &mut Story) -> Result<(), Stop> {
    let headline = "An administrator runs that command, and the next check says that it is over";
    story.chapter("smtp_on", headline, &[]).await?;
    set_smtp_auth(story, Some(true));
    story.tell(
        Told::new(
            "smtp_on",
            "An administrator of the organisation copies the command from the mail into Exchange Online PowerShell. It counts for this mailbox alone.",
        )
        .tone(Tone::Person),
    )?;
    story.check_after(hours(6)).await?;
    let over = of_this(story, "Mailbox Recovered");
    see(
        over.len() == 1 && over.iter().all(|over| text(over, "what") == CODE),
        "one all-clear about SMTP",
    )?;
    see(
        story.standing_still() == 0,
        "mail flowing in both directions",
    )
}

async fn renewed(story: &mut Story) -> Result<(), Stop> {
    let headline = "Its secret is renewed, and proved by IMAP and SMTP";
    story.chapter("proved_by_protocols", headline, &[]).await?;
    let before = mails(story);
    story.world.gate.clear();
    let new = renew(story, days(DAYS_TO_RENEWAL)).await?;
    // Behind them there is what ShopCtrl sent when it tested sending.
    see(
        mails(story).starts_with(&before),
        "every mail in the mailbox as it was",
    )?;
    tell_proved(story, new)
}

/// Sees in the journal that the mailbox was opened by IMAP and SMTP with this client secret, and tells it.
pub fn tell_proved(story: &mut Story, key: Uuid) -> Result<(), Stop> {
    let secret = story.world.directory.secret_value(key).unwrap_or_default();
    let calls = story.world.gate.calls();
    let first = calls.iter().position(|call| signs_in_with(call, &secret));
    let first = first.ok_or_else(|| Stop::NotSeen("a sign-in with the new secret".to_owned()))?;
    let calls = calls.get(first..).unwrap_or_default();
    see_opened(calls)?;
    story.tell(
        Told::new(
            "proved_by_protocols",
            "With the new secret IMAP opened the inbox, for reading only, and SMTP took the sign-in. That proved it, and changed nothing in the mailbox.",
        )
        .tone(Tone::Good)
        .fact(Fact::new("imap", commands(calls, "imap")))
        .fact(Fact::new("smtp", commands(calls, "smtp"))),
    )
}

/// With nothing the organisation's setting counts, which is off.
fn set_smtp_auth(story: &Story, allowed: Option<bool>) {
    let directory = &story.world.directory;
    directory.change_account(story.mailbox.oid, |person| {
        person.email_apps.smtp_auth = allowed;
    });
}

fn mails(story: &Story) -> Vec<Mail> {
    story.world.directory.mails(&story.mailbox.address)
}

/// What was published of the mailbox under this type.
fn of_this(story: &Story, detail_type: &str) -> Vec<Value> {
    let mut details = story.world.event_bridge.details(detail_type);
    details.retain(|detail| text(detail, "secret") == story.mailbox.secret);
    details
}

/// The mailbox was opened by both protocols, and nothing was asked that changes one.
fn see_opened(calls: &[Call]) -> Result<(), Stop> {
    let was_answered = |service: &str, asked: &str, status: u16| {
        let is_it = |call: &Call| {
            call.service == service && call.uri.starts_with(asked) && call.status == Some(status)
        };
        calls.iter().any(is_it)
    };
    see(
        was_answered("imap", "EXAMINE INBOX", 200),
        "the inbox opened by IMAP",
    )?;
    // It answers the line behind the command, which has the token.
    see(was_answered("smtp", "", 235), "a sign-in that SMTP takes")?;
    let changes = |call: &Call| {
        let by_protocol = ["imap", "smtp"].contains(&call.service);
        by_protocol && ["SELECT", "STORE", "MAIL"].contains(&call.operation.as_str())
    };
    see(!calls.iter().any(changes), "nothing that changes a mailbox")
}

/// What was asked by a protocol, in order, without what signs in.
fn commands(calls: &[Call], service: &str) -> Vec<String> {
    let calls = calls.iter().filter(|call| call.service == service);
    let commands = calls.map(|call| call.uri.clone());
    commands.filter(|command| !command.is_empty()).collect()
}

fn signs_in_with(call: &Call, secret: &str) -> bool {
    let mut fields = form_urlencoded::parse(&call.body);
    call.service == "entra"
        && fields.any(|(name, value)| name == "client_secret" && value == secret)
}
