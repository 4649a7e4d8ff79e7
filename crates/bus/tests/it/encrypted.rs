//! `sslmode` against a server that speaks TLS: who is believed, and who is not.

use crate::conformance::postgres::Schema;
use crate::conformance::{agent, publish, say, texts};
use bus::{Backend, BusError, NoticeQuery};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What a client that wants TLS sends first.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A server called `localhost`, and who vouches for it, made for this test alone. None when there is nothing to make it with.
struct Papers(tempfile::TempDir);

impl Papers {
    fn new() -> Option<Self> {
        let papers = Self(tempfile::tempdir().unwrap());
        std::fs::write(papers.path("names"), "subjectAltName=DNS:localhost\n").unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        let made = papers.openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=ca"))
            && papers.openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"))
            && papers.openssl(
                "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
            );
        made.then_some(papers)
    }

    /// False when there is no such program.
    #[expect(clippy::disallowed_methods, reason = "the papers are made by another program")]
    fn openssl(&self, words: &str) -> bool {
        match std::process::Command::new("openssl").args(words.split(' ')).current_dir(self.0.path()).output()
        {
            Ok(done) => {
                assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
                true
            }
            Err(why) => {
                testkit::skipped("a server that speaks TLS", &format!("openssl: {why}"));
                false
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// In front of a server: speaks TLS and nothing else, and passes on what is inside. Returns its port.
fn front(papers: &Papers, server: String) -> u16 {
    let chain =
        CertificateDer::pem_file_iter(papers.path("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(papers.path("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (tell, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap().port()).unwrap();
            let mut clients = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                clients.spawn(serve(client, acceptor.clone(), server.clone()));
            }
        });
    });
    port.recv().unwrap()
}

async fn serve(mut client: TcpStream, acceptor: TlsAcceptor, server: String) -> std::io::Result<()> {
    let mut first = [0u8; 8];
    client.read_exact(&mut first).await?;
    if first != SSL_REQUEST {
        return Ok(());
    }
    client.write_all(b"S").await?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(server).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

#[test]
fn sslmode_means_what_it_says() {
    let (Some(schema), Some(papers)) = (Schema::new(), Papers::new()) else { return };
    let port = front(&papers, schema.server());
    let root = papers.path("ca.pem");
    let full = format!("sslmode=verify-full&sslrootcert={}", root.display());
    let open = |host: &str, query: &str| schema.open_at(&format!("{host}:{port}"), query);
    let bus = open("localhost", &full).unwrap();
    let a = agent(&bus, "a");
    publish(&bus, say(a, "sealed"));
    for believed in ["sslmode=prefer", "sslmode=require"] {
        let bus = open("127.0.0.1", believed).unwrap();
        assert_eq!(texts(&bus.notices(&NoticeQuery::default()).unwrap().notices), ["sealed"]);
    }
    for (host, query, why) in [
        ("127.0.0.1", full.as_str(), "it is called localhost"),
        ("localhost", "sslmode=verify-full", "nobody this system trusts vouches for it"),
        ("localhost", "sslmode=disable", "it speaks TLS only"),
    ] {
        let refused = open(host, query).map(drop).unwrap_err();
        assert!(
            matches!(refused, BusError::Unreachable { .. } | BusError::Refused { .. }),
            "{why}: {refused:?}"
        );
    }
    let nothing = format!("sslmode=verify-full&sslrootcert={}", papers.path("none.pem").display());
    assert!(matches!(open("localhost", &nothing).map(drop), Err(BusError::BadAddress(_))));
}
