"use strict";
(() => {
  const services = JSON.parse(document.getElementById("data").textContent);
  const state = { service: 0, mode: 0, port: 0, client: 0, address: 0, fate: 0, step: 0 };
  const byId = (id) => document.getElementById(id);

  // Text reaches the page by textContent alone, so that nothing of it is taken for markup.
  const make = (tag, properties = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name === "class") element.className = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };

  const explanation = () => services[state.service].modes[state.mode];
  const port = () => explanation().ports[state.port];
  const caseOf = (client, address) =>
    port().cases.find((it) => it.client === client && it.address === address);
  const current = () => caseOf(state.client, state.address);
  const fate = () => (current() ? current().fates[state.fate] : undefined);
  const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
  const portTitle = (it) => `${it.name ? it.name + ", " : ""}${it.port}/${it.protocol}, ${it.family}`;

  // The way with a first and a last stop that no rule makes.
  const steps = () => {
    const it = fate();
    if (!it) return [];
    const client = port().clients[state.client];
    const address = port().addresses[state.address];
    const start = it.steps.length
      ? { source: client.ip, destination: address.text }
      : { source: client.ip, destination: it.destination };
    const last = it.steps[it.steps.length - 1] || start;
    const whose = capital(client.words);
    return [
      { ...start, hook: "client", rule: null, sentence: `${whose} opens a connection to the ${address.words} ${address.text}.` },
      ...it.steps,
      { source: last.source, destination: last.destination, hook: "end", rule: null, sentence: endOf(it) },
    ];
  };
  const endOf = (it) => {
    if (it.verdict === "drop") return "The packet is dropped: the client hears nothing, and its connection times out.";
    if (it.verdict === "reject") return "The packet is refused: the client is told at once (connection refused).";
    const to = it.pod ? `${it.pod} (${it.destination})` : it.destination;
    if (current().end.kind === "kube-proxy") return `kube-proxy itself listens at ${it.destination}, and connects to an endpoint from the node.`;
    if (current().end.kind === "node") return `The packet goes to the node itself, at ${it.destination}.`;
    const source = it.snat
      ? "It sees this node as the source, and answers by way of it."
      : "It sees the client as the source; its answer is translated back on this node.";
    return `The packet arrives at ${to}. ${source}`;
  };

  const choose = (change, focus) => {
    Object.assign(state, change);
    repair();
    render();
    if (focus) { const element = byId(focus); if (element) element.focus(); }
  };
  const repair = () => {
    state.mode = Math.min(state.mode, services[state.service].modes.length - 1);
    state.port = Math.min(state.port, explanation().ports.length - 1);
    state.address = Math.min(state.address, port().addresses.length - 1);
    state.client = Math.min(state.client, port().clients.length - 1);
    if (!current()) {
      const other = port().cases.find((it) => it.address === state.address);
      state.client = other ? other.client : state.client;
    }
    const fates = current() ? current().fates.length : 0;
    state.fate = Math.max(0, Math.min(state.fate, fates - 1));
    state.step = Math.max(0, Math.min(state.step, steps().length - 1));
  };
  // The same client, address and endpoint in the other rules.
  const changeMode = (mode) => {
    const [client, address, it] = [port().clients[state.client], port().addresses[state.address], fate()];
    const ports = portTitle(port());
    state.mode = mode;
    state.port = Math.max(0, explanation().ports.findIndex((other) => portTitle(other) === ports));
    state.client = Math.max(0, port().clients.findIndex((other) => other.words === client.words));
    state.address = Math.max(0, port().addresses.findIndex((other) => other.kind === address.kind));
    const same = current() ? current().fates.findIndex((other) => it && other.destination === it.destination) : -1;
    choose({ fate: Math.max(0, same), step: 0 }, `mode-${mode}`);
  };

  const radios = (legend, name, options, chosen, pick) =>
    make("fieldset", {}, make("legend", {}, legend),
      ...options.map((option, i) => make("label", { class: "radio" },
        make("input", { type: "radio", name, id: `${name}-${i}`, value: i, checked: i === chosen, disabled: option.off === true, onchange: () => pick(i) }),
        make("span", {}, option.text))));
  const menu = (label, id, options, chosen, pick) =>
    make("label", {}, make("span", { class: "label" }, label), " ",
      make("select", { id, onchange: (event) => pick(Number(event.target.value)) },
        ...options.map((text, i) => make("option", { value: i, selected: i === chosen }, text))));

  const renderChoices = () => {
    const parts = [];
    if (services.length > 1) {
      parts.push(menu("Service", "service", services.map((it) => it.service), state.service,
        (service) => choose({ service, port: 0, client: 0, address: 0, fate: 0, step: 0 }, "service")));
    }
    const modes = services[state.service].modes;
    parts.push(radios("Rules", "mode", modes.map((it) => ({ text: it.mode })), state.mode, changeMode));
    if (explanation().ports.length > 1) {
      parts.push(menu("Port", "port", explanation().ports.map(portTitle), state.port,
        (chosen) => choose({ port: chosen, client: 0, address: 0, fate: 0, step: 0 }, "port")));
    }
    const clients = port().clients.map((it, i) => ({ text: `${it.words} (${it.ip})`, off: !caseOf(i, state.address) }));
    parts.push(radios("Client", "client", clients, state.client,
      (client) => choose({ client, fate: 0, step: 0 }, `client-${client}`)));
    const addresses = port().addresses.map((it) => ({ text: `${it.words} ${it.text}` }));
    parts.push(radios("Address", "address", addresses, state.address,
      (address) => choose({ address, fate: 0, step: 0 }, `address-${address}`)));
    if (current() && current().fates.length > 1) {
      const options = current().fates.map((it) => `${it.pod || it.destination}: chance ${it.chance.text}`);
      parts.push(menu("Endpoint", "fate", options, state.fate, (chosen) => choose({ fate: chosen, step: 0 }, "fate")));
    }
    byId("choices").replaceChildren(...parts);
  };

  const chainOf = (step) => {
    const rule = step.rule === null ? null : port().rules[step.rule];
    return rule ? { text: rule.table.includes(" ") ? rule.chain : `${rule.table} ${rule.chain}`, key: `${rule.table} ${rule.chain}` } : null;
  };
  // Hooks in their order, with the chains met at each.
  const stops = () => {
    const found = [];
    steps().forEach((step, i) => {
      if (step.hook === "client" || step.hook === "end") return;
      let stop = found[found.length - 1];
      if (!stop || stop.hook !== step.hook) found.push((stop = { hook: step.hook, chains: [], first: i, last: i }));
      stop.last = i;
      const chain = chainOf(step);
      const before = stop.chains[stop.chains.length - 1];
      if (chain && before && before.key === chain.key) before.last = i;
      else if (chain) stop.chains.push({ ...chain, first: i, last: i });
    });
    return found;
  };
  const arrow = () => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", "M2 12h17M13 5l7 7-7 7");
    path.setAttribute("fill", "none");
    path.setAttribute("stroke", "currentColor");
    path.setAttribute("stroke-width", "2.5");
    svg.append(path);
    return make("li", { class: "arrow", "aria-hidden": "true" }, svg);
  };
  const stop = (name, now, ...children) =>
    make("li", {}, make("div", { class: now ? "stop now" : "stop", "aria-current": now ? "step" : null },
      make("div", { class: "name" }, name), ...children));
  const renderWay = () => {
    const all = steps();
    const client = port().clients[state.client];
    const parts = [stop("Client", state.step === 0, make("div", {}, client.words), make("code", {}, client.ip))];
    for (const it of stops()) {
      const chains = it.chains.map((chain) => {
        const now = state.step >= chain.first && state.step <= chain.last;
        const past = state.step > chain.last;
        return make("li", {}, make("button", { type: "button", class: now ? "chain now" : past ? "chain past" : "chain", onclick: () => choose({ step: chain.first }, "stepper") }, chain.text));
      });
      const name = it.hook === "routing" ? "routing" : `hook ${it.hook}`;
      parts.push(arrow(), stop(name, state.step >= it.first && state.step <= it.last, make("ul", {}, ...chains)));
    }
    const it = fate();
    const end = it.verdict === "accept" ? (it.pod ? "Pod" : "Destination") : it.verdict === "drop" ? "Dropped" : "Refused";
    const to = it.verdict === "accept" ? [make("div", {}, it.pod), make("code", {}, it.destination)] : [];
    parts.push(arrow(), stop(end, state.step === all.length - 1, ...to));
    byId("way").replaceChildren(...parts);
  };

  const renderPacket = (step, before) => {
    const field = (kind, now, old) => {
      if (old === undefined || old === now) return [make("dt", {}, kind), make("dd", {}, now)];
      return [make("dt", {}, kind), make("dd", {}, make("del", {}, old), " ", make("ins", { class: kind }, now), " (changed)")];
    };
    byId("packet").replaceChildren(
      make("dt", {}, "protocol"), make("dd", {}, port().protocol),
      ...field("source", step.source, before && before.source),
      ...field("destination", step.destination, before && before.destination));
  };
  const renderStep = () => {
    const all = steps();
    const step = all[state.step];
    renderPacket(step, all[state.step - 1]);
    const rule = step.rule === null ? null : port().rules[step.rule];
    const verdict = fate().verdict;
    const last = state.step === all.length - 1;
    byId("step").className = last ? (verdict === "accept" ? "step good" : "step bad") : "step";
    const changes = [];
    const before = all[state.step - 1];
    if (before && before.destination !== step.destination) changes.push(`The destination was ${before.destination} and is now ${step.destination}.`);
    if (before && before.source !== step.source) changes.push(`The source was ${before.source} and is now ${step.source}.`);
    byId("said").replaceChildren(
      make("p", { class: "soft" }, `Step ${state.step + 1} of ${all.length}${step.hook === "client" || step.hook === "end" ? "" : ", " + step.hook}`),
      make("p", { class: "sentence" }, step.sentence),
      ...changes.map((text) => make("p", {}, text)));
    byId("rule").replaceChildren(...(rule ? [
      make("pre", {}, `${rule.table}${rule.text.startsWith("-A ") ? "" : " " + rule.chain}: ${rule.text}`),
      ...(rule.element ? [make("pre", {}, `element ${rule.element}`)] : []),
      ...(rule.origin ? [make("p", { class: "soft" }, `made by ${rule.origin}`)] : []),
    ] : []));
    byId("previous").disabled = state.step === 0;
    byId("first").disabled = state.step === 0;
    byId("next").disabled = last;
  };

  // Roles and labels are for phones, where cells stand below one another and browsers forget that they are a table.
  const tableOf = (head, rows) => {
    for (const row of rows) {
      row.setAttribute("role", "row");
      [...row.children].forEach((cell, i) => { cell.setAttribute("role", "cell"); cell.dataset.label = head[i]; });
    }
    const heads = head.map((text) => make("th", { scope: "col", role: "columnheader" }, text));
    return make("table", { class: "stack", role: "table" },
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads)),
      make("tbody", { role: "rowgroup" }, ...rows));
  };
  const color = { shared: "good", "kube-proxy": "good", dropped: "bad", refused: "bad", node: "warn", passed: "warn", other: "warn" };
  const renderTables = () => {
    const it = port();
    const cases = it.cases.map((one) => make("tr", {},
      make("td", {}, `${it.addresses[one.address].words} `, make("code", {}, it.addresses[one.address].text)),
      make("td", {}, it.clients[one.client].words),
      make("td", { class: color[one.end.kind] }, one.words),
      make("td", {}, one.why.join(" "))));
    const fateOf = (endpoint) => {
      if (endpoint.leftOut) return `left out: ${endpoint.leftOut.words}`;
      const chances = it.shares.flatMap((share, i) => endpoint.chances[i]
        ? [it.shares.length > 1 ? `${share.letter}: ${endpoint.chances[i].text}` : endpoint.chances[i].text] : []);
      return chances.length ? chances.join(", ") : "not used from here";
    };
    const endpoints = it.endpoints.map((one) => make("tr", {},
      make("td", {}, make("code", {}, one.text)), make("td", {}, one.pod || "-"),
      make("td", {}, one.here ? `${one.node} (this node)` : one.node || "-"),
      make("td", {}, one.state), make("td", { class: one.leftOut ? "warn" : "good" }, fateOf(one))));
    byId("cases").replaceChildren(tableOf(["Address", "Client", "Outcome", "Why"], cases));
    byId("endpoints").replaceChildren(it.endpoints.length
      ? tableOf(["Endpoint", "Pod", "Node", "State", "Chance"], endpoints) : make("p", {}, "None."));
    const affinity = it.affinitySeconds
      ? [make("li", {}, `session affinity: a client stays with its endpoint for ${it.affinitySeconds} s after its last new connection, at this port alone`)] : [];
    byId("decisions").replaceChildren(...it.decisions.map((one) => make("li", {}, `${one.about}: ${one.words} (${one.code})`)), ...affinity);
  };
  const renderRules = () => {
    const all = steps();
    const items = port().rules.map((rule, i) => {
      const at = all.findIndex((step) => step.rule === i);
      const now = all[state.step].rule === i;
      return make("li", { class: now ? "now" : at >= 0 ? "met" : "", "aria-current": now ? "step" : null },
        make("div", {}, rule.sentence),
        make("pre", {}, `${rule.table}${rule.text.startsWith("-A ") ? "" : " " + rule.chain}: ${rule.text}`),
        ...(rule.element ? [make("pre", {}, `element ${rule.element}`)] : []),
        ...(at >= 0 ? [make("button", { type: "button", onclick: () => choose({ step: at }, "stepper") }, `Go to step ${at + 1}`)] : []));
    });
    byId("rules").replaceChildren(...items);
  };
  const renderAssumed = () => {
    const rows = explanation().assumed.flatMap((one) => one.rules.map((rule) => make("tr", {},
      make("td", {}, one.object),
      make("td", {}, ...rule.values.map((value) => make("div", {}, make("code", {}, value)))),
      make("td", {}, rule.words))));
    byId("assumed").hidden = !rows.length;
    byId("assumptions").replaceChildren(tableOf(["Object", "Values", "By which rule"], rows));
  };
  const renderHead = () => {
    const it = explanation();
    byId("title").textContent = `Service ${it.service} on node ${it.node}`;
    document.title = byId("title").textContent;
    const zone = it.zone ? `, zone ${it.zone}` : "";
    const place = it.place ? `; ${it.place}` : "";
    byId("subtitle").textContent = `kube-proxy ${it.release} in ${it.mode} mode${zone}${place}`;
    byId("what").textContent = current() ? [capital(current().words) + ".", ...current().why].join(" ") : "";
  };
  const render = () => {
    renderHead();
    renderChoices();
    const walked = fate() !== undefined;
    byId("walk").hidden = !walked;
    renderTables();
    renderAssumed();
    if (walked) { renderWay(); renderStep(); renderRules(); }
  };

  const go = (step) => choose({ step: Math.max(0, Math.min(step, steps().length - 1)) });
  byId("next").addEventListener("click", () => go(state.step + 1));
  byId("previous").addEventListener("click", () => go(state.step - 1));
  byId("first").addEventListener("click", () => go(0));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    // Radio buttons and menus have their own use for these keys.
    if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
    const steps_ = { ArrowRight: state.step + 1, n: state.step + 1, ArrowLeft: state.step - 1, p: state.step - 1, Home: 0, End: steps().length - 1 };
    if (!(event.key in steps_)) return;
    event.preventDefault();
    go(steps_[event.key]);
  });
  repair();
  render();
})();
