//! The bytes of packets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kuberules::net::Protocol;
use kuberules::walk::Packet;

/// An IP packet that begins a connection: a SYN, a datagram, an INIT. The kernel fills in the checksum of the IPv4
/// header.
pub(crate) fn first_packet(packet: &Packet, source_port: u16) -> Vec<u8> {
    let mut segment = match packet.protocol {
        Protocol::Tcp => tcp_syn(),
        Protocol::Udp => udp(),
        Protocol::Sctp => sctp_init(),
    };
    segment[0..2].copy_from_slice(&source_port.to_be_bytes());
    segment[2..4].copy_from_slice(&packet.destination.port().to_be_bytes());
    let number = packet.protocol.number();
    match packet.protocol {
        Protocol::Tcp => put_checksum(&mut segment, 16, packet, number),
        Protocol::Udp => put_checksum(&mut segment, 6, packet, number),
        Protocol::Sctp => {
            let sum = crc32c(&segment);
            segment[8..12].copy_from_slice(&sum.to_le_bytes());
        }
    }
    let mut bytes = match (packet.source, packet.destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ipv4_header(from, to, number, segment.len()),
        (IpAddr::V6(from), IpAddr::V6(to)) => ipv6_header(from, to, number, segment.len()),
        _ => unreachable!("both ends of a packet are of one family"),
    };
    bytes.extend(segment);
    bytes
}

fn tcp_syn() -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[4..8].copy_from_slice(&0x1234_5678u32.to_be_bytes());
    segment[12] = 5 << 4;
    segment[13] = 0x02;
    segment[14..16].copy_from_slice(&64_240u16.to_be_bytes());
    segment
}

fn udp() -> Vec<u8> {
    let mut segment = vec![0; 12];
    segment[4..6].copy_from_slice(&12u16.to_be_bytes());
    segment[8..12].copy_from_slice(b"ping");
    segment
}

/// A common header and an INIT chunk (RFC 9260, 3.3.2).
fn sctp_init() -> Vec<u8> {
    let mut segment = vec![0; 12];
    segment.extend([1, 0, 0, 20]);
    segment.extend(0x1234_5678u32.to_be_bytes());
    segment.extend(65_536u32.to_be_bytes());
    segment.extend([0, 10, 0, 10]);
    segment.extend(1u32.to_be_bytes());
    segment
}

fn ipv4_header(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: usize) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(u16::try_from(20 + payload).unwrap().to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    header
}

fn ipv6_header(from: Ipv6Addr, to: Ipv6Addr, protocol: u8, payload: usize) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(u16::try_from(payload).unwrap().to_be_bytes());
    header.extend([protocol, 64]);
    header.extend(from.octets());
    header.extend(to.octets());
    header
}

/// The Internet checksum over the pseudo header and the segment (RFC 1071).
fn put_checksum(segment: &mut [u8], at: usize, packet: &Packet, protocol: u8) {
    let length = u32::try_from(segment.len()).unwrap();
    let ends = sum(&octets(packet.source)) + sum(&octets(packet.destination.ip()));
    let mut total = ends + u32::from(protocol) + length + sum(segment);
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    let checksum = !u16::try_from(total).unwrap();
    segment[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// RFC 9260, appendix A.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0x82f6_3b78 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

/// Protocol number and source port of the packet that an ICMP "unreachable" message answers.
pub(crate) fn refused_packet(icmp: &[u8], ipv6: bool) -> Option<(u8, u16)> {
    let (tag, (_, code)) = unreachable(icmp, ipv6)?;
    // Port unreachable; or prohibited, which no router in these namespaces sends of its own accord.
    let codes: &[u8] = if ipv6 { &[1, 3, 4] } else { &[3, 9, 10, 13] };
    codes.contains(&code).then_some(tag)
}

/// The same for any "unreachable", with its type and code.
pub(crate) fn unreachable(icmp: &[u8], ipv6: bool) -> Option<((u8, u16), (u8, u8))> {
    let (message, inner_at) = if ipv6 { (icmp, 8) } else { (icmp.get(ihl(icmp)?..)?, 8) };
    let kind = if ipv6 { 1 } else { 3 };
    let code = *message.get(1)?;
    if *message.first()? != kind {
        return None;
    }
    let inner = message.get(inner_at..)?;
    let (protocol, transport) = if ipv6 { (*inner.get(6)?, 40) } else { (*inner.get(9)?, ihl(inner)?) };
    let port = inner.get(transport..transport + 2)?;
    Some(((protocol, u16::from_be_bytes([port[0], port[1]])), (kind, code)))
}

fn ihl(ipv4: &[u8]) -> Option<usize> {
    Some(usize::from(ipv4.first()? & 15) * 4)
}
