//! Characters that a terminal might interpret or hide, and their escaping.

use std::borrow::Cow;

/// Returns true if a terminal might interpret or hide the character, by Unicode 16: control, format
/// and separator characters (categories Cc, Cf, Zl, Zp) and invisible ones (the property
/// Default_Ignorable_Code_Point).
pub fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Escapes hostile characters as `\u{<hex>}` and doubles backslashes; [`unescape`] reverses it.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(|character| character == '\\' || is_hostile(character)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            hostile if is_hostile(hostile) => escaped.extend(hostile.escape_unicode()),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

/// Reverses [`escape`]; `None` if the text is not escaped correctly.
pub(super) fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut found = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        found.push_str(before);
        if let Some(after) = after.strip_prefix('\\') {
            found.push('\\');
            rest = after;
        } else {
            let (hex, after) = after.strip_prefix("u{")?.split_once('}')?;
            let is_hex = hex.len() <= 6 && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
            let code = u32::from_str_radix(hex, 16).ok().filter(|_| is_hex)?;
            found.push(char::from_u32(code)?);
            rest = after;
        }
    }
    found.push_str(rest);
    Some(Cow::Owned(found))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_never_escaped_is_none() {
        for text in
            ["\\", "a\\n", "\\u", "\\u{", "\\u{}", "\\u{110000}", "\\u{+41}", "\\u{0000041}"]
        {
            assert_eq!(unescape(text), None, "{text}");
        }
        assert_eq!(unescape("\\u{41}\\\\u{41}").as_deref(), Some("A\\u{41}"));
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_given_back(text in "(\\PC|[\\\\u{}\u{1b}\u{202e}\u{9b}\r\n\t4]){0,12}") {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(is_hostile));
            let back = unescape(&escaped);
            prop_assert_eq!(back.as_deref(), Some(text.as_str()));
        }
    }
}
