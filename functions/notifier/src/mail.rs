//! A mail, and how it is written: as text, and as a simple page.

mod to_do;

use maud::{DOCTYPE, Markup, html};

use to_do::ToDo;

/// A mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mail {
    /// Under 100 characters of one line (SNS API reference, *Publish*).
    pub(crate) subject: String,
    pub(crate) sections: Vec<Section>,
    /// At the end: how it is known to be genuine, and the references.
    pub(crate) footer: Vec<String>,
}

/// What one mail says of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) heading: String,
    pub(crate) paragraphs: Vec<String>,
    /// The one thing to do.
    pub(crate) to_do: String,
    /// What is to be known of the commands in it.
    pub(crate) commands: Option<String>,
    /// For each mailbox, where there is more than one or a link.
    pub(crate) items: Vec<Item>,
}

/// One of several, or the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) text: Option<String>,
    pub(crate) link: Option<Link>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) address: String,
    /// Stands behind the address, so that no mark of a mail's own does.
    pub(crate) behind: String,
}

const TO_DO: &str = "What to do:";

/// RFC 5322, 2.1.1: a line should have no more than 78 characters.
const WIDTH: usize = 76;

impl Mail {
    pub(crate) fn text(&self) -> String {
        let mut blocks: Vec<String> = Vec::new();
        for section in &self.sections {
            blocks.push(underlined(&section.heading));
            blocks.extend(section.paragraphs.iter().map(|text| wrapped(text, WIDTH)));
            blocks.push(ToDo::read(&section.to_do).text(TO_DO));
            blocks.extend(section.commands.iter().map(|text| wrapped(text, WIDTH)));
            blocks.extend(section.items.iter().map(Item::text));
        }
        blocks.push("-".repeat(WIDTH));
        blocks.extend(self.footer.iter().map(|text| wrapped(text, WIDTH)));
        blocks.join("\n\n") + "\n"
    }

    pub(crate) fn html(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head { meta charset="utf-8"; title { (self.subject) } }
                body style="margin:0;padding:16px;background:#f5f6f8;color:#1c1e21;font:16px/1.5 system-ui,Segoe UI,Roboto,Arial,sans-serif" {
                    div style="max-width:40rem;margin:0 auto;padding:24px;background:#ffffff;border:1px solid #d9dce1;border-radius:8px" {
                        @for section in &self.sections { (section.html()) }
                        div style="margin-top:24px;padding-top:12px;border-top:1px solid #d9dce1;color:#5a6069;font-size:14px" {
                            @for text in &self.footer { p style="margin:0 0 8px;overflow-wrap:anywhere" { (text) } }
                        }
                    }
                }
            }
        };
        page.into_string()
    }
}

impl Section {
    fn html(&self) -> Markup {
        html! {
            h1 style="margin:0 0 12px;font-size:20px;line-height:1.3;overflow-wrap:anywhere" { (self.heading) }
            @for text in &self.paragraphs { p style="margin:0 0 12px;overflow-wrap:anywhere" { (text) } }
            (ToDo::read(&self.to_do).html(TO_DO))
            @if let Some(text) = &self.commands { p style="margin:0 0 12px;overflow-wrap:anywhere" { (text) } }
            @for item in &self.items { (item.html()) }
        }
    }
}

impl Item {
    fn text(&self) -> String {
        let mut lines: Vec<String> = self.text.iter().map(|text| wrapped(text, WIDTH)).collect();
        if let Some(link) = &self.link {
            lines.push(link.address.clone());
            lines.push(wrapped(&link.behind, WIDTH));
        }
        lines.join("\n")
    }

    fn html(&self) -> Markup {
        html! {
            p style="margin:0 0 12px;padding-left:12px;border-left:3px solid #d9dce1;overflow-wrap:anywhere" {
                @if let Some(text) = &self.text { (text) br; }
                @if let Some(link) = &self.link {
                    a href=(link.address) style="color:#0b57d0;word-break:break-all" { (link.address) }
                    br;
                    (link.behind)
                }
            }
        }
    }
}

fn underlined(text: &str) -> String {
    let text = wrapped(text, WIDTH);
    let width = text.lines().map(|line| line.chars().count()).max();
    format!("{text}\n{}", "=".repeat(width.unwrap_or_default()))
}

/// In lines of no more than so many characters, but for words that are longer.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
