//! Transport security: certificates from files, read again when they change, so that a renewal needs no restart.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use crate::config::TlsFiles;

/// A certificate that can be renewed while it is used.
#[derive(Debug)]
pub struct Certificate {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: RwLock<(Arc<CertifiedKey>, Option<SystemTime>)>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// A sentence with the file and what is wrong with it.
    pub fn read(files: TlsFiles) -> Result<Arc<Self>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let changed = changed(&files);
        let key = Arc::new(certified(&files, &provider)?);
        Ok(Arc::new(Self { files, provider, current: RwLock::new((key, changed)) }))
    }

    /// Reads the files again if they are newer; whether they were. Files that cannot be used leave the present ones in use.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn renew(&self) -> Result<bool, String> {
        let now = changed(&self.files);
        if now == self.current.read().unwrap_or_else(PoisonError::into_inner).1 {
            return Ok(false);
        }
        let key = Arc::new(certified(&self.files, &self.provider)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (key, now);
        Ok(true)
    }

    /// The settings for new connections.
    ///
    /// # Errors
    /// As [`Self::read`], for the authorities' file.
    pub fn settings(self: &Arc<Self>) -> Result<Arc<ServerConfig>, String> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?;
        let builder = match &self.files.client_authorities {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| format!("{}: {error}; give certificates of authorities", path.display()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
                    .build()
                    .map_err(|error| format!("{}: {error}; give certificates of authorities", path.display()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut settings = builder.with_cert_resolver(self.clone());
        settings.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(settings))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).0.clone())
    }
}

fn certified(files: &TlsFiles, provider: &Arc<CryptoProvider>) -> Result<CertifiedKey, String> {
    let chain = certificates(&files.certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| format!("{}: {error}; give a PEM private key", files.key.display()))?;
    CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| format!("{} does not go with {}: {error}", files.key.display(), files.certificate.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}; give PEM certificates", path.display());
    let chain = CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(|error| wrong(&error))?;
    if chain.is_empty() { Err(wrong(&"no certificate in it")) } else { Ok(chain) }
}

/// When either file last changed; nothing if that cannot be told.
fn changed(files: &TlsFiles) -> Option<SystemTime> {
    let time = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    time(&files.certificate).max(time(&files.key))
}
