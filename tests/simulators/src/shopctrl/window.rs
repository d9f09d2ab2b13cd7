//! What every screen of ShopCtrl's looks like. The real ones are a single page of tabs and windows; here
//! each window is a page, so that it works without JavaScript.

use axum::response::Html;

use super::Connection;
use crate::microsoft::entra::escape;

const STYLE: &str = "*{box-sizing:border-box}body{font:16px sans-serif;max-width:40em;margin:2em auto;padding:0 1em}\
fieldset{border:1px solid #999;margin:1em 0}.field{margin:.6em 0}.field>label{display:block}\
.field>input:not([type=checkbox]),select{width:100%;font:inherit}.field>input[type=checkbox]+label{display:inline}";

/// A page.
pub(super) fn draw(title: &str, content: &str) -> Html<String> {
    Html(format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} - ShopCtrl</title><style>{STYLE}</style></head>
<body><header><p>ShopCtrl (simulated)</p></header><main><h1>{title}</h1>
{content}</main></body></html>"#,
        title = escape(title),
    ))
}

/// A popup: a text and its one button.
pub(super) fn popup(title: &str, text: &str, back: &str) -> Html<String> {
    draw(
        title,
        &format!(r#"<p>{}</p><p><a href="{back}">OK</a></p>"#, escape(text)),
    )
}

/// A text field with its label.
pub(super) fn text_field(label: &str, name: &str, value: &str) -> String {
    format!(
        r#"<p class="field"><label for="{name}">{label}</label><input id="{name}" name="{name}" value="{value}" autocomplete="off"></p>"#,
        value = escape(value)
    )
}

/// A check box with its label.
pub(super) fn check_box(label: &str, name: &str, on: bool) -> String {
    let checked = if on { " checked" } else { "" };
    format!(
        r#"<p class="field"><input type="checkbox" id="{name}" name="{name}" value="on"{checked}> <label for="{name}">{label}</label></p>"#
    )
}

/// A list to choose one entry of, with its label.
pub(super) fn choice(label: &str, name: &str, entries: &[(&str, &str)], chosen: &str) -> String {
    let entries: String = entries
        .iter()
        .map(|(value, entry)| {
            let selected = if *value == chosen { " selected" } else { "" };
            format!(r#"<option value="{value}"{selected}>{entry}</option>"#)
        })
        .collect();
    format!(
        r#"<p class="field"><label for="{name}">{label}</label><select id="{name}" name="{name}">{entries}</select></p>"#
    )
}

/// What stands for a mailbox in a list. What the real list shows is not documented, not even whether it names the
/// mailbox: so here it does not, and nobody can rely on it.
pub(super) fn row(number: usize, connection: &Connection) -> String {
    let enabled = if connection.enabled { "" } else { ", disabled" };
    format!("{number} ({}{enabled})", connection.protocol.label())
}
