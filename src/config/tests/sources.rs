//! Lists: what may be said of one, and how its source is asked.

use super::*;

#[test]
fn what_a_list_may_not_say() {
    let check = |keys: &str, want: &[&str]| {
        let text = format!("[lists.x]\n{keys}");
        let want = want.iter().map(|s| (*s).to_owned()).collect();
        assert_eq!(file(&text).map(|_| ()), Err(want), "{text}");
    };
    let kind = "kind = \"SANCTIONS\"\n";
    let with_kind = |keys: &str, want: &[&str]| check(&format!("{kind}{keys}"), want);
    check("", &["F:1: lists.x: kind is missing"]);
    check(
        "kind = \"BAD\"",
        &[
            "F:2: lists.x.kind: invalid list kind \"BAD\": use SANCTIONS, ADVISORY, SEIZURE, ISSUER_FREEZE, ATTRIBUTION or SERVICE",
        ],
    );
    for url in ["ftp://h/x", "file:///etc/passwd", "//h/x", "https://", "h", "http://a<b/"] {
        let want = "F:3: lists.x.url: invalid URL; use an absolute http or https URL";
        with_kind(&format!("url = {url:?}"), &[want]);
    }
    with_kind(
        "url = \"https://h/x\"\npath = \"/x\"",
        &["F:4: lists.x: path and url (F:3) exclude each other"],
    );
    with_kind("enabled = 1", &["F:3: lists.x.enabled: must be true or false, not an integer"]);
    with_kind("name = true", &["F:3: lists.x.name: must be a string, not a boolean"]);
    with_kind("path = 1", &["F:3: lists.x.path: must be a string, not an integer"]);
    with_kind("required = \"\"", &["F:3: lists.x.required: must be true or false, not a string"]);
    with_kind(
        "allow_empty = 0",
        &["F:3: lists.x.allow_empty: must be true or false, not an integer"],
    );
    let spans = ["", "6", "6 parsecs", "-6h", "6h ago", "1 month", "soon"];
    for span in spans {
        let want = match span {
            "" => "F:3: lists.x.max_age: must not be empty".to_owned(),
            _ => format!("F:3: lists.x.max_age: invalid duration {span:?}; use 90s, 5m, 2h or 3d"),
        };
        with_kind(&format!("max_age = {span:?}"), &[&want]);
    }
    with_kind("max_age = 6", &["F:3: lists.x.max_age: must be a string, not an integer"]);
    with_kind("max_age = \"3651d\"", &["F:3: lists.x.max_age: is longer than ten years"]);
    with_kind(
        "refresh_interval = \"59s\"",
        &["F:3: lists.x: refresh_interval is below one minute"],
    );
    with_kind(
        "refresh_interval = \"1h\"\nmax_age = \"60m\"",
        &["F:4: lists.x: max_age (1 h) must be longer than refresh_interval (1 h)"],
    );
    with_kind(
        "max_age = \"30m\"",
        &["F:3: lists.x: max_age (30 min) must be longer than refresh_interval (1 h)"],
    );
    with_kind(
        "url = \"http://h\"\nrefresh_interval = \"3d\"",
        &["F:4: lists.x: max_age (2 d) must be longer than refresh_interval (3 d)"],
    );
    with_kind(
        "static = true\nmax_age = \"3d\"\nrefresh_interval = \"2h\"",
        &[
            "F:4: lists.x: static (F:3) and max_age exclude each other",
            "F:5: lists.x: static (F:3) and refresh_interval exclude each other",
        ],
    );
    for shrink in ["-0.1", "1.1", "2", "nan", "inf", "\"a\""] {
        let want = "F:3: lists.x.max_shrink: must be a fraction from 0.0 to 1.0";
        with_kind(&format!("max_shrink = {shrink}"), &[want]);
    }
    assert!(file("[lists.x]\nenabled = false").is_ok(), "a list that is off need not be whole");
}

#[test]
fn a_source_has_urls_in_order_and_a_manner_of_being_asked() {
    let check = |text: &str, urls: &[&str], probe: Option<(&str, u64)>| {
        let config = file(text).unwrap();
        let sdn = list(&config, "us-ofac-sdn");
        let said: Vec<_> = sdn.urls().map(|url| url.rsplit("://").next().unwrap()).collect();
        assert_eq!(said, urls, "{text}");
        let asked = sdn.remote.probe.as_ref();
        let asked = asked.map(|probe| (probe.url.as_str(), probe.interval.as_secs()));
        assert_eq!(asked, probe, "{text}");
    };
    let ofac = "sanctionslistservice.ofac.treas.gov";
    let documented = format!("{ofac}/api/download/SDN_ADVANCED.XML");
    let former = format!("{ofac}/api/PublicationPreview/exports/SDN_ADVANCED.XML");
    let latest = format!("https://{ofac}/changes/latest");
    let sdn = |keys: &str| format!("[lists.us-ofac-sdn]\n{keys}");
    let built_in = Some((latest.as_str(), 60));
    check(
        &sdn("mirrors = \"http://a/x  http://b/y\""),
        &[&documented, &former, "a/x", "b/y"],
        built_in,
    );
    check(&sdn("probe_url = \"none\""), &[&documented, &former], None);
    check(&sdn("probe_interval = \"5m\""), &[&documented, &former], Some((latest.as_str(), 300)));
    // OFAC's endpoint says nothing of another source, or of a file.
    check(&sdn("url = \"http://a/x\\nhttp://b/y\""), &["a/x", "b/y"], None);
    check(&sdn("path = \"/x\""), &[], None);
    check(
        &sdn("url = \"http://a/x\"\nprobe_url = \"http://a/new\""),
        &["a/x"],
        Some(("http://a/new", 60)),
    );
    let config =
        file(&sdn("user_agent = \"me\"\nheaders = \"\"\"\nX-Key: s3cret\n\"\"\"")).unwrap();
    assert_eq!(list(&config, "us-ofac-sdn").remote.user_agent.as_deref(), Some("me"));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn headers_go_to_the_first_url_that_is_not_of_ofac() {
    let check = |keys: &str, want: Option<&str>| {
        let config = file(&format!("[lists.us-ofac-sdn]\nheaders = \"a: b\"\n{keys}")).unwrap();
        let to = list(&config, "us-ofac-sdn").remote.headers_to.as_deref();
        assert_eq!(to, want, "{keys}");
    };
    check("", None);
    check("mirrors = \"http://a/x http://b/y\"", Some("http://a/x"));
    check("url = \"https://c/z\"\nmirrors = \"http://a/x\"", Some("https://c/z"));
    check(
        "url = \"https://SANCTIONSLISTSERVICE.ofac.treas.gov:443/x http://a/x\"",
        Some("http://a/x"),
    );
}

#[test]
fn how_a_source_is_asked_must_fit_it() {
    let check = |keys: &str, want: &str| {
        let found = file(&format!("[lists.x]\nkind = \"SANCTIONS\"\n{keys}")).unwrap_err();
        assert_eq!(found, [want], "{keys}");
    };
    let url = "url = \"http://h/\"";
    for key in ["mirrors", "probe_url"] {
        let given = format!("{key} = \"http://m/\"");
        check(&given, "F:3: lists.x: needs a url, and the list has none");
    }
    check("user_agent = \"me\"", "F:3: lists.x: needs a url, and the list has none");
    check("headers = \"a: b\"", "F:3: lists.x: needs a url, and the list has none");
    check("headers_file = \"/h\"", "F:3: lists.x: needs a url, and the list has none");
    check(
        &format!("{url}\nheaders = \"Host: s3cret\""),
        "F:4: lists.x.headers: line 1 of the headers sets host, which the program sets by itself or refuses",
    );
    check(
        &format!("{url}\nprobe_interval = \"1m\""),
        "F:4: lists.x: probe_interval needs a probe_url",
    );
    check(
        &format!("{url}\nprobe_url = \"http://h/p\"\nprobe_interval = \"1ms\""),
        "F:5: lists.x: probe_interval is below one second",
    );
    check(
        &format!("{url}\nprobe_url = \"http://h/p\"\nstatic = true"),
        "F:4: lists.x: static and probe_url exclude each other",
    );
    check("url = \" \"", "F:3: lists.x.url: has no URL");
    let nine = ["http://h/"; 9].join(" ");
    check(&format!("url = \"{nine}\""), "F:3: lists.x.url: 9 URLs, at most 8");
    check(
        &format!("{url}\nmirrors = \"{}\"", &nine[..9 * 10 - 11]),
        "F:4: lists.x: url and mirrors have more than 8 URLs together",
    );
}

#[test]
fn an_unknown_format_is_refused() {
    let problems = file("[lists.us-ofac-sdn]\nformat = \"pdf\"").unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("F:2: lists.us-ofac-sdn.format: "), "{problems:?}");
}
