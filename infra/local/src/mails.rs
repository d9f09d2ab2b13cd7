//! The mails that people get, as they come.

use std::sync::Arc;

use simulators::aws::queue::Queue;
use simulators::template::mailed_events;
use simulators::world::World;

use crate::fact::Fact;
use crate::narration::shortened;
use crate::stop::Stop;
use crate::told::{Told, Tone};

/// The settings of `notifier`: who the mails are from, and whom their readers ask.
pub const SETTINGS: [(&str, &str); 2] = [
    ("MAIL_FROM", "Shop mail <shopmail@agency.example>"),
    ("NOTIFY_EMAIL", ADMINISTRATOR),
];
/// Who runs the system.
pub const ADMINISTRATOR: &str = "it@agency.example";
/// What SES may send as.
const DOMAIN: &str = "agency.example";
/// What stands before a command in a mail.
const COMMAND: &str = "    ";
/// Who reads the administrator's topic.
const TOPIC: &str = "the administrator";

/// What has been told of them.
pub struct Mails {
    queue: Arc<Queue>,
    sent: usize,
    published: usize,
    last_subject: String,
    in_short: bool,
}

struct Mail {
    to: String,
    subject: String,
    text: String,
}

impl Mails {
    /// From now on people get mail of what happens in this world.
    ///
    /// # Errors
    /// [`Stop::World`].
    pub fn begin(world: &World) -> Result<Self, Stop> {
        world.ses.verify(DOMAIN);
        let queue = world.deliver_mail(mailed_events());
        Ok(Self {
            queue: queue.map_err(|error| Stop::World(error.to_string()))?,
            sent: 0,
            published: 0,
            last_subject: String::new(),
            in_short: false,
        })
    }

    /// Where they are gathered before they go out.
    pub fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// From now on the text has their subjects alone.
    pub fn in_short(&mut self) {
        self.in_short = true;
    }

    /// Those that went out since it was last asked.
    pub fn untold(&mut self, world: &World) -> Vec<Told> {
        let published = world.sns.published().into_iter().map(|mail| Mail {
            to: TOPIC.to_owned(),
            subject: mail.subject,
            text: mail.message,
        });
        let sent = world.ses.sent().into_iter().map(|mail| Mail {
            to: mail.to.join(", "),
            subject: mail.subject,
            text: mail.text,
        });
        let published: Vec<Mail> = published.skip(self.published).collect();
        let sent: Vec<Mail> = sent.skip(self.sent).collect();
        self.published += published.len();
        self.sent += sent.len();
        let all = sent.into_iter().chain(published);
        all.map(|mail| self.tell(&mail)).collect()
    }

    fn tell(&mut self, mail: &Mail) -> Told {
        let told = match mail.subject == self.last_subject {
            true => Told::new("mail", format!("The same goes to {}.", mail.to)),
            false => {
                let told = format!("Mail to {}: {}", mail.to, mail.subject);
                let told = Told::new("mail", told);
                match self.in_short {
                    true => told,
                    false => told.quoting(body(&mail.text)),
                }
            }
        };
        self.last_subject.clone_from(&mail.subject);
        told.tone(Tone::Mail)
            .fact(Fact::new("to", mail.to.as_str()).quiet())
            .fact(Fact::new("subject", mail.subject.as_str()).quiet())
            .fact(Fact::new("body", mail.text.as_str()).quiet())
    }
}

/// A mail's own paragraphs: without its heading, which is its subject, and what stands in every mail's foot.
fn body(text: &str) -> Vec<String> {
    let ruled = |line: &str, with: char| line.len() > 20 && line.chars().all(|one| one == with);
    let heading_ends = text.lines().position(|line| ruled(line, '='));
    let lines = text.lines().skip(heading_ends.map_or(0, |line| line + 1));
    let lines = lines.take_while(|line| !ruled(line, '-'));
    let lines: Vec<&str> = lines.filter(|line| !ruled(line, '=')).collect();
    let mut paragraphs: Vec<String> = Vec::new();
    for paragraph in lines.split(|line| line.is_empty()) {
        let flows = |line: &&str| !line.contains("ticket=") && !line.starts_with(COMMAND);
        paragraphs.extend(
            paragraph
                .chunk_by(|before, line| flows(before) && flows(line))
                .map(|lines| shortened(lines.join(" ").trim())),
        );
    }
    paragraphs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_mail_its_own_words_are_shown_a_command_by_itself_and_its_link_cut() {
        let mail = "\
Shop 12, orders@shop.example: sign in once
==========================================

Mail works now. If nothing is done,
it stops.

http://localhost:1/authorize?ticket=eyJhbGciOiJIUzI1NiJ9.e30.c2ln
The link works until 12 January.

Shop 13, sales@shop.example: another thing
==========================================

It is so. Have it run
here:
    Set-It -Identity sales@shop.example
It takes
an hour.

----------------------------------------------------------------------------

Is this mail genuine?
";
        assert_eq!(
            body(mail),
            [
                "Mail works now. If nothing is done, it stops.",
                "http://localhost:1/authorize?ticket=eyJhbGci...",
                "The link works until 12 January.",
                "Shop 13, sales@shop.example: another thing",
                "It is so. Have it run here:",
                "Set-It -Identity sales@shop.example",
                "It takes an hour.",
            ]
        );
    }
}
