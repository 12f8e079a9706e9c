//! The HTML page of `explain` in a browser: every step by keyboard, nothing fetched, nothing complained of.

use crate::support::browser::{self, Browser};

use crate::support::{kuberules, testdata};

/// Writes the page and opens it.
fn open(arguments: &[&str], program: &std::path::Path) -> (tempfile::TempDir, Browser) {
    let answer = kuberules(&[&["explain", "--output", "html", "--quiet"], arguments].concat());
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    std::fs::write(&path, answer.stdout).unwrap();
    let browser = Browser::open(program, &path);
    (folder, browser)
}

/// Goes by Tab until an element has the focus.
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

fn number(browser: &mut Browser, expression: &str) -> u64 {
    browser.evaluate(expression).as_u64().unwrap()
}

/// Goes through all steps of the way that is shown, forwards with the button and back with the arrow keys.
fn step_through(browser: &mut Browser) -> u64 {
    let text = "document.querySelector('#said').innerText";
    let of = |browser: &mut Browser| {
        let said = browser.evaluate(text).as_str().unwrap().to_owned();
        let words: Vec<&str> = said.split([' ', ',', '\n']).collect();
        assert_eq!((words[0], words[2]), ("Step", "of"), "{said}");
        (words[1].parse::<u64>().unwrap(), words[3].parse::<u64>().unwrap())
    };
    browser.evaluate("document.querySelector('#stepper').focus()");
    browser.press("Home");
    let (_, count) = of(browser);
    for step in 1..=count {
        assert_eq!(of(browser), (step, count));
        assert!(number(browser, "document.querySelectorAll('.sentence').length") == 1);
        let current = number(browser, "document.querySelectorAll('.stop.now').length");
        assert_eq!(current, 1, "one stop of the way is the current one");
        browser.press("ArrowRight");
    }
    browser.press("ArrowLeft");
    assert_eq!(of(browser), (count - 1, count));
    browser.press("End");
    assert_eq!(of(browser), (count, count));
    count
}

/// Goes through every choice of mode, address and client. Radio buttons are chosen by the keys of the browser.
fn walk_all(browser: &mut Browser) -> u64 {
    let mut steps = 0;
    for mode in 0..number(browser, "document.querySelectorAll('[name=mode]').length") {
        choose(browser, "mode", mode);
        for address in 0..number(browser, "document.querySelectorAll('[name=address]').length") {
            choose(browser, "address", address);
            for client in 0..number(browser, "document.querySelectorAll('[name=client]').length") {
                let off = format!("document.querySelector('#client-{client}').disabled");
                if browser.evaluate(&off) == false {
                    choose(browser, "client", client);
                    steps += step_through(browser);
                }
            }
        }
    }
    steps
}

/// Chooses a radio button by the arrow keys.
fn choose(browser: &mut Browser, name: &str, wanted: u64) {
    let group = format!("document.querySelector('[name={name}]:checked')");
    for _ in 0..20 {
        if number(browser, &format!("Number({group}.value)")) == wanted {
            return;
        }
        browser.evaluate(&format!("{group}.focus()"));
        browser.press("ArrowDown");
        let id = browser.evaluate("document.activeElement.id");
        assert!(id.as_str().unwrap().starts_with(name), "the focus stays in the group: {id}");
    }
    panic!("the keys do not lead to {name} {wanted}");
}

fn overflows(browser: &mut Browser) -> bool {
    browser.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth") == true
}

/// Texts that stand out too little from their ground, by the measure of WCAG 2.1 (1.4.3: 4.5 to 1).
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

fn pictures(browser: &mut Browser, name: &str) {
    for (form, width, height, dark) in [
        ("projector", 1600, 900, false),
        ("projector-dark", 1600, 900, true),
        ("phone", 390, 844, false),
        ("phone-dark", 390, 844, true),
    ] {
        browser.show(width, height, dark);
        assert!(!overflows(browser), "{name} is wider than {form}");
        assert_eq!(browser.evaluate(PALE), "", "{name}, {form}");
        let path = browser.picture(&format!("{name}-{form}.png"));
        assert!(std::fs::metadata(path).unwrap().len() > 10_000);
    }
}

#[test]
fn the_example_is_walked_by_keyboard() {
    let Some(program) = browser::chromium() else { return };
    let (_folder, mut browser) = open(&["--example"], program);
    tab_to(&mut browser, "[name=mode]");
    tab_to(&mut browser, "[name=client]");
    tab_to(&mut browser, "[name=address]");
    tab_to(&mut browser, "button.chain");
    tab_to(&mut browser, "#stepper");
    tab_to(&mut browser, "#next");
    browser.press("Enter");
    browser.press(" ");
    assert_eq!(browser.evaluate("document.querySelector('#said').innerText.startsWith('Step 3 of ')"), true);
    assert_eq!(browser.evaluate("document.querySelector('#said').getAttribute('aria-live')"), "polite");
    assert!(walk_all(&mut browser) > 60);
    choose(&mut browser, "mode", 0);
    choose(&mut browser, "client", 0);
    let dnat = "[...document.querySelectorAll('.rules li')].findIndex((li) => li.innerText.includes('DNAT'))";
    browser
        .evaluate(&format!("document.querySelectorAll('.rules li')[{dnat}].querySelector('button').click()"));
    let change = browser.evaluate("document.querySelector('.packet ins.destination').innerText");
    assert_eq!(change, "10.32.0.15:3306");
    pictures(&mut browser, "explain-example");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_shops_web_is_walked_by_keyboard() {
    let Some(program) = browser::chromium() else { return };
    let (cluster, config) = (
        testdata().join("shop/before.yaml"),
        testdata().join("shop/before-worker-1/kube-proxy.iptables.json"),
    );
    let arguments =
        [cluster.to_str().unwrap(), "shop/web", "--node", "worker-1", "--config", config.to_str().unwrap()];
    let (_folder, mut browser) = open(&arguments, program);
    assert!(walk_all(&mut browser) > 150);
    choose(&mut browser, "mode", 0);
    choose(&mut browser, "address", 1);
    choose(&mut browser, "client", 4);
    browser.evaluate("document.querySelector('#stepper').focus()");
    browser.press("End");
    browser.press("ArrowLeft");
    let change = browser.evaluate("document.querySelector('.packet ins.source').innerText");
    assert_ne!(change, "");
    pictures(&mut browser, "explain-shop-web");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn hostile_names_stay_text() {
    let Some(program) = browser::chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let hostile = "</script><script>console.log(1)</script><img src=x onerror=console.log(2)>\\\"'`";
    let cluster =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/explain/example.yaml")).unwrap();
    let cluster = cluster
        .replace("name: db-0, ", &format!("name: \"{hostile}\", "))
        .replace("nodeName: node-2", &format!("nodeName: \"{hostile}\""))
        .replace(
            "metadata: {name: node-1}",
            &format!("metadata: {{name: node-1, labels: {{topology.kubernetes.io/zone: \"{hostile}\"}}}}"),
        );
    let path = folder.path().join("<img src=x onerror=console.log(3)>.yaml");
    std::fs::write(&path, cluster).unwrap();
    let (_page, mut browser) = open(&[path.to_str().unwrap(), "db", "--node", "node-1"], program);
    step_through(&mut browser);
    assert_eq!(number(&mut browser, "document.querySelectorAll('img').length"), 0);
    assert_eq!(number(&mut browser, "document.scripts.length"), 2);
    let title = browser.evaluate("document.querySelector('#subtitle').textContent");
    assert!(title.as_str().unwrap().contains("<img src=x"), "{title}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn what_was_assumed_is_listed() {
    let Some(program) = browser::chromium() else { return };
    let chart = testdata().join("chart/v1");
    let arguments =
        [chart.to_str().unwrap(), "notes-web", "--assume", "--assume-nodes", "3", "--node", "node-1"];
    let (_folder, mut browser) = open(&arguments, program);
    let text = browser.evaluate("document.querySelector('#assumed').innerText");
    let shown = "document.querySelector('#assumed').checkVisibility()";
    assert_eq!(browser.evaluate(shown), true);
    assert!(text.as_str().unwrap().contains("spec.clusterIPs[0]=10.101.11.214"), "{text}");
    assert_eq!(browser.evaluate("document.body.innerText.startsWith('kuberules --assume: ')"), true);
    pictures(&mut browser, "explain-assumed");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let (_folder, mut browser) = open(&["--example"], program);
    assert_eq!(browser.evaluate(shown), false);
}
