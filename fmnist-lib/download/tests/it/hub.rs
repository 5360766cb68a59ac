//! The Hugging Face Hub, as far as this download goes.
use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

use tiny_http::{Header, Method, Request, Response, Server};

/// What the server does with one of its two files.
#[derive(Clone)]
pub(crate) enum Reply {
    File(Arc<[u8]>),
    Missing,
    /// Without an end.
    Endless,
    /// The headers announce 10 GB.
    Huge,
}

/// The Hugging Face Hub, as far as this download goes.
pub(crate) struct Hub(Arc<Server>);

impl Hub {
    pub(crate) fn new(test: Reply, train: Reply) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
        let hub = Self(server.clone());
        thread::spawn(move || {
            for request in server.incoming_requests() {
                let files = "/datasets/zalando-datasets/fashion_mnist/resolve/\
                             refs%2Fconvert%2Fparquet/fashion_mnist";
                let reply = match request.url().strip_prefix(files) {
                    Some("/test/0000.parquet") => test.clone(),
                    Some("/train/0000.parquet") => train.clone(),
                    _ => Reply::Missing,
                };
                thread::spawn(move || answer(request, reply));
            }
        });
        hub
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.0.server_addr())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.0.unblock();
    }
}

fn answer(request: Request, reply: Reply) {
    let header = |name: &str, value: &str| Header::from_bytes(name, value).unwrap();
    let (size, body): (u64, Box<dyn Read + Send>) = match reply {
        Reply::Missing => {
            let _ = request.respond(Response::from_string("Not Found").with_status_code(404));
            return;
        }
        Reply::File(bytes) => (bytes.len() as u64, Box::new(io::Cursor::new(bytes))),
        Reply::Endless => (0, Box::new(io::repeat(7))),
        Reply::Huge => (10 << 30, Box::new(io::repeat(7))),
    };
    let mut headers = vec![
        header("ETag", &format!("\"{:x}-{size}\"", request.url().len())),
        header("X-Repo-Commit", "0123456789abcdef0123456789abcdef01234567"),
    ];
    if size > 0 {
        headers.push(header("X-Linked-Size", &size.to_string()));
    }
    let body: Box<dyn Read + Send> = match request.method() {
        Method::Head => Box::new(io::empty()),
        _ => body,
    };
    // A client that has seen enough closes the connection.
    let _ = request.respond(Response::new(200.into(), headers, body, None, None));
}
