//! TLS to a real server: what is trusted, what is refused, and what the refusal says.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use ringmon_tests::engine::{Node, PASSWORD, USER, mariadb_in, mariadb_with};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::kit::{POOL, TestDb};
use crate::store::connect::Database;
use crate::store::{DatabaseUrl, Error, Store};
use ringmon_core::row::Quorum;

/// Signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Writes its certificate to the file `name`.
    fn new(dir: &Path, name: &str, subject: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, subject);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        std::fs::write(dir.join(name), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key) }
    }

    /// Writes a certificate for these hosts to `name.pem`, and its key to `name.key`.
    fn sign(&self, dir: &Path, name: &str, hosts: &[&str], until: i32) {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        std::fs::write(dir.join(format!("{name}.pem")), params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// A server whose certificate is for these hosts, until this year. The same folder has: the CA's certificate
/// (`ca.pem`); those of two CAs that did not sign it (`stranger.pem`, and `namesake.pem` with the same name); a
/// client's (`client.*`), and one that the stranger signed (`forged.*`).
fn secured(hosts: &[&str], until: i32) -> Node {
    let files = |dir: &Path| {
        let authority = Authority::new(dir, "ca.pem", "the right one");
        authority.sign(dir, "server", hosts, until);
        authority.sign(dir, "client", &[], 4000);
        Authority::new(dir, "stranger.pem", "a stranger").sign(dir, "forged", &[], 4000);
        Authority::new(dir, "namesake.pem", "the right one");
        let dir = dir.display();
        let option = |name: &str, file: &str| format!("--ssl-{name}={dir}/{file}");
        Ok(vec![option("ca", "ca.pem"), option("cert", "server.pem"), option("key", "server.key")])
    };
    mariadb_in(&files).unwrap()
}

/// The server on which everything is right.
fn right() -> &'static Node {
    static SERVER: OnceLock<Node> = OnceLock::new();
    SERVER.get_or_init(|| secured(&["127.0.0.1", "localhost"], 4000))
}

/// `DIR` in the options is the server's directory.
fn url(server: &Node, user: &str, database: &str, options: &str) -> DatabaseUrl {
    let options = options.replace("DIR", server.folder().to_str().unwrap());
    let url: DatabaseUrl = format!("mysql://{user}@127.0.0.1:{}/{database}?{options}", server.port).parse().unwrap();
    url.with_password(PASSWORD)
}

async fn sql(url: &DatabaseUrl, sql: &str) {
    Database::new(url.clone()).connections().execute_unprepared(sql).await.unwrap();
}

/// A new database with the pool, opened with these options.
async fn store(server: &Node, database: &str, options: &str) -> Store {
    sql(&url(server, USER, "mysql", "ssl-mode=required"), &format!("CREATE DATABASE {database}")).await;
    let url = url(server, USER, database, options);
    Store::init(&url, POOL, Quorum::Both).await.unwrap();
    Store::open(&url, POOL).await.unwrap()
}

async fn cipher(store: &Store) -> String {
    let asked = Statement::from_string(DbBackend::MySql, "SHOW SESSION STATUS LIKE 'Ssl_cipher'");
    let row = store.inner.database.connections().query_one_raw(asked).await.unwrap().unwrap();
    row.try_get_by_index(1).unwrap()
}

/// Refused at once, and for good.
async fn refused(url: &DatabaseUrl) -> String {
    let began = Instant::now();
    let error = Store::open(url, POOL).await.expect_err("it must be refused");
    eprintln!("{:?}: {error}", began.elapsed());
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert!(!error.is_transient(), "nobody waits for a certificate");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // The pool of connections says the same.
    let late = Database::new(url.clone()).bounded("looking", async |db| db.execute_unprepared("DO 1").await).await;
    assert!(matches!(late, Err(Error::Tls { .. })), "{late:?}");
    assert!(!format!("{error} {error:?}").contains(PASSWORD));
    error.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_ca_suffices_and_the_session_is_encrypted() {
    let store = store(right(), "trusted", "ssl-ca=DIR/ca.pem").await;
    let cipher = cipher(&store).await;
    assert!(cipher.starts_with("TLS_"), "{cipher:?}");
    store.ring_of(&["a", "b"]).await;
    assert_eq!(store.whole().await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_that_did_not_sign_it_is_refused_and_said() {
    for file in ["stranger.pem", "namesake.pem"] {
        for mode in ["", "&ssl-mode=verify_ca"] {
            let said = refused(&url(right(), USER, "mysql", &format!("ssl-ca=DIR/{file}{mode}"))).await;
            assert!(said.contains("invalid peer certificate: "), "{said}");
            assert!(said.contains("ssl-ca in the database url has to name the CA that signed"), "{said}");
        }
    }
    // Without a CA the public ones are asked, and do not know it.
    refused(&url(right(), USER, "mysql", "ssl-mode=verify_identity")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_host_is_refused_unless_told_otherwise() {
    let server = secured(&["db.example"], 4000);
    let said = refused(&url(&server, USER, "mysql", "ssl-ca=DIR/ca.pem")).await;
    assert!(said.contains("not valid for name") && said.contains("127.0.0.1") && said.contains("db.example"), "{said}");
    assert!(said.contains("use a name of the certificate in the database url"), "{said}");
    let store = store(&server, "other_name", "ssl-ca=DIR/ca.pem&ssl-mode=verify_ca").await;
    assert_ne!(cipher(&store).await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_over_is_refused_and_said() {
    let server = secured(&["127.0.0.1"], 2001);
    let said = refused(&url(&server, USER, "mysql", "ssl-ca=DIR/ca.pem")).await;
    assert!(said.contains("expired") && said.contains("give the server a new certificate"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_refused() {
    let server = mariadb_with(&["--skip-ssl".to_owned()]).unwrap();
    Authority::new(server.folder(), "ca.pem", "the right one");
    for options in ["ssl-ca=DIR/ca.pem", "ssl-ca=DIR/ca.pem&ssl-mode=verify_ca", "ssl-mode=required"] {
        let said = refused(&url(&server, USER, "mysql", options)).await;
        assert!(said.contains("server does not support TLS: check that the server has TLS"), "{said}");
    }
    sql(&url(&server, USER, "mysql", ""), "DO 1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_none_is_named() {
    let dir = right().folder();
    std::fs::write(dir.join("garbage.pem"), "no certificate at all").unwrap();
    let torn = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    std::fs::write(dir.join("torn.pem"), torn).unwrap();
    let missing = "No such file or directory";
    for (option, file, others, why) in [
        ("ssl-ca", "none.pem", "", missing),
        ("ssl-ca", "tmp", "", "Is a directory"),
        ("ssl-ca", "garbage.pem", "", "it holds no certificate in PEM format"),
        ("ssl-ca", "torn.pem", "", "invalid peer certificate: BadEncoding"),
        ("ssl-cert", "none.pem", "&ssl-key=DIR/client.key", missing),
        ("ssl-cert", "client.key", "&ssl-key=DIR/client.key", "it holds no certificate in PEM format"),
        ("ssl-key", "none.key", "&ssl-cert=DIR/client.pem", missing),
        ("ssl-key", "client.pem", "&ssl-cert=DIR/client.pem", "it holds no private key in PEM format"),
        ("ssl-key", "forged.key", "&ssl-cert=DIR/client.pem", "KeyMismatch"),
    ] {
        let place = url(right(), USER, "mysql", &format!("{option}=DIR/{file}{others}"));
        for error in
            [Store::open(&place, POOL).await.unwrap_err(), Store::init(&place, POOL, Quorum::Both).await.unwrap_err()]
        {
            eprintln!("{error}");
            assert!(matches!(error, Error::Certificate { .. }), "{error:?}");
            let begin = format!("cannot use {}/{file}, which {option} in the database url names: ", dir.display());
            let said = error.to_string();
            assert!(said.starts_with(&begin) && said.contains(why), "{said}");
            assert!(!error.is_transient());
        }
    }
}

/// The driver reads it for each new connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_goes_away_meanwhile_is_named_too() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::copy(right().folder().join("ca.pem"), &ca).unwrap();
    let store = store(right(), "meanwhile", &format!("ssl-ca={}", ca.display())).await;
    store.pool().await.unwrap(); // it may have been closed, unused for two seconds
    std::fs::remove_file(&ca).unwrap();
    store.pool().await.expect("a connection that is there goes on");
    store.inner.database.forget();
    let error = store.pool().await.unwrap_err();
    assert!(matches!(&error, Error::Certificate { option: "ssl-ca", path, .. } if *path == ca), "{error:?}");
    std::fs::copy(right().folder().join("ca.pem"), &ca).unwrap();
    store.pool().await.expect("and is found again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_shows_its_certificate_where_the_server_wants_one() {
    drop(store(right(), "mutual", "ssl-ca=DIR/ca.pem").await);
    let root = url(right(), USER, "mutual", "ssl-ca=DIR/ca.pem");
    sql(&root, &format!("CREATE USER wary IDENTIFIED BY '{PASSWORD}' REQUIRE X509")).await;
    sql(&root, "GRANT ALL ON mutual.* TO wary").await;
    let own = "ssl-ca=DIR/ca.pem&ssl-cert=DIR/client.pem&ssl-key=DIR/client.key";
    let store = Store::open(&url(right(), "wary", "mutual", own), POOL).await.unwrap();
    assert_ne!(cipher(&store).await, "");
    store.ring_of(&["a"]).await;

    let without = Store::open(&url(right(), "wary", "mutual", "ssl-ca=DIR/ca.pem"), POOL).await.unwrap_err();
    assert!(matches!(without, Error::AccessDenied { .. }), "{without:?}");
    let forged = own.replace("client", "forged");
    let said = refused(&url(right(), "wary", "mutual", &forged)).await;
    assert!(said.contains("check ssl-cert and ssl-key in the database url"), "{said}");
}

/// The tests' usual server without any option: the server decides whether it is encrypted.
#[tokio::test]
async fn without_options_any_server_will_do() {
    sql(&TestDb::mariadb().await.other("mysql"), "DO 1").await;
    sql(&url(right(), USER, "mysql", ""), "DO 1").await;
}
