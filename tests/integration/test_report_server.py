"""The reports over HTTP: what is served, and all that is not, whoever asks and however."""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import boto3
import pytest

from dagster_defs.report_server import LOOPBACK, bound, page_at, serving_reports
from dagster_defs.step import REPORTS_URL, address_of
from expectations.links import PAGE
from expectations.report import write_report
from pipelines.errors import UsageError
from pipelines.warehouse.place import MissingError, Place
from tests.unit.expectations.finished_diff import RUN
from tests.unit.expectations.page import Page
from tests.unit.expectations.rich_diff import RICH

pytestmark = pytest.mark.integration

REPORT = "shop/reports/20261124T085513-3fa2b1c"
VALIDATION = f"{REPORT}/data_docs/validations/verdicts/shop 1/x/y.html"
SERVED = {
    "index.html": "text/html; charset=utf-8",
    f"{REPORT}/index.html": "text/html; charset=utf-8",
    f"{REPORT}/report.txt": "text/plain; charset=utf-8",
    f"{REPORT}/report.json": "application/json",
    VALIDATION: "text/html; charset=utf-8",
}
SECRET = "another matter"
UNSERVED = (
    ".dagster/dagster.yaml",
    ".dagster/storage/runs.db",
    "other.html",
    "reports/r/index.html",
    "shop/index.html",
    "shop/reports/index.html",
    "shop/snapshots/s/public.orders/part-00000.html",
    "shop/snapshots/s/reports/part.html",
    "shop/diffs/r/differences/part.json",
    "shop/dumps/d/manifest.json",
    f"{REPORT}/.index.html.3fa2b1c",
    f"{REPORT}/.hidden/index.html",
    f"{REPORT}/part.parquet",
    f"{REPORT}/index",
)
ATTEMPTS = (
    "/..",
    "/../outside.html",
    "/%2e%2e/outside.html",
    "/%252e%252e/outside.html",
    f"/{REPORT}/../../../other.html",
    f"/{REPORT}/../../../../outside.html",
    f"/{REPORT}/%2e%2e/%2e%2e/%2e%2e/%2e%2e/outside.html",
    f"/{REPORT}/..%2f..%2f..%2f..%2foutside.html",
    f"/{REPORT}/..%5c..%5coutside.html",
    f"/{REPORT}/index.html%00.html",
    f"/{REPORT}/%00",
    f"/{REPORT}/./index.html",
    f"/{REPORT}//index.html",
    f"/{REPORT}/{'a' * 300}.html",
    f"/{REPORT}/",
    f"/{REPORT}",
    f"/{REPORT}/data_docs/",
    "/shop/",
    "//etc/hostname",
    "/%2fetc%2fhostname",
    "/index.html/",
    "/%ff/reports/r/index.html",
)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Server:
    url: str

    def ask(self, path: str, method: str = "GET", host: str | None = None) -> Answer:
        """`path` as it stands: nothing is made of its dots and escapes on the way."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request(method, path, headers={} if host is None else {"Host": host})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()


def fill(warehouse: Place) -> None:
    for name in SERVED:
        (warehouse / name).write_atomically(f"content of {name}")
    for name in UNSERVED:
        (warehouse / name).write_atomically(SECRET)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "warehouse"
    fill(Place.of(folder))
    (folder.parent / "outside.html").write_text(SECRET)
    return folder


@pytest.fixture(scope="module")
def server(filled: Path) -> Iterator[Server]:
    with serving_reports(Place.of(filled), 0) as url:
        yield Server(url)


def test_reports_are_served_as_what_they_are(server: Server) -> None:
    for name, content_type in SERVED.items():
        answer = server.ask("/" + name.replace(" ", "%20"))
        assert (answer.status, answer.body.decode()) == (200, f"content of {name}")
        assert answer.headers["content-type"] == content_type
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert server.ask("/").body == b"content of index.html"
    head = server.ask("/index.html", "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len("content of index.html")))


@pytest.mark.parametrize("path", [*(f"/{name}" for name in UNSERVED), *ATTEMPTS])
def test_nothing_else_is(server: Server, path: str) -> None:
    answer = server.ask(path)
    assert answer.status == 404
    assert SECRET.encode() not in answer.body and b"content of" not in answer.body
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_link_out_of_the_warehouse_leads_nowhere(server: Server, filled: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "reports" / "r").mkdir(parents=True)
    (outside / "reports" / "r" / "index.html").write_text(SECRET)
    (filled / REPORT / "link.html").symlink_to(filled.parent / "outside.html")
    (filled / "shop" / "reports" / "linked").symlink_to(outside / "reports" / "r")
    (filled / "linked").symlink_to(outside)
    (filled / REPORT / "within.html").symlink_to(filled / ".dagster" / "dagster.yaml")
    os.mkfifo(filled / REPORT / "fifo.html")
    for path in ("link.html", "within.html", "fifo.html", "../linked/index.html"):
        assert server.ask(f"/{REPORT}/{path}").status == 404
    assert server.ask("/linked/reports/r/index.html").status == 404
    assert server.ask("/shop/reports/linked/index.html").status == 404


def test_a_warehouse_that_is_reached_by_a_link_is_served(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "by_link").symlink_to(filled)
    with serving_reports(Place.of(tmp_path / "by_link"), 0) as url:
        assert Server(url).ask(f"/{REPORT}/index.html").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_nothing_can_be_done_but_read(server: Server, filled: Path, method: str) -> None:
    answer = server.ask("/index.html", method)
    assert (answer.status, answer.body) == (405, b"Method Not Allowed")
    assert (filled / "index.html").read_text() == "content of index.html"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:3001", 200),
        ("127.0.0.1", 200),
        ("rebound.example:3001", 400),
        ("127.0.0.1.rebound.example", 400),
        ("rebound.example@127.0.0.1", 400),
        ("", 400),
    ],
)
def test_a_page_of_another_name_reads_nothing(server: Server, host: str, status: int) -> None:
    answer = server.ask("/index.html", host=host)
    assert answer.status == status
    assert (b"content of" in answer.body) == (status == 200)


def test_it_listens_on_loopback_only_and_takes_another_port_where_one_is_busy() -> None:
    with socket.socket() as busy:
        busy.bind((LOOPBACK, 0))
        busy.listen()
        with bound(busy.getsockname()[1]) as other:
            assert other.getsockname()[0] == LOOPBACK
            assert other.getsockname()[1] != busy.getsockname()[1]
    with pytest.raises(UsageError, match="70000: no port"):
        bound(70000)


def test_every_link_of_every_page_leads_to_what_is_served(tmp_path: Path) -> None:
    write_report(RICH.write(tmp_path), RUN)
    warehouse = Place.of(tmp_path / "warehouse")
    seen, waiting = set[str](), {PAGE}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        content = page_at(warehouse, path).read_text()
        if path.endswith(".html"):
            links = [urljoin(f"/{path}", href) for one in Page(content).all("a") if (href := one.get("href"))]
            waiting |= {unquote(urlsplit(link).path).removeprefix("/") for link in links} - seen
    assert {Path(path).name for path in seen} >= {"report.txt", "report.json", "verdicts.html"}


def test_without_a_report_it_says_what_is_served(tmp_path: Path) -> None:
    with serving_reports(Place.of(tmp_path / "warehouse"), 0) as url:
        answer = Server(url).ask("/")
    assert (answer.status, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert b"the reports of its migrations" in answer.body


def test_a_warehouse_in_s3(dynamodb_environment: str) -> None:
    boto3.client("s3").create_bucket(
        Bucket="the-warehouse", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    warehouse = Place.of("s3://the-warehouse/some/prefix")
    fill(warehouse)
    Place.of("s3://the-warehouse/outside.html").write_atomically(SECRET)
    with serving_reports(warehouse, 0) as url:
        server = Server(url)
        assert server.ask(f"/{REPORT}/index.html").body == f"content of {REPORT}/index.html".encode()
        assert server.ask("/").status == 200
        for path in ("/../../outside.html", "/%2e%2e/%2e%2e/outside.html", "/", *(f"/{name}" for name in UNSERVED)):
            assert SECRET.encode() not in server.ask(path).body
    with serving_reports(Place.of("s3://no-such-bucket/prefix"), 0) as url:
        answer = Server(url).ask("/")
        assert (answer.status, answer.body.count(b"\n")) == (502, 1)
        assert b"there is no such bucket" in answer.body


@pytest.mark.parametrize("warehouse", ["/srv/ware house", "s3://bucket/some/prefix"])
def test_the_address_of_a_page_is_below_the_setting(monkeypatch: pytest.MonkeyPatch, warehouse: str) -> None:
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", warehouse)
    page = Place.of(warehouse) / f"{REPORT}/index.html"
    monkeypatch.setenv(REPORTS_URL, "https://reports.example/below/")
    assert address_of(page) == f"https://reports.example/below/{REPORT}/index.html"
    monkeypatch.setenv(REPORTS_URL, "javascript:alert(1)")
    with pytest.raises(UsageError, match=REPORTS_URL):
        address_of(page)
    monkeypatch.delenv(REPORTS_URL)
    assert address_of(page).endswith(f"/{REPORT}/index.html") and "https:" not in address_of(page)


def test_what_is_served_is_told_by_the_path_alone() -> None:
    """Also where a server in front of it passes on what no browser would send."""
    for path in ("/etc/hostname", "../outside.html", "", f"{REPORT}/\nindex.html", f"{REPORT}/a\\b.html"):
        with pytest.raises(MissingError):
            page_at(Place.of("s3://bucket/prefix"), path)
