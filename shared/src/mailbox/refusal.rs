//! What mail servers say when they refuse, and what it means. The texts are those that Exchange sends
//! (docs/beliefs.md, Mail protocols), looked for in what is never shown: a text that nobody knows stays its reply code.

use crate::failure::sanitized_code;
use crate::mailbox_secret::Protocol;

use super::unusable::Unusable;

/// At which point a server refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before anybody signed in.
    Greeting,
    SignIn,
    /// After the sign-in.
    Open,
}

/// A server's refusal.
#[derive(Debug)]
pub(super) struct Refusal {
    protocol: Protocol,
    stage: Stage,
    /// `NO`, `-ERR [AUTH]`, `535 5.7.139`.
    pub(super) code: String,
    /// The text in lower case: foreign, and only searched.
    text: String,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Passes,
    Unusable(Unusable),
}

impl Refusal {
    /// A status (RFC 3501, 7.1) and its text.
    pub(super) fn imap(status: &str, text: &str) -> Self {
        Self::new(Protocol::Imap, status.to_owned(), text)
    }

    /// The text behind `-ERR`, with a response code at the front of it, if there is one (RFC 2449, 8).
    pub(super) fn pop3(text: &str) -> Self {
        let code = text
            .strip_prefix('[')
            .and_then(|text| text.split_once(']'))
            .map(|(code, _)| sanitized_code(&code.replace('/', "-")));
        let code = match code {
            Some(code) if !code.is_empty() => format!("-ERR {code}"),
            _ => "-ERR".to_owned(),
        };
        Self::new(Protocol::Pop3, code, text)
    }

    /// A reply code, and the text with an enhanced status code at its front, if there is one (RFC 2034, 4).
    pub(super) fn smtp(code: &str, text: &str) -> Self {
        let enhanced = text.split(' ').next().unwrap_or_default();
        let is_enhanced = enhanced.split('.').count() == 3
            && enhanced.len() <= 11
            && enhanced.chars().all(|c| c.is_ascii_digit() || c == '.');
        let code = match is_enhanced {
            true => format!("{code} {enhanced}"),
            false => code.to_owned(),
        };
        Self::new(Protocol::Smtp, code, text)
    }

    fn new(protocol: Protocol, code: String, text: &str) -> Self {
        Self {
            protocol,
            stage: Stage::Greeting,
            code,
            text: text.to_lowercase(),
        }
    }

    pub(super) fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    pub(super) fn meaning(&self) -> Meaning {
        if self.is_protocol_error() {
            return Meaning::Unusable(Unusable::Pop3SignInRefused);
        }
        if self.passes() {
            return Meaning::Passes;
        }
        let meaning = match self.protocol {
            Protocol::Imap => self.of_imap(),
            Protocol::Pop3 => self.of_pop3(),
            Protocol::Smtp => self.of_smtp(),
            Protocol::Graph => None,
        };
        Meaning::Unusable(meaning.unwrap_or(Unusable::Refused))
    }

    /// What POP3 says to a response that it cannot read, as one that is too long (MailKit#1948), before it ends the
    /// connection.
    fn is_protocol_error(&self) -> bool {
        let of_pop3 = self.protocol == Protocol::Pop3 && self.stage == Stage::SignIn;
        of_pop3 && self.says_any(&["protocol error"])
    }

    /// Busy, throttled, or about to go down: all of a server's, and none of the mailbox's.
    fn passes(&self) -> bool {
        const PASSING: [&str; 14] = [
            "throttled",
            "backoff time",
            "server unavailable",
            "temporar",
            "try again",
            "too many",
            "concurrent connections",
            // Another session has the mailbox, or has just changed it.
            "is locked by another",
            "already locked",
            "in use",
            "expungeissued",
            "connection closed",
            "connection is closed",
            // The token was given a moment ago.
            "accesstokenexpired",
        ];
        let is_temporary = match self.protocol {
            Protocol::Smtp => self.code.starts_with('4'),
            // RFC 3206, RFC 5530.
            Protocol::Pop3 => {
                self.text.starts_with("[sys/temp]") || self.text.starts_with("[in-use]")
            }
            Protocol::Imap => self.code == "BYE" || self.text.contains("[unavailable]"),
            Protocol::Graph => false,
        };
        // A server that goes down says so before anybody has signed in.
        is_temporary || self.stage == Stage::Greeting || self.says_any(&PASSING)
    }

    fn says_any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.text.contains(phrase))
    }

    fn of_imap(&self) -> Option<Unusable> {
        match self.stage {
            _ if self.says_any(&["authenticated but not connected"]) => {
                Some(Unusable::ImapNotConnected)
            }
            Stage::SignIn => Some(Unusable::ImapSignInRefused),
            Stage::Greeting | Stage::Open => None,
        }
    }

    fn of_pop3(&self) -> Option<Unusable> {
        match self.stage {
            _ if self.says_any(&["authenticated but not connected"]) => {
                Some(Unusable::Pop3NotConnected)
            }
            Stage::SignIn => Some(Unusable::Pop3SignInRefused),
            Stage::Greeting | Stage::Open => None,
        }
    }

    fn of_smtp(&self) -> Option<Unusable> {
        if self.says_any(&["smtpclientauthentication is disabled for the tenant"]) {
            return Some(Unusable::SmtpAuthOffForTenant);
        }
        if self.says_any(&["smtpclientauthentication is disabled for the mailbox"]) {
            return Some(Unusable::SmtpAuthOffForMailbox);
        }
        if self.says_any(&["smtpclientauthentication is disabled", "smtp_auth_disabled"]) {
            return Some(Unusable::SmtpAuthOff);
        }
        if self.says_any(&["security defaults", "did not meet the criteria"]) {
            return Some(Unusable::SignInBlockedByPolicy);
        }
        if self.says_any(&[
            "sendasdenied",
            "permissions to send as",
            "not allowed to send as",
        ]) {
            return Some(Unusable::MayNotSendAs);
        }
        let refused = self.stage == Stage::SignIn && self.code.starts_with("535");
        refused.then_some(Unusable::SmtpSignInRefused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(refusal: Refusal, stage: Stage) -> Meaning {
        refusal.at(stage).meaning()
    }

    #[test]
    fn what_exchange_says_over_smtp_is_told_apart() {
        let of = |code, text| meaning(Refusal::smtp(code, text), Stage::SignIn);
        for (text, unusable) in [
            // email-oauth2-proxy#193
            (
                "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. [MN2PR05CA0004.namprd05.prod.outlook.com 2023-09-12T20:59:57.214Z 08DBB276B7E699C4]",
                Unusable::SmtpAuthOffForTenant,
            ),
            (
                "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information. [X]",
                Unusable::SmtpAuthOffForMailbox,
            ),
            (
                "5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator.",
                Unusable::SignInBlockedByPolicy,
            ),
            (
                "5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator.",
                Unusable::SignInBlockedByPolicy,
            ),
            // MailKit#1712
            (
                "5.7.3 Authentication unsuccessful [HOST 2024-02-14T14:50:26.590Z 08DC2D372B4C3DED]",
                Unusable::SmtpSignInRefused,
            ),
        ] {
            assert_eq!(of("535", text), Meaning::Unusable(unusable), "{text}");
        }
        assert_eq!(
            of("454", "4.7.0 Temporary authentication failure"),
            Meaning::Passes
        );
        assert_eq!(
            of("432", "4.3.2 Concurrent connections limit exceeded"),
            Meaning::Passes
        );
        assert_eq!(
            of("550", "9.9.9 <b>something</b>"),
            Meaning::Unusable(Unusable::Refused)
        );
    }

    #[test]
    fn what_exchange_says_over_imap_and_pop3_is_told_apart() {
        let imap = |status, text, stage| meaning(Refusal::imap(status, text), stage);
        // imapflow#314, MailKit#1494
        let connected = imap(
            "BAD",
            "User is authenticated but not connected.",
            Stage::Open,
        );
        assert_eq!(connected, Meaning::Unusable(Unusable::ImapNotConnected));
        let refused = imap("NO", "AUTHENTICATE failed.", Stage::SignIn);
        assert_eq!(refused, Meaning::Unusable(Unusable::ImapSignInRefused));
        for passes in [
            (
                "BAD",
                "Request is throttled. Suggested Backoff Time: 89117 milliseconds",
            ),
            ("BYE", "Connection closed. 14"),
            ("BYE", "Session invalidated - AccessTokenExpired"),
            ("NO", "Server Unavailable. 15"),
        ] {
            assert_eq!(
                imap(passes.0, passes.1, Stage::SignIn),
                Meaning::Passes,
                "{passes:?}"
            );
        }
        let pop3 = |text| meaning(Refusal::pop3(text), Stage::SignIn);
        let unknown_user = pop3("Logon failure: unknown user name or bad password.");
        assert_eq!(unknown_user, Meaning::Unusable(Unusable::Pop3SignInRefused));
        assert_eq!(pop3("[SYS/TEMP] later"), Meaning::Passes);
        assert_eq!(pop3("Server Unavailable. 21"), Meaning::Passes);
    }

    #[test]
    fn a_code_has_nothing_of_the_text_but_what_is_a_code() {
        let code = |refusal: Refusal| refusal.code;
        assert_eq!(code(Refusal::smtp("535", "5.7.3 <b>x</b>")), "535 5.7.3");
        assert_eq!(code(Refusal::smtp("535", "x.y.z")), "535");
        assert_eq!(code(Refusal::pop3("[AUTH] <b>")), "-ERR AUTH");
        assert_eq!(code(Refusal::pop3("[<b>] no")), "-ERR b");
        assert_eq!(code(Refusal::pop3("no")), "-ERR");
        assert_eq!(code(Refusal::imap("NO", "<b>")), "NO");
    }
}
