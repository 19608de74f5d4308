//! TLS and identities from the layers, and what is refused of them with where it was given.

use super::*;

/// Hashes of tokens, and files of TLS.
const ONE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const TWO: &str = "sha256:22222222222222222222222222222222222222222222222222222222222222aB";
const TLS: &str = "[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";
const CA: &str = "client_ca = \"/a\"\n";

fn identity(name: &str, roles: &[AccessRole], tokens: &[[u8; 32]], names: &[&str]) -> Identity {
    Identity {
        name: name.to_owned(),
        roles: roles.to_vec(),
        permissions: Vec::new(),
        lists: Vec::new(),
        chains: Vec::new(),
        tokens: tokens.to_vec(),
        certificates: names.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

#[test]
fn identities_and_tls_are_read() {
    let text = format!(
        "{TLS}{CA}require_client_certificate = true\n[identities.b-2]\nroles = \"screen\"\n\
         certificates = \"uri:spiffe://x/y, dns:A.example,cn:Some Body, {ONE}\"\n\
         [identities.a]\nroles = \"admin, screen,admin\"\ntokens = \"{ONE},{TWO}, {ONE}\"\n"
    );
    let config = file(&text).unwrap();
    let [one, mut two] = [[0x11; 32], [0x22; 32]];
    two[31] = 0xab;
    let names = ["uri:spiffe://x/y", "dns:a.example", "cn:Some Body", ONE];
    let want = [
        identity("a", &[AccessRole::Screen, AccessRole::Admin], &[one, two], &[]),
        identity("b-2", &[AccessRole::Screen], &[], &names),
    ];
    assert_eq!(config.identities, want);
    assert_eq!(
        names,
        config.identities[1].certificates.iter().map(ToString::to_string).collect::<Vec<_>>()[..]
    );
    let tls = config.tls.unwrap();
    assert_eq!((tls.certificate.to_str(), tls.key.to_str()), (Some("/c"), Some("/k")));
    assert_eq!(
        (tls.client_ca.unwrap().to_str(), tls.require_client_certificate),
        (Some("/a"), true)
    );

    let environment = [
        ("LAZARETTO_IDENTITIES__SOME_BODY__ROLES", "ingest"),
        ("LAZARETTO_IDENTITIES__SOME_BODY__TOKENS", ONE),
        ("LAZARETTO_TLS__CERTIFICATE", "/c"),
        ("LAZARETTO_TLS__KEY", "/k"),
        // Of commands that ask.
        ("LAZARETTO_TOKEN", "t"),
        ("LAZARETTO_TOKEN_FILE", "/t"),
        ("LAZARETTO_CA", "/ca"),
        ("LAZARETTO_CLIENT_CERTIFICATE", "/cc"),
        ("LAZARETTO_CLIENT_KEY", "/ck"),
    ];
    let config = Input { environment: &environment, ..Input::default() }.load().unwrap();
    assert_eq!(config.identities, [identity("some-body", &[AccessRole::Ingest], &[one], &[])]);
    assert!(!config.tls.unwrap().require_client_certificate);
}

#[test]
fn what_is_wrong_with_them_is_said() {
    let check = |text: &str, problems: &[&str]| {
        assert_eq!(file(text).unwrap_err(), problems, "{text}");
    };
    let with = |line: &str| format!("[identities.a]\nroles = \"screen\"\n{line}\n");
    let name = "invalid name; use 1 to 64 of a-z, 0-9 and '-'";
    check("[identities.A_b]\nroles = \"screen\"", &[&format!("F:1: identities.A_b: {name}")]);
    let long = "x".repeat(65);
    assert!(file(&format!("[identities.{long}]\n")).unwrap_err()[0].ends_with(name));
    check("[identities]\na = 1", &["F:2: identities.a: invalid type: integer, expected a table"]);
    check(&with("token = 1"), &["F:3: unknown key \"identities.a.token\""]);
    check(
        &format!("[identities.a]\ntokens = \"{ONE}\""),
        &[
            "F:1: identities.a: roles are missing: one or more of screen, ingest, audit, admin (or permissions)",
        ],
    );
    check(
        &format!("[identities.a]\nroles = \"screen, root\"\ntokens = \"{ONE}\""),
        &["F:2: identities.a.roles: unknown role \"root\"; use screen, ingest, audit or admin"],
    );
    let digest = "F:3: identities.a.tokens: must be sha256: and 64 hexadecimal digits";
    for token in ["secret", "sha256:", "sha256:zz", &ONE[1..], &ONE[..70], &ONE.replace("11", "+1")]
    {
        check(&with(&format!("tokens = \"{token}\"")), &[digest]);
    }
    check(&with("tokens = \" , \""), &["F:3: identities.a.tokens: must not be empty"]);
    check(&with("tokens = 7"), &["F:3: identities.a.tokens: must be a string, not an integer"]);
    let many = |count: usize| {
        let tokens: Vec<_> = (0..count).map(|number| format!("sha256:{number:064x}")).collect();
        with(&format!("tokens = \"{}\"", tokens.join(",")))
    };
    file(&many(100)).unwrap();
    check(&many(101), &["F:3: identities.a.tokens: more than 100 values"]);
    check(
        &format!(
            "{}[identities.b]\nroles = \"screen\"\ntokens = \"{ONE}\"",
            with(&format!("tokens = \"{ONE}\""))
        ),
        &["F:6: identities.b: sha256:111111... is one of identities.a too"],
    );

    let names = |names: &str| format!("{TLS}{CA}{}", with(&format!("certificates = \"{names}\"")));
    for wrong in ["payments", "uri:", "ip:127.0.0.1", "sha256"] {
        let problem = "F:7: identities.a.certificates: invalid certificate name; use uri:, dns:, \
                       cn: or sha256: and the name";
        check(&names(wrong), &[problem]);
    }
    let problem = "F:7: identities.a.certificates: a name of 1028 bytes, at most 1024";
    check(&names(&format!("uri:{}", "x".repeat(1_024))), &[problem]);
    check(
        &format!("{}[identities.b]\nroles = \"screen\"\ncertificates = \"dns:X\"", names("dns:x")),
        &["F:10: identities.b: dns:x is one of identities.a too"],
    );
    check(
        &format!("{TLS}{}", with("certificates = \"dns:x\"")),
        &["F:6: identities.a: certificates need tls.client_ca to be verified"],
    );
}

#[test]
fn there_are_bounds_on_all_together() {
    let text = |identities: usize, each: usize| {
        let mut text = String::new();
        for identity in 0..identities {
            let tokens = (0..each).map(|token| format!("sha256:{:064x}", identity * each + token));
            let tokens = tokens.collect::<Vec<_>>().join(",");
            text += &format!("[identities.i{identity:04}]\nroles = \"screen\"\n");
            text += &format!("tokens = \"{tokens}\"\n");
        }
        text
    };
    assert_eq!(file(&text(1_000, 1)).unwrap().identities.len(), 1_000);
    let problems = file(&text(1_001, 1)).unwrap_err();
    assert_eq!(problems[0], "F:3001: identities.i1000: more than 1000 identities");
    assert_eq!(file(&text(64, 64)).unwrap().identities.len(), 64);
    let problems = file(&text(65, 64)).unwrap_err();
    let problem = "F:193: identities.i0064: all identities together have more than 4096 tokens";
    assert_eq!(problems, [problem]);
}

#[test]
fn files_of_tls_need_each_other() {
    let check = |text: &str, problem: &str| assert_eq!(file(text).unwrap_err(), [problem]);
    check("[tls]\ncertificate = \"/c\"", "F:2: tls.certificate: needs tls.key, the key of it");
    check("[tls]\nkey = \"/c\"", "F:2: tls.key: needs tls.certificate, which it belongs to");
    let problem = "tls.client_ca: needs tls.certificate and tls.key, without which there is no TLS";
    check("[tls]\nclient_ca = \"/c\"", &format!("F:2: {problem}"));
    check(
        &format!("{TLS}require_client_certificate = true"),
        "F:4: tls.require_client_certificate: needs tls.client_ca, which client certificates are \
         verified against",
    );
    file(&format!("{TLS}require_client_certificate = false")).unwrap();
    check("[tls]\ncertificates = \"/c\"", "F:2: unknown key \"tls.certificates\"");
    check("tls = \"/c\"", "F:1: tls: invalid type: string, expected a table");
}

#[test]
fn beyond_this_machine_nobody_is_let_in_by_default() {
    let token = format!("[identities.a]\nroles = \"screen\"\ntokens = \"{ONE}\"\n");
    let certificate = "[identities.a]\nroles = \"screen\"\ncertificates = \"cn:x\"\n";
    let check = |top: &str, rest: &str, problem: Option<&str>| {
        let text = format!("{top}\n{rest}");
        let serving = Flags { serving: true, ..Flags::default() };
        let got = Input { file: Some(&text), flags: serving, ..Input::default() }.load();
        match (got, problem) {
            (Ok(_), None) => {}
            (Err(problems), Some(want)) => {
                assert_eq!(problems.len(), 1, "{problems:?}");
                assert!(problems[0].contains(want), "{}, not {want}", problems[0]);
            }
            (got, want) => panic!("{text}: {got:?}, not {want:?}"),
        }
    };
    let (here, there) = ("listen = \"[::1]:1\"", "listen = \"10.0.0.1:1\"");
    let everywhere = "listen = \"0.0.0.0:1\"";
    let (anonymous, plaintext) = ("\nallow_anonymous = true", "\nallow_plaintext = true");
    let (nobody, clear) = (
        "F:1: listen: other machines reach this address, and without identities",
        "F:1: listen: other machines reach this address, and without TLS",
    );
    check(here, "", None);
    check(here, &token, None);
    for beyond in [there, everywhere, "listen = \"[::]:1\""] {
        check(beyond, "", Some(nobody));
        check(beyond, TLS, Some(nobody));
        check(&format!("{beyond}{anonymous}"), "", None);
        check(beyond, &token, Some(clear));
        check(&format!("{beyond}{plaintext}"), &token, None);
        check(&format!("{beyond}{plaintext}"), "", Some(nobody));
        check(beyond, &format!("{TLS}{token}"), None);
        check(beyond, &format!("{TLS}{CA}{certificate}"), None);
    }
    let both = "F:2: allow_anonymous: contradicts the configured identities";
    check(&format!("{there}{anonymous}"), &format!("{TLS}{token}"), Some(both));
    check(&format!("{here}{anonymous}"), &token, Some(both));

    // Commands that ask listen nowhere.
    file(there).unwrap();
    let flags = Flags { serving: true, allow_anonymous: true, ..Flags::default() };
    let config = Input { file: Some(there), flags, ..Input::default() }.load().unwrap();
    assert!(config.allow_anonymous && !config.allow_plaintext);
}
