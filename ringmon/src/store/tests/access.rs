//! The grants in `docs/database.md` are enough for their purpose, and for nothing more.

use super::kit::{POOL, TestDb};
use super::model::{accusation, steady};
use crate::store::{DatabaseUrl, Error, Events, PasswordFile, RuleChanges, Store, new_key};
use ringmon_core::op::TableOp;
use ringmon_core::row::{Health, Quorum, Side};
use ringmon_core::{Outcome, ServerId, VoteKind};
use ringmon_tests::engine::PASSWORD;

super::on_servers!(
    an_agents_grants_suffice_for_an_agent_and_not_for_an_administrator,
    a_readers_grants_suffice_to_look_and_for_nothing_else,
    a_password_is_changed_while_everything_runs,
);

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/database.md"));

/// The SQL below this line of the document.
fn sql_below(line: &str) -> &'static str {
    let (_, below) = DOCUMENT.split_once(line).unwrap_or_else(|| panic!("docs/database.md says {line:?} no more"));
    let (_, block) = below.split_once("```sql\n").expect("a block of SQL");
    block.split_once("```").expect("its end").0
}

/// Makes the user from the document, for this database alone, and opens the pool as this user.
pub async fn as_documented(db: &TestDb, store: &Store, line: &str, user: &str) -> Store {
    let text = db.url.to_string();
    let (server, database) = text.rsplit_once('/').expect("a database");
    // Users belong to the whole server, which other tests share.
    let own = format!("{user}_{database}");
    let sql = sql_below(line).replace("ringmon.", &format!("{database}.")).replace(user, &own);
    for statement in sql.replace("'PASSWORD'", &format!("'{PASSWORD}'")).split(';').map(str::trim) {
        if !statement.is_empty() {
            store.sql(statement).await;
        }
    }
    let (_, place) = server.split_once('@').expect("a user");
    let url: DatabaseUrl = format!("mysql://{own}@{place}/{database}").parse().expect("a url");
    Store::open(&url.with_password(PASSWORD), POOL).await.expect("it may read")
}

fn refused<T: std::fmt::Debug>(what: &str, result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Privilege { .. })), "{what}: {result:?}");
}

async fn an_agents_grants_suffice_for_an_agent_and_not_for_an_administrator(db: TestDb) {
    let admin = db.store().await;
    let changes = RuleChanges { quorum: Some(Quorum::Single), ..RuleChanges::default() };
    admin.set_rules(&changes).await.unwrap();
    let store = as_documented(&db, &admin, "For agents:", "ringmon_agent").await;

    store.ring_of(&["a", "b", "c", "d"]).await;
    let (a, b) = (store.row("a").await, store.row("b").await);
    let set = TableOp::SetService { me: a.id, incarnation: a.incarnation, health: Health::Passing, weight: None };
    assert_eq!(store.run_plain(&set).await, Outcome::Written);
    let drain = TableOp::SetDraining { id: a.id, incarnation: Some(a.incarnation), draining: true, by: "a".into() };
    assert_eq!(store.run_plain(&drain).await, Outcome::Written);
    assert_eq!(store.answer(&a, std::time::Duration::from_millis(70), Some(b.id)).await, Outcome::Written);
    for alone in [Some(VoteKind::Host), None] {
        let op = TableOp::Alone { me: a.id, incarnation: a.incarnation, alone };
        assert!(matches!(store.run_plain(&op).await, Outcome::AloneMarked | Outcome::Written | Outcome::Read));
    }
    for frozen in [Some("a test".to_owned()), None] {
        assert_eq!(store.run_plain(&TableOp::SetFrozen { frozen, by: "test".into() }).await, Outcome::Written);
    }
    let mut accuses = accusation(&store.row("a").await, Side::First, vec![steady(&b, VoteKind::Host)]);
    accuses.far_end = Some(store.row("c").await.id);
    let mut outcome = Outcome::Stale;
    for _ in 0..3 {
        outcome = store.run_plain(&TableOp::Accuse(accuses.clone())).await;
    }
    assert!(matches!(outcome, Outcome::Removed { .. } | Outcome::Held(_) | Outcome::Voted { .. }), "{outcome:?}");
    let d = store.row("d").await;
    let withdraw = TableOp::Withdraw { me: a.id, subjects: vec![b.id] };
    store.run_plain(&withdraw).await;
    let leave = TableOp::Leave { id: d.id, incarnation: Some(d.incarnation), by: "d".into() };
    assert_eq!(store.run_plain(&leave).await, Outcome::Left);
    assert!(!store.history(Events::Newest(10)).await.is_empty());

    refused("rules", store.set_rules(&RuleChanges { brake_permille: Some(1000), ..changes }).await);
    let pool = store.pool().await.unwrap();
    refused("keys", store.set_keys(&pool, new_key(9).unwrap(), None).await);
    admin.sql("UPDATE event SET at = 1").await;
    refused("history", store.forget_events(std::time::Duration::from_secs(3600), &mut |_| {}).await);
    assert_eq!(admin.pool().await.unwrap(), pool);
}

async fn a_readers_grants_suffice_to_look_and_for_nothing_else(db: TestDb) {
    let admin = db.store().await;
    admin.ring_of(&["a", "b"]).await;
    let store = as_documented(&db, &admin, "For readers:", "ringmon_reader").await;
    assert_eq!(store.whole().await, ["a", "b"]);
    assert!(!store.history(Events::Newest(10)).await.is_empty());
    assert_eq!(store.pool().await.unwrap().name, POOL);
    let row = store.row("a").await;
    // What a router reads: rows, and what became of the rows that are gone.
    let view = TableOp::View { me: ServerId::NEW, known: vec![row.id, ServerId(999)] };
    assert_eq!(store.run_plain(&view).await, Outcome::Read);
    for op in [
        TableOp::SetDraining { id: row.id, incarnation: None, draining: true, by: "test".into() },
        TableOp::Leave { id: row.id, incarnation: None, by: "test".into() },
        TableOp::SetService { me: row.id, incarnation: row.incarnation, health: Health::Failing, weight: None },
        TableOp::SetFrozen { frozen: Some("no".into()), by: "test".into() },
        TableOp::Alone { me: row.id, incarnation: row.incarnation, alone: Some(VoteKind::Host) },
    ] {
        let (result, _) = store.run(&op, super::kit::mono, || true).await;
        refused(&format!("{op:?}"), result);
    }
    assert_eq!(admin.whole().await, ["a", "b"]);
}

/// First in the database, then in the file, and the other way round. What is open stays open until it is closed.
async fn a_password_is_changed_while_everything_runs(db: TestDb) {
    let admin = db.store().await;
    let text = db.url.to_string();
    let (server, database) = text.rsplit_once('/').expect("a database");
    let (_, place) = server.split_once('@').expect("a user");
    let user = format!("rotated_{database}");
    let identified = |password: &str| format!("'{user}'@'%' IDENTIFIED BY '{password}'");
    admin.sql(&format!("CREATE USER {}", identified("one"))).await;
    admin.sql(&format!("GRANT SELECT ON {database}.* TO '{user}'@'%'")).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |password: &str| std::fs::write(file.path(), format!("{password}\n")).unwrap();
    write("one");
    let url: DatabaseUrl = format!("mysql://{user}@{place}/{database}").parse().expect("a url");
    let url = url.with_password_file(PasswordFile::open(file.path()).unwrap());
    let store = Store::open(&url, POOL).await.unwrap();
    store.pool().await.unwrap();

    admin.sql(&format!("ALTER USER {}", identified("two"))).await;
    store.inner.database.forget(); // as after two idle seconds
    let refused = store.pool().await;
    assert!(matches!(refused, Err(Error::AccessDenied { .. })), "{refused:?}");
    write("two");
    store.pool().await.expect("the file has the new password");

    write("three");
    store.pool().await.expect("what is open stays open");
    store.inner.database.forget();
    let refused = store.pool().await;
    assert!(matches!(refused, Err(Error::AccessDenied { .. })), "{refused:?}");
    admin.sql(&format!("ALTER USER {}", identified("three"))).await;
    store.pool().await.expect("the database has the new password");

    std::fs::remove_file(file.path()).unwrap();
    let other = Store::open(&url, POOL).await;
    assert!(matches!(other, Err(Error::AccessDenied { .. })), "without its file, the first password counts: {other:?}");
}
