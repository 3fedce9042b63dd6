//! Every room's errors, also below somebody's context, come out as the code they stand for.

use std::io;

use anyhow::Context as _;

use super::{Error, code, kind, sentence};
use crate::agent::StateError;
use crate::{config, datapath, notice, observe, record, store};

fn denied() -> io::Error {
    io::Error::from(io::ErrorKind::PermissionDenied)
}

fn broken() -> io::Error {
    io::Error::from(io::ErrorKind::AddrInUse)
}

/// The code, without and with context around the error.
fn codes(error: impl Into<anyhow::Error>) -> u8 {
    let error = error.into();
    let alone = code(kind(&error));
    let below = kind(&Err::<(), _>(error).context("while starting").context("the agent").unwrap_err());
    assert_eq!(alone, code(below));
    alone
}

#[test]
fn each_room_has_its_codes() {
    let place = || "db".to_owned();
    let addr = "127.0.0.1:1".parse().unwrap();
    assert_eq!(codes(Error::Usage("x".to_owned())), 2);
    assert_eq!(codes(Error::NotThere("x".to_owned())), 1);
    assert_eq!(codes(Error::Unavailable("x".to_owned())), 69);
    assert_eq!(codes(Error::Damaged("x".to_owned())), 65);
    assert_eq!(codes(Error::OtherVersion("x".to_owned())), 78);
    assert_eq!(codes(record::Error::Make { path: "/x".into(), source: denied() }), 77);
    assert_eq!(codes(record::Error::Write { path: "/x".into(), source: io::Error::other("full") }), 78);
    assert_eq!(codes(config::Error::Missing { key: config::Key::Pool, hint: String::new() }), 78);
    assert_eq!(codes(store::Error::Unreachable { place: place(), source: broken() }), 69);
    assert_eq!(codes(store::Error::AccessDenied { place: place(), cause: place() }), 77);
    assert_eq!(codes(store::Error::NoSuchPool { place: place(), pool: place() }), 78);
    assert_eq!(codes(store::Error::SchemaTooOld { place: place(), found: 1, oldest: 2, ours: 3 }), 78);
    assert_eq!(codes(store::Error::Unreadable { path: "/x".into(), source: denied() }), 77);
    assert_eq!(codes(datapath::Error::Permission { what: "load", source: denied() }), 77);
    assert_eq!(codes(datapath::Error::NoObject), 69);
    assert_eq!(codes(datapath::Error::NoKey), 78);
    assert_eq!(codes(notice::Error::Listen { addr, source: broken() }), 69);
    assert_eq!(codes(config::Error::NotYet { key: config::Key::Address, why: place() }), 69);
    assert_eq!(codes(observe::Error::Listen { addr, source: denied() }), 77);
    assert_eq!(codes(StateError::Make { path: "/x".into(), source: denied() }), 77);
    assert_eq!(codes(StateError::Write { path: "/x".into(), source: io::Error::other("full") }), 78);
    assert_eq!(codes(StateError::Locked { path: "/x".into() }), 69);
    assert_eq!(codes(denied()), 77);
    assert_eq!(codes(broken()), 70);
}

#[test]
fn a_sentence_has_each_cause_once() {
    let error = observe::Error::OpenEvents { path: "/x".into(), source: io::Error::other("no such thing") };
    let error = Err::<(), _>(error).context("cannot start").unwrap_err();
    assert_eq!(sentence(&error), "cannot start: cannot open the event log /x: no such thing");
}
