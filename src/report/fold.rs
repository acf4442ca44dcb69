//! How does a text become lines of a width?
//!
//! Broken at blanks, counted in columns of a terminal (Unicode TR 11). Refuses to break a word: a longer one stands alone and sticks out.

use unicode_width::UnicodeWidthStr;

/// `text` in lines of at most `width` columns: the first begins with `first`, the others with `later`.
pub fn fold(first: &str, later: &str, text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut begun = false;
    for word in text.split_whitespace() {
        if begun && line.width() + 1 + word.width() > width {
            lines.push(std::mem::replace(&mut line, later.to_owned()));
            begun = false;
        }
        if begun {
            line.push(' ');
        }
        line.push_str(word);
        begun = true;
    }
    lines.push(line);
    lines.iter().map(|l| l.trim_end().to_owned()).collect()
}

/// The same, later lines begin under the text.
pub fn hang(first: &str, text: &str, width: usize) -> Vec<String> {
    fold(first, &" ".repeat(first.width()), text, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_blanks_and_hang_under_the_text() {
        assert_eq!(hang("  - ", "one two three four", 12), ["  - one two", "    three", "    four"]);
        assert_eq!(fold("#", "#", "", 10), ["#"]);
        assert_eq!(hang("", "a-word-that-is-too-long b", 8), ["a-word-that-is-too-long", "b"]);
        assert_eq!(hang("", "日本 日本 日本", 9), ["日本 日本", "日本"], "a wide letter takes two columns");
    }
}
