//! The person opens the link and signs in.

use url::Url;

use super::asked::Asked;
use crate::browser::{Browser, Page, Shown};
use crate::fact::Fact;
use crate::manual_page::{self, APPROVE, SIGN_IN};
use crate::stop::Stop;
use crate::story::{Story, see};
use crate::teller::{Told, Tone};

/// From the link to the last page it takes no more steps than this.
const MOST_STEPS: usize = 10;

pub async fn tell(story: &mut Story, asked: &Asked) -> Result<(), Stop> {
    story.teller.chapter(
        "signed_in",
        "The person signs in as the shop mailbox",
        manual_page::AUTHORIZE,
    )?;
    let link = Url::parse(&asked.link)
        .map_err(|error| Stop::NotSeen(format!("a link that opens: {error}")))?;
    story.tell(
        Told::new("link_opened", "The person opens the link in a browser.").tone(Tone::Person),
    )?;
    let mut browser = Browser::new().map_err(Stop::World)?;
    let mut shown = Shown::SentTo(link);
    for _ in 0..MOST_STEPS {
        shown = match shown {
            Shown::SentTo(next) => go(&mut browser, &next).await?,
            Shown::Page(page) if page.asks_for("passwd") => {
                sign_in(story, &mut browser, &page).await?
            }
            Shown::Page(page) if page.asks_for("decision") => {
                approve(story, &mut browser, &page).await?
            }
            Shown::Page(page) => return last_page(story, &page),
        };
    }
    see(false, "a page at the end of the sign-in")
}

async fn go(browser: &mut Browser, url: &Url) -> Result<Shown, Stop> {
    browser.open(url).await.map_err(Stop::NotSeen)
}

async fn sign_in(story: &mut Story, browser: &mut Browser, page: &Page) -> Result<Shown, Stop> {
    let (address, password) = (
        story.mailbox.address.clone(),
        story.mailbox.password.clone(),
    );
    see(
        page.html.contains(&address),
        "the shop mailbox's address, filled in on Microsoft's page",
    )?;
    story.tell(
        Told::new(
            "microsoft_asks",
            "Microsoft's page has the mailbox's address filled in already. The person types its password.",
        )
        .tone(Tone::Person)
        .fact(Fact::new("heading", page.heading()))
        .fact(Fact::new("manual_step", SIGN_IN)),
    )?;
    story.steps_by_hand.push(SIGN_IN);
    let fields = [("passwd", password.as_str()), ("login", address.as_str())];
    browser.submit(page, &fields).await.map_err(Stop::NotSeen)
}

async fn approve(story: &mut Story, browser: &mut Browser, page: &Page) -> Result<Shown, Stop> {
    story.tell(
        Told::new("microsoft_asks", "The person approves the permissions.")
            .tone(Tone::Person)
            .fact(Fact::new("heading", page.heading()))
            .fact(Fact::new("manual_step", APPROVE)),
    )?;
    story.steps_by_hand.push(APPROVE);
    browser
        .submit(page, &[("decision", "accept")])
        .await
        .map_err(Stop::NotSeen)
}

fn last_page(story: &mut Story, page: &Page) -> Result<(), Stop> {
    let heading = page.heading().unwrap_or_default();
    let good = page.status == 200 && page.html.contains("<main class=\"good\">");
    see(
        good,
        &format!(
            "a good page at the end of the sign-in; it was \"{heading}\" ({})",
            page.status
        ),
    )?;
    story.tell(
        Told::new("page_shown", "The sign-in is done, and this page says so:")
            .tone(Tone::Person)
            .fact(Fact::new("heading", heading))
            .fact(Fact::new("sentences", page.sentences()).shown_as(page.sentences().join(" "))),
    )
}
