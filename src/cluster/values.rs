//! Labels, names and addresses, which several kinds of objects have.

use std::net::IpAddr;

use crate::diagnostic::ObjectRef;
use crate::names::ServicePortName;
use crate::net::parse_ip_lenient;

pub(super) const PROXY_NAME_LABEL: &str = "service.kubernetes.io/service-proxy-name";
pub(super) const HEADLESS_LABEL: &str = "service.kubernetes.io/headless";

/// Names the Service of a Service port.
pub(super) fn object_ref(name: &ServicePortName) -> ObjectRef {
    ObjectRef { kind: "Service".into(), namespace: name.namespace().into(), name: name.service().into() }
}

/// Why `ip` may not be an endpoint or an external IP, if so: the API server refuses addresses that would hijack traffic
/// of the host itself (pkg/apis/core/validation, ValidateEndpointIP).
pub(super) fn special_purpose(ip: IpAddr) -> Option<&'static str> {
    let (link_local, link_local_multicast) = match ip {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.segments()[0] & 0xff0f == 0xff02),
    };
    if ip.is_unspecified() {
        Some("the unspecified address")
    } else if ip.is_loopback() {
        Some("a loopback address")
    } else if link_local {
        Some("a link-local address")
    } else {
        link_local_multicast.then_some("a link-local multicast address")
    }
}

/// Reads an address leniently; blank text is none, without a message.
pub(super) fn address(text: &str) -> Result<Option<IpAddr>, ()> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    parse_ip_lenient(text).map(Some).ok_or(())
}
