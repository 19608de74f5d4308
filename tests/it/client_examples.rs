//! The clients of docs/clients.md, and its `buf curl`, against a server with TLS and identities: every
//! outcome, and a person where there is none.
//!
//! The tools come from outside, as for `foreign_clients`: `LAZARETTO_TEST_PYTHON`, `LAZARETTO_TEST_BUF`,
//! and `LAZARETTO_TEST_TYPESCRIPT`, a folder in which tests/clients/typescript/package.json is installed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::generate_simple_self_signed;
use serde_json::Value;
use tempfile::TempDir;

use crate::foreign_clients::{LISTED, NOTHING_LOADED};
use crate::support::needs::{Need, tool};
use crate::support::program::{Running, TODAY, program, run};

/// The addresses of tests/clients/*/outcomes.*.
const SANCTIONS: &str = "address,ticker,party_uid,party_name\n\
                         0x098b716b8aaf21512996dc57eb0615e2383e2f96,ETH,18309,LAZARUS GROUP\n";
const ADVICE: &str = "address,ticker,party_uid,party_name\n\
                      0x1da5821544e25c636c1417ba96ade4cf6d2f9b5a,ETH,1,Thief\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first block of `language` in docs/clients.md.
fn example(language: &str) -> String {
    let path = root().join("docs/clients.md");
    let text = fs::read_to_string(&path).unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).expect("docs/clients.md has it");
    rest.split_once("```\n").expect("the block ends").0.to_owned()
}

/// A server over TLS with one identity, which may screen.
struct Secured {
    dir: TempDir,
    token: String,
    address: String,
    _server: Running,
}

impl Secured {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = run(dir.path(), ["identity", "token", "--name", "payments", "--output", "json"]);
        let made: Value = serde_json::from_str(&made.out).unwrap();
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        let tls = generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let [certificate, key] = ["tls.crt", "tls.key"].map(|name| dir.path().join(name));
        fs::write(&certificate, tls.cert.pem()).unwrap();
        fs::write(&key, tls.signing_key.serialize_pem()).unwrap();
        let data = dir.path().join("data");
        let mut command = program(&data);
        command.args(["serve", "--offline", "--set", "listen=127.0.0.1:0"]).args(NOTHING_LOADED);
        command.env("LAZARETTO_TLS__CERTIFICATE", &certificate).env("LAZARETTO_TLS__KEY", &key);
        command.env("LAZARETTO_IDENTITIES__PAYMENTS__ROLES", "screen");
        command.env("LAZARETTO_IDENTITIES__PAYMENTS__TOKENS", text("hash"));
        let mut server = Running::start(command);
        let line = server.wait_for("listening url=");
        let url = line.split("url=").nth(1).unwrap().trim();
        let address = url.strip_prefix("https://").expect("it takes TLS").to_owned();
        for (list, kind, rows) in
            [("us-ofac-sdn", "SANCTIONS", SANCTIONS), ("advice", "ADVISORY", ADVICE)]
        {
            let file = dir.path().join(format!("{list}.csv"));
            fs::write(&file, rows).unwrap();
            // The owner of the data directory asks by its socket.
            let what = ["lists", "import", file.to_str().unwrap(), "--list", list];
            let how = ["--kind", kind, "--published", TODAY];
            let said = run(&data, [&what[..], &how].concat());
            assert_eq!(said.status, 0, "{}", said.err);
        }
        Self { dir, token: text("token"), address, _server: server }
    }

    fn certificate(&self) -> PathBuf {
        self.dir.path().join("tls.crt")
    }
}

fn done(mut command: Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// Runs a driver, which says "ok" at its end.
fn drive(mut driver: Command, server: &Secured) {
    driver.arg(&server.address).arg(server.certificate()).arg(&server.token);
    assert_eq!(done(driver).stdout, b"ok\n");
}

#[test]
fn python_client_of_the_documents_meets_every_outcome() {
    let Some(python) = tool(Need::Python) else { return };
    let server = Secured::start();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("client.py"), example("python")).unwrap();
    let mut driver = Command::new(python);
    driver.arg("-B").arg(root().join("tests/clients/python/outcomes.py"));
    driver.arg(root().join("proto")).arg(folder.path());
    drive(driver, &server);
}

#[test]
fn typescript_client_of_the_documents_meets_every_outcome() {
    let Some(installed) = tool(Need::Typescript) else { return };
    let Some(buf) = tool(Need::Buf) else { return };
    let server = Secured::start();
    let modules = Path::new(&installed).join("node_modules");
    let given = root().join("tests/clients/typescript");
    let folder = tempfile::tempdir().unwrap();
    let src = folder.path().join("src");
    fs::create_dir(&src).unwrap();
    fs::write(src.join("client.ts"), example("ts")).unwrap();
    fs::copy(given.join("outcomes.ts"), src.join("outcomes.ts")).unwrap();
    for name in ["package.json", "tsconfig.json"] {
        fs::copy(given.join(name), folder.path().join(name)).unwrap();
    }
    std::os::unix::fs::symlink(&modules, folder.path().join("node_modules")).unwrap();
    let mut generate = Command::new(buf);
    let programs = modules.join(".bin").into_os_string();
    let path = [programs, OsString::from(":"), std::env::var_os("PATH").unwrap_or_default()];
    generate.env("PATH", path.into_iter().collect::<OsString>());
    generate.arg("generate").arg(root().join("proto")).arg("--output").arg(&src);
    generate.arg("--template").arg(given.join("buf.gen.yaml"));
    done(generate);
    let mut compile = Command::new("node");
    compile.arg(modules.join("typescript/bin/tsc")).arg("--project").arg(folder.path());
    done(compile);
    let mut driver = Command::new("node");
    driver.arg(folder.path().join("dist/outcomes.js"));
    drive(driver, &server);
}

#[test]
fn buf_curl_asks_a_server_with_identities() {
    let Some(buf) = tool(Need::Buf) else { return };
    let server = Secured::start();
    let header = format!("authorization: Bearer {}", server.token);
    let ask = |schema: &[&str]| {
        let mut curl = Command::new(&buf);
        curl.args(["curl", "--protocol", "grpc", "--header", &header, "--cacert"]);
        curl.arg(server.certificate()).args(schema);
        curl.args(["--data", &format!(r#"{{"query": {{"address": "{LISTED}"}}}}"#)]);
        let method = "lazaretto.v1.ScreeningService/ScreenAddress";
        curl.arg(format!("https://{}/{method}", server.address));
        let answer: Value = serde_json::from_slice(&done(curl).stdout).unwrap();
        assert_eq!(answer["screening"]["decision"], "DECISION_BLOCK", "{answer}");
        assert_eq!(answer.get("snapshot"), None, "{answer}");
    };
    let proto = root().join("proto");
    ask(&["--schema", proto.to_str().unwrap()]);
    // By reflection, which needs an identity too.
    ask(&["--reflect-protocol", "grpc-v1", "--reflect-header", &header]);
}
