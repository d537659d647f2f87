//! The external plane, as settings.
//!
//! Owns the form of its address. Whether anything answers there is found out by asking, never here.

use std::path::PathBuf;

use elb_engine::external::Token;

use super::{SettingsError, sources::Chosen};

/// Hosts of this machine.
const THIS_MACHINE: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Where the external plane is, and how this server proves that it may ask it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalPlane {
    /// Its address, without a slash at its end.
    pub base: String,
    /// The token.
    pub token: Token,
}

impl ExternalPlane {
    /// Reads the three settings; `None` if no plane is named.
    pub(super) fn of(
        address: &Chosen,
        token: &Chosen,
        file: &Chosen,
    ) -> Result<Option<Self>, SettingsError> {
        let base = address.read(base)?;
        let given = token.read(|text| Ok(Some(text.to_owned()).filter(|text| !text.is_empty())))?;
        let path = file.read(|text| Ok(Some(PathBuf::from(text)).filter(|_| !text.is_empty())))?;
        let token = match (given, path) {
            (None, None) => Token::None,
            (Some(token), None) => Token::Given(token),
            (None, Some(path)) => Token::File(path),
            (Some(_), Some(_)) => {
                return Err(wrong(
                    file,
                    "must be empty where external_plane_token is set, or the other way round: one token is enough",
                ));
            }
        };
        let Some(base) = base else {
            if token == Token::None {
                return Ok(None);
            }
            return Err(wrong(
                address,
                "must be the address that the token is for, https://HOST, or the token must be left out",
            ));
        };
        Ok(Some(Self { base, token }))
    }
}

fn wrong(chosen: &Chosen, why: &str) -> SettingsError {
    SettingsError::Value {
        name: chosen.name,
        from: chosen.from.clone(),
        value: chosen.text.clone(),
        why: why.to_owned(),
    }
}

fn base(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if !cfg!(feature = "kubernetes") {
        return Err("must be empty, since this program was built without Kubernetes (feature `kubernetes`), which the external plane is part of".to_owned());
    }
    let form = || {
        "must be https://HOST, https://HOST:PORT or a folder below it, without a user, `?` or `#`"
            .to_owned()
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
    let rest = rest.trim_end_matches('/');
    let authority = rest.split('/').next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&byte);
    if authority.is_empty() || authority.starts_with(':') || !rest.bytes().all(plain) {
        return Err(form());
    }
    let port = authority
        .rsplit_once(':')
        .filter(|(_, port)| !port.ends_with(']'));
    let host = port.map_or(authority, |(host, _)| host);
    if port.is_some_and(|(_, port)| port.parse::<u16>().is_err()) {
        return Err(form());
    }
    match scheme {
        "https" => {}
        "http" if THIS_MACHINE.contains(&host) => {}
        "http" => {
            return Err("must begin with https://, since everybody on the way could read the token; http:// is only for an address of this machine, such as the end of a tunnel (kubectl port-forward)".to_owned());
        }
        _ => return Err(form()),
    }
    Ok(Some(format!("{scheme}://{rest}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn chosen(name: &'static str, text: &str) -> Chosen {
        Chosen {
            name,
            text: text.to_owned(),
            from: "somewhere".to_owned(),
        }
    }

    fn read(address: &str, token: &str, file: &str) -> Result<Option<ExternalPlane>, String> {
        let plane = ExternalPlane::of(
            &chosen("external_plane", address),
            &chosen("external_plane_token", token),
            &chosen("external_plane_token_file", file),
        );
        plane.map_err(|error| error.to_string())
    }

    #[test]
    fn no_address_is_no_plane() {
        assert_eq!(read("", "", ""), Ok(None));
        let error = read("", "secret", "").unwrap_err();
        assert!(error.contains("must be the address that the token is for"));
        assert!(!error.contains("secret"));
    }

    #[test]
    fn a_token_comes_from_one_place() {
        if !cfg!(feature = "kubernetes") {
            let error = read("https://plane.example", "", "").unwrap_err();
            assert!(error.contains("without Kubernetes"), "{error}");
            return;
        }
        let token = |token: &str, file: &str| {
            let plane = read("https://plane.example/", token, file);
            plane.map(|plane| plane.unwrap().token)
        };
        assert_eq!(token("", ""), Ok(Token::None));
        assert_eq!(token(" t ", ""), Ok(Token::Given("t".to_owned())));
        assert_eq!(token("", "/run/t"), Ok(Token::File("/run/t".into())));
        let error = token("secret", "/run/t").unwrap_err();
        assert!(error.contains("one token is enough"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        if !cfg!(feature = "kubernetes") {
            return;
        }
        for (text, wanted) in [
            ("https://plane.example", "https://plane.example"),
            (
                "https://plane.example:8443/elb/",
                "https://plane.example:8443/elb",
            ),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://localhost", "http://localhost"),
            ("http://[::1]:8000/", "http://[::1]:8000"),
        ] {
            assert_eq!(base(text), Ok(Some(wanted.to_owned())));
        }
        for text in [
            "http://plane.example",
            "http://127.0.0.1.example.com",
            "http://localhost@example.com",
            "ftp://plane.example",
            "plane.example",
            "https://",
            "https://:80",
            "https://plane.example:x",
            "https://u@plane.example",
            "https://plane.example?a=b",
            "https://plane.example#a",
            "https://plane example",
        ] {
            let error = base(text).unwrap_err();
            assert!(error.starts_with("must "), "{text}: {error}");
        }
    }
}
