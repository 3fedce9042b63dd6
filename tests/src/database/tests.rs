use super::*;
use crate::folder::Folder;

#[test]
fn a_mariadb_listens_on_the_hub_only_and_takes_sql() {
    let folder = Folder::new().unwrap();
    let hub = Namespace::new().unwrap();
    hub.ip("link add br0 type bridge\naddr add 10.77.0.254/24 dev br0\nlink set br0 up\n").unwrap();
    let database = Database::start(&Choice::MariaDb, &hub, folder.path()).unwrap();
    assert_eq!(database.sql("SELECT 1 + 1").unwrap().trim(), "2");
    let listens = hub.run(|| std::net::TcpStream::connect("10.77.0.254:3306").is_ok()).unwrap();
    assert!(listens);
    assert!(!database.url().contains(database.password().unwrap()));
}

#[test]
fn a_given_server_is_reached_through_the_hub() {
    let outside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = outside.local_addr().unwrap().port();
    let hub = Namespace::new().unwrap();
    hub.ip("link add br0 type bridge\naddr add 10.77.0.254/24 dev br0\nlink set br0 up\n").unwrap();
    let given = Choice::Given(format!("mysql://me:secret@127.0.0.1:{port}/pool"));
    let database = Database::start(&given, &hub, Path::new("/nonexistent")).unwrap();
    assert_eq!(database.url(), "mysql://me@10.77.0.254:3306/pool");
    assert_eq!(database.password(), Some("secret"));
    let said = std::thread::spawn(move || {
        use std::io::Write;
        // The first connection only asks whether anything listens.
        for stream in outside.incoming().take(2) {
            let _ = stream.unwrap().write_all(b"hello");
        }
    });
    let heard = hub.run(|| {
        use std::io::Read;
        let mut text = String::new();
        std::net::TcpStream::connect("10.77.0.254:3306").unwrap().read_to_string(&mut text).unwrap();
        text
    });
    assert_eq!(heard.unwrap(), "hello");
    said.join().unwrap();
}
