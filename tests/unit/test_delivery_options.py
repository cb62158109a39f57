"""What `relay` and `sweep` are told on the command line: read as it is meant, or refused in one line."""

from __future__ import annotations

import argparse

import pytest

from pipelines.errors import UsageError
from pipelines.relay.replay import parsed_source_key
from pipelines.relay_commands import RELAY
from pipelines.sweep_commands import SWEEP
from tests.unit.mapping.small_catalog import compiled

pytestmark = pytest.mark.unit

(LINE,) = compiled(
    '  line:\n    table: shop\n    from: lines\n    key: {pk: "L#{order_id}", sk: "{line_no}"}\n    exclude: [price]\n'
).items


@pytest.mark.parametrize(
    "text",
    [
        "order_id=6,line_no=1",
        '{"order_id":"6","line_no":"1"}',
        ' {"line_no": 1, "order_id": 6}',
    ],
)
def test_a_source_key_is_as_records_bear_it(text: str) -> None:
    assert parsed_source_key(LINE, text) == '{"order_id":"6","line_no":"1"}'


def test_values_that_are_no_texts_keep_their_digits_and_are_written_as_in_a_record() -> None:
    given = '{"order_id": 12345678901234567890.10, "line_no": true}'
    assert parsed_source_key(LINE, given) == '{"order_id":"12345678901234567890.10","line_no":"true"}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "order_id=6",
        "order_id=6,line_no=1,more=2",
        '{"order_id":"6"}',
        '{"order_id":',
        '{"order_id":"6","line_no":"\\ud800"}',
        "order_id=6,line_no=\udcff",
        '{"order_id":"6","line_no":null}',
        '{"order_id":"6","line_no":[1]}',
        '{"order_id":' + "[" * 100_000,
    ],
)
def test_what_is_no_source_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--key: .*order_id, line_no"):
        parsed_source_key(LINE, text)


@pytest.mark.parametrize("minutes", ["69", "nan", "inf", "-inf", "1e300"])
def test_a_sweep_waits_for_a_time_that_there_is(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    SWEEP.add_arguments(parser)
    with pytest.raises(UsageError, match=r"^--wait-minutes: "):
        SWEEP.run(parser.parse_args(["missing.yaml", f"--wait-minutes={minutes}"]))


@pytest.mark.parametrize("seconds", ["0", "301", "nan", "inf", "-inf", "x"])
def test_a_lease_has_seconds_that_a_sweep_waits_for(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    RELAY.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["missing.yaml", f"--lease-seconds={seconds}"])
    assert "--lease-seconds: give seconds, above 0 and up to 300" in capsys.readouterr().err
