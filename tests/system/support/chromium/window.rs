//! A window of the browser: what a person does in it, and what the person sees.

use std::fmt::Debug;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
pub use thirtyfour::Key;
use thirtyfour::common::command::{Command, ExtensionCommand};
use thirtyfour::{By, WebDriver, WebElement};

use super::chromedriver::Chromedriver;
use super::{axe, say_left_out};

/// How long a page may take to show what is asked for.
const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
const PRESSED: &str = "a[href], button, summary, input[type=submit], input[type=button], input[type=radio], input[type=checkbox], [role=button], [role=link]";
const FILLED: &str = "input:not([type=hidden], [type=submit], [type=button], [type=radio], [type=checkbox]), textarea, select";
const TICKED: &str = "input[type=radio], input[type=checkbox]";

/// Whether a click leads on to another page in the same tab: a link, or a button that sends its form.
const LEADS_ON: &str = "const link = arguments[0].closest('a[href]');
if (link) return !link.target && !link.hasAttribute('download') && link.pathname + link.search !== location.pathname + location.search;
const {type, form} = arguments[0];
return type === 'submit' && !!form && !form.target && (form.noValidate || form.checkValidity());";

/// What `prefers-color-scheme` says.
#[derive(Debug, Clone, Copy)]
pub enum Colours {
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// A window; the browser ends when it is dropped.
pub struct Window {
    web: WebDriver,
    driver: Arc<Chromedriver>,
    _profile: TempDir,
}

impl Drop for Window {
    fn drop(&mut self) {
        // The driver would end the session in a way that needs a runtime of its own.
        let _ = self.web.clone().leak();
        self.driver.end(&self.web.session_id().to_string());
    }
}

impl Window {
    pub(super) async fn open_with(driver: Arc<Chromedriver>) -> Self {
        let (web, _profile) = driver.session().await;
        Self {
            web,
            driver,
            _profile,
        }
    }

    /// A new private window: it shares no cookie with this one.
    pub async fn private(&self) -> Self {
        Self::open_with(Arc::clone(&self.driver)).await
    }

    // === What a person does ===

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        let opened = self.web.goto(url).await;
        opened.unwrap_or_else(|error| panic!("{url} does not open: {error}"));
    }

    /// Clicks the one link, button, summary, box or choice that has this name. Where that leads on to
    /// another page in this tab, it waits for the page: what is asked next is never the old one.
    pub async fn click(&self, name: &str) {
        let element = self.named(PRESSED, name).await;
        let leads_on = self.web.execute(LEADS_ON, vec![element.to_json().unwrap()]);
        let leads_on = leads_on.await.unwrap().json() == true;
        let page = self.web.find(By::Tag("html")).await.unwrap();
        let clicked = element.click().await;
        clicked.unwrap_or_else(|error| panic!("{name:?} cannot be clicked: {error}"));
        if leads_on {
            self.until_replaced(&page, name).await;
        }
    }

    async fn until_replaced(&self, page: &WebElement, name: &str) {
        wait(&format!("page behind {name:?}"), async || {
            if page.tag_name().await.is_ok() {
                return Err("the old one is there yet".to_owned());
            }
            let state = self.web.execute("return document.readyState", vec![]).await;
            match state.map_err(|error| error.to_string())?.json() {
                state if state == "complete" => Ok(()),
                state => Err(state.to_string()),
            }
        })
        .await;
    }

    /// Empties the field with this label and types the value; of a list it chooses the entry.
    pub async fn fill(&self, label: &str, value: &str) {
        let field = self.named(FILLED, label).await;
        if field.tag_name().await.unwrap() == "select" {
            let entries = field.find_all(By::Tag("option")).await.unwrap();
            for entry in &entries {
                if entry.text().await.unwrap() == value {
                    return entry.click().await.unwrap();
                }
            }
            panic!("{label:?} has no entry {value:?}");
        }
        field.clear().await.unwrap();
        field.send_keys(value).await.unwrap();
    }

    /// Pastes into the field with this label what was copied in this window, with Ctrl+V.
    pub async fn paste_into(&self, label: &str) {
        let field = self.named(FILLED, label).await;
        field.clear().await.unwrap();
        field.send_keys(Key::Control + "v").await.unwrap();
    }

    /// Copies what the field with this label holds, with Ctrl+A and Ctrl+C.
    pub async fn copy_from(&self, label: &str) {
        let field = self.named(FILLED, label).await;
        field.send_keys(Key::Control + "a").await.unwrap();
        field.send_keys(Key::Control + "c").await.unwrap();
    }

    /// Presses a key where the focus is. Where that leads to another page, wait for it with
    /// [`Window::until_heading`].
    pub async fn press(&self, key: Key) {
        let chain = self.web.action_chain().send_keys(key);
        chain.perform().await.unwrap();
    }

    /// Opens a new tab and goes on there.
    pub async fn new_tab(&self) {
        let tab = self.web.new_tab().await.unwrap();
        self.web.switch_to_window(tab).await.unwrap();
    }

    /// Goes on in a tab, counted from 0 in the order in which they were opened; waits for it.
    pub async fn in_tab(&self, number: usize) {
        let tab = wait(&format!("tab {number}"), async || {
            let tabs = self
                .web
                .windows()
                .await
                .map_err(|error| error.to_string())?;
            let there = format!("{} tabs", tabs.len());
            tabs.get(number).cloned().ok_or(there)
        })
        .await;
        self.web.switch_to_window(tab).await.unwrap();
    }

    // === What a person sees ===

    /// The page's one heading of the first level.
    pub async fn heading(&self) -> String {
        wait("a heading", async || {
            let found = self.web.find_all(By::Tag("h1")).await;
            let found = found.map_err(|error| error.to_string())?;
            match found.as_slice() {
                [heading] => heading.text().await.map_err(|error| error.to_string()),
                other => Err(format!("{} headings", other.len())),
            }
        })
        .await
    }

    /// Waits until the page has this heading.
    pub async fn until_heading(&self, wanted: &str) {
        self.until(&format!("the heading {wanted:?}"), async || {
            self.heading().await == wanted
        })
        .await;
    }

    /// Waits until something holds.
    pub async fn until<F>(&self, what: &str, holds: impl Fn() -> F)
    where
        F: Future<Output = bool>,
    {
        wait(what, async || match holds().await {
            true => Ok(()),
            false => Err(self.text().await),
        })
        .await;
    }

    /// All the text that is displayed.
    pub async fn text(&self) -> String {
        wait("text", async || {
            let body = self.web.find(By::Tag("body")).await;
            let body = body.map_err(|error| error.to_string())?;
            body.text().await.map_err(|error| error.to_string())
        })
        .await
    }

    /// Where the window is.
    pub async fn url(&self) -> String {
        self.web.current_url().await.unwrap().into()
    }

    /// Whether a link, a button, a box or a field of this name is displayed right now.
    pub async fn has(&self, name: &str) -> bool {
        let all = format!("{PRESSED}, {FILLED}");
        self.names(&all)
            .await
            .iter()
            .any(|(known, _)| known == name)
    }

    /// What the field with this label holds.
    pub async fn value_of(&self, label: &str) -> String {
        let field = self.named(FILLED, label).await;
        field.prop("value").await.unwrap().unwrap_or_default()
    }

    /// Whether the box or choice with this name is ticked.
    pub async fn is_ticked(&self, name: &str) -> bool {
        let element = self.named(TICKED, name).await;
        element.is_selected().await.unwrap()
    }

    /// The name of what has the focus; empty where nothing has it.
    pub async fn focused(&self) -> String {
        let element = self.web.active_element().await.unwrap();
        self.label(&element).await.unwrap_or_default()
    }

    // === How the window is set up. Each counts for the current tab. ===

    /// A phone of this width, with a touch screen.
    pub async fn as_phone(&self, width: u32) {
        let metrics =
            json!({"width": width, "height": 740, "deviceScaleFactor": 2, "mobile": true});
        self.tell("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// A desktop of 1280 by 900.
    pub async fn as_desktop(&self) {
        let metrics =
            json!({"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.tell("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// Whether the person likes it dark.
    pub async fn prefer(&self, colours: Colours) {
        let value = match colours {
            Colours::Light => "light",
            Colours::Dark => "dark",
        };
        let feature = json!({"name": "prefers-color-scheme", "value": value});
        self.tell("Emulation.setEmulatedMedia", json!({"features": [feature]}))
            .await;
    }

    /// Turns the pages' scripts off, or on again. The window can still look at the page.
    pub async fn without_scripts(&self, off: bool) {
        self.tell(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": off}),
        )
        .await;
    }

    // === What is measured ===

    /// What axe-core finds that keeps people out of the page; nothing, and a line on stderr, where axe is
    /// not there.
    pub async fn barriers(&self) -> Vec<String> {
        match axe::violations(&self.web).await {
            Some(found) => found,
            None => {
                say_left_out("axe-core, which looks for barriers");
                Vec::new()
            }
        }
    }

    /// What the pages' content security policies stopped since the last time of asking.
    pub async fn stopped_by_policy(&self) -> Vec<String> {
        let log = self.web.browser_log().await.unwrap();
        let messages = log.into_iter().map(|entry| entry.message);
        messages
            .filter(|message| message.contains("Content Security Policy"))
            .collect()
    }

    /// The size in bytes of the page with all that it loaded, before compression.
    pub async fn size(&self) -> u64 {
        let sum =
            "return ['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))
            .reduce((sum, entry) => sum + entry.decodedBodySize, 0);";
        self.evaluate(sum).await.as_f64().unwrap_or_default() as u64
    }

    /// By how many pixels the page is wider than the window: somebody would have to scroll sideways.
    pub async fn overhang(&self) -> i64 {
        let wider =
            "const page = document.documentElement; return page.scrollWidth - page.clientWidth;";
        self.evaluate(wider).await.as_i64().unwrap()
    }

    /// A value of the computed style of the first element for this selector.
    pub async fn style(&self, selector: &str, property: &str) -> String {
        let element = self.web.find(By::Css(selector)).await.unwrap();
        element.css_value(property.to_owned()).await.unwrap()
    }

    /// Writes a picture of the whole page to `target/pictures/<name>.png`.
    pub async fn picture(&self, name: &str) -> PathBuf {
        let params = json!({"format": "png", "captureBeyondViewport": true});
        let taken = self.tell("Page.captureScreenshot", params).await;
        let png = BASE64
            .decode(taken["data"].as_str().unwrap().as_bytes())
            .unwrap();
        let pictures = target().join("pictures");
        std::fs::create_dir_all(&pictures).unwrap();
        let file = pictures.join(format!("{name}.png"));
        std::fs::write(&file, png).unwrap();
        file
    }

    /// Gives what a script gives; the page's policy does not concern it.
    pub async fn evaluate(&self, script: &str) -> Value {
        let given = self.web.execute(script.to_owned(), vec![]).await;
        given.unwrap().json().clone()
    }

    async fn tell(&self, method: &str, params: Value) -> Value {
        let told = self.web.cdp().send_raw(method, params).await;
        told.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The one displayed element of these that has this name; waits for it.
    async fn named(&self, selector: &str, name: &str) -> WebElement {
        wait(&format!("{name:?}"), async || {
            let all = self.names(selector).await;
            let known: Vec<&String> = all.iter().map(|(name, _)| name).collect();
            let mut found = all.iter().filter(|(known, _)| known == name);
            match (found.next(), found.next()) {
                (Some((_, element)), None) => Ok(element.clone()),
                (Some(_), Some(_)) => Err(format!("more than one, among {known:?}")),
                (None, _) => Err(format!("only {known:?} at {}", self.url().await)),
            }
        })
        .await
    }

    /// The displayed elements of these with their names. One that goes meanwhile is left out.
    async fn names(&self, selector: &str) -> Vec<(String, WebElement)> {
        let found = self
            .web
            .find_all(By::Css(selector))
            .await
            .unwrap_or_default();
        let mut named = Vec::new();
        for element in found {
            if element.is_displayed().await.unwrap_or_default()
                && let Some(label) = self.label(&element).await
            {
                named.push((label, element));
            }
        }
        named
    }

    /// The name that the browser computes for an element.
    async fn label(&self, element: &WebElement) -> Option<String> {
        let asked = ComputedLabel(element.element_id().to_string());
        let asked = Command::ExtensionCommand(Box::new(asked));
        let label: String = self.web.cmd(asked).await.ok()?.value().ok()?;
        Some(label.trim().to_owned())
    }
}

/// WebDriver's "Get Computed Label".
#[derive(Debug)]
struct ComputedLabel(String);

impl ExtensionCommand for ComputedLabel {
    fn parameters_json(&self) -> Option<Value> {
        None
    }

    fn method(&self) -> Method {
        Method::GET
    }

    fn endpoint(&self) -> Arc<str> {
        format!("/element/{}/computedlabel", self.0).into()
    }
}

/// Looks until it gives something, and fails with what it saw last.
async fn wait<T, E: Debug>(what: &str, mut look: impl AsyncFnMut() -> Result<T, E>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(instead) if begun.elapsed() > PATIENCE => panic!("no {what}: {instead:?}"),
            Err(_) => tokio::time::sleep(BETWEEN_LOOKS).await,
        }
    }
}

/// Cargo's target directory.
pub(super) fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("it lies in the target directory")
        .to_owned()
}
