//! Identities and TLS by the command line: a token made, shown, refused and never told; the owner's
//! socket; a server that is not started unsafely.

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::generate_simple_self_signed;

use crate::support::program::{Running, Said, program, run};

const CLEAN: &str = "0x3333333333333333333333333333333333333333";

/// A fresh token and its hash, as the program makes them.
fn token() -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    let said = run(dir.path(), ["identity", "token", "--name", "asks", "--output", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let made: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    assert_eq!(text("name"), "asks");
    (text("token"), text("hash"))
}

/// A server on `data_dir` that says everything up to debug, and where it listens.
fn serve(data_dir: &Path, hash: &str, edit: impl FnOnce(&mut Command)) -> (Running, String) {
    let mut command = program(data_dir);
    command.args(["serve", "--offline", "--set", "listen=127.0.0.1:0", "--set", "log=debug"]);
    command.env("LAZARETTO_IDENTITIES__ASKS__ROLES", "screen");
    command.env("LAZARETTO_IDENTITIES__ASKS__TOKENS", hash);
    edit(&mut command);
    let mut server = Running::start(command);
    let line = server.wait_for("listening url=");
    let url = line.split("url=").nth(1).unwrap().trim().to_owned();
    server.wait_for("server started");
    (server, url)
}

/// Asks for the lists, from a data directory of its own.
fn lists(url: &str, edit: impl FnOnce(&mut Command) -> &mut Command) -> Said {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program(dir.path());
    command.args(["--log", "debug", "--server", url, "lists", "ls"]);
    edit(&mut command);
    command.output().unwrap().into()
}

#[test]
fn a_token_is_fresh_and_its_hash_fits() {
    use sha2::{Digest, Sha256};
    let (one, hash) = token();
    assert_ne!(one, token().0);
    assert_eq!(one.len(), 64);
    let hex: String = Sha256::digest(&one).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, format!("sha256:{hex}"));

    // The text can be pasted as it stands.
    let dir = tempfile::tempdir().unwrap();
    let said = run(dir.path(), ["identity", "token"]);
    let config = &said.out[said.out.find("[identities.payments]").unwrap()..];
    let path = dir.path().join("lazaretto.toml");
    fs::write(&path, config).unwrap();
    let path = path.to_str().unwrap();
    let shown = run(dir.path(), ["--config", path, "--set", "offline=true", "lists", "ls"]);
    assert_eq!(shown.status, 0, "{}", shown.err);
    let refused = run(dir.path(), ["identity", "token", "--name", "A\"b"]);
    assert!(refused.status != 0 && refused.err.contains("a-z, 0-9 and '-'"), "{}", refused.err);
}

#[test]
fn a_token_opens_the_door_and_is_told_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (token, hash) = token();
    let (server, url) = serve(dir.path(), &hash, |_| {});
    let file = dir.path().join("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    let wrong = "wrong-0123456789abcdef";
    let by_variable = lists(&url, |it| it.env("LAZARETTO_TOKEN", &token));
    let by_file = lists(&url, |it| it.arg("--token-file").arg(&file));
    let by_file_variable = lists(&url, |it| it.env("LAZARETTO_TOKEN_FILE", &file));
    for said in [&by_variable, &by_file, &by_file_variable] {
        assert_eq!(said.status, 0, "{}", said.err);
        assert!(said.out.contains("us-ofac-sdn"), "{}", said.out);
    }
    let unknown = lists(&url, |it| it.env("LAZARETTO_TOKEN", wrong));
    let nobody = lists(&url, |it| it);
    for said in [&unknown, &nobody] {
        assert_eq!(said.status, 1);
        assert!(said.err.contains("give the server's token by --token-file"), "{}", said.err);
    }
    let malformed = lists(&url, |it| it.env("LAZARETTO_TOKEN", format!("{wrong} {wrong}")));
    assert!(malformed.err.contains("LAZARETTO_TOKEN: the token is not"), "{}", malformed.err);
    let away = lists("http://0.0.0.0:1", |it| it.env("LAZARETTO_TOKEN", &token));
    assert!(away.err.contains("would go to 0.0.0.0 in clear text"), "{}", away.err);
    let reload = {
        let mut command = program(dir.path());
        command.args(["--server", &url, "policy", "reload"]).env("LAZARETTO_TOKEN", &token);
        Said::from(command.output().unwrap())
    };
    assert!(reload.err.contains("takes the permission reload-policy"), "{}", reload.err);

    server.signal("TERM");
    let log = server.end().err;
    assert!(log.contains("DEBUG"), "{log}");
    let said = [by_variable, by_file, by_file_variable, unknown, nobody, malformed, away, reload];
    for text in said.iter().flat_map(|it| [&it.out, &it.err]).chain([&log]) {
        for secret in [token.as_str(), wrong] {
            assert!(!text.contains(secret), "a token is told: {text}");
        }
    }
}

#[test]
fn the_owner_needs_no_token_and_certificates_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (token, hash) = token();
    let made = generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| dir.path().join(name));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let data = dir.path().join("data");
    let (server, url) = serve(&data, &hash, |it| {
        it.env("LAZARETTO_TLS__CERTIFICATE", &certificate).env("LAZARETTO_TLS__KEY", &key);
    });
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");

    let with_token =
        |arguments: &[&Path]| lists(&url, |it| it.env("LAZARETTO_TOKEN", &token).args(arguments));
    let trusted = with_token(&["--ca".as_ref(), &certificate]);
    assert_eq!(trusted.status, 0, "{}", trusted.err);
    let unknown = with_token(&[]);
    assert!(unknown.status == 1 && unknown.err.contains("UnknownIssuer"), "{}", unknown.err);
    let half = with_token(&["--client-key".as_ref(), &key]);
    assert!(half.err.contains("need each other"), "{}", half.err);
    let clear = lists(&url.replace("https", "http"), |it| it.env("LAZARETTO_TOKEN", &token));
    assert_eq!(clear.status, 1, "{}", clear.out);

    // By the socket: no token, no authority, every role.
    let screened = run(&data, ["screen", CLEAN]);
    assert!([0, 10].contains(&screened.status), "{}", screened.err);
    let reloaded = run(&data, ["policy", "reload"]);
    assert_eq!(reloaded.status, 0, "{}", reloaded.err);
    // Without the socket, by the endpoint file, as anybody.
    fs::remove_file(data.join("socket")).unwrap();
    let mut command = program(&data);
    command.args(["screen", CLEAN, "--ca"]).arg(&certificate);
    let refused = Said::from(command.output().unwrap());
    assert!(refused.err.contains("by --token-file or LAZARETTO_TOKEN"), "{}", refused.err);
    let screened = Said::from(command.env("LAZARETTO_TOKEN", &token).output().unwrap());
    assert!([0, 10].contains(&screened.status), "{}", screened.err);
    server.signal("TERM");
    assert_eq!(server.end().status, 0);
}

#[test]
fn a_server_is_not_started_unsafely() {
    let dir = tempfile::tempdir().unwrap();
    let check = |edit: &dyn Fn(&mut Command), words: &str| {
        let mut command = program(dir.path());
        command.args(["serve", "--offline", "--listen", "0.0.0.0:0"]);
        edit(&mut command);
        let said = Said::from(command.output().unwrap());
        assert_eq!(said.status, 1, "{}", said.err);
        assert!(said.err.contains(words), "{}", said.err);
        assert!(!said.err.contains("listening"), "{}", said.err);
    };
    let identities = |it: &mut Command| {
        it.env("LAZARETTO_IDENTITIES__A__ROLES", "screen");
        it.env("LAZARETTO_IDENTITIES__A__TOKENS", format!("sha256:{}", "0".repeat(64)));
    };
    check(
        &|_| {},
        "flag --listen: listen: other machines reach this address, and without identities",
    );
    check(
        &|it| identities(it),
        "flag --listen: listen: other machines reach this address, and without TLS",
    );
    let both = |it: &mut Command| {
        identities(it);
        it.arg("--allow-anonymous");
    };
    check(&both, "flag --allow-anonymous: allow_anonymous: contradicts the configured identities");
    let files = |it: &mut Command| {
        it.args(["--allow-anonymous", "--set", "tls.certificate=/none", "--set", "tls.key=/none"]);
    };
    check(&files, "TLS: /none: No such file or directory");

    let mut command = program(dir.path());
    command.args(["serve", "--offline", "--listen", "0.0.0.0:0"]);
    identities(&mut command);
    let mut server = Running::start({
        command.env("LAZARETTO_ALLOW_PLAINTEXT", "true");
        command
    });
    server.wait_for("reachable from other machines without TLS");
    server.wait_for("listening url=http://127.0.0.1:");
}
