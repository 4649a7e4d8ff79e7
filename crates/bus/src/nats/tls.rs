//! TLS for the connection to the server: rustls with ring, as everywhere in the product.

use super::fault::Fault;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use std::path::Path;
use std::sync::Arc;

/// Trusts the roots in a file, or those of the system.
pub(crate) fn config(roots: Option<&Path>) -> Result<ClientConfig, Fault> {
    let unusable = |error: &dyn std::fmt::Display| Fault::Refused(format!("TLS: {error}"));
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    let Some(path) = roots else {
        return Ok(builder.with_platform_verifier().map_err(|error| unusable(&error))?.with_no_client_auth());
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))? {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        store.add(certificate).map_err(|error| unusable(&error))?;
    }
    if store.is_empty() {
        return Err(Fault::Refused(format!("TLS: {} holds no certificate", path.display())));
    }
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}
