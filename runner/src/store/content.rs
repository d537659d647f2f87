//! The checksum that Azure keeps of a blob's whole content, if whoever wrote it gave one.
//!
//! `object_store` hands over none of it, but everything that is put beside an answer.

use async_trait::async_trait;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService,
        ReqwestConnector,
    },
};

/// MD5 of the whole content, in base64, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentMd5(pub String);

/// Makes clients that put a [`ContentMd5`] beside each answer that has one.
#[derive(Debug)]
pub struct Watchful;

impl HttpConnector for Watchful {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Service { inner }))
    }
}

#[derive(Debug)]
struct Service {
    inner: HttpClient,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut answer = self.inner.execute(request).await?;
        // Of an answer with a part, `content-md5` is that of the part.
        let whole = (answer.status().as_u16() == 200).then_some("content-md5");
        let heads = ["x-ms-blob-content-md5"].into_iter().chain(whole);
        let md5 = heads.filter_map(|head| answer.headers().get(head)).next();
        let md5 = md5.and_then(|md5| md5.to_str().ok().map(|md5| ContentMd5(md5.to_owned())));
        if let Some(md5) = md5 {
            answer.extensions_mut().insert(md5);
        }
        Ok(answer)
    }
}
