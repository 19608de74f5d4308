//! Names by example, and by properties against a slow and obvious model.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn party(name: &str, aliases: &[&str]) -> Party {
    Party {
        name: name.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        ..Party::default()
    }
}

#[test]
fn words_are_folded() {
    let check = |text: &str, want: &str| assert_eq!(fold(text).trim_end(), want, "{text:?}");
    check("Lazarus Group", "lazarus group");
    check("KIM Čhŏl", "kim chol");
    check("KIM C\u{30c}ho\u{306}l", "kim chol");
    check(
        "P'yŏngyang P\u{2019}yongyang Pʼyongyang P´yongyang",
        ["pyongyang"; 4].join(" ").as_str(),
    );
    check("Straße STRASSE STRAẞE", "strasse strasse strasse");
    check("Ünlü IŞIK ışık İstanbul", "unlu isik isik istanbul");
    check("Łódź Ærø Đorđe Þór", "lodz aero dorde thor");
    check("ＬＡＺＡＲＵＳ ﬁnance", "lazarus finance");
    check("ΣΊΣΥΦΟΣ Σίσυφος", "σισυφοσ σισυφοσ");
    check("Лазарь ЛАЗАРЬ", "лазарь лазарь");
    check("laz\u{ad}a\u{200b}rus", "lazarus");
    check("라자루스", &"라자루스".nfkd().collect::<String>());
    let check_words = |text: &str, want: &[&str]| {
        assert_eq!(fold(text).split_whitespace().collect::<Vec<_>>(), want, "{text:?}");
    };
    check_words("APT-38 (a.k.a. \"BLUENOROFF\")", &["apt", "38", "a", "k", "a", "bluenoroff"]);
    check_words("al\u{a0}qaida/al\tqa'ida", &["al", "qaida", "al", "qaida"]);
    check_words("-- ' --", &[]);
}

#[test]
fn all_words_must_stand_in_one_name() {
    let lazarus = party("LAZARUS GROUP", &["HIDDEN COBRA", "Guardians of Peace", ""]);
    let check = |text: &str, want: Option<&str>| {
        assert_eq!(NameQuery::parse(text).unwrap().find_in(&lazarus), want, "{text:?}");
    };
    check("Lazarus", Some("LAZARUS GROUP"));
    check("group, lazarus", Some("LAZARUS GROUP"));
    check("cobra", Some("HIDDEN COBRA"));
    check("Peace Guardians", Some("Guardians of Peace"));
    check("lázárus LAZARUS", Some("LAZARUS GROUP"));
    // Of two names, of a part of a word, and nearly: no.
    check("Lazarus Cobra", None);
    check("Lazaru", None);
    check("Lazarus Groups", None);
}

#[test]
fn a_text_without_words_or_too_long_is_refused() {
    for text in ["", " ", "'", "--", "\u{301}", "\u{200b}"] {
        assert_eq!(NameQuery::parse(text), Err(NameQueryError::NoWord), "{text:?}");
    }
    assert!(NameQuery::parse(&"x".repeat(MAX_TEXT)).is_ok());
    let error = NameQuery::parse(&"x".repeat(MAX_TEXT + 1)).unwrap_err();
    assert_eq!(error.to_string(), "the name has 513 bytes, more than 512: use fewer words");
}

#[test]
fn every_character_folds_to_what_folds_to_itself() {
    for letter in '\0'..=char::MAX {
        let once = fold(&letter.to_string());
        assert_eq!(fold(&once).trim_end(), once.trim_end(), "{letter:?}");
    }
}

/// Names of few words and few letters, so that they often agree.
fn name() -> impl Strategy<Value = String> {
    "([aAàÀβΒßẞøØ'’1]{1,2}[ .-]{1,2}){0,3}[aAÀbß2]{0,2}"
}

/// The words of a text by another way: all that is folded, character by character.
fn words(text: &str) -> BTreeSet<String> {
    let simple = |letter: char| match letter {
        'à' | 'À' => "a".to_owned(),
        'ß' | 'ẞ' => "ss".to_owned(),
        'ø' | 'Ø' => "o".to_owned(),
        '\'' | '’' => String::new(),
        other => other.to_lowercase().to_string(),
    };
    let text: String = text.chars().map(simple).collect();
    text.split([' ', '.', '-']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

proptest! {
    #[test]
    fn found_where_one_name_has_every_word(
        text in name(), primary in name(), aliases in prop::collection::vec(name(), 0..4),
    ) {
        let party = Party { name: primary, aliases, ..Party::default() };
        let wanted = words(&text);
        let Ok(query) = NameQuery::parse(&text) else {
            prop_assert!(wanted.is_empty(), "{wanted:?}");
            return Ok(());
        };
        let mut names = std::iter::once(&party.name).chain(&party.aliases);
        let expected = names.find(|name| wanted.is_subset(&words(name)));
        prop_assert_eq!(query.find_in(&party), expected.map(String::as_str));
    }

    #[test]
    fn a_name_is_found_by_its_words_in_any_dress(name in "\\PC{1,40}", shift in 0_usize..40) {
        let party = Party { aliases: vec![name.clone()], ..Party::default() };
        let composed: String = name.nfc().collect();
        let decomposed: String = name.nfd().collect();
        let lower = name.to_lowercase();
        let upper = name.to_uppercase();
        let folded = fold(&name);
        let mut words: Vec<_> = folded.split_whitespace().collect();
        let places = words.len();
        if places > 0 {
            words.rotate_left(shift % places);
        }
        for text in [name.clone(), composed, decomposed, lower, upper, words.join("-")] {
            if let Ok(query) = NameQuery::parse(&text) {
                prop_assert_eq!(query.find_in(&party), Some(&*name), "{:?}", text);
            } else {
                prop_assert!(places == 0 || text.len() > MAX_TEXT, "{:?}", text);
            }
        }
    }
}
