use super::{Engine, PASSWORD, USER, mariadb_with};

#[test]
fn names_are_read_back_and_others_are_refused() {
    for engine in Engine::ALL {
        assert_eq!(engine.to_string().parse(), Ok(engine));
    }
    let said = "oracle".parse::<Engine>().unwrap_err();
    assert!(said.contains("sqlite, mariadb, mysql, galera"), "{said}");
}

#[test]
fn a_killed_server_comes_back_with_what_was_committed_and_leaves_nothing_behind() {
    let node = mariadb_with(&[]).unwrap();
    let folder = node.socket.parent().unwrap().to_owned();
    node.sql("CREATE DATABASE kept; CREATE TABLE kept.t (n INT); INSERT INTO kept.t VALUES (7)").unwrap();
    node.kill().unwrap();
    assert!(node.sql("SELECT 1").is_err() && node.kill().is_err());
    node.start_again_with(&["--read-only"]).unwrap();
    assert_eq!(node.sql("SELECT n, @@read_only FROM kept.t").unwrap(), "7\t1");
    assert!(node.start_again().is_err(), "it is running");
    drop(node);
    assert!(!folder.exists());
}

#[test]
fn the_account_is_an_administrators() {
    let node = mariadb_with(&[]).unwrap();
    let granted = node.sql(&format!("SHOW GRANTS FOR '{USER}'@'%'")).unwrap();
    assert!(granted.contains("ALL PRIVILEGES ON *.*") && !granted.contains(PASSWORD), "{granted}");
}
