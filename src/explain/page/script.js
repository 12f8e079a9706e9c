"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  // Journeys have numbers for texts and steps, each of which stands in the page once.
  for (const stage of data.stages) {
    const text = (number) => stage.texts[number];
    const steps = stage.steps.map(([row, hook, packet]) => ({ row, hook: text(hook), packet: packet?.map(text) }));
    const full = (value, key) => typeof value === "number" ? text(value)
      : Array.isArray(value) ? value.map((one) => key === "steps" ? steps[one] : full(one))
      : value === null ? null : Object.fromEntries(Object.entries(value).map(([name, one]) => [name, full(one, name)]));
    stage.journeys = full(stage.journeys);
  }
  const byId = (id) => document.getElementById(id);
  // Text from the input reaches the page as text nodes and attributes alone.
  const make = (name, attributes, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes ?? {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  };

  const WORDS = {
    "DNAT": "Destination NAT: the kernel writes another destination into the packet, here that of a Pod.",
    "masquerade": "The kernel writes an address of the node into the packet as its source, so that replies return through this node.",
    "connection tracking": "conntrack: the kernel's list of connections. It remembers what was translated and does the reverse to every reply that passes this node.",
    "chain": "A list of rules. A packet goes through it rule by rule; a rule can send it on to another chain.",
    "hook": "A place in the kernel's way of a packet where rules are asked: prerouting, input, forward, output, postrouting.",
    "endpoint": "The address and port of a Pod behind a Service.",
    "kube-proxy": "The program on each node that writes these rules. No packet passes through it: the kernel does the work.",
  };
  const FORMS = [[/connection tracking|conntrack/i, "connection tracking"], [/DNAT/, "DNAT"], [/masquerad\w*/i, "masquerade"], [/kube-proxy/, "kube-proxy"],
    [/chains?/i, "chain"], [/hooks?/i, "hook"], [/endpoints?/i, "endpoint"]];
  const ANY = new RegExp(`\\b(${FORMS.map(([form]) => form.source).join("|")})\\b`, "gi");
  const tip = byId("tip");
  const showTip = (event, word) => {
    tip.textContent = WORDS[word];
    tip.hidden = false;
    const at = event.target.getBoundingClientRect();
    const own = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(at.left, innerWidth - own.width - 4))}px`;
    tip.style.top = `${at.top > own.height + 8 ? at.top - own.height - 6 : at.bottom + 6}px`;
  };
  const hideTip = () => { tip.hidden = true; };
  const explained = (text) => text.split(ANY).map((part, i) => {
    if (i % 2 === 0) return part;
    const known = FORMS.find(([form]) => new RegExp(`^(${form.source})$`, "i").test(part));
    if (!known) return part;
    const word = known[1];
    return make("span", { tabindex: "0", class: "term", "aria-description": WORDS[word],
      onmouseenter: (event) => showTip(event, word), onmouseleave: hideTip,
      onfocus: (event) => showTip(event, word), onblur: hideTip,
      onkeydown: (event) => { if (event.key === "Escape") hideTip(); } }, part);
  });

  const CLIENTS = { pod: "another Pod", "same-node": "a Pod on the same node", self: "the Pod itself (hairpin)", node: "the node", outside: "outside" };
  const MODES = { iptables: "iptables", nftables: "nftables", both: "side by side" };
  const state = { stage: 0, client: "pod", node: 0, address: 0, mode: "iptables", policy: 0, way: 0, step: 0 };
  let timer = null;
  let ending = false;

  const stage = () => data.stages[state.stage];
  const modes = () => [...new Set(stage().cases.map((one) => one.mode))];
  const first = () => state.mode === "both" ? "iptables" : state.mode;
  const other = () => first() === "iptables" ? "nftables" : "iptables";
  const fits = (one, wanted) => Object.entries(wanted).every(([key, value]) => one[key] === value);
  const cases = (wanted) => stage().cases.filter((one) => fits(one, wanted));
  const journeyOf = (mode) => {
    const [found] = cases({ mode, policy: state.policy, client: state.client, node: state.node, address: state.address });
    return found && stage().journeys[found.journey];
  };
  const journey = () => journeyOf(first());
  const way = () => journey().ways[state.way];
  const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

  // What can be chosen, each by what was chosen before it.
  const options = {
    mode: () => { const all = modes(); return all.length > 1 ? [...all, "both"] : all; },
    policy: () => stage().policies.map((_, i) => i).filter((i) => cases({ mode: first(), policy: i }).length),
    client: () => Object.keys(CLIENTS).filter((id) => cases({ mode: first(), policy: state.policy, client: id }).length),
    node: () => stage().nodes.map((_, i) => i).filter((i) => cases({ mode: first(), policy: state.policy, client: state.client, node: i }).length),
    address: () => stage().addresses.map((_, i) => i).filter((i) => cases({ mode: first(), policy: state.policy, client: state.client, node: state.node, address: i }).length),
    way: () => journey().ways.map((_, i) => i),
  };
  const repair = () => {
    state.stage = Math.min(state.stage, data.stages.length - 1);
    for (const [key, all] of Object.entries(options)) {
      const choices = all();
      if (!choices.includes(state[key])) state[key] = preferred(key, choices);
    }
    state.step = Math.max(0, Math.min(state.step, moments().length - 1));
  };
  // Where nothing was said: a client that is not on the endpoint's node, or one that is; a reply from its own node.
  const preferred = (key, choices) => {
    if (key === "node" && state.client === "pod") {
      const away = choices.filter((i) => !stage().endpoints.some((one) => one.node === i && !one.leftOut));
      if (away.length) return away[0];
    }
    if (key === "way" && state.client === "same-node") {
      const here = choices.find((i) => journey().ways[i].serverNode === stage().nodes[state.node].name);
      if (here !== undefined) return here;
    }
    return choices[0] ?? 0;
  };

  const shortPod = (name) => name.slice(name.indexOf("/") + 1);
  const server = (one) => one.pod ? `the Pod ${shortPod(one.pod)}` : one.server;
  const clientWords = (one) => one.client;
  // Everything that happens, one after another, with the place where it happens.
  const momentsOf = (play, one) => {
    const all = [];
    let packet = [play.source, play.destination];
    const add = (what) => {
      const before = packet;
      packet = what.packet ?? packet;
      all.push({ hop: -1, kind: "", row: null, back: false, ...what, packet, before });
    };
    const clusterIp = stage().addresses.some((address) => address.id === "cluster-ip" && address.text === play.destination);
    add({ at: "client", sentence: `${capital(clientWords(play))} opens a connection to ${play.destination}.`,
      remark: clusterIp ? "No machine has this address: only the rules of the nodes know it." : "" });
    one.there.forEach((hop, i) => {
      const from = i > 0 ? `Over the network to ${hop.node}: on the way only the destination counts.`
        : play.node === null ? `The packet comes to ${hop.node}.`
        : `The packet comes to the kernel of ${hop.node}, and its rules are asked.`;
      add({ at: `node ${hop.node}`, node: hop.node, hop: i, packet: hop.packet, sentence: from, remark: i === 0 && play.node === null ? capital(play.entry) + "." : "" });
      for (const step of hop.steps) {
        const row = stage().rows[step.row];
        add({ at: `node ${hop.node} ${step.hook}`, node: hop.node, hook: step.hook, hop: i, kind: row.kind, row, packet: step.packet, sentence: row.sentence });
      }
    });
    const last = one.there.length ? one.there[one.there.length - 1].node : "";
    if (!one.server) {
      add({ at: one.result === "not-a-service-port" || !last ? "away" : `node ${last}`, node: last, sentence: capital(one.meaning) + ".", bad: true, end: true, remark: one.notes.join(" ") });
      return all;
    }
    add({ at: "server", node: one.serverNode, sentence: `${capital(server(one))} gets the packet. It sees ${packet[0]} as its client.`,
      remark: packet[0] === play.source ? "The client IP is preserved." : "The client IP is hidden: the packet was masqueraded." });
    packet = one.back.length ? one.back[0].packet : [one.server, packet[0]];
    add({ at: "server", node: one.serverNode, back: true, sentence: `${capital(server(one))} answers: source and destination are the other way round.` });
    for (const hop of one.back) {
      add({ at: `node ${hop.node} conntrack`, node: hop.node, back: true, packet: hop.packet,
        sentence: hop.translated ? `The reply comes to ${hop.node}, and connection tracking finds its connection.` : `The reply passes ${hop.node} unchanged: nothing was translated here.` });
      if (hop.translated) add({ at: `node ${hop.node} conntrack`, node: hop.node, back: true, packet: hop.translated, sentence: "Connection tracking translates it back; no rule is asked." });
    }
    const works = one.clientSees === play.destination;
    add({ at: "client", back: true, end: true, bad: !works, good: works, remark: one.notes.join(" "),
      sentence: works ? `The client has its reply, from ${one.clientSees}: the address that it asked.`
        : `The reply comes from ${one.clientSees}, but the client asked ${play.destination}: it is dropped, and the client waits in vain.` });
    return all;
  };
  const moments = () => momentsOf(journey(), way());

  const isLast = () => state.step >= moments().length - 1;
  const go = (step) => { state.step = Math.max(0, Math.min(step, moments().length - 1)); render(); };
  const pause = () => { clearTimeout(timer); timer = null; byId("play").textContent = "Play"; byId("play").setAttribute("aria-pressed", "false"); };
  const tick = () => {
    if (isLast()) return pause();
    go(state.step + 1);
    timer = setTimeout(tick, 2200 / Number(byId("speed").value));
  };
  const play = () => {
    if (timer !== null) return pause();
    if (isLast()) go(0);
    byId("play").textContent = "Pause";
    byId("play").setAttribute("aria-pressed", "true");
    timer = setTimeout(tick, 600 / Number(byId("speed").value));
  };

  // The state stands in the address, and an address opens its state.
  const link = () => {
    const it = stage();
    const parts = { service: it.service, variant: it.variant || null, port: data.stages.filter((one) => one.service === it.service && one.variant === it.variant).indexOf(it) || null,
      client: state.client, node: it.nodes[state.node]?.name, address: it.addresses[state.address]?.id, mode: state.mode,
      policy: it.policies.length > 1 ? it.policies[state.policy].value : null, way: state.way || null, step: state.step };
    return "#" + Object.entries(parts).filter(([, value]) => value !== null && value !== undefined)
      .map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll("%2F", "/")}`).join("&");
  };
  const open = (hash) => {
    const given = new Map(hash.replace(/^#/, "").split("&").filter((part) => part.includes("=")).map((part) => {
      const [key, value] = part.split("=");
      try { return [key, decodeURIComponent(value)]; } catch { return [key, value]; }
    }));
    const same = data.stages.map((_, i) => i).filter((i) => (!given.has("service") || data.stages[i].service === given.get("service")) && (data.stages[i].variant ?? "") === (given.get("variant") ?? ""));
    if (same.length) state.stage = same[Number(given.get("port") ?? 0)] ?? same[0];
    const it = stage();
    if (given.get("mode") in MODES) state.mode = given.get("mode");
    const policy = it.policies.findIndex((one) => one.value === given.get("policy"));
    state.policy = Math.max(0, policy);
    state.client = given.get("client") in CLIENTS ? given.get("client") : "pod";
    state.node = it.nodes.findIndex((one) => one.name === given.get("node"));
    state.address = it.addresses.findIndex((one) => one.id === given.get("address"));
    state.way = given.has("way") ? Number(given.get("way")) : -1;
    state.step = Number(given.get("step") ?? 0) || 0;
    repair();
  };

  const choose = (key, value) => {
    pause();
    if (key === "stage") Object.assign(state, { policy: 0, node: -1, address: -1 });
    if (key === "client") state.node = -1;
    Object.assign(state, { way: -1, step: 0, [key]: value });
    repair();
    render();
    byId(`choose-${key}`)?.focus();
  };
  const menu = (key, label, all, words) => all.length < 2 ? [] : [make("label", {}, label,
    make("select", { id: `choose-${key}`, onchange: (event) => choose(key, all[event.target.selectedIndex]) },
      ...all.map((value) => make("option", { selected: value === state[key] }, words(value)))))];
  const renderChoices = () => {
    const it = stage();
    const nodeLabel = state.client === "outside" ? "comes to" : "on";
    const wayWords = (i) => { const one = journey().ways[i]; return `${one.chance}: ${one.server ? `${one.pod ? shortPod(one.pod) : one.server}${one.serverNode ? ` on ${one.serverNode}` : ""}` : one.result}`; };
    const stageWords = (i) => { const one = data.stages[i]; return one.service + (one.variant ? `: ${one.variantWords}` : "") + (data.stages.filter((x) => x.service === one.service && x.variant === one.variant).length > 1 ? ` ${one.title}` : ""); };
    byId("choices").replaceChildren(
      ...menu("stage", "Service", data.stages.map((_, i) => i), stageWords),
      ...menu("client", "Client", options.client(), (id) => CLIENTS[id]),
      ...menu("node", nodeLabel, options.node(), (i) => it.nodes[i].name),
      ...menu("address", "asks", options.address(), (i) => `${it.addresses[i].words} ${it.addresses[i].text}`),
      ...menu("mode", "Rules", options.mode(), (id) => MODES[id]),
      ...menu("policy", it.policies[0].field, options.policy(), (i) => it.policies[i].value + (it.policies[i].given ? "" : " (what if)")),
      ...menu("way", "Outcome", options.way(), wayWords));
  };

  const HOOKS = ["output", "prerouting", "routing", "input", "forward", "postrouting"];
  const drawn = () => {
    const it = stage();
    const needed = [...way().there, ...way().back].map((hop) => hop.node);
    const extra = [...new Set(needed)].filter((name) => !it.nodes.some((one) => one.name === name)).map((name) => ({ name, ip: "" }));
    const known = it.nodes.filter((one, i) => it.nodes.length + extra.length <= 3 || needed.includes(one.name) || i === state.node);
    return [...known, ...extra];
  };
  const renderStage = (all, now) => {
    const it = stage();
    const play_ = journey();
    const one = way();
    const clientName = state.client === "node" ? "" : play_.client.startsWith("pod ") ? shortPod(play_.client.slice(4).split(" on ")[0]) : "a Pod";
    const nodes = drawn().map((node) => {
      const index = it.nodes.indexOf(node);
      const past = new Set(all.slice(0, state.step).filter((m) => m.node === node.name && m.back === now.back).map((m) => m.hook));
      const hooks = HOOKS.map((hook) => make("span", { class: now.node === node.name && now.hook === hook ? "now" : past.has(hook) ? "past" : null, "data-at": `node ${node.name} ${hook}` }, hook));
      const tracked = now.back && now.at === `node ${node.name} conntrack`;
      const kernel = make("div", { class: "kernel", "data-at": `node ${node.name}` }, ...hooks, make("span", { class: tracked ? "ct now" : "ct", "data-at": `node ${node.name} conntrack` }, "conntrack"));
      const pods = it.endpoints.filter((endpoint) => endpoint.node === index).map((endpoint) => {
        const serves = endpoint.address === one.server;
        const asks = state.client === "self" && play_.node === node.name && endpoint.address.startsWith(play_.source);
        return make("div", { class: endpoint.leftOut ? "pod out" : serves ? "pod server" : asks ? "pod client" : "pod", "data-at": serves ? "server" : null, "data-also": asks ? "client" : null },
          make("b", {}, endpoint.pod || "endpoint"), make("span", { class: "ip" }, endpoint.address), ...(endpoint.leftOut ? [make("span", {}, endpoint.state)] : []));
      });
      if (play_.node === node.name && state.client !== "self") {
        pods.unshift(make("div", { class: "pod client", "data-at": "client" }, make("b", {}, state.client === "node" ? "a process" : clientName), make("span", { class: "ip" }, play_.source)));
      }
      if (one.server && one.serverNode === node.name && !pods.some((pod) => pod.dataset.at === "server")) {
        pods.push(make("div", { class: "pod server", "data-at": "server" }, make("b", {}, one.pod ? shortPod(one.pod) : "server"), make("span", { class: "ip" }, one.server)));
      }
      const passed = now.back ? [] : all.slice(0, state.step + 1).filter((m) => m.node === node.name && m.row && m.row.chain).map((m) => m.row.chain);
      const chains = passed.filter((chain, i) => i === 0 || chain !== passed[i - 1]);
      const trail = make("ol", { class: "trail", "aria-label": "Chains passed" }, ...chains.map((chain, i) => make("li", { class: i === chains.length - 1 && now.node === node.name ? "now" : null }, chain)));
      return make("div", { class: now.node === node.name ? "node now" : "node" },
        make("div", { class: "name" }, make("b", {}, node.name), make("code", { class: "soft" }, node.ip)), kernel, trail, make("div", { class: "pods" }, ...pods));
    });
    byId("nodes").replaceChildren(...nodes);
    const isOutside = play_.node === null;
    byId("outside").className = isOutside ? "box outside client" : "box outside";
    byId("outside").dataset.at = isOutside ? "client" : "away";
    byId("outside-ip").textContent = isOutside ? play_.source : one.server && !one.serverNode ? one.server : "";
    byId("service-name").textContent = `Service ${it.service}`;
    byId("service-ip").textContent = it.addresses[state.address].text;
    const isNowhere = ["cluster-ip"].includes(it.addresses[state.address].id);
    byId("service-note").textContent = isNowhere ? "on no machine: it is only in the rules" : it.addresses[state.address].words;
    byId("service").className = ["service", "endpoint", "dnat"].includes(now.kind) ? "box ghost lit" : "box ghost";
    const [source, destination] = now.packet;
    byId("stage").setAttribute("aria-label", `The packet is ${now.at === "client" ? "at the client" : now.at === "server" ? "at the server" : `on ${now.node || "its way"}`}, from ${source} to ${destination}.`);
  };
  const changed = (now, before) => now === before ? [now] : [make("del", {}, before), " ", make("ins", {}, now)];
  const renderPacket = (now) => {
    const swapped = now.back && now.before[0] === now.packet[1];
    const before = swapped ? now.packet : now.before;
    byId("packet-source").replaceChildren("from ", ...changed(now.packet[0], before[0]));
    byId("packet-destination").replaceChildren("to ", ...changed(now.packet[1], before[1]));
    byId("packet").className = now.good ? "good" : now.bad ? "bad" : now.back ? "back" : "";
    byId("fields").replaceChildren(
      make("dt", {}, "source"), make("dd", { id: "field-source", "data-value": now.packet[0] }, ...changed(now.packet[0], before[0])),
      make("dt", {}, "destination"), make("dd", { id: "field-destination", "data-value": now.packet[1] }, ...changed(now.packet[1], before[1])));
  };
  const place = (now) => {
    const frame = byId("stage").getBoundingClientRect();
    const escape = (text) => CSS.escape(text);
    const find = (at) => document.querySelector(`[data-at="${escape(at)}"]`) ?? document.querySelector(`[data-also="${escape(at)}"]`);
    const target = find(now.at) ?? find(`node ${now.node}`) ?? (now.at === "server" ? byId("outside") : byId("wire"));
    const at = target.getBoundingClientRect();
    const own = byId("packet").getBoundingClientRect();
    const x = Math.max(0, Math.min(at.left + at.width / 2 - own.width / 2 - frame.left, frame.width - own.width));
    const below = at.bottom - frame.top + 3;
    const y = below + own.height > frame.height ? at.top - frame.top - own.height - 3 : below;
    byId("packet").style.transform = `translate(${Math.round(x)}px, ${Math.round(Math.max(0, y))}px)`;
  };
  const ruleBox = (mode, rows, words) => make("div", { class: "rule", "data-mode": mode },
    make("div", { class: "lang" }, make("b", {}, mode), ...(rows[0]?.chain ? [make("span", {}, ...explained(`table ${rows[0].table}, chain ${rows[0].chain}`))] : []), ...(rows[0]?.origin ? [make("span", {}, `made by ${rows[0].origin}`)] : [])),
    ...(rows.length ? rows.map((row) => make("pre", {}, row.text)) : [make("p", { class: "soft" }, words)]));
  // The rule of the other language that does the same: on the same node of the same outcome, of the same kind.
  const counterpart = (now) => {
    const theirs = journeyOf(other());
    const same = theirs && theirs.ways.find((one) => one.server === way().server && one.result === way().result && one.there.length === way().there.length);
    if (!same || now.hop < 0 || !now.row) return [];
    const its = momentsOf(theirs, same).filter((m) => m.hop === now.hop && m.row && m.row.text && m.kind === now.kind && (now.kind !== "chain" || m.hook === now.hook));
    const mine = moments().filter((m) => m.hop === now.hop && m.row && m.row.text && m.kind === now.kind && (now.kind !== "chain" || m.hook === now.hook));
    const number = mine.findIndex((m) => m === now || (m.sentence === now.sentence && m.row === now.row));
    return its.length ? [its[Math.min(Math.max(number, 0), its.length - 1)].row] : [];
  };
  const renderRules = (now) => {
    const none = now.back ? "No rule is asked on the way back: connection tracking does it." : now.row ? "The kernel's own doing: no rule." : "No rule is asked here.";
    const boxes = [ruleBox(first(), now.row?.text ? [now.row] : [], none)];
    if (state.mode === "both") {
      const rows = counterpart(now);
      boxes.push(ruleBox(other(), rows, now.row?.text ? "Nothing stands alone for this step here: another rule does it along the way." : none));
    }
    byId("rules").replaceChildren(...boxes);
  };
  const renderSaid = (all, now) => {
    const where = [`Step ${state.step + 1} of ${all.length}`, now.node, now.hook && `hook ${now.hook}`].filter(Boolean).join(", ");
    byId("said").className = now.good ? "good" : now.bad ? "bad" : "";
    byId("said").replaceChildren(make("p", { class: "where" }, ...explained(where.replace("hook routing", "routing"))), make("p", { class: "sentence" }, ...explained(now.sentence)),
      ...(now.remark ? [make("p", { class: "remark" }, ...explained(now.remark))] : []));
    byId("count").textContent = `${state.step + 1} / ${all.length}`;
    byId("first").disabled = byId("previous").disabled = state.step === 0;
    byId("next").disabled = isLast();
  };
  const renderHead = () => {
    const it = stage();
    const entry = data.entries.find((one) => one.service === it.service && (one.variant ?? "") === (it.variant ?? "")) ?? data.entries[0];
    const explanation = entry?.modes.find((one) => one.mode === first()) ?? entry?.modes[0];
    byId("title").textContent = `Service ${it.service}`;
    document.title = `Service ${it.service}`;
    byId("subtitle").textContent = explanation ? `${it.title}; kube-proxy ${explanation.release}${explanation.place ? `; ${explanation.place}` : ""}` : it.title;
  };
  const renderHandout = (all) => {
    const it = stage();
    const chosen = [`Client: ${CLIENTS[state.client]}`, it.nodes[state.node]?.name, `asks ${it.addresses[state.address].text}`, `${MODES[state.mode]} rules`, `${it.policies[state.policy].field} ${it.policies[state.policy].value}`, way().chance === "1" ? "" : `chance ${way().chance}`];
    byId("handout").replaceChildren(make("h1", {}, `Service ${it.service}: the whole way`), make("p", {}, chosen.filter(Boolean).join(", ")), make("p", {}, make("b", {}, capital(way().meaning) + ".")),
      make("ol", {}, ...all.map((m) => make("li", {}, make("b", {}, m.sentence), ` ${[m.node, m.hook].filter(Boolean).join(", ")}`,
        make("span", { class: "mono" }, "from ", ...changed(m.packet[0], m.back && m.before[0] === m.packet[1] ? m.packet[0] : m.before[0]), " to ", ...changed(m.packet[1], m.back && m.before[0] === m.packet[1] ? m.packet[1] : m.before[1])),
        ...(m.row?.text ? [make("pre", {}, m.row.text)] : []), ...(m.remark ? [make("p", {}, m.remark)] : [])))));
  };
  // Long rules become smaller rather than cut.
  const fit = (element) => {
    element.style.fontSize = "";
    for (let size = 95; size >= 55 && element.scrollHeight > element.clientHeight + 1; size -= 5) element.style.fontSize = `${size}%`;
  };
  // What stands on the stage is as large as there is room for it.
  const fitStage = (element) => {
    element.style.setProperty("--fit", 1);
    for (let size = 0.95; size >= 0.4 && element.scrollHeight > element.clientHeight + 1; size -= 0.05) element.style.setProperty("--fit", size);
  };
  const render = () => {
    const all = moments();
    const now = all[state.step];
    document.documentElement.style.setProperty("--speed", byId("speed").value);
    renderHead();
    renderChoices();
    renderStage(all, now);
    renderPacket(now);
    renderRules(now);
    renderSaid(all, now);
    fitStage(byId("stage"));
    [byId("rules"), byId("said")].forEach(fit);
    renderHandout(all);
    place(now);
    hideTip();
    const address = link();
    if (location.hash !== address) history.replaceState(null, "", address);
  };

  // Tables, in a dialog of their own.
  const tableOf = (head, rows) => {
    for (const row of rows) [...row.children].forEach((cell, i) => { cell.dataset.label = head[i]; });
    return make("table", {}, make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, ...rows));
  };
  const COLORS = { shared: "good", "kube-proxy": "good", dropped: "bad", refused: "bad", node: "warn", passed: "warn", other: "warn" };
  const renderMore = () => {
    const it = stage();
    const entry = data.entries.find((one) => one.service === it.service && (one.variant ?? "") === (it.variant ?? ""));
    const explanation = entry?.modes.find((one) => one.mode === first()) ?? entry?.modes[0];
    const port = explanation?.ports.find((one) => one.title === it.title) ?? explanation?.ports[0];
    if (!port) return;
    byId("more-subtitle").textContent = `through the rules of ${explanation.node} alone, in ${explanation.mode} mode, kube-proxy ${explanation.release}`;
    byId("cases").replaceChildren(tableOf(["Address", "Client", "Outcome", "Why"], port.cases.map((one) => make("tr", {},
      make("td", {}, `${port.addresses[one.address].words} `, make("code", {}, port.addresses[one.address].text)),
      make("td", {}, port.clients[one.client].words), make("td", { class: COLORS[one.end.kind] }, one.words),
      make("td", {}, one.why.map((i) => port.notes[i]).join(" "))))));
    const outcomeOf = (one) => {
      if (one.leftOut) return `left out: ${one.leftOut.words}`;
      const chances = port.shares.flatMap((share, i) => one.chances[i] ? [port.shares.length > 1 ? `${share.letter}: ${one.chances[i].text}` : one.chances[i].text] : []);
      return chances.length ? chances.join(", ") : "not used from here";
    };
    byId("endpoints").replaceChildren(port.endpoints.length ? tableOf(["Endpoint", "Pod", "Node", "State", "Chance"], port.endpoints.map((one) => make("tr", {},
      make("td", {}, make("code", {}, one.text)), make("td", {}, one.pod || "-"), make("td", {}, one.here ? `${one.node} (this node)` : one.node || "-"),
      make("td", {}, one.state), make("td", { class: one.leftOut ? "warn" : "good" }, outcomeOf(one))))) : make("p", {}, "None."),
      ...port.moreEndpoints.map((words) => make("p", { class: "soft" }, words)));
    const affinity = port.affinitySeconds ? [make("li", {}, `session affinity: a client stays with its endpoint for ${port.affinitySeconds} s after its last new connection, at this port only`)] : [];
    byId("decisions").replaceChildren(...port.decisions.map((one) => make("li", {}, `${one.about}: ${one.words} (${one.code})`)), ...affinity);
    const assumed = explanation.assumed.flatMap((one) => one.rules.map((rule) => make("tr", {}, make("td", {}, one.object),
      make("td", {}, ...rule.values.map((value) => make("div", {}, make("code", {}, value)))), make("td", {}, rule.words))));
    byId("assumed").hidden = !assumed.length;
    byId("assumptions").replaceChildren(tableOf(["Object", "Values", "By which rule"], assumed));
  };

  byId("next").addEventListener("click", () => { pause(); go(state.step + 1); });
  byId("previous").addEventListener("click", () => { pause(); go(state.step - 1); });
  byId("first").addEventListener("click", () => { pause(); go(0); });
  byId("play").addEventListener("click", play);
  byId("speed").addEventListener("change", () => render());
  byId("print").addEventListener("click", () => window.print());
  byId("choices").addEventListener("submit", (event) => event.preventDefault());
  byId("open-more").addEventListener("click", () => { pause(); renderMore(); byId("more").showModal(); });
  byId("open-questions").addEventListener("click", () => { pause(); byId("questions").showModal(); });
  for (const button of document.querySelectorAll("dialog .close")) button.addEventListener("click", () => button.closest("dialog").close());
  if (data.questions.length) {
    byId("open-questions").hidden = false;
    byId("question-list").replaceChildren(...data.questions.map((one) => make("li", {}, make("a", { href: `#${one.state}`, onclick: () => byId("questions").close() }, one.question), make("p", {}, one.answer))));
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    // Menus have their own use for these keys, and buttons for the space bar.
    if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
    if (event.key === " " && ["BUTTON", "A"].includes(event.target.tagName)) return;
    const steps = { ArrowRight: state.step + 1, n: state.step + 1, ArrowLeft: state.step - 1, p: state.step - 1, Home: 0, End: Infinity };
    if (event.key === " ") { event.preventDefault(); play(); return; }
    if (!(event.key in steps)) return;
    event.preventDefault();
    pause();
    go(steps[event.key]);
  });
  window.addEventListener("hashchange", () => { if (location.hash !== link()) { pause(); open(location.hash); render(); } });
  window.addEventListener("resize", () => { if (data.stages.length) place(moments()[state.step]); });
  if (!data.stages.length) {
    byId("app").replaceChildren(make("p", {}, "There is nothing to play: no Service has a port."));
    return;
  }
  open(location.hash);
  render();
})();
