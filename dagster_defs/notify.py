"""Where news goes: the channels of CROSSOVER_NOTIFY, and the command of CROSSOVER_ON_FAILURE.

CROSSOVER_NOTIFY="log sns:arn:aws:sns:eu-central-1:123456789012:crossover webhook:https://hooks.example.com/…"
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dagster_defs.news import Channel, Event, News
from dagster_defs.on_failure import ON_FAILURE, CommandChannel
from dagster_defs.webhook import Webhook
from pipelines.errors import CrossoverError, UsageError
from pipelines.logs import say
from pipelines.monitoring.client import aws_errors, sns_client
from pipelines.settings import optional

NOTIFY = "CROSSOVER_NOTIFY"

_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:(?P<region>[a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_SUBJECT_CHARACTERS = 100


@dataclass(frozen=True)
class Log:
    """One line on stderr: with `crossover ui`, among its own."""

    def tell(self, news: News) -> None:
        say(json.dumps(news, ensure_ascii=False), logging.INFO if news["event"] == Event.RECOVERED else logging.ERROR)


@dataclass(frozen=True)
class Topic:
    """Of SNS. The message is the JSON object; `migration` and `event` are attributes, too, to filter by."""

    arn: str
    region: str

    def tell(self, news: News) -> None:
        about = {name: news[name] for name in ("migration", "event")}
        subject = f"Crossover: {about['migration']} {about['event']}".encode("ascii", "replace").decode()
        with aws_errors("SNS", "Publish"):
            sns_client(self.region).publish(
                TopicArn=self.arn,
                Subject=subject[:_SUBJECT_CHARACTERS],
                Message=json.dumps(news),
                MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in about.items()},
            )


def channels(environment: Mapping[str, str] = os.environ) -> tuple[Channel, ...]:
    """All that are set. Raises UsageError, in one line that shows none of them."""
    command = optional(ON_FAILURE, environment)
    words = (optional(NOTIFY, environment) or "").split()
    return (
        *([] if command is None else [CommandChannel.of(command)]),
        *(_channel(word, f"{NOTIFY}, word {place}") for place, word in enumerate(words, 1)),
    )


def deliver(told: Sequence[Channel], news: News) -> str:
    """To all of them at once, so that none holds up another. What went wrong, in one line; "" where nothing did."""
    if not told:
        return ""
    with ThreadPoolExecutor(len(told), thread_name_prefix="notify") as pool:
        problems = [future.exception() for future in [pool.submit(one.tell, news) for one in told]]
    return "; ".join(_in_words(problem) for problem in problems if problem is not None)


def _channel(word: str, where: str) -> Channel:
    kind, _, address = word.partition(":")
    topic = _TOPIC.fullmatch(address)
    match kind:
        case "log" if word == "log":
            return Log()
        case "webhook":
            return Webhook.of(address, where)
        case "sns" if topic is not None:
            return Topic(address, topic["region"])
        case "sns":
            raise UsageError(f"{where}: no ARN of a standard topic; give sns:arn:aws:sns:REGION:ACCOUNT:TOPIC")
    raise UsageError(f"{where}: no such channel; there are log, sns:ARN and webhook:URL, with spaces between")


def _in_words(problem: BaseException) -> str:
    """What is no error of ours may quote what it was about."""
    return str(problem).splitlines()[0] if isinstance(problem, CrossoverError) else type(problem).__name__
