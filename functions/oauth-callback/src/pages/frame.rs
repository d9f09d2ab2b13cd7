//! What stands around every page, and the policy that it is shown under.

use std::sync::LazyLock;

use data_encoding::BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use ring::digest::{SHA256, digest};

use super::words::common::{BRAND, LANGUAGE, REFERENCE};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Only this very style, no script, no frame, no form to elsewhere.
pub(crate) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = hash(STYLE);
    format!(
        "default-src 'none'; style-src '{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// The same with our one script, which may look at our own pages.
static POLICY_WITH_SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let script = hash(SCRIPT);
    format!(
        "{}; script-src '{script}'; connect-src 'self'",
        POLICY.as_str()
    )
});

fn hash(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    format!("sha256-{}", BASE64.encode(hash.as_ref()))
}

#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// The HTTP status.
    pub status: i64,
    /// Whether it is good news.
    pub good: bool,
    /// The heading.
    pub title: &'static str,
    /// What stands below it.
    pub content: Markup,
    /// Whether our script makes it better; without JavaScript it works by reload.
    pub script: bool,
}

impl Page {
    /// A screen of a hand-over.
    pub fn screen(title: &'static str, content: Markup) -> Self {
        Self {
            status: 200,
            good: true,
            title,
            content,
            script: true,
        }
    }

    /// The Content-Security-Policy.
    pub fn policy(&self) -> &'static str {
        if self.script {
            &POLICY_WITH_SCRIPT
        } else {
            &POLICY
        }
    }

    /// `reference` is the one that the logs carry too.
    pub fn html(&self, reference: &str) -> String {
        let html = html! {
            (DOCTYPE)
            html lang=(LANGUAGE) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    title { (self.title) " · " (BRAND) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main class=(if self.good { "good" } else { "bad" }) {
                        p.brand { (BRAND) }
                        h1 { (self.title) }
                        (self.content)
                        p.reference { (REFERENCE) " " code { (reference) } }
                    }
                    @if self.script { script { (PreEscaped(SCRIPT)) } }
                }
            }
        };
        html.into_string()
    }
}
