//! Messages (RFC 5322), as far as anybody here reads or writes them.

use bytes::Bytes;
use jiff::Timestamp;

/// The fields of a header with their values, unfolded, in order.
pub(crate) fn headers(message: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(header_part(message));
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.starts_with([' ', '\t']), fields.last_mut()) {
            (true, Some((_, value))) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            _ => {
                let field = line.split_once(':');
                fields
                    .extend(field.map(|(name, value)| (name.to_owned(), value.trim().to_owned())));
            }
        }
    }
    fields
}

/// A field of the header, unfolded.
pub(crate) fn header(message: &[u8], name: &str) -> Option<String> {
    let mut fields = headers(message).into_iter();
    let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

/// The header, with the empty line that ends it.
pub(crate) fn header_part(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n");
    end.and_then(|end| message.get(..end + 4))
        .unwrap_or(message)
}

/// What comes after the header.
pub(crate) fn body(message: &[u8]) -> &[u8] {
    message
        .get(header_part(message).len()..)
        .unwrap_or_default()
}

/// The addresses in a field: `Shop <orders@shop.example>, me@agency.example`.
pub(crate) fn addresses(field: &str) -> Vec<String> {
    let one = |text: &str| {
        let bracketed = text.rsplit_once('<').map(|(_, rest)| rest);
        let address = bracketed.unwrap_or(text).trim().trim_end_matches('>');
        address.contains('@').then(|| address.to_owned())
    };
    field.split(',').filter_map(one).collect()
}

/// The same message without the fields of this name.
pub(crate) fn without(message: &[u8], name: &str) -> Bytes {
    let mut left = Vec::with_capacity(message.len());
    let mut leaving_out = false;
    for line in header_part(message).split_inclusive(|byte| *byte == b'\n') {
        let continued = line.starts_with(b" ") || line.starts_with(b"\t");
        if !continued {
            let field = line.split(|byte| *byte == b':').next().unwrap_or_default();
            leaving_out = field.eq_ignore_ascii_case(name.as_bytes());
        }
        if !leaving_out {
            left.extend_from_slice(line);
        }
    }
    left.extend_from_slice(body(message));
    left.into()
}

/// A message of plain text.
pub(crate) fn write(from: &str, to: &[&str], subject: &str, text: &str, date: Timestamp) -> Bytes {
    write_with(&[], from, to, subject, text, date)
}

/// The same, with fields of its own.
pub(crate) fn write_with(
    fields: &[(&str, &str)],
    from: &str,
    to: &[&str],
    subject: &str,
    text: &str,
    date: Timestamp,
) -> Bytes {
    let domain = from
        .rsplit_once('@')
        .map_or("nowhere.example", |(_, domain)| domain);
    let mut message = format!(
        "From: {from}\r\nTo: {}\r\nSubject: {subject}\r\nDate: {}\r\nMessage-ID: <{}@{domain}>\r\n",
        to.join(", "),
        rfc2822(date),
        date.as_nanosecond(),
    );
    for (name, value) in fields {
        message.push_str(&format!("{name}: {value}\r\n"));
    }
    message.push_str("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    message.push_str(text);
    message.push_str("\r\n");
    message.into()
}

/// `Wed, 9 Nov 2022 10:09:41 +0000`
pub(crate) fn rfc2822(date: Timestamp) -> String {
    date.strftime("%a, %-d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"From: Shop <orders@shop.example>\r\nAuto-Submitted:\r\n auto-generated\r\nsubject: a\r\n b\r\n\r\nSubject: c\r\n";

    #[test]
    fn a_field_is_found_unfolded_and_not_in_the_body() {
        assert_eq!(header(MESSAGE, "Subject").as_deref(), Some("a b"));
        assert_eq!(body(MESSAGE), b"Subject: c\r\n");
        assert_eq!(
            addresses("Shop <orders@shop.example>, me@agency.example, nobody"),
            ["orders@shop.example", "me@agency.example"]
        );
    }

    #[test]
    fn a_field_is_left_out_with_its_folded_lines() {
        let left = without(MESSAGE, "auto-submitted");
        assert_eq!(header(&left, "Auto-Submitted"), None);
        assert_eq!(header(&left, "Subject").as_deref(), Some("a b"));
        assert!(left.ends_with(b"\r\n\r\nSubject: c\r\n"));
    }
}
