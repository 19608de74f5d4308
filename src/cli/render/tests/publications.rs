//! Lists, their changes and their parties.

use super::*;

fn sdn() -> v1::SanctionsList {
    let ticker = |ticker: &str, rows| v1::TickerCount { ticker: text(ticker), rows };
    v1::SanctionsList {
        list_id: text("us-ofac-sdn"),
        name: text("OFAC Specially Designated Nationals"),
        kind: v1::ListKind::Sanctions.into(),
        required: true,
        version: 3,
        number_on_list: 3,
        digest: "5e".repeat(32),
        published_on: text("2025-11-19"),
        age_seconds: Some(10_000),
        max_age_seconds: Some(172_800),
        origin: v1::ListOrigin::Import.into(),
        origin_name: text("SDN_ADVANCED.XML"),
        counts: Some(v1::ListCounts {
            listings: 767,
            quarantined: 1,
            parties: 89,
            removals_pending: 0,
            removed: 104,
            duplicates: 1,
            by_ticker: vec![ticker("ETH", 90), ticker("XBT", 512), ticker("", 3)],
        }),
        ..v1::SanctionsList::default()
    }
}

fn file() -> v1::ListFile {
    use v1::ListFileNoteKind as Kind;
    let note = |kind: Kind, subject: &str, count, examples: &[&str]| v1::ListFileNote {
        kind: kind.into(),
        subject: text(subject),
        count,
        examples: examples.iter().copied().map(text).collect(),
    };
    v1::ListFile {
        format: text("ofac-advanced"),
        compression: text("bzip2"),
        rows: 769,
        parties: 1,
        published_on: text("2025-11-19"),
        notes: vec![
            note(Kind::UnknownType, "Virtual Currency Wallet", 2, &[ETHER, "see website"]),
            note(Kind::NoAddress, "tags without an address", 12, &["Some label"]),
            note(Kind::NotAddresses, "parties without an address", 17_102, &[]),
            note(Kind::UnknownField, "city", 1, &[]),
        ],
    }
}

#[test]
fn lists() {
    let not_loaded = v1::SanctionsList {
        list_id: text("us-ofac-cons"),
        kind: v1::ListKind::Sanctions.into(),
        max_age_seconds: Some(172_800),
        source: text("https://ofac.example/CONS_ADVANCED.XML"),
        last_error: text("connection refused"),
        ..v1::SanctionsList::default()
    };
    let mut partly = sdn();
    partly.url_errors = vec![text("https://ofac.example/a: not finished within 60s")];
    partly.probe_error = text("https://ofac.example/latest: status 404");
    let mut stale = sdn();
    stale.list_id = text("xx-stale");
    stale.stale = true;
    stale.age_seconds = Some(31_800_000);
    stale.force_reason = text("checked by hand");
    stale.last_file = Some(file());
    let counts = stale.counts.as_mut().unwrap();
    counts.removals_pending = 97;
    let ticker = text("type \"Virtual Currency Wallet\"");
    counts.by_ticker.push(v1::TickerCount { ticker, rows: 2 });
    check(
        "lists-ls.txt",
        &crate::cli::render::lists::table(&[not_loaded, partly, stale], Style::PLAIN),
    );
}

#[test]
fn a_source_that_was_tried() {
    let answer = |status: u32, bytes: u64| v1::HttpAnswer {
        redirect_hosts: vec![text("storage.example")],
        status,
        content_type: text("application/xml"),
        has_validator: true,
        bytes,
    };
    let blocked = v1::SourceCheck {
        source: text("https://ofac.example/api/download/SDN_ADVANCED.XML"),
        answer: Some(v1::HttpAnswer { redirect_hosts: Vec::new(), ..answer(403, 0) }),
        milliseconds: 95,
        error: text("blocked by the source's firewall (status 403)"),
        cause: text("blocked"),
        ..v1::SourceCheck::default()
    };
    let read = v1::SourceCheck {
        source: text("https://ofac.example/exports/SDN_ADVANCED.XML"),
        answer: Some(answer(200, 120_825_221)),
        milliseconds: 61_007,
        format: text("ofac-advanced"),
        rows: 769,
        parties: 89,
        published_on: text("2025-11-19"),
        difference: Some(v1::SourceDifference { added: 3, updated: 1, ..Default::default() }),
        ..v1::SourceCheck::default()
    };
    let same = v1::SourceCheck {
        answer: Some(v1::HttpAnswer { has_validator: false, ..answer(200, 9) }),
        difference: Some(v1::SourceDifference::default()),
        ..read.clone()
    };
    let probe = v1::ProbeCheck {
        url: text("https://ofac.example/changes/latest"),
        answer: Some(answer(206, 512)),
        publication: text("of 2025-11-19T00:00:00-05:00"),
        error: String::new(),
    };
    let response = |checks: Vec<v1::SourceCheck>, probe: v1::ProbeCheck| {
        let (list, user_agent) = (Some(sdn()), text("Mozilla/5.0 (compatible; Lazaretto)"));
        let response = v1::CheckSourceResponse { list, user_agent, checks, probe: Some(probe) };
        crate::cli::render::sources::check(&response, Style::PLAIN)
    };
    let unnamed = v1::ProbeCheck { publication: String::new(), ..probe.clone() };
    let lost = v1::ProbeCheck { error: text("status 404"), answer: None, ..probe.clone() };
    let shown = [
        response(vec![blocked, read.clone()], probe),
        response(vec![same], unnamed),
        response(vec![read], lost),
    ];
    check("lists-check-source.txt", &shown.concat());
}

#[test]
fn publications() {
    let published = v1::PublicationReport {
        published: true,
        list: Some(sdn()),
        added: 12,
        updated: 3,
        removed: 0,
        removals_pending: 260,
        removal_examples: Vec::new(),
        file: Some(file()),
    };
    let unchanged = v1::PublicationReport { list: Some(sdn()), ..Default::default() };
    let texts = [published, unchanged]
        .map(|report| crate::cli::render::lists::report(&report, Style::PLAIN));
    check("lists-import.txt", &texts.concat());
}

#[test]
fn what_a_forced_import_would_take_away() {
    let lost = |address: &str| v1::ListingChange {
        party_name: text("TORNADO\u{1b} CASH"),
        address: text(address),
        ticker: text("ETH"),
        ..Default::default()
    };
    let report = v1::PublicationReport {
        published: true,
        list: Some(sdn()),
        removed: 134,
        removal_examples: vec![lost(ETHER), lost("a\nb")],
        ..Default::default()
    };
    let shown = crate::cli::render::lists::preview(&report, Style::PLAIN);
    let counts = sdn().counts.unwrap();
    let standing = counts.listings + counts.quarantined;
    assert!(shown.starts_with(&format!("us-ofac-sdn: {standing} rows stand; past")), "{shown}");
    for want in ["134 removed at once", "and 132 more", "a\\nb (ETH), TORNADO\\u{1b} CASH", ETHER] {
        assert!(shown.contains(want), "{want}: {shown}");
    }
    let nothing = v1::PublicationReport { published: false, ..report };
    let shown = crate::cli::render::lists::preview(&nothing, Style::PLAIN);
    assert_eq!(shown, "us-ofac-sdn: nothing would change\n");
}

#[test]
fn changes_and_quarantine() {
    let change = |kind: v1::ListingChangeKind, address: &str| v1::ListingChange {
        list_id: text("us-ofac-sdn"),
        version: 12,
        number_on_list: 7,
        published_on: text("2025-03-21"),
        kind: kind.into(),
        party_uid: text("39796"),
        party_name: text("TORNADO CASH"),
        address: text(address),
        ticker: text("ETH"),
        fields: Vec::new(),
        from_backfill: false,
    };
    let field = |field: v1::ChangedField, gone: &[&str], new: &[&str]| v1::FieldChange {
        field: field.into(),
        removed_values: gone.iter().copied().map(text).collect(),
        added_values: new.iter().copied().map(text).collect(),
        omitted: 0,
    };
    let fields = vec![
        field(v1::ChangedField::PartyName, &["TORNADO"], &["TORNADO CASH"]),
        field(v1::ChangedField::PartyType, &[], &["Entity"]),
        field(v1::ChangedField::PartyAliases, &["A", "B"], &["C"]),
        field(v1::ChangedField::PartyPrograms, &[], &[]),
        field(v1::ChangedField::PartyListedOn, &[], &["2022-08-08"]),
        v1::FieldChange { omitted: 5, ..field(v1::ChangedField::Reference, &["x\u{202e}"], &[]) },
    ];
    let updated = change(v1::ListingChangeKind::Updated, "short");
    let other = v1::ListingChange {
        party_uid: text("27307"),
        party_name: text("LAZARUS GROUP"),
        number_on_list: 0,
        ..updated.clone()
    };
    let rows = [
        change(v1::ListingChangeKind::Removed, ETHER),
        change(v1::ListingChangeKind::RemovalPending, "short"),
        v1::ListingChange { fields, ..updated },
        other,
    ];
    check("lists-changes.txt", &crate::cli::render::changes::changes(&rows));
    let at = "2026-11-22T12:00:00Z".parse().unwrap();
    let looks = [Look::First, Look::Since(at), Look::Replaced];
    let looks = looks.map(|look| crate::cli::render::changes::since_last(look, &rows[..1]));
    let none = crate::cli::render::changes::since_last(Look::Since(at), &[]);
    check("lists-changes-since-last.txt", &[looks.join("\n"), none].join("\n"));
    assert_eq!(crate::cli::render::changes::changes(&[]), "no changes\n");

    let row = v1::QuarantinedRow {
        listing: Some(listing()),
        reason: text("no form fits"),
        likely_addresses: vec![text("0xa1")],
    };
    check("lists-quarantine.txt", &crate::cli::render::changes::quarantine(&[row]));
    assert_eq!(crate::cli::render::changes::quarantine(&[]), "nothing in quarantine\n");
}

#[test]
fn parties() {
    let removed = v1::Listing {
        state: v1::ListingState::Removed.into(),
        removed_on: text("2025-03-21"),
        listed_on_basis: v1::ListedOnBasis::FirstSeen.into(),
        ..listing()
    };
    let listed = v1::ListedParty {
        list_id: text("us-ofac-sdn"),
        party: Some(lazarus()),
        listings: vec![listing(), removed],
        matched_name: String::new(),
    };
    let mut found = v1::LookUpPartyResponse { parties: vec![listed], ..Default::default() };
    check("lists-party.txt", &crate::cli::render::party::by_uid(&found));
    let not_loaded = |id: &str, required| v1::NotLoadedList { list_id: text(id), required };
    let compared =
        |id: &str, parties, stale| v1::ComparedList { list_id: text(id), parties, stale };
    found.lists_not_loaded = vec![not_loaded("il-nbctf", false), not_loaded("us-ofac-cons", true)];
    found.compared_lists =
        vec![compared("lazarus-advisories", 1, false), compared("us-ofac-sdn", 89, true)];
    let with_unlooked = crate::cli::render::party::by_uid(&found);
    found.parties[0].matched_name = text("HIDDEN COBRA");
    let by_name = crate::cli::render::party::by_name(&found, "cobra");
    found.parties.clear();
    let none = crate::cli::render::party::by_name(&found, "Lazaru\u{202e}s");
    check("lists-party-name.txt", &[with_unlooked, by_name, none].join("\n"));
}
