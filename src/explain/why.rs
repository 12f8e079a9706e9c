//! Why a case has its result: as data, with its words.

use std::fmt;
use std::net::SocketAddr;

use super::client_ip::WhyClientIp;
use crate::diagnostic::Inert;
use crate::plan::ServicePortPlan;
use crate::report::trace::remark::Remark;

/// Why a case has its result. Its words are a sentence or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// Which source the endpoint sees.
    ClientIp(WhyClientIp),
    /// What a trace remarks.
    Remark(Remark),
    /// Another Service also has the address, and gets its traffic.
    OtherService { address: SocketAddr, other: String, service: String },
}

impl Why {
    pub(super) fn other_service(
        address: SocketAddr,
        other: &ServicePortPlan<'_>,
        port: &ServicePortPlan<'_>,
    ) -> Why {
        let name = |port: &ServicePortPlan<'_>| port.service_port().name.to_string();
        Why::OtherService { address, other: name(other), service: name(port) }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::ClientIp(why) => why.fmt(f),
            Why::Remark(remark) => remark.fmt(f),
            Why::OtherService { address, other, service } => write!(
                f,
                "Service {} has the address {address} too, and its rules take these connections: none of them reaches \
                 Service {}.",
                Inert(other),
                Inert(service)
            ),
        }
    }
}
