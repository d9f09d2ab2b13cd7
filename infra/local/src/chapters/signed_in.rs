//! The person opens the link and signs in.

use simulators::browser::{Browser, Page, unescaped};

use super::asked::Asked;
use crate::fact::Fact;
use crate::manual_page::{self, APPROVE, SIGN_IN};
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

/// From the link to the last page it takes no more steps than this.
const MOST_STEPS: usize = 10;

/// Where Microsoft's forms go.
const LOGIN: &str = "/login";
const CONSENT: &str = "/consent";

pub async fn tell(story: &mut Story, asked: &Asked) -> Result<(), Stop> {
    story
        .chapter(
            "signed_in",
            "The person signs in as the shop mailbox",
            manual_page::AUTHORIZE,
        )
        .await?;
    story.tell(
        Told::new("link_opened", "The person opens the link in a browser.").tone(Tone::Person),
    )?;
    let mut browser = Browser::default();
    let mut page = browser.get(&asked.link).await.map_err(Stop::NotSeen)?;
    for _ in 0..MOST_STEPS {
        page = match page.location() {
            Some(next) => browser.get(&next).await.map_err(Stop::NotSeen)?,
            None if page.has_form(LOGIN) => sign_in(story, &mut browser, &page).await?,
            None if page.has_form(CONSENT) => approve(story, &mut browser, &page).await?,
            None => return last_page(story, &page),
        };
    }
    see(false, "a page at the end of the sign-in")
}

async fn sign_in(story: &mut Story, browser: &mut Browser, page: &Page) -> Result<Page, Stop> {
    let (address, password) = (
        story.mailbox.address.clone(),
        story.mailbox.password.clone(),
    );
    see(
        page.body.contains(&address),
        "the shop mailbox's address, filled in on Microsoft's page",
    )?;
    story.tell(
        Told::new(
            "microsoft_asks",
            "Microsoft's page has the mailbox's address filled in already. The person types its password.",
        )
        .tone(Tone::Person)
        .fact(Fact::new("heading", unescaped(page.heading())))
        .fact(Fact::new("manual_step", SIGN_IN)),
    )?;
    story.steps_by_hand.push(SIGN_IN);
    let fields = [("passwd", password.as_str()), ("login", address.as_str())];
    let sent = browser.submit(page, LOGIN, &fields).await;
    sent.map_err(Stop::NotSeen)
}

async fn approve(story: &mut Story, browser: &mut Browser, page: &Page) -> Result<Page, Stop> {
    story.tell(
        Told::new("microsoft_asks", "The person approves the permissions.")
            .tone(Tone::Person)
            .fact(Fact::new("heading", unescaped(page.heading())))
            .fact(Fact::new("manual_step", APPROVE)),
    )?;
    story.steps_by_hand.push(APPROVE);
    let sent = browser.submit(page, CONSENT, &[("decision", "accept")]);
    sent.await.map_err(Stop::NotSeen)
}

fn last_page(story: &mut Story, page: &Page) -> Result<(), Stop> {
    let heading = unescaped(page.heading());
    let good = page.status == 200 && page.body.contains("<main class=\"good\">");
    see(
        good,
        &format!(
            "a good page at the end of the sign-in; it was \"{heading}\" ({})",
            page.status
        ),
    )?;
    let sentences = sentences(page);
    story.tell(
        Told::new("page_shown", "The sign-in is done, and this page says so:")
            .tone(Tone::Person)
            .fact(Fact::new("heading", heading.as_str()).quiet())
            .fact(Fact::new("sentences", sentences.clone()).quiet())
            .quoting(vec![heading, sentences.join(" ")]),
    )
}

/// The page's sentences under its heading.
fn sentences(page: &Page) -> Vec<String> {
    let (_, rest) = page.body.split_once("</h1>").unwrap_or_default();
    rest.split("<p>")
        .skip(1)
        .filter_map(|part| part.split_once("</p>"))
        .map(|(sentence, _)| unescaped(sentence))
        .collect()
}
