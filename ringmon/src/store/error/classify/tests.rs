//! Which numbers are conflicts, which pass by themselves, and which need somebody.

use super::{DatabaseUrl, DbErr, Error, Fault, from_mysql, from_sqlite};

/// `conflict`, `transient` (with connections that are of no more use: `broken`), `permanent`.
fn kind(fault: Fault) -> &'static str {
    match fault {
        Fault::Conflict(_) => "conflict",
        Fault::Locked(_) => "locked",
        Fault::Failed(error) if error.is_transient() && error.breaks_connections() => "broken",
        Fault::Failed(error) if error.is_transient() => "transient",
        Fault::Failed(Error::Database { .. }) => "unknown",
        Fault::Failed(_) => "permanent",
    }
}

#[test]
fn mysql_numbers_are_sorted() {
    let while_doing = |doing, number: u16, cause: &str| {
        kind(from_mysql("here".into(), doing, number, cause.into(), DbErr::Custom(cause.into())))
    };
    let sorted = |number: u16, cause: &str| while_doing("writing", number, cause);
    assert_eq!(while_doing("reading servers", 1205, ""), "broken", "a node that is cut off from its cluster");
    for number in [1213, 1020, 1062, 1412] {
        assert_eq!(sorted(number, ""), "conflict", "{number}");
    }
    for number in [1205, 1467] {
        assert_eq!(sorted(number, ""), "locked", "{number}");
    }
    for number in [1180, 1047, 1290, 1792, 1836, 1040, 1053, 1927, 4031] {
        assert_eq!(sorted(number, ""), "broken", "{number}");
    }
    assert_eq!(sorted(1114, ""), "transient");
    assert_eq!(sorted(1030, "Got error 28 from storage engine"), "transient");
    assert_eq!(sorted(1030, "Got error 122 from storage engine"), "unknown");
    for number in [1045, 1698, 1044, 1142, 1049] {
        assert_eq!(sorted(number, ""), "permanent", "{number}");
    }
    assert_eq!(sorted(1054, ""), "unknown");
}

#[test]
fn sqlite_codes_are_sorted() {
    let url = DatabaseUrl::sqlite("/nowhere/at.all");
    let sorted = |code: i32| kind(from_sqlite(&url, "writing", code, String::new(), DbErr::Custom(String::new())));
    for code in [517, 2067, 1555] {
        assert_eq!(sorted(code), "conflict", "{code}");
    }
    for code in [5, 261, 6, 262] {
        assert_eq!(sorted(code), "locked", "{code}");
    }
    for code in [8, 1032, 10, 778] {
        assert_eq!(sorted(code), "broken", "{code}");
    }
    assert_eq!(sorted(13), "transient");
    for code in [11, 26, 14] {
        assert_eq!(sorted(code), "permanent", "{code}");
    }
    // A constraint that is no unique one, and a misuse, are nobody's race.
    for code in [19, 1299, 21, 1] {
        assert_eq!(sorted(code), "unknown", "{code}");
    }
}
