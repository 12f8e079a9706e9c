//! The HTML page of `explain` in a browser: every control by keyboard and mouse, links to its states; nothing cut or
//! scrolled, nothing fetched, no complaints.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::browser::{self, Browser};
use crate::support::scope::{all, full, share};
use crate::support::{kuberules, testdata};

/// The page as a file in its own folder.
struct Page {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Page {
    fn new(arguments: &[&str]) -> Page {
        let answer = kuberules(&[&["explain", "--output", "html", "--quiet"], arguments].concat());
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        std::fs::write(&path, answer.stdout).unwrap();
        Page { path, _folder: folder }
    }

    fn open(&self, program: &Path) -> Browser {
        Browser::open(program, &self.path)
    }
}

fn shop() -> Page {
    let cluster = testdata().join("shop/before.yaml");
    let config = testdata().join("shop/before-worker-1/kube-proxy.iptables.json");
    Page::new(&[cluster.to_str().unwrap(), "--config", config.to_str().unwrap(), "--node", "worker-1"])
}

/// Presses Tab until an element has the focus.
fn tab_to(browser: &mut Browser, selector: &str) {
    let test = format!("document.activeElement.matches({selector:?})");
    for _ in 0..60 {
        if browser.evaluate(&test) == true {
            return;
        }
        browser.press("Tab");
    }
    panic!("no Tab leads to {selector}");
}

/// Clicks with the mouse in the middle of an element.
fn click(browser: &mut Browser, selector: &str) {
    let at = browser.evaluate(&format!(
        "(() => {{ const box = document.querySelector({selector:?}).getBoundingClientRect(); \
         return [box.left + box.width / 2, box.top + box.height / 2]; }})()"
    ));
    for kind in ["mousePressed", "mouseReleased"] {
        let event = json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
        browser.call("Input.dispatchMouseEvent", event);
    }
}

fn count(browser: &mut Browser) -> (u64, u64) {
    let shown = browser.evaluate("document.querySelector('#count').textContent");
    let (step, of) = shown.as_str().unwrap().split_once(" / ").unwrap();
    (step.parse().unwrap(), of.parse().unwrap())
}

fn hash(browser: &mut Browser) -> String {
    browser.evaluate("location.hash").as_str().unwrap().to_owned()
}

#[test]
fn every_control_by_keyboard() {
    let Some(program) = browser::chromium() else { return };
    let page = Page::new(&["--example"]);
    let mut browser = page.open(program);
    browser.show(1280, 720, false);
    for control in ["#choose-stage", "#choose-client", "#choose-node", "#choose-mode", "#choose-policy"] {
        tab_to(&mut browser, control);
        let before = hash(&mut browser);
        browser.press("ArrowDown");
        assert_ne!(before, hash(&mut browser), "{control} changes the state");
        assert_eq!(browser.evaluate(&format!("document.activeElement.matches({control:?})")), true);
    }
    browser.evaluate("location.hash = 'client=pod&step=0'; dispatchEvent(new Event('hashchange'))");
    for (control, step) in [("#next", 2), ("#next", 3), ("#previous", 2), ("#first", 1)] {
        tab_to(&mut browser, control);
        browser.press("Enter");
        assert_eq!(count(&mut browser).0, step, "{control}");
    }
    tab_to(&mut browser, "#speed");
    browser.evaluate("document.activeElement.blur()");
    let (_, all) = count(&mut browser);
    for (key, step) in [("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", all), ("Home", 1)] {
        browser.press(key);
        assert_eq!(count(&mut browser).0, step, "{key}");
    }
    browser.press(" ");
    assert_eq!(browser.evaluate("document.querySelector('#play').textContent"), "Pause");
    std::thread::sleep(std::time::Duration::from_millis(1200));
    assert!(count(&mut browser).0 > 1, "it plays");
    browser.press(" ");
    assert_eq!(browser.evaluate("document.querySelector('#play').textContent"), "Play");
    browser.evaluate(
        "location.hash = 'client=pod&mode=iptables&step=5'; dispatchEvent(new Event('hashchange'))",
    );
    assert_eq!(browser.evaluate("document.querySelector('.term').tabIndex"), 0);
    browser.evaluate("document.querySelector('.term').focus()");
    assert_eq!(browser.evaluate("document.querySelector('#tip').hidden"), false);
    tab_to(&mut browser, "#open-questions");
    browser.press("Enter");
    tab_to(&mut browser, "#question-list a");
    browser.press("Enter");
    assert!(hash(&mut browser).contains("variant=two-pods"), "{}", hash(&mut browser));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn every_control_by_mouse() {
    let Some(program) = browser::chromium() else { return };
    let page = Page::new(&["--example"]);
    let mut browser = page.open(program);
    browser.show(1280, 720, false);
    for (control, step) in [("#next", 2), ("#next", 3), ("#previous", 2), ("#next", 3), ("#first", 1)] {
        click(&mut browser, control);
        assert_eq!(count(&mut browser).0, step, "{control}");
    }
    click(&mut browser, "#play");
    assert_eq!(browser.evaluate("document.querySelector('#play').textContent"), "Pause");
    click(&mut browser, "#play");
    assert_eq!(browser.evaluate("document.querySelector('#play').textContent"), "Play");
    click(&mut browser, "#open-more");
    assert!(browser.evaluate("document.querySelectorAll('#cases tbody tr').length").as_u64().unwrap() > 3);
    assert!(
        browser.evaluate("document.querySelectorAll('#endpoints tbody tr').length").as_u64().unwrap() > 0
    );
    click(&mut browser, "#more .close");
    click(&mut browser, "#open-questions");
    let questions = browser.evaluate("document.querySelectorAll('#question-list a').length");
    assert_eq!(questions, 5);
    for number in 1..=5 {
        browser.evaluate(
            "document.querySelector('#questions').open || document.querySelector('#open-questions').click()",
        );
        click(&mut browser, &format!("#question-list li:nth-child({number}) a"));
        let wanted = browser.evaluate(&format!(
            "document.querySelector('#question-list li:nth-child({number}) a').getAttribute('href')"
        ));
        let shown = hash(&mut browser);
        for part in wanted.as_str().unwrap().trim_start_matches('#').split('&') {
            assert!(shown.contains(part), "question {number} opens {part}, not {shown}");
        }
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_link_opens_its_state() {
    let Some(program) = browser::chromium() else { return };
    let page = Page::new(&["--example"]);
    let mut browser = page.open(program);
    for (state, words) in [
        ("client=pod&mode=nftables&step=4", "Step 5 of"),
        ("service=default/web&client=self&step=2", "Step 3 of"),
        ("client=outside&service=default/web&node=node-2&address=node-port-2&mode=both&step=1", "Step 2 of"),
        ("service=default/db&variant=not-ready&client=pod&step=99", "node-1"),
        ("client=nobody&step=%&node=x&way=7&mode=y", "Step 1 of"),
    ] {
        let url = format!("file://{}#{state}", page.path.display());
        browser.call("Page.navigate", json!({ "url": "about:blank" }));
        browser.call("Page.navigate", json!({ "url": url }));
        let said = wait_for(&mut browser, "document.querySelector('#said')?.innerText ?? ''", words);
        assert!(said.contains(words), "{state}: {said}");
        let shown = hash(&mut browser);
        if !state.contains("nobody") && !state.contains("99") {
            assert!(state.split('&').all(|part| shown.contains(part)), "{state}: {shown}");
        }
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Waits until a newly opened page says something.
fn wait_for(browser: &mut Browser, expression: &str, words: &str) -> String {
    let mut said = String::new();
    for _ in 0..50 {
        said = browser.evaluate(expression).as_str().unwrap_or_default().to_owned();
        if said.contains(words) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    said
}

/// Makes this many random choices (the same in every run), goes through every step of each, and reports what is cut,
/// scrolled or outside.
const MISFITS: &str = r##"((turns) => {
  const faults = new Set();
  const byId = (id) => document.getElementById(id);
  let seen = 0;
  const look = () => {
    seen += 1;
    const at = location.hash;
    const root = document.documentElement;
    if (root.scrollWidth > innerWidth) faults.add(`wider than the window: ${at}`);
    if (root.scrollHeight > innerHeight) faults.add(`higher than the window by ${root.scrollHeight - innerHeight}: ${at}`);
    for (const one of document.querySelectorAll("#stage, .node, .kernel, .pod, .box, #fields, #said, #rules, .rule, pre, #buttons, #choices, header")) {
      if (one.scrollHeight > one.clientHeight + 1 && one.clientHeight > 0) faults.add(`${one.id || one.className} is cut by ${one.scrollHeight - one.clientHeight}: ${at}`);
      if (one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0) faults.add(`${one.id || one.className} is cut at its side: ${at}`);
      const box = one.getBoundingClientRect();
      if (box.right > innerWidth + 1 || box.left < -1 || box.bottom > innerHeight + 1) faults.add(`${one.id || one.className} is outside: ${at}`);
    }
    const [stage, packet] = [byId("stage"), byId("packet")].map((one) => one.getBoundingClientRect());
    if (packet.left < stage.left - 1 || packet.right > stage.right + 1 || packet.top < stage.top - 1 || packet.bottom > stage.bottom + 1) faults.add(`the packet is outside: ${at}`);
  };
  const steps = () => {
    byId("first").click();
    look();
    while (!byId("next").disabled) { byId("next").click(); look(); }
  };
  let state = 1;
  const below = (count) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
  for (let turn = 0; turn < turns; turn += 1) {
    for (const name of ["stage", "mode", "policy", "client", "node", "address", "way"]) {
      const menu = byId(`choose-${name}`);
      if (!menu) continue;
      menu.selectedIndex = below(menu.options.length);
      menu.dispatchEvent(new Event("change"));
    }
    steps();
  }
  return { seen, faults: [...faults].slice(0, 20) };
})"##;

fn fits(browser: &mut Browser, name: &str, turns: u64) {
    for (width, height) in [(1280, 720), (390, 844)] {
        browser.show(width, height, false);
        let found = browser.evaluate(&format!("{MISFITS}({turns})"));
        assert_eq!(found["faults"], json!([]), "{name} at {width}x{height}");
        assert!(found["seen"].as_u64().unwrap() > 8 * turns, "{found}");
    }
}

/// After how many turns everything must be within the window.
fn turns(quick: u64) -> u64 {
    match (all(), full()) {
        (true, _) => 60,
        (false, true) => 20,
        (false, false) => quick,
    }
}

#[test]
fn everything_of_the_example_is_within_the_window() {
    let Some(program) = browser::chromium() else { return };
    let mut browser = Page::new(&["--example"]).open(program);
    fits(&mut browser, "example", turns(3));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn everything_of_the_shop_is_within_the_window() {
    if share("explain_page", 2, vec!["example", "shop"]).len() < 2 {
        return;
    }
    let Some(program) = browser::chromium() else { return };
    let mut browser = shop().open(program);
    fits(&mut browser, "shop", turns(20));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Texts with too little contrast to their background, measured as in WCAG 2.1 (1.4.3: 4.5 to 1).
const PALE: &str = r#"(() => {
  const parts = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = parts(color).map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return parts(color)[3] === 0 && element.parentElement ? ground(element.parentElement) : color;
  };
  const pale = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || element.disabled || !element.checkVisibility()) continue;
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) pale.push(`${contrast.toFixed(2)} ${element.tagName} ${element.className}: ${element.textContent.slice(0, 40)}`);
  }
  return pale.join("; ");
})()"#;

/// The states whose colours are checked.
const STATES: [&str; 6] = [
    "client=pod&step=0",
    "client=pod&mode=both&step=5",
    "client=pod&step=99",
    "service=default/web&client=outside&node=node-2&address=node-port-2&step=13",
    "service=default/web&client=outside&node=node-2&address=node-port-2&policy=Local&step=99",
    "variant=not-ready&client=pod&step=99",
];

#[test]
fn contrast_in_light_and_dark() {
    let Some(program) = browser::chromium() else { return };
    let mut browser = Page::new(&["--example"]).open(program);
    for dark in [false, true] {
        browser.show(1280, 720, dark);
        for state in STATES {
            browser.evaluate(&format!("location.hash = {state:?}; dispatchEvent(new Event('hashchange'))"));
            assert_eq!(browser.evaluate(PALE), "", "{state}, dark: {dark}");
        }
        for dialog in ["more", "questions"] {
            browser.evaluate(&format!("document.querySelector('#open-{dialog}').click()"));
            assert_eq!(browser.evaluate(PALE), "", "{dialog}, dark: {dark}");
            browser.evaluate(&format!("document.querySelector('#{dialog}').close()"));
        }
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn motion_is_reduced_where_it_is_asked_for() {
    let Some(program) = browser::chromium() else { return };
    let mut browser = Page::new(&["--example"]).open(program);
    let duration = "parseFloat(getComputedStyle(document.querySelector('#packet')).transitionDuration)";
    let motion = |browser: &mut Browser, wanted: &str| {
        let features = json!([{ "name": "prefers-reduced-motion", "value": wanted }]);
        browser.call("Emulation.setEmulatedMedia", json!({ "features": features }));
        browser.evaluate(duration).as_f64().unwrap()
    };
    assert!(motion(&mut browser, "no-preference") > 0.1);
    assert!(motion(&mut browser, "reduce").abs() < 1e-9);
}

#[test]
fn the_handout_has_every_step() {
    let Some(program) = browser::chromium() else { return };
    let mut browser = Page::new(&["--example"]).open(program);
    let (_, all) = count(&mut browser);
    browser.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    let shown = |browser: &mut Browser, selector: &str| {
        browser.evaluate(&format!("document.querySelector({selector:?}).checkVisibility()"))
    };
    assert_eq!(shown(&mut browser, "#app"), false);
    assert_eq!(shown(&mut browser, "#handout"), true);
    assert_eq!(browser.evaluate("document.querySelectorAll('#handout li').length"), all);
    assert_eq!(browser.evaluate(PALE), "");
    let pdf = browser.call("Page.printToPDF", json!({}));
    assert!(pdf["data"].as_str().unwrap().len() > 5_000);
}

#[test]
fn each_step_is_announced() {
    let Some(program) = browser::chromium() else { return };
    let mut browser = Page::new(&["--example"]).open(program);
    let said = "document.querySelector('#said')";
    assert_eq!(browser.evaluate(&format!("{said}.getAttribute('aria-live')")), "polite");
    let (_, all) = count(&mut browser);
    let mut told: Vec<Value> = Vec::new();
    for _ in 0..all {
        told.push(browser.evaluate(&format!("{said}.innerText")));
        browser.press("ArrowRight");
    }
    told.dedup();
    assert_eq!(told.len() as u64, all, "every step says something new");
    let label = browser.evaluate("document.querySelector('#stage').getAttribute('aria-label')");
    assert!(
        label.as_str().unwrap().starts_with("The packet is at the client, from 10.96.0.12:3306"),
        "{label}"
    );
}

#[test]
fn the_lecture_in_the_documentation_is_fresh() {
    for (form, file) in [("html", "docs/lecture.html"), ("markdown", "docs/lecture.md")] {
        let answer = kuberules(&["explain", "--example", "--output", form]);
        let kept = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default();
        assert!(answer.stdout == kept, "{file} is old: kuberules explain --example --output {form} > {file}");
    }
}

/// For `docs/pictures/make`: the page as it looks on a projector, a phone, in the dark and on paper.
#[test]
#[ignore = "writes pictures to target/artefacts"]
fn pictures() {
    let Some(program) = browser::chromium() else { return };
    let mut browser = Page::new(&["--example"]).open(program);
    let dnat = "client=pod&mode=both&step=5";
    let masquerade = "service=default/web&client=outside&node=node-2&address=node-port-2&step=13";
    for (name, state, width, height, dark) in [
        ("page", dnat, 1280, 720, false),
        ("page-phone", dnat, 390, 844, false),
        ("page-dark", masquerade, 1280, 720, true),
        ("page-phone-dark", masquerade, 390, 844, true),
    ] {
        browser.show(width, height, dark);
        browser.evaluate(&format!("location.hash = {state:?}; dispatchEvent(new Event('hashchange'))"));
        browser.picture(&format!("{name}.png"));
    }
    browser.show(800, 1100, false);
    browser.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    browser.picture("page-print.png");
}
