//! `networking.k8s.io` Ingress: the Services that it leads to.

use serde::{Deserialize, Deserializer};

use super::fields::nullable;
use super::{IntOrString, Metadata, Text};

/// `networking.k8s.io/v1` Ingress.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct HttpIngress {
    /// `metadata`
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// Every backend that is a Service, starting with the default one.
    #[serde(rename = "spec", deserialize_with = "backends")]
    pub backends: Vec<Backend>,
}

/// A Service that an Ingress leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The path of the field, such as `spec.defaultBackend.service`.
    pub field: String,
    /// The Service's name.
    pub service: Text,
    /// Its port, by number or name.
    pub port: Option<IntOrString>,
}

fn backends<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Backend>, D::Error> {
    let spec = nullable::<Spec, _>(deserializer)?;
    let default = spec.default_backend.into_iter().map(|backend| ("spec.defaultBackend".to_owned(), backend));
    let of_rules = spec.rules.into_iter().enumerate().flat_map(|(i, rule)| {
        let paths = rule.http.unwrap_or_default().paths.into_iter().enumerate();
        paths.map(move |(j, path)| (format!("spec.rules[{i}].http.paths[{j}].backend"), path.backend))
    });
    let services = default.chain(of_rules).filter_map(|(field, backend)| {
        let WrittenService { name, port } = backend.service?;
        let number = port.number.map(IntOrString::Int);
        let port =
            number.or_else(|| Some(port.name).filter(|name| !name.is_empty()).map(IntOrString::String));
        Some(Backend { field: format!("{field}.service"), service: name, port })
    });
    Ok(services.collect())
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
struct Spec {
    default_backend: Option<WrittenBackend>,
    #[serde(deserialize_with = "nullable")]
    rules: Vec<Rule>,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Rule {
    http: Option<Http>,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Http {
    #[serde(deserialize_with = "nullable")]
    paths: Vec<Path>,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Path {
    #[serde(deserialize_with = "nullable")]
    backend: WrittenBackend,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct WrittenBackend {
    service: Option<WrittenService>,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct WrittenService {
    #[serde(deserialize_with = "nullable")]
    name: Text,
    #[serde(deserialize_with = "nullable")]
    port: WrittenPort,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct WrittenPort {
    #[serde(deserialize_with = "nullable")]
    name: Text,
    number: Option<i64>,
}
