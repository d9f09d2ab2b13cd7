//! A real browser in the tests: headless Chromium, driven through Debian's chromedriver.
//!
//! ```ignore
//! let Some(mut window) = chromium::session_or_say().await else { return };
//! window.open(&link).await;
//! window.fill("Email", &mailbox.address).await;
//! window.fill("Password", &mailbox.password).await;
//! window.click("Sign in").await;
//! assert_eq!(window.heading().await, "Thank you, that was all");
//! assert_eq!(window.barriers().await, Vec::<String>::new());
//! window.picture("the_test").await;
//! ```
//!
//! What is on a page is found as a person finds it, by the name and role that the browser computes for
//! people who cannot see it; what is not displayed is not found. A window waits for what it is asked
//! for, and a test never sleeps. Where there is no browser, a test says on stderr that it is left out;
//! with `REQUIRE_BROWSER=1` it fails.

mod axe;
mod chromedriver;
pub mod pages;
mod window;

use std::sync::Arc;

use chromedriver::{Chromedriver, Missing};
pub use window::{Colours, Key, Window};

/// Set where a missing browser is a failure.
const REQUIRED: &str = "REQUIRE_BROWSER";

/// A window of a new browser; none, and a line on stderr, where there is none to be had.
pub async fn session_or_say() -> Option<Window> {
    match Chromedriver::start() {
        Ok(driver) => Some(Window::open_with(Arc::new(driver)).await),
        Err(Missing(what)) => {
            say_left_out(what);
            None
        }
    }
}

/// Says what is left out for want of something.
fn say_left_out(missing: &str) {
    super::left_out::say(missing, REQUIRED);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with all that a page of ours must not have.
    const BAD: &str = "data:text/html,<title>Bad</title><meta http-equiv='Content-Security-Policy' \
        content=\"style-src 'none'\"><h1>Bad</h1><p style='color:red'>p<img src='data:,'><button></button>\
        <pre style=width:9999px>";
    /// What a page does to its heading, its field and its colours.
    const LIVELY: &str = "data:text/html,<title>Lively</title><meta name=viewport content=width=device-width>\
        <style>:root{color-scheme:light dark}body{background:Canvas}p{width:500px}</style>\
        <h1>Plain</h1><p><label>Name <input></label><label>Again <input></label>\
        <details><summary>More</summary><button>Hidden</button></details>\
        <script>document.querySelector('h1').textContent = 'Scripted'</script>";

    #[tokio::test(flavor = "multi_thread")]
    async fn the_browser_sees_what_is_wrong_with_a_page() {
        let Some(window) = session_or_say().await else {
            return;
        };
        window.open(BAD).await;
        let barriers = window.barriers().await.join("\n");
        for rule in ["image-alt", "button-name", "html-has-lang"] {
            assert!(barriers.contains(rule) || !axe::is_there(), "{barriers}");
        }
        assert!(!window.stopped_by_policy().await.is_empty());
        assert!(window.stopped_by_policy().await.is_empty(), "told once");
        assert!(window.size().await > 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_window_is_set_up_as_it_is_told() {
        let Some(window) = session_or_say().await else {
            return;
        };
        window.open(LIVELY).await;
        assert_eq!(window.heading().await, "Scripted");
        let light = window.style("body", "background-color").await;
        window.prefer(Colours::Dark).await;
        assert_ne!(window.style("body", "background-color").await, light);
        assert_eq!(window.overhang().await, 0);
        window.as_phone(360).await;
        assert!(window.overhang().await > 100);
        window.without_scripts(true).await;
        window.open(LIVELY).await;
        assert_eq!(window.heading().await, "Plain");

        window.fill("Name", "Ann").await;
        window.fill("Name", "Eve").await;
        window.copy_from("Name").await;
        window.paste_into("Again").await;
        assert_eq!(window.value_of("Again").await, "Eve");
        assert!(!window.has("Hidden").await);
        window.click("More").await;
        assert!(window.has("Hidden").await);

        window.new_tab().await;
        window.open(BAD).await;
        window.in_tab(0).await;
        assert_eq!(window.heading().await, "Plain");
        window.in_tab(1).await;
        assert_eq!(window.heading().await, "Bad");
    }
}
