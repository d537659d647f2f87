//! The external plane, against a stand-in for its service that fails in every way: how it is asked, and the
//! rows of its searches.

use std::{path::Path, sync::Arc, time::Duration};

use elb_engine::{
    clock::{Clock, SystemClock},
    external::{OpenApiPlane, Pace, Token},
};
use elb_testkit::{ExternalPlane, external_plane::TOKEN};

#[path = "external/asking.rs"]
mod asking;
#[path = "external/files.rs"]
mod files;
#[path = "external/one_row.rs"]
mod one_row;
#[path = "external/rows.rs"]
mod rows;

/// Far shorter than in life, so that a test sees many looks.
pub fn quick() -> Pace {
    Pace {
        life: Duration::from_millis(50),
        call: Duration::from_secs(5),
        connect: Duration::from_secs(5),
        read: Duration::from_secs(5),
        again: [Duration::from_millis(1), Duration::from_millis(1)],
    }
}

/// A client of the stand-in, with its token.
pub fn client(plane: &ExternalPlane, pace: Pace) -> Arc<OpenApiPlane> {
    client_with(plane, pace, Arc::new(SystemClock))
}

pub fn client_with(plane: &ExternalPlane, pace: Pace, clock: Arc<dyn Clock>) -> Arc<OpenApiPlane> {
    let token = Token::Given(TOKEN.to_owned());
    OpenApiPlane::start(&plane.url(), token, pace, clock).unwrap()
}

/// A file with a token.
pub fn token_file(folder: &Path, token: &str) -> Token {
    let path = folder.join("token");
    std::fs::write(&path, format!("{token}\n")).unwrap();
    Token::File(path)
}
