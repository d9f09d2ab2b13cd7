//! The people who work with ShopCtrl: their login page, and what their role lets them see. An employee
//! has roles by shop in the real one (docs/beliefs.md, ShopCtrl); here one role counts for all their shops.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, FromRequestParts, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{COOKIE, SET_COOKIE};
use http::request::Parts;
use http::uri::PathAndQuery;
use serde::Deserialize;

use super::{ShopCtrl, window};
use crate::microsoft::entra::escape;

/// The cookie of an employee who has logged in. Its real name is not known.
const SESSION: &str = "ShopCtrlSession";

/// What an employee may do (docs/beliefs.md, ShopCtrl).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything, the shops' settings included.
    ShopOwnerAdmin,
    /// Daily work: no Settings.
    User,
}

#[derive(Debug, Clone)]
pub(super) struct Employee {
    login: String,
    password: String,
    role: Role,
    shops: BTreeSet<i64>,
}

impl ShopCtrl {
    /// Adds an employee who can log in to the screens. Logins for the interface under `/v1` are added
    /// with [`ShopCtrl::add_login`].
    pub fn add_employee(&self, login: &str, password: &str, role: Role, shops: &[i64]) {
        self.directory.note_secret(password);
        self.state().employees.push(Employee {
            login: login.to_owned(),
            password: password.to_owned(),
            role,
            shops: shops.iter().copied().collect(),
        });
    }

    /// Logs everybody out of the screens, as the end of a session would. How long one lasts is not
    /// known (docs/beliefs.md, ShopCtrl).
    pub fn end_sessions(&self) {
        self.state().sessions.clear();
    }

    fn log_in(&self, login: &str, password: &str) -> Option<String> {
        let good = self.state().employees.iter().any(|employee| {
            employee.login.eq_ignore_ascii_case(login) && employee.password == password
        });
        good.then(|| {
            let session = self.directory.records().opaque("shopctrl-");
            let mut state = self.state();
            state.sessions.insert(session.clone(), login.to_owned());
            session
        })
    }

    fn employee(&self, session: &str) -> Option<Employee> {
        let state = self.state();
        let login = state.sessions.get(session)?;
        let mut employees = state.employees.iter();
        employees
            .find(|employee| employee.login.eq_ignore_ascii_case(login))
            .cloned()
    }
}

/// The employee who has logged in; anybody else is sent to the login page.
pub(super) struct LoggedIn(Employee);

impl LoggedIn {
    pub(super) fn name(&self) -> &str {
        &self.0.login
    }

    pub(super) fn sees(&self, shop_id: i64) -> bool {
        self.0.shops.contains(&shop_id)
    }

    pub(super) fn may_change_settings(&self) -> bool {
        self.0.role == Role::ShopOwnerAdmin
    }

    /// Keeps out whoever may not see this shop's settings.
    pub(super) fn enter_settings(&self, shop_id: i64) -> Result<(), Closed> {
        match (self.sees(shop_id), self.may_change_settings()) {
            (false, _) => Err(Closed::NotThere),
            (true, false) => Err(Closed::NoPermission),
            (true, true) => Ok(()),
        }
    }
}

/// Why a screen was not opened.
pub(super) enum Closed {
    NotThere,
    NoPermission,
}

impl From<Closed> for Response {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::NotThere => StatusCode::NOT_FOUND.into_response(),
            Closed::NoPermission => {
                let text = "You have no permission for the settings of this shop.";
                let popup = window::popup("No permission", text, "/");
                (StatusCode::FORBIDDEN, popup).into_response()
            }
        }
    }
}

impl FromRequestParts<Arc<ShopCtrl>> for LoggedIn {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        shopctrl: &Arc<ShopCtrl>,
    ) -> Result<Self, Response> {
        let employee = session(parts).and_then(|session| shopctrl.employee(&session));
        employee.map(Self).ok_or_else(|| {
            let asked_for = match (shopctrl.habits().login_keeps_link, parts.uri.query()) {
                (false, Some(_)) => "/",
                _ => parts.uri.path_and_query().map_or("/", PathAndQuery::as_str),
            };
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("ReturnUrl", asked_for)
                .finish();
            Redirect::to(&format!("/Login?{query}")).into_response()
        })
    }
}

fn session(parts: &Parts) -> Option<String> {
    let cookies = parts.headers.get_all(COOKIE).iter();
    cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == SESSION)
        .map(|(_, value)| value.to_owned())
}

pub(super) fn screens() -> Router<Arc<ShopCtrl>> {
    Router::new()
        .route("/Login", get(login_page).post(log_in))
        .route("/Logout", get(log_out))
}

#[derive(Deserialize)]
struct Return {
    #[serde(rename = "ReturnUrl", default)]
    url: String,
}

impl Return {
    /// Only a way on this server.
    fn path(&self) -> &str {
        let ours = self.url.starts_with('/') && !self.url.starts_with("//");
        if ours { &self.url } else { "/" }
    }
}

async fn login_page(Query(back): Query<Return>) -> Response {
    draw_login("", back.path())
}

fn draw_login(note: &str, back: &str) -> Response {
    let content = format!(
        r#"{note}<form method="post" action="/Login"><input type="hidden" name="ReturnUrl" value="{back}">
<p class="field"><label for="login">Login</label><input id="login" name="login" autocomplete="username"></p>
<p class="field"><label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password"></p>
<p><button type="submit">Log in</button></p></form>"#,
        back = escape(back)
    );
    window::draw("Log in", &content).into_response()
}

#[derive(Deserialize)]
struct LoginForm {
    login: String,
    password: String,
    #[serde(flatten)]
    back: Return,
}

async fn log_in(State(shopctrl): State<Arc<ShopCtrl>>, Form(form): Form<LoginForm>) -> Response {
    let Some(session) = shopctrl.log_in(form.login.trim(), &form.password) else {
        let note = r#"<p role="alert">Login or password is not correct.</p>"#;
        return draw_login(note, form.back.path());
    };
    let mut response = Redirect::to(form.back.path()).into_response();
    let cookie = format!("{SESSION}={session}; Path=/; HttpOnly; SameSite=Lax");
    if let Ok(cookie) = cookie.try_into() {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

async fn log_out(
    State(shopctrl): State<Arc<ShopCtrl>>,
    request: http::Request<axum::body::Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    if let Some(session) = session(&parts) {
        shopctrl.state().sessions.remove(&session);
    }
    Redirect::to("/Login").into_response()
}

#[cfg(test)]
mod tests {
    use crate::shopctrl::screen_user::{RECEIVING, ScreenUser, hidden, shop};

    #[tokio::test]
    async fn nobody_sees_a_screen_without_login_and_the_way_goes_on_behind_it() {
        let fixture = shop();
        let mut somebody = ScreenUser::new(&fixture);
        let page = somebody.open("/Shops/12/Settings/E-mail").await;
        assert_eq!(page.heading(), "Log in");
        let back = hidden(&page, "ReturnUrl");
        assert_eq!(back, RECEIVING);
        let wrong = [("login", "admin"), ("password", "no"), ("ReturnUrl", &back)];
        let page = somebody.post("/Login", &wrong).await;
        assert!(page.body.contains("not correct"), "{}", page.body);
        let right = [wrong[0], ("password", "admins password"), wrong[2]];
        assert_eq!(
            somebody.post("/Login", &right).await.heading(),
            "Receiving email"
        );
        let elsewhere = [right[0], right[1], ("ReturnUrl", "//elsewhere.example")];
        let page = somebody.post("/Login", &elsewhere).await;
        assert_eq!(page.heading(), "ShopCtrl");
        fixture.shopctrl.end_sessions();
        assert_eq!(somebody.open("/").await.heading(), "Log in");
    }

    #[tokio::test]
    async fn settings_are_for_shop_owner_admins_and_a_shop_for_those_who_have_it() {
        let fixture = shop();
        fixture.shopctrl.add_shop(13, "Another shop");
        let mut admin = ScreenUser::admin(&fixture).await;
        let panel = admin.open("/").await;
        assert!(panel.body.contains("Sales Channels"));
        assert!(!panel.body.contains("Another shop"));
        assert_eq!(admin.open("/Shops/13/Settings").await.status, 404);
        let shop = admin.open("/Shops/12").await;
        assert!(shop.body.contains(">Settings</a>"), "{}", shop.body);
        let menu = admin.open("/Shops/12/Settings").await;
        for entry in [
            "Communication",
            "E-mail",
            "Receiving email",
            "Sending email",
        ] {
            assert!(menu.body.contains(entry), "{entry}");
        }

        let mut user = ScreenUser::new(&fixture);
        user.log_in("user", "users password").await;
        let shop = user.open("/Shops/12").await;
        assert!(!shop.body.contains("Settings"), "{}", shop.body);
        let refused = user.open(RECEIVING).await;
        assert_eq!((refused.status, refused.heading()), (403, "No permission"));
    }
}
