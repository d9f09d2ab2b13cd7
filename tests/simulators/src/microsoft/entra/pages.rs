//! Microsoft's pages, plain enough for a test to walk and good enough for a browser.

use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;

use crate::microsoft::directory::denial::Denial;
use crate::microsoft::directory::sign_in::Page;

pub(super) fn draw(tenant: &str, page: &Page) -> Response {
    let tenant = escape(tenant);
    let (status, title, content) = match page {
        Page::SignIn {
            flow,
            address,
            note,
        } => (
            StatusCode::OK,
            "Sign in",
            format!(
                r#"{note}<form method="post" action="/{tenant}/login">{flow_field}
<p><label>Email <input name="login" type="email" value="{address}" autocomplete="username"></label></p>
<p><label>Password <input name="passwd" type="password" autocomplete="current-password"></label></p>
<p><button type="submit">Sign in</button></p></form>{back}"#,
                note = written(note.as_ref()),
                flow_field = flow_field(flow),
                address = escape(address),
                back = way_back(&tenant, flow, "Back"),
            ),
        ),
        Page::SecondFactor { flow, note } => (
            StatusCode::OK,
            "Enter code",
            format!(
                r#"{note}<form method="post" action="/{tenant}/second-factor">{flow_field}
<p><label>Code from your authenticator app <input name="otc" autocomplete="one-time-code"></label></p>
<p><button type="submit">Verify</button></p></form>{back}"#,
                note = written(note.as_ref()),
                flow_field = flow_field(flow),
                back = way_back(&tenant, flow, "Cancel"),
            ),
        ),
        Page::Consent {
            flow,
            app,
            account,
            scopes,
        } => {
            let scopes: String = scopes
                .iter()
                .map(|scope| format!("<li>{}</li>", escape(&scope.qualified())))
                .collect();
            (
                StatusCode::OK,
                "Permissions requested",
                format!(
                    r#"<p>{account}</p><p><strong>{app}</strong> would like to:</p><ul>{scopes}</ul>
<form method="post" action="/{tenant}/consent">{flow_field}
<button type="submit" name="decision" value="cancel">Cancel</button>
<button type="submit" name="decision" value="accept">Accept</button></form>"#,
                    account = escape(account),
                    app = escape(app),
                    flow_field = flow_field(flow),
                ),
            )
        }
        Page::NeedAdmin { flow, app, denial } => (
            StatusCode::OK,
            "Need admin approval",
            format!(
                "<p><strong>{}</strong> needs permission to access resources in your organization that only an admin can grant. Please ask an admin to grant permission to this app before you can use it.</p>{}{}",
                escape(app),
                written(Some(denial)),
                way_back(
                    &tenant,
                    flow,
                    "Return to the application without granting consent"
                ),
            ),
        ),
        Page::Refused { flow, denial } => (
            StatusCode::BAD_REQUEST,
            "Sorry, but we’re having trouble signing you in",
            format!(
                "{}{}",
                written(Some(denial)),
                flow.as_ref()
                    .map(|flow| way_back(&tenant, flow, "Return to the application"))
                    .unwrap_or_default()
            ),
        ),
    };
    let html = format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>*{{box-sizing:border-box}}body{{font:16px sans-serif;max-width:28em;margin:4em auto;padding:0 1em}}.error{{color:#a80000}}label,input{{display:block}}input{{width:100%}}</style></head>
<body><p>Microsoft (simulated)</p><h1>{title}</h1>
{content}</body></html>"#
    );
    (status, Html(html)).into_response()
}

fn flow_field(flow: &str) -> String {
    format!(
        r#"<input type="hidden" name="flow" value="{}">"#,
        escape(flow)
    )
}

fn way_back(tenant: &str, flow: &str, label: &str) -> String {
    format!(
        r#"<form method="post" action="/{tenant}/back">{}<button type="submit">{label}</button></form>"#,
        flow_field(flow)
    )
}

fn written(note: Option<&Denial>) -> String {
    note.map(|denial| format!(r#"<p class="error">{}</p>"#, escape(&denial.to_string())))
        .unwrap_or_default()
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
