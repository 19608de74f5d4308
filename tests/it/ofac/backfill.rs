//! The three earlier publications put into the past of the newest: answers, changes and states are as if
//! each had been loaded in its time.

use lazaretto::domain::publication::Backfilled;
use lazaretto::engine::{Backfill, BackfillFile, EngineError};

use super::*;

fn backfill(desk: &Desk, places: &[usize], is_trial: bool) -> Result<Backfilled, EngineError> {
    let engine = desk.engine();
    let files = places.iter().map(|place| {
        let (file, _) = FILES[*place];
        let name = file.rsplit('/').next().unwrap().to_owned();
        let mut upload = engine.begin_upload(&name, "test".into()).unwrap();
        upload.write(&std::fs::read(data(file).unwrap()).unwrap()).unwrap();
        (BackfillFile { name, format: None, published: None }, upload)
    });
    let backfill = Backfill { id: list_id(SDN), is_trial };
    engine.backfill(&backfill, &files.collect::<Vec<_>>())
}

/// What is answered about addresses that were ever listed, as of several days.
fn answers(history: &History, desk: &Desk) -> Vec<String> {
    let ever: BTreeSet<&str> =
        history.scans.iter().flat_map(|scan| &scan.rows).map(|key| &*key.address).collect();
    let days = ["2024-01-01", "2024-05-28", "2024-12-24", "2025-03-04", "2025-03-10", "2025-03-20"];
    let days = days.into_iter().chain(["2025-03-21", "2025-06-01", "2025-11-18", "2025-11-19"]);
    let days: Vec<_> = days.map(Some).chain([None]).collect();
    // Every seventh: each takes eleven answers of two engines.
    let some = ever.into_iter().step_by(7);
    let answer = |address: &str| {
        let said = days.iter().map(|day| format!("{day:?} {:?}", desk.screen(address, *day)));
        said.collect::<Vec<_>>()
    };
    some.chain([CLEAN, LAZARUS, TORNADO_CASH]).flat_map(answer).collect()
}

#[test]
fn a_backfill_answers_as_if_each_publication_had_been_loaded_in_its_time() {
    let Some(history) = history() else { return };
    let in_time = history.desk(NEXT_DAY, &[]);
    let desk = Desk::new("2025-11-19T20:00:00Z", &[]);
    desk.import(SDN, None, &data(FILES[3].0).unwrap(), None).unwrap();
    desk.set_clock(NEXT_DAY);
    let before = desk.list(SDN).state().clone();

    let trial = backfill(&desk, &[2], true).unwrap();
    assert!(trial.state.is_some());
    assert_eq!(*desk.list(SDN).state(), before, "a trial changes nothing");

    // In no order.
    let first = backfill(&desk, &[2], false).unwrap();
    assert_eq!((first.rows_found, first.rows_redated), (0, 134));
    let second = backfill(&desk, &[1, 0], false).unwrap();
    assert_eq!((second.rows_found, second.rows_redated), (90, 65));
    let days: Vec<_> = second.files.iter().map(|file| file.published.to_string()).collect();
    assert_eq!(days, [FILES[0].1, FILES[1].1]);

    let desk = Desk::on(desk.closed(), NEXT_DAY, &[]);
    let (state, model) = (desk.list(SDN).state().clone(), in_time.list(SDN).state().clone());
    assert_eq!(state.version.version, 3);
    assert_eq!((&state.rows, &state.parties), (&model.rows, &model.parties));
    assert_eq!(state.version.first_published, model.version.first_published);
    assert_eq!(state.version.uncovered, model.version.uncovered);
    assert_eq!(state.version.digest, before.version.digest);
    assert_eq!(state.version.published, before.version.published);
    assert_eq!(state.check, before.check);
    assert_eq!(listed_digest(&state), state.version.digest);
    assert_eq!(desk.changes(SDN, 0), in_time.changes(SDN, 0));
    let (answers, expected) = (answers(history, &desk), answers(history, &in_time));
    assert!(answers.len() > 1_200);
    for (answer, expected) in answers.iter().zip(&expected) {
        assert_eq!(answer, expected);
    }
}

#[test]
fn a_backfill_is_refused_where_its_day_is_not_of_the_past() {
    let Some(history) = history() else { return };
    let desk = Desk::new(NEXT_DAY, &[]);
    let unknown = backfill(&desk, &[0], false).unwrap_err();
    assert!(matches!(unknown, EngineError::UnknownList(_)), "{unknown}");
    desk.import(SDN, None, &data(FILES[1].0).unwrap(), None).unwrap();
    let before = desk.list(SDN).state().clone();
    let newer = backfill(&desk, &[0, 3], false).unwrap_err();
    assert_eq!(
        newer.to_string(),
        "sdn_advanced_20251119T1644.xml.bz2: published on 2025-11-19, and list us-ofac-sdn stands \
         as of 2025-03-04: only older publications can be put into its past"
    );
    assert_eq!(*desk.list(SDN).state(), before);
    assert_eq!(history.scans.len(), FILES.len());
}
