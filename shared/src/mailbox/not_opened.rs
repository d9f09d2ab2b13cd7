//! Why a mailbox was not opened.

use std::fmt;
use std::io;

use secrecy::SecretString;

use super::refusal::{Meaning, Refusal};
use super::unusable::{Unusable, is_too_long_for_pop3};
use crate::failure::{Failure, Kind};
use crate::mailbox_secret::Protocol;
use crate::retry::{CallError, Effect, Retry};

/// How a conversation with a mail server ended before the mailbox was open.
#[derive(Debug)]
pub(super) enum Ended {
    NotReached,
    Untrusted(Untrusted),
    NoStartTls,
    TimedOut,
    Closed,
    NotUnderstood,
    Refused(Refusal),
}

/// Why a server's certificate is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untrusted {
    AnotherName,
    Expired,
    AnotherAuthority,
    /// Not valid yet, revoked, and whatever else there is.
    Otherwise,
    NoTls,
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl Ended {
    pub(super) fn of_tls(error: &io::Error) -> Self {
        use rustls::CertificateError as Certificate;
        let error = error.get_ref().and_then(|error| error.downcast_ref());
        match error {
            Some(rustls::Error::InvalidCertificate(certificate)) => {
                Self::Untrusted(match certificate {
                    Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                        Untrusted::AnotherName
                    }
                    Certificate::Expired | Certificate::ExpiredContext { .. } => Untrusted::Expired,
                    Certificate::UnknownIssuer => Untrusted::AnotherAuthority,
                    _ => Untrusted::Otherwise,
                })
            }
            Some(rustls::Error::InvalidMessage(_)) => Self::Untrusted(Untrusted::NoTls),
            // An alert, as of a server that goes down.
            Some(_) | None => Self::Closed,
        }
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnotherName => "the server's certificate is for another host name",
            Self::Expired => "the server's certificate has ended",
            Self::AnotherAuthority => {
                "the server's certificate is of an authority that is not trusted"
            }
            Self::Otherwise => "the server's certificate is not valid",
            Self::NoTls => "the server does not speak TLS as it should",
        })
    }
}

/// A mailbox that could not be opened the way that a connection uses it.
#[derive(Debug, Clone)]
pub struct NotOpened {
    /// What has to be mended, where that is known: all else may pass, or nobody knows what it is.
    pub unusable: Option<Unusable>,
    /// The error of the call.
    pub error: CallError,
}

impl NotOpened {
    pub(super) fn new(protocol: Protocol, token: &SecretString, ended: Ended) -> Self {
        let what = |how: &str| format!("{}: {how}", what_by(protocol));
        let passes = |how: &str, effect: Effect, answered: bool| Self {
            unusable: None,
            error: CallError {
                effect,
                retry: Retry::Backoff,
                // As of an HTTP server: one that answers is no silent one.
                status: answered.then_some(503),
                failure: Failure::new(Kind::Temporary, what(how)),
            },
        };
        let setting = |how: &str, next_step: &str| Self {
            unusable: None,
            error: CallError::refused(
                Failure::new(Kind::Misconfigured, what(how)).next_step(next_step),
            ),
        };
        match ended {
            Ended::NotReached => passes("no connection could be made", Effect::None, false),
            Ended::TimedOut => passes("no answer within the time limit", Effect::Unknown, false),
            // MailKit#1948
            Ended::Closed if protocol == Protocol::Pop3 && is_too_long_for_pop3(token) => {
                Self::unusable(&what_by(protocol), Unusable::TokenTooLongForPop3, "")
            }
            Ended::Closed => passes("the server ended the connection", Effect::Unknown, true),
            Ended::NotUnderstood => {
                let how = "the server's answer is not of the protocol";
                passes(how, Effect::Unknown, true)
            }
            Ended::NoStartTls => setting(
                "the server offers no STARTTLS, and nothing is sent to it without",
                "See whether SMTP_SERVER names Exchange's submission port, smtp.office365.com:587.",
            ),
            Ended::Untrusted(untrusted) => setting(
                &untrusted.to_string(),
                "See whose server answers there. If it is your own gateway, its authority goes into TLS_EXTRA_ROOTS (docs/configuration.md, Settings).",
            ),
            Ended::Refused(refusal) => {
                let meaning = refusal.meaning();
                let code = refusal.code;
                match meaning {
                    Meaning::Passes => {
                        let how = "the server cannot take it now";
                        let mut passes = passes(how, Effect::None, true);
                        passes.error.failure = passes.error.failure.code(code);
                        passes
                    }
                    Meaning::Unusable(unusable) => {
                        let unusable = unusable.of_token(token);
                        Self::unusable(&what_by(protocol), unusable, &code)
                    }
                }
            }
        }
    }

    /// The same, of a sending that had not begun.
    pub(super) fn before_anything_was_sent(mut self) -> Self {
        self.error.effect = Effect::None;
        self
    }

    /// What Graph answers to who opens the inbox.
    #[must_use]
    pub fn by_graph(error: CallError) -> Self {
        Self {
            unusable: Unusable::of_graph(&error),
            error,
        }
    }

    /// What Entra says of the account.
    #[must_use]
    pub fn by_entra(unusable: Unusable, code: &str) -> Self {
        Self::unusable("opening the mailbox", unusable, code)
    }

    fn unusable(what: &str, unusable: Unusable, code: &str) -> Self {
        let what = format!("{what}: {}", unusable.meaning());
        let mut failure = Failure::new(Kind::Misconfigured, what).next_step(unusable.next_step());
        if !code.is_empty() {
            failure = failure.code(code);
        }
        // Of an HTTP server it would be 403: an answer, and no silence.
        let mut error = CallError {
            status: Some(403),
            ..CallError::refused(failure)
        };
        if unusable.may_be_a_mistake() {
            error.retry = Retry::Once;
        }
        Self {
            unusable: Some(unusable),
            error,
        }
    }
}

fn what_by(protocol: Protocol) -> String {
    format!("opening the mailbox by {}", name(protocol))
}

fn name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Graph => "Microsoft Graph",
        Protocol::Imap => "IMAP",
        Protocol::Pop3 => "POP3",
        Protocol::Smtp => "SMTP",
    }
}
