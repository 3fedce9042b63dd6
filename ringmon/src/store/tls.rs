//! The encrypted connection to the database: the files that it needs, and what helps against its errors.
//!
//! The driver reads the files whenever it connects. It does not name a file that it cannot read, and treats a CA file
//! without a certificate as no CA at all. So this module checks them first.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, RootCertStore};

use super::Error;
use crate::disk;

/// The files that a database url names.
#[derive(Clone, Debug, Default)]
pub(super) struct Certificates {
    /// Trusted to sign the server's certificate, in addition to the public authorities that the driver knows.
    pub ca: Option<PathBuf>,
    /// Our own certificate, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl Certificates {
    /// Checks that the files are what they should be.
    ///
    /// # Errors
    /// [`Error::Certificate`] names the first one that is not.
    pub(super) fn check(&self) -> Result<(), Error> {
        if let Some(path) = &self.ca {
            let mut roots = RootCertStore::empty();
            let added =
                certificates(path).and_then(|all| all.into_iter().try_for_each(|one| roots.add(one).map_err(invalid)));
            added.map_err(of("ssl-ca", path))?;
        }
        if let Some((certificate, key)) = &self.client {
            let chain = certificates(certificate).map_err(of("ssl-cert", certificate))?;
            let ours = private_key(key).map_err(of("ssl-key", key))?;
            let provider = rustls::crypto::ring::default_provider();
            CertifiedKey::from_der(chain, ours, &provider).map_err(|e| of("ssl-key", key)(invalid(e)))?;
        }
        Ok(())
    }
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let text = disk::read_plain(path)?;
    let all: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(invalid)?;
    if all.is_empty() { Err(invalid("it holds no certificate in PEM format")) } else { Ok(all) }
}

fn private_key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&disk::read_plain(path)?)
        .map_err(|_| invalid("it holds no private key in PEM format"))
}

fn invalid(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

fn of(option: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Certificate { option, path, source }
}

/// TLS's own error, if it comes from there.
pub(super) fn spoken(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Whether this can only come from making a connection, and not from a connection that was made and broke.
#[expect(clippy::wildcard_enum_match_arm, reason = "the crate's enum grows; what is unknown may come of either")]
pub(super) const fn at_the_handshake(error: &rustls::Error) -> bool {
    use AlertDescription as A;
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::PeerIncompatible(_) => true,
        rustls::Error::AlertReceived(alert) => matches!(
            alert,
            A::BadCertificate
                | A::CertificateExpired
                | A::CertificateRequired
                | A::CertificateRevoked
                | A::CertificateUnknown
                | A::UnknownCA
                | A::UnsupportedCertificate
        ),
        _ => false,
    }
}

/// What helps.
#[expect(clippy::wildcard_enum_match_arm, reason = "the crate's enums grow; what is unknown gets the general advice")]
pub(super) const fn advice(error: &rustls::Error) -> &'static str {
    use CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => {
            "ssl-ca in the database url has to name the CA that signed the server's certificate"
        }
        rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "use a name of the certificate in the database url, or give the server a certificate for this one"
        }
        rustls::Error::InvalidCertificate(
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. },
        ) => "give the server a new certificate, and check the clocks of both machines",
        rustls::Error::AlertReceived(_) => "it refuses us: check ssl-cert and ssl-key in the database url, and its log",
        _ => GENERAL,
    }
}

/// What helps if nothing more is known.
pub(super) const GENERAL: &str = "check that the server has TLS, and ssl-mode and ssl-ca in the database url";
