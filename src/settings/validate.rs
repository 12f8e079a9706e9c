//! Fields that affect no rule, but whose values can keep kube-proxy from starting: reported as warnings.

use super::ProxyMode;
use super::check::{Check, quoted};
use super::duration::GoDuration;
use super::release::ValidationPaths;
use crate::diagnostic::Diagnostic;
use crate::net::parse_ip_lenient;

const NOT_NEGATIVE: &str = "must be greater than or equal to 0";
const POSITIVE: &str = "must be greater than 0";

/// Checks the fields that affect no rule.
pub(super) fn other_fields(check: &mut Check<'_>, mode: ProxyMode) {
    sync_periods(check, mode);
    conntrack(check);
    let written = check.written;
    if written.config_sync_period.is_some_and(|period| period <= GoDuration(0)) {
        check.warn_invalid("configSyncPeriod", "ConfigSyncPeriod", written.config_sync_period, POSITIVE);
    }
    if let Some(score) = written.oom_score_adj.filter(|score| !(-1000..=1000).contains(score)) {
        let path = check.linux_path("OOMScoreAdj");
        check.warn_invalid("oomScoreAdj", &path, Some(score), "must be within the range [-1000, 1000]");
    }
    if let Some(burst) = written.client_burst.filter(|burst| *burst < 0) {
        check.warn_invalid("clientConnection.burst", "ClientConnection.Burst", Some(burst), NOT_NEGATIVE);
    }
    host_port(check, "healthzBindAddress", "HealthzBindAddress", written.healthz_bind_address.as_deref());
    host_port(check, "metricsBindAddress", "MetricsBindAddress", written.metrics_bind_address.as_deref());
    port_range(check);
}

impl Check<'_> {
    fn warn_invalid<T: ToString>(&mut self, field: &'static str, path: &str, value: Option<T>, rule: &str) {
        let value = value.map_or(String::new(), |value| value.to_string());
        let message = format!("KubeProxyConfiguration.{path}: Invalid value: {value}: {rule}");
        let help =
            format!("touches no rule, but kube-proxy does not start with it: change the field {field}");
        self.tell(field, Diagnostic::warning(message).help(help));
    }

    /// The path of a field that the internal type has under `Linux`.
    fn linux_path(&self, path: &str) -> String {
        match self.release.model.validation_paths {
            ValidationPaths::Versioned => path.to_owned(),
            ValidationPaths::Internal => format!("KubeProxyLinuxConfiguration.{path}"),
        }
    }
}

/// The periods of the active mode; up to 1.30, those of iptables in every mode.
fn sync_periods(check: &mut Check<'_>, mode: ProxyMode) {
    let (section, field, backend) = match (check.release.model.validation_paths, mode) {
        (ValidationPaths::Internal, ProxyMode::Nftables) => {
            ("", "nftables.syncPeriod", &check.written.nftables)
        }
        (ValidationPaths::Internal, ProxyMode::Iptables) => {
            ("", "iptables.syncPeriod", &check.written.iptables)
        }
        (ValidationPaths::Versioned, _) => {
            ("KubeProxyIPTablesConfiguration.", "iptables.syncPeriod", &check.written.iptables)
        }
    };
    let period = backend.sync_period.unwrap_or(GoDuration::seconds(30));
    let minimum = backend.min_sync_period.unwrap_or(GoDuration::seconds(1));
    if period <= GoDuration(0) {
        check.warn_invalid(field, &format!("{section}SyncPeriod"), Some(period), POSITIVE);
    }
    if minimum < GoDuration(0) {
        check.warn_invalid(field, &format!("{section}MinSyncPeriod"), Some(minimum), NOT_NEGATIVE);
    }
    if minimum > period {
        let rule = format!("must be greater than or equal to KubeProxyConfiguration.{section}MinSyncPeriod");
        check.warn_invalid(field, &format!("{section}SyncPeriod"), Some(minimum), &rule);
    }
}

fn conntrack(check: &mut Check<'_>) {
    let written = &check.written.conntrack;
    let negative = |value: Option<GoDuration>| value.filter(|d| *d < GoDuration(0)).map(|d| d.to_string());
    let below_zero = |value: Option<i32>| value.filter(|n| *n < 0).map(|n| n.to_string());
    let faults = [
        ("conntrack.maxPerCore", "MaxPerCore", below_zero(written.max_per_core)),
        ("conntrack.min", "Min", below_zero(written.min)),
        (
            "conntrack.tcpEstablishedTimeout",
            "TCPEstablishedTimeout",
            negative(written.tcp_established_timeout),
        ),
        ("conntrack.tcpCloseWaitTimeout", "TCPCloseWaitTimeout", negative(written.tcp_close_wait_timeout)),
        ("conntrack.udpTimeout", "UDPTimeout", negative(written.udp_timeout)),
        ("conntrack.udpStreamTimeout", "UDPStreamTimeout", negative(written.udp_stream_timeout)),
    ];
    for (field, name, value) in faults {
        if value.is_some() {
            let path = check.linux_path(&format!("KubeProxyConntrackConfiguration.{name}"));
            check.warn_invalid(field, &path, value, NOT_NEGATIVE);
        }
    }
}

/// `IP:port`; a bare IP gets the default port (pkg/proxy/util, AppendPortIfNeeded).
fn host_port(check: &mut Check<'_>, field: &'static str, path: &str, text: Option<&str>) {
    let Some(text) = text.filter(|text| parse_ip_lenient(text).is_none()) else {
        return;
    };
    let Some((host, port)) = split_host_port(text) else {
        return check.warn_invalid(field, path, Some(quoted(text)), "must be IP:port");
    };
    if parse_ip_lenient(host).is_none() {
        check.warn_invalid(field, path, Some(quoted(host)), "must be a valid IP");
    }
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        check.warn_invalid(field, path, Some(quoted(port)), "must be a valid port");
    }
}

/// Splits `host:port` and `[host]:port`.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(inner) => Some((inner.strip_suffix(']')?, port)),
        None if host.contains([':', '[', ']']) => None,
        None => Some((host, port)),
    }
}

fn port_range(check: &mut Check<'_>) {
    let Some(text) = check.written.port_range.as_deref() else {
        return;
    };
    if check.release.model.port_range_checked && !is_port_range(text) {
        let rule = "must be a valid port range (e.g. 300-2000)";
        check.warn_invalid("portRange", "PortRange", Some(quoted(text)), rule);
    }
}

/// `8000`, `8000-9000` or `8000+1000` (apimachinery/pkg/util/net, ParsePortRange).
fn is_port_range(text: &str) -> bool {
    let text = text.trim();
    let port = |text: &str| text.parse::<u16>().ok();
    if let Some((base, size)) = text.split_once('+') {
        return port(base).is_some() && port(size).is_some();
    }
    if let Some((first, last)) = text.split_once('-') {
        return port(first).is_some_and(|first| port(last).is_some_and(|last| first <= last));
    }
    text.is_empty() || port(text).is_some()
}
