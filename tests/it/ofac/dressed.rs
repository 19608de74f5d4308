//! Every address of the newest publication, asked for as people write it: none is let pass.

use super::*;

/// How an address may be dressed; `{}` is where it stands. All of these are read as the address.
const DRESSES: [&str; 22] = [
    "\u{a0}{}",
    "{}\u{200b}",
    "\u{feff}{}",
    "\u{202a}{}\u{202c}",
    "\u{3000}{}\u{b}",
    "\"{}\"",
    "'{}'",
    "“{}”",
    "«{}»",
    "=\"{}\"",
    "[{}]",
    "({})",
    "`{}`",
    "<{}>",
    "{}.",
    "{};",
    "* {}",
    "{} (BTC)",
    "{} # cold wallet",
    "https://explorer.example/address/{}",
    "explorer.example/x/address/{}?tab=1",
    "{}, {}",
];

/// Normalization of which the address is a certain reading only where a checksum, or 0x, bears it out; else the
/// text is not understood, which is no ALLOW either.
const BESIDE_TEXT: [&str; 3] = ["please pay {} today", "wallet={}", "refund\t{}\nthanks"];

#[test]
fn ten_thousand_dressed_forms_of_listed_addresses_are_not_let_pass() {
    let Some(history) = history() else { return };
    let desk = history.desk(NEXT_DAY, &[]);
    let (mut asked, mut blocked) = (0, 0);
    for key in &history.newest().rows {
        let Ok(address) = Reading::from_list_cell(&key.address, &key.ticker).into_single() else {
            continue;
        };
        let ask = |text: &str| {
            let answer = desk.screen(text, None);
            assert_ne!(answer.decision, Decision::Allow, "{text:?}: {answer:?}");
            answer.decision == Decision::Block
        };
        for dress in DRESSES {
            let text = dress.replace("{}", &key.address);
            asked += 1;
            blocked += 1;
            assert!(ask(&text), "{text:?} of {key:?} is no BLOCK");
        }
        let mut others: Vec<String> =
            BESIDE_TEXT.iter().map(|dress| dress.replace("{}", &key.address)).collect();
        // A character that cannot be seen at each third place.
        for place in (1..key.address.len()).step_by(9) {
            others.push(format!("{}\u{ad}{}", &key.address[..place], &key.address[place..]));
        }
        let is_certain =
            address.encoding() != Encoding::Solana && address.encoding() != Encoding::TronHex;
        for text in others {
            asked += 1;
            let is_blocked = ask(&text);
            blocked += usize::from(is_blocked);
            assert!(is_blocked || !is_certain, "{text:?} of {key:?} is no BLOCK");
        }
        if address.encoding() == Encoding::Evm {
            let digits = &key.address[2..];
            let padded = format!("0x000000000000000000000000{digits}");
            let spelt = [
                digits.to_owned(),
                format!("0X{digits}"),
                format!("\\x{digits}"),
                padded,
                format!("ethereum:{}", key.address),
                format!("ethereum:{}@1?value=1e18", key.address),
                format!("eth:{}", key.address),
                format!("did:pkh:eip155:1:{}", key.address),
                format!("ethereum:{CLEAN}@1/transfer?address={}&uint256=1", key.address),
            ];
            for text in spelt {
                asked += 1;
                blocked += 1;
                assert!(ask(&text), "{text:?} of {key:?} is no BLOCK");
            }
        }
    }
    assert!(asked > 10_000, "{asked}");
    println!("{asked} dressed forms: {blocked} BLOCK, {} REVIEW, none ALLOW", asked - blocked);
}

#[test]
fn look_alikes_of_listed_addresses_are_for_review() {
    let Some(history) = history() else { return };
    let desk = history.desk(NEXT_DAY, &[]);
    // Cyrillic and Greek letters, and a full-width digit, that pass for ASCII.
    let alike = [
        ('a', 'а'),
        ('e', 'е'),
        ('o', 'о'),
        ('H', 'Н'),
        ('K', 'Κ'),
        ('T', 'Т'),
        ('1', '１'),
        ('x', 'х'),
    ];
    let mut asked = 0;
    for key in &history.newest().rows {
        let Ok(address) = Reading::from_list_cell(&key.address, &key.ticker).into_single() else {
            continue;
        };
        if address.encoding() == Encoding::Solana {
            continue;
        }
        for (ascii, look_alike) in alike {
            let text = key.address.replacen(ascii, &look_alike.to_string(), 1);
            if text == key.address {
                continue;
            }
            asked += 1;
            let answer = desk.screen(&text, None);
            assert_eq!(answer.decision, Decision::Review, "{text} of {key:?}: {answer:?}");
            let found = answer.on_row(&key.uid, &key.address, &key.ticker);
            let found = found.unwrap_or_else(|| panic!("{text} of {key:?}: {answer:?}"));
            assert_eq!(found.kind, FindingKind::ListedVerbatim, "{text} of {key:?}");
        }
    }
    assert!(asked > 1_000, "{asked}");
}
