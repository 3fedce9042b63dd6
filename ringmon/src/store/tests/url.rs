//! What is a database URL, and that its password is never shown.

use crate::store::{DatabaseUrl, Error};

fn parse(text: &str) -> DatabaseUrl {
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn refusal(text: &str) -> String {
    let error: Error = text.parse::<DatabaseUrl>().expect_err("it must be refused");
    error.to_string()
}

#[test]
fn a_file_is_named_by_its_full_path() {
    assert_eq!(parse("sqlite:///var/lib/ringmon/ringmon.db").to_string(), "sqlite:///var/lib/ringmon/ringmon.db");
    assert_eq!(parse("sqlite:/tmp/x.db").file().unwrap().to_str(), Some("/tmp/x.db"));
    assert!(refusal("sqlite://x.db").contains("full path"));
    assert!(refusal("sqlite::memory:").contains("cannot be shared"));
}

#[test]
fn a_server_is_shown_without_the_password() {
    for text in ["mysql://ann:s%40cret@db.example:3307/ring", "mariadb://ann:s%40cret@db.example:3307/ring"] {
        let url = parse(text);
        assert_eq!(url.to_string(), "mysql://ann@db.example:3307/ring");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(mysql://ann@db.example:3307/ring)");
    }
    let url = parse("mysql://ann@db.example/ring").with_password("s@cret");
    assert_eq!(
        format!("{url} {url:?}"),
        "mysql://ann@db.example:3306/ring DatabaseUrl(mysql://ann@db.example:3306/ring)"
    );
}

#[test]
fn a_refusal_never_repeats_the_text() {
    for text in [
        "s3cret",
        "postgres://ann:s3cret@host/ring",
        "mysql://ann:s3cret@host",
        "mysql://ann:s3cret@host:port/ring",
        "mysql://ann:s3cret@[host/ring",
        "mysql://ann:s3cret@host/ring?ssl-mod=required",
        "mysql://ann:s3cret@host/ring?ssl-mode=s3cret",
        "mysql://ann:s3cret%ff@host/ring",
    ] {
        let said = refusal(text);
        assert!(!said.contains("s3cret"), "{text}: {said}");
        assert!(said.starts_with("the database url is not usable: "), "{said}");
    }
}

#[test]
fn a_misspelt_option_is_refused() {
    assert!(refusal("mysql://ann@host/ring?ssl-mod=required").contains("ssl-mode, ssl-ca"));
}

#[test]
fn a_ca_means_that_the_server_is_verified() {
    use sea_orm::sqlx::mysql::MySqlSslMode as Mode;
    let mode = |text: &str| match parse(text).engine() {
        crate::store::url::Engine::Mysql(options) => options.get_ssl_mode(),
        crate::store::url::Engine::Sqlite(_) => panic!("no server"),
    };
    assert!(matches!(mode("mysql://ann@host/ring?ssl-ca=/etc/ca.pem"), Mode::VerifyIdentity));
    assert!(matches!(mode("mysql://ann@host/ring?ssl-ca=/etc/ca.pem&ssl-mode=verify_ca"), Mode::VerifyCa));
    assert!(matches!(mode("mysql://ann@host/ring"), Mode::Preferred));
}

#[test]
fn a_ca_that_nobody_would_look_at_is_refused() {
    for mode in ["disabled", "preferred", "required"] {
        let said = refusal(&format!("mysql://ann@host/ring?ssl-ca=/etc/ca.pem&ssl-mode={mode}"));
        assert!(said.contains("nobody looks at its ssl-ca"), "{said}");
    }
    for half in ["ssl-cert=/etc/own.pem", "ssl-key=/etc/own.key"] {
        assert!(refusal(&format!("mysql://ann@host/ring?{half}")).contains("belong together"), "{half}");
    }
}

#[test]
fn files_are_named_as_the_driver_reads_them() {
    let url = parse("mysql://ann@host/ring?ssl-ca=%2Fetc%2Four+own%2Fca%2B1.pem&ssl-cert=/c&ssl-key=/k");
    assert_eq!(url.certificates().ca.as_deref(), Some(std::path::Path::new("/etc/our own/ca+1.pem")));
    assert_eq!(url.certificates().client, Some(("/c".into(), "/k".into())));
}
