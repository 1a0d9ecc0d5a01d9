"""The built documentation in a browser: skipped where it is not up to date, or there is no Chromium."""

import functools
import re
import shutil
import subprocess
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import pytest

DOCS = Path(__file__).parents[1] / "docs"
SITE = DOCS / "_build" / "html"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-extensions --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run --virtual-time-budget=60000 --dump-dom"
)
# Loads pages in a frame of a phone's width, and writes down what sticks out of it, but for what
# stands in a box that scrolls.
PHONE = """<body><script>
const frame = document.createElement("iframe");
frame.style = "width: 400px; height: 800px";
const pages = PAGES;
frame.onload = () => setTimeout(() => {
  const scrolls = (part) => !part.matches("article") && (
    /auto|scroll/.test(frame.contentWindow.getComputedStyle(part).overflowX) || scrolls(part.parentElement));
  const wide = [...frame.contentDocument.querySelectorAll("article *")].filter(
    (part) => part.getBoundingClientRect().right > 400 && part.checkVisibility() && !scrolls(part));
  const names = wide.map((part) => `${part.tagName} ${part.textContent.slice(0, 20)}`).slice(0, 3);
  const line = document.createElement("p");
  line.textContent = `${pages.shift()}: ${names.join("; ").replace(/\\s+/g, " ")}`;
  document.body.append(line);
  if (pages.length) frame.src = pages[0]; else frame.remove();
}, 200);
frame.src = pages[0];
document.body.append(frame);
</script></body>"""


def is_up_to_date():
    """Tell whether the site was built after the last change of a page or an example."""
    if not (index := SITE / "searchindex.js").exists():  # each build writes it anew
        return False
    sources = [*DOCS.glob("*.md"), *DOCS.glob("*.py"), *(DOCS / "examples").glob("*.*")]
    return max(path.stat().st_mtime for path in sources) <= index.stat().st_mtime


pytestmark = pytest.mark.skipif(not is_up_to_date(), reason="no site built from these pages: run `make docs`")


class Page(HTMLParser):
    """What a page points to, and what in it can be pointed to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = set(), {"", "top"}
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        self.links |= {attributes[name] for name in ("href", "src") if attributes.get(name)}


@functools.cache
def pages():
    """Return all pages that can be reached from the first one, by path, and the links that lead nowhere."""
    found, broken, waiting = {}, [], ["index.html"]
    targets = []
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = Page(SITE / name)
        for link in found[name].links:
            target, anchor = urldefrag(urljoin(name, link))
            if urlparse(link).scheme or link.startswith("//"):
                continue
            target = unquote(urlparse(target).path)
            targets.append((name, link, target, unquote(anchor.split(":~:")[0])))
            if not (SITE / target).is_file():
                broken.append(f"{name}: {link}")
            elif target.endswith(".html"):
                waiting.append(target)
    broken += [
        f"{name}: {link}"
        for name, link, target, anchor in targets
        if target in found and anchor not in found[target].anchors
    ]
    return found, broken


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    """Serve the site, and return a function that gives a page as the browser has it after its scripts."""
    if CHROMIUM is None:
        pytest.skip("no Chromium to look at the site with")
    extra = {}

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path not in extra:
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(extra[self.path].encode())

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = tmp_path_factory.mktemp("chromium")

    def get(path, content=None):
        if content is not None:
            extra[path] = content
        url = f"http://127.0.0.1:{server.server_port}{path}"
        command = [CHROMIUM, *FLAGS.split(), "--enable-logging=stderr", f"--user-data-dir={profile}", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert re.findall(r".*CONSOLE.*Uncaught.*", done.stderr) == []
        return done.stdout

    yield get
    server.shutdown()
    server.server_close()


def test_every_internal_link_leads_to_a_page_and_a_place_on_it():
    _, broken = pages()
    assert broken == []


def test_diagrams_of_estimators_link_to_the_reference():
    assert "../api/skdiffusion.DenoisingRegressor.html" in pages()[0]["gallery/plot_tuning.html"].links


def test_search_finds_an_estimator(browse):
    dom = browse("/search.html?q=DiffusionImputer")
    assert re.search(r'href="api/skdiffusion\.DiffusionImputer\.html', dom)


def test_each_block_of_code_has_a_button_that_copies_it(browse):
    dom = browse("/generating.html")
    n_blocks = len(re.findall(r'<div class="highlight-python', dom))
    assert n_blocks >= 5
    assert len(re.findall(r'<button class="copybtn', dom)) >= n_blocks


def test_nothing_sticks_out_of_a_page_on_a_phone(browse):
    names = sorted(pages()[0])
    dom = browse("/phone.html", PHONE.replace("PAGES", str([f"/{name}" for name in names])))
    wide = dict(re.findall(r"<p>/(\S+): (.*?)</p>", dom))
    assert wide == dict.fromkeys(names, "")
