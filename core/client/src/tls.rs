//! What an encrypted connection needs: whom to trust, and who we are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::error::Error;

/// Files with certificates, in PEM form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Whom to trust.
    pub ca: Option<PathBuf>,
    /// Our own certificate with its chain, if the server asks who we are.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The name that the server's certificate must have, if not the host's.
    pub server_name: Option<String>,
}

/// Reads the files.
///
/// # Errors
/// [`Error::Usage`] with the file and what is wrong with it.
pub fn config(files: &TlsFiles) -> Result<Arc<ClientConfig>, Error> {
    let Some(ca) = &files.ca else {
        return Err(Error::Usage("an https:// address needs the certificates to trust; give their file as ca".to_owned()));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        // A system's bundle may hold a few that are not usable; those are simply not trusted.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        return Err(wrong(ca, "it holds no usable certificate"));
    }
    let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(error.to_string()))?
        .with_root_certificates(roots);
    let mut config = match (&files.cert, &files.key) {
        (None, None) => versions.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error.to_string()))?;
            versions.with_client_auth_cert(certificates(cert)?, secret).map_err(|error| wrong(cert, &error.to_string()))?
        }
        _ => return Err(Error::Usage("a certificate of our own needs both its file and its key's; give cert and key".to_owned())),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(wrong(path, "it holds no certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(path, &error.to_string())),
    }
}

fn wrong(path: &Path, why: &str) -> Error {
    Error::Usage(format!("the file {} cannot be used: {why}; give a file of PEM blocks", path.display()))
}
