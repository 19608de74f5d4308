//! Queries read all logs of the directory.

use super::*;

#[test]
fn records_before_a_restore_are_found_in_the_order_of_the_logs() {
    let mut desk = Desk::new();
    let mut ids = Vec::new();
    for number in 1..=3 {
        for address in 0..3 {
            ids.push(desk.record(&clean(address)));
        }
        if number < 3 {
            desk.restore(number);
        }
    }
    for limit in [1, 2, 4, 100] {
        assert_eq!(desk.find(&RecordQuery::default(), limit).ids, ids, "{limit}");
    }
    let of_one = RecordQuery { address: Some(clean(1)), ..RecordQuery::default() };
    assert_eq!(desk.find(&of_one, 1).ids, [ids[1], ids[4], ids[7]]);
    for id in &ids {
        let (record, ..) = desk.log().record(*id, now()).unwrap();
        assert_eq!(record.id, *id);
    }
    let names: Vec<_> = desk.log().logs(now()).unwrap().iter().map(|log| log.number).collect();
    assert_eq!(names, [1, 2, 3]);
}

#[test]
fn earlier_logs_stay_open() {
    let mut desk = Desk::new();
    let id = desk.record(&clean(1));
    desk.restore(1);
    desk.log().record(id, now()).unwrap();
    // What is open needs no name.
    let away = desk.folder.path().join("away");
    std::fs::rename(desk.directory(1).join("origin"), &away).unwrap();
    desk.log().record(id, now()).unwrap();
}

#[test]
fn a_log_that_cannot_be_read_is_named() {
    let mut desk = Desk::new();
    desk.record(&clean(1));
    desk.restore(1);
    let second = desk.record(&clean(1));
    std::fs::write(desk.directory(1).join("index"), "damaged").unwrap();
    let found = desk.find(&RecordQuery::default(), 10);
    assert_eq!(found.ids, [second]);
    assert!(found.incomplete[0].starts_with("log.1 was not searched"), "{found:?}");
}

#[test]
fn logs_that_are_missing_or_damaged_are_named() {
    let mut desk = Desk::new();
    let mut ids = Vec::new();
    for number in 1..=4 {
        ids.push(desk.record(&clean(1)));
        if number < 4 {
            desk.restore(number);
        }
    }
    desk.log = None;
    std::fs::remove_file(desk.directory(1).join("origin")).unwrap();
    std::fs::remove_dir_all(desk.directory(2)).unwrap();
    let segment = desk.directory(3).join("segments/00000000");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[100..].fill(7);
    std::fs::write(&segment, bytes).unwrap();
    std::fs::create_dir(desk.data().join("decision-log/log.0")).unwrap();
    desk.log = Some(desk.open());
    let found = desk.find(&RecordQuery::default(), 10);
    assert_eq!(found.ids, [ids[3]]);
    for log in ["log.1/origin", "log.2", "log.3"] {
        assert!(found.incomplete.iter().any(|what| what.contains(log)), "{log}: {found:?}");
    }
    // Of which log an id is that no log has, nobody can say.
    assert!(desk.log().record(ids[0], now()).is_err());
    desk.log().record(ids[3], now()).unwrap();
}

#[test]
fn a_query_ends_with_what_was_on_record_at_its_first_page() {
    let desk = Desk::new();
    let ids = [desk.record(&clean(1)), desk.record(&clean(1))];
    let wanted = RecordQuery::default();
    let first = desk.page(&wanted, None, 1);
    desk.record(&clean(1));
    let second = desk.page(&wanted, first.next, 10);
    assert_eq!([first.records[0].id, second.records[0].id], ids);
    assert_eq!((second.records.len(), second.next), (1, None));
    assert_eq!(desk.find(&wanted, 10).ids.len(), 3);
}

#[test]
fn a_time_span_skips_what_is_older_in_each_log() {
    let mut desk = Desk::new();
    let old = now() - days(2);
    desk.record_as(&clean(1), &clean(1), old);
    let first = desk.record(&clean(1));
    desk.restore(1);
    desk.record_as(&clean(1), &clean(1), old);
    let second = desk.record(&clean(1));
    let wanted = RecordQuery { from: Some(now()), ..RecordQuery::default() };
    assert_eq!(desk.find(&wanted, 1).ids, [first, second]);
}

#[test]
fn a_log_is_found_by_tag_and_origin() {
    let mut desk = Desk::new();
    let id = desk.record(&clean(1));
    desk.restore(1);
    let first = desk.log().logs(now()).unwrap()[0].clone();
    for name in [&super::super::tag_text(id.tag), &first.origin] {
        let reader = desk.log().reader_by_name(name, now()).unwrap().unwrap();
        assert_eq!(reader.origin(), first.origin);
    }
    let present = desk.log().reader_by_name("", now()).unwrap().unwrap();
    assert_ne!(present.origin(), first.origin);
    assert!(desk.log().reader_by_name("lazaretto/0", now()).unwrap().is_none());
}
