"""What docs/reference/live-sinks.md says holds: the check of a signature, fields, metrics, topics, headers."""

from __future__ import annotations

import json
import re
import time
from dataclasses import fields
from pathlib import Path

from media import notice

from oddframe import __version__
from oddframe.live.messages import Notice
from oddframe.live.metrics import Metrics
from oddframe.live.sinks.command import variables
from oddframe.live.sinks.sink import Desk
from oddframe.live.sinks.webhook import KEY, SIGNATURE, TIMESTAMP, signature

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "live-sinks.md").read_text(encoding="utf-8")


def test_the_code_of_the_page_verifies_a_signature() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, "live-sinks.md", "exec"), names)
    is_genuine = names["is_genuine"]
    body, now = b'{"event_id": "1"}', str(int(time.time()))
    good = {TIMESTAMP.lower(): now, SIGNATURE.lower(): signature("secret", now, body)}
    old = {TIMESTAMP.lower(): "1700000000", SIGNATURE.lower(): signature("secret", "1700000000", body)}
    assert is_genuine("secret", good, body)
    assert not is_genuine("secret", good, body + b" ") and not is_genuine("other", good, body)
    assert not is_genuine("secret", old, body)


def test_the_page_has_every_field_variable_header_and_metric() -> None:
    desk = Desk([], print)
    metrics = Metrics(desk)
    found = {family.name + ("_total" if family.type == "counter" else "") for family in metrics.families()}
    desk.close()
    wanted = (
        found | {field.name for field in fields(Notice)} | set(variables(notice(1, 2))) | {KEY, SIGNATURE, TIMESTAMP}
    )
    assert not {name for name in wanted if f"`{name}`" not in PAGE}
    told = set(re.findall(r"`(oddframe_\w+)`", PAGE))
    assert told <= found


def test_the_message_for_home_assistant_is_the_one_that_is_sent() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    row = json.loads(block)
    assert row["origin"]["sw_version"] == __version__ and row["state_topic"] == "oddframe/gate/anomaly"
