//! How does a text fit a width: in several lines, or as one that lost its end or its middle?
//!
//! Counted in columns of a terminal (Unicode TR 11). Lines are broken at blanks; a longer word stands alone and sticks out. What was lost is marked.

use crate::model::text::CUT_MARK;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` in at most `width` columns; what is longer loses its end.
pub fn without_end(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let mut kept = String::new();
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > width {
            break;
        }
        used += w;
        kept.push(c);
    }
    if width > 0 {
        kept.push(CUT_MARK);
    }
    kept
}

/// `text` in at most `width` columns; what is longer loses its middle. For addresses: most begin alike, and their ends tell them apart.
pub fn without_middle(text: &str, width: usize) -> String {
    let full = text.width();
    if full <= width || !text.is_ascii() || width < 3 {
        return without_end(text, width);
    }
    let tail = width / 2;
    let (head, tail) = (text.get(..width - 1 - tail), text.get(full - tail..));
    format!("{}{CUT_MARK}{}", head.unwrap_or_default(), tail.unwrap_or_default())
}

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
    fn what_is_too_long_is_marked() {
        assert_eq!(without_end("abcdef", 4), "abc…");
        assert_eq!(without_end("日本語", 4), "日…");
        assert_eq!((without_end("abc", 3), without_end("abc", 0)), ("abc".into(), String::new()));
        assert_eq!(without_middle("2001:db8::1234:5678", 11), "2001:…:5678");
        assert_eq!(without_middle("日本語", 4), "日…");
    }

    #[test]
    fn lines_end_at_blanks_and_hang_under_the_text() {
        assert_eq!(hang("  - ", "one two three four", 12), ["  - one two", "    three", "    four"]);
        assert_eq!(fold("#", "#", "", 10), ["#"]);
        assert_eq!(hang("", "a-word-that-is-too-long b", 8), ["a-word-that-is-too-long", "b"]);
        assert_eq!(hang("", "日本 日本 日本", 9), ["日本 日本", "日本"], "a wide letter takes two columns");
    }
}
