//! Lines of a width.

/// Breaks text between words, and a word that is too long wherever it has to.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && length(&line) + 1 + length(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for letter in word.chars() {
            if length(&line) == width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(letter);
        }
    }
    lines.push(line);
    lines
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_too_long_and_no_word_is_lost() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a abcdefgh b", 3), ["a", "abc", "def", "gh", "b"]);
        assert_eq!(wrap("", 10), [""]);
        let text = "The quick brown fox jumps over the lazy dog";
        for width in 1..50 {
            let lines = wrap(text, width);
            assert!(
                lines.iter().all(|line| line.len() <= width),
                "{width}: {lines:?}"
            );
            let glued: String = lines.concat().split(' ').collect();
            assert_eq!(glued, text.replace(' ', ""), "{width}");
        }
    }
}
