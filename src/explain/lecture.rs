//! The lecture: the example, what changes when its cluster does, and five questions for a class. Each question has its
//! answer and the state of the page that shows it.

use serde::Serialize;

use super::example;

/// The example, or the example changed.
#[derive(Debug, Clone)]
pub struct Variant {
    /// For links; empty for the example itself.
    pub name: &'static str,
    /// In words.
    pub words: &'static str,
    /// Its objects.
    pub text: String,
}

/// A question for a class.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Question {
    /// The question.
    pub question: &'static str,
    /// The answer.
    pub answer: &'static str,
    /// The part of the page's address after `#` that shows it.
    pub state: &'static str,
}

/// The Pod of db in the example.
const POD: &str = "- addresses: [10.32.0.15]
  conditions: {ready: true}
  nodeName: node-2
  targetRef: {kind: Pod, name: db-0, namespace: default}
";

/// The example and its changed versions.
pub fn variants() -> Vec<Variant> {
    let second = "- addresses: [10.32.1.16]
  conditions: {ready: true}
  nodeName: node-1
  targetRef: {kind: Pod, name: db-1, namespace: default}
";
    let two = example::TEXT.replace(POD, &format!("{POD}{second}"));
    let not_ready = example::TEXT.replace(POD, &POD.replace("ready: true", "ready: false"));
    vec![
        Variant { name: "", words: "", text: example::TEXT.to_owned() },
        Variant { name: "two-pods", words: "db has two Pods", text: two },
        Variant { name: "not-ready", words: "db is not ready", text: not_ready },
    ]
}

/// Five questions for a class.
pub const QUESTIONS: [Question; 5] = [
    Question {
        question: "What if db has two Pods?",
        answer: "The rules choose one of the two for each new connection: the first rule takes it with a chance of \
                 1/2, the second takes the rest. Connection tracking sends every later packet of the connection to \
                 the same Pod. Where db-1 on the client's own node is chosen, nothing crosses the network.",
        state: "service=default/db&variant=two-pods&client=pod&node=node-1&address=cluster-ip&mode=iptables&step=5",
    },
    Question {
        question: "What if the Pod of db is not ready?",
        answer: "Its address leaves the list of ready endpoints, and kube-proxy on every node replaces the rules that \
                 lead to it with one that refuses: the client gets \"connection refused\" at once, from its own node. \
                 No packet reaches the Pod.",
        state: "service=default/db&variant=not-ready&client=pod&node=node-1&address=cluster-ip&mode=iptables&step=4",
    },
    Question {
        question: "What if a client outside the cluster connects?",
        answer: "Nothing outside knows the cluster IP: such a client uses a node port. The node that it connects to \
                 translates the destination and, because the Pod may be on another node, masquerades: the reply must \
                 return through the node that translated. So web sees the node's IP, not the client's.",
        state: "service=default/web&client=outside&node=node-2&address=node-port-2&mode=iptables&step=0",
    },
    Question {
        question: "What does externalTrafficPolicy: Local change?",
        answer: "A node passes connections from outside only to Pods of its own, so it need not masquerade, and web \
                 sees the client's IP. The price: node-2 has no Pod of web and drops the packet. A load balancer asks \
                 each node's health check port and skips such nodes; a client that connects to node-2 directly gets \
                 no answer.",
        state: "service=default/web&client=outside&node=node-2&address=node-port-2&mode=iptables&policy=Local&step=0",
    },
    Question {
        question: "What is different with nftables?",
        answer: "The packet takes the same path; how its rule is found differs. iptables compares a packet with one \
                 rule per Service until one fits; nftables looks its destination up in one map, however many Services \
                 there are. Side by side, each step shows the rules of both languages that do the same.",
        state: "service=default/db&client=pod&node=node-1&address=cluster-ip&mode=both&step=3",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_differs_from_the_example() {
        let variants = variants();
        assert_eq!(variants[0].text, example::TEXT);
        assert!(variants[1].text.contains("db-1") && variants[2].text.contains("ready: false"));
        for question in QUESTIONS {
            let variant = question.state.split('&').find_map(|part| part.strip_prefix("variant="));
            assert!(variants.iter().any(|known| known.name == variant.unwrap_or_default()), "{question:?}");
        }
    }
}
