//! Which clusters are watched, as settings.
//!
//! Owns the form of the list. Whether a context or a namespace exists is found out by looking, never here.

use std::path::PathBuf;

use elb_engine::clusters::{ClusterAddress, IN_CLUSTER};

use super::{SettingsError, sources::Chosen};

/// The longest label of a DNS name (RFC 1123), which a namespace is.
const LONGEST_LABEL: usize = 63;

/// Reads the list; clusters of contexts are looked up in `kubeconfig`, if it names a file.
pub(super) fn addresses(
    list: &Chosen,
    kubeconfig: &Chosen,
) -> Result<Vec<ClusterAddress>, SettingsError> {
    let kubeconfig = Some(kubeconfig.text.trim())
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    list.read(|text| {
        let addresses = parse(text, kubeconfig.as_ref())?;
        if cfg!(feature = "kubernetes") || addresses.is_empty() {
            return Ok(addresses);
        }
        Err(
            "must be empty, since this program was built without Kubernetes (feature `kubernetes`)"
                .to_owned(),
        )
    })
}

fn parse(text: &str, kubeconfig: Option<&PathBuf>) -> Result<Vec<ClusterAddress>, String> {
    let mut addresses = Vec::new();
    if text.is_empty() {
        return Ok(addresses);
    }
    for item in text.split(',') {
        let address = address(item.trim(), kubeconfig)?;
        if addresses.contains(&address) {
            return Err(format!("must not name {} twice", item.trim()));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// The namespace is behind the last `#`: names of contexts may hold nearly everything.
fn address(item: &str, kubeconfig: Option<&PathBuf>) -> Result<ClusterAddress, String> {
    let (name, namespace) = match item.rsplit_once('#') {
        Some((name, namespace)) => (name.trim_end(), Some(namespace.trim_start())),
        None => (item, None),
    };
    if name.is_empty() {
        return Err(format!(
            "must be CONTEXT or CONTEXT#NAMESPACE, more than one separated by commas, where {IN_CLUSTER} is the cluster that this program runs in; a context is missing"
        ));
    }
    if let Some(wrong) = namespace.filter(|namespace| !is_label(namespace)) {
        return Err(format!(
            "must name namespaces as Kubernetes does, with up to {LONGEST_LABEL} of a-z, 0-9 and hyphens, the first and the last no hyphen; \"{wrong}\" is none"
        ));
    }
    let context = (name != IN_CLUSTER).then(|| name.to_owned());
    let kubeconfig = kubeconfig.filter(|_| context.is_some()).cloned();
    Ok(ClusterAddress {
        context,
        namespace: namespace.map(str::to_owned),
        kubeconfig,
    })
}

fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=LONGEST_LABEL).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn at(context: Option<&str>, namespace: Option<&str>, file: Option<&str>) -> ClusterAddress {
        ClusterAddress {
            context: context.map(str::to_owned),
            namespace: namespace.map(str::to_owned),
            kubeconfig: file.map(PathBuf::from),
        }
    }

    fn chosen(name: &'static str, text: &str) -> Chosen {
        Chosen {
            name,
            text: text.to_owned(),
            from: "somewhere".to_owned(),
        }
    }

    #[test]
    fn contexts_and_namespaces_are_told_apart() {
        assert_eq!(parse("", None), Ok(Vec::new()));
        assert_eq!(
            parse("lab, lab#blast ,in-cluster#elb-2,in-cluster", None),
            Ok(vec![
                at(Some("lab"), None, None),
                at(Some("lab"), Some("blast"), None),
                at(None, Some("elb-2"), None),
                at(None, None, None),
            ])
        );
        // Names as other tools make them.
        assert_eq!(
            parse("arn:aws:eks:eu:1:cluster/x,me@a#b#ns", None),
            Ok(vec![
                at(Some("arn:aws:eks:eu:1:cluster/x"), None, None),
                at(Some("me@a#b"), Some("ns"), None),
            ])
        );
    }

    #[test]
    fn the_kubeconfig_is_for_contexts_alone() {
        let file = PathBuf::from("/etc/kubeconfig");
        assert_eq!(
            parse("lab,in-cluster", Some(&file)),
            Ok(vec![
                at(Some("lab"), None, Some("/etc/kubeconfig")),
                at(None, None, None),
            ])
        );
    }

    #[test]
    fn what_makes_no_sense_says_what_it_must_be() {
        let long = format!("lab#{}", "n".repeat(64));
        for text in [
            ",",
            "lab,",
            "lab,,other",
            "#ns",
            "lab#",
            "lab#Blast",
            "lab#-a",
            "lab#a-",
            "lab#a.b",
            "lab#a b",
            &long,
        ] {
            let error = parse(text, None).unwrap_err();
            assert!(error.starts_with("must "), "{text}: {error}");
        }
        for text in ["lab,lab", "lab#a,other, lab#a", "in-cluster,in-cluster"] {
            let error = parse(text, None).unwrap_err();
            assert!(error.ends_with(" twice"), "{text}: {error}");
        }
        assert!(parse(&format!("lab#{}", "n".repeat(63)), None).is_ok());
    }

    #[test]
    fn only_a_program_that_can_watch_clusters_takes_one() {
        let nowhere = chosen("kubeconfig", " ");
        assert_eq!(
            addresses(&chosen("clusters", " "), &nowhere),
            Ok(Vec::new())
        );
        let read = addresses(&chosen("clusters", "lab"), &nowhere);
        if cfg!(feature = "kubernetes") {
            assert_eq!(read, Ok(vec![at(Some("lab"), None, None)]));
        } else {
            let error = read.unwrap_err().to_string();
            assert!(error.contains("without Kubernetes"), "{error}");
        }
        let error = addresses(&chosen("clusters", "lab#"), &nowhere).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("clusters (somewhere) is \"lab#\": it must name namespaces"),
            "{error}"
        );
    }
}
