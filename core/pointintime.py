"""The time to which a restored database goes on with its archived log: read, and weighed against the point in time. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from core.errors import Refused
from core.operations import Context
from core.plan import Condition, Verdict


def chosen(text: str) -> datetime | None:
    """A time in ISO 8601, UTC where it names no zone; None for no text. Refused for anything else."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(
            f"{text!r} is no time to recover to: 2026-12-24T18:00:00 (UTC), or with its zone. Nothing was changed"
        ) from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def recover_to(context: Context) -> str:
    """The time as a database takes it; "" for none."""
    at = chosen(context.request.recover_to)
    return f"{at:%Y-%m-%d %H:%M:%S.%f}+00" if at else ""


def recover_conditions(context: Context) -> tuple[Condition, ...]:
    """The time lies between the point in time that is restored and now: a log is only ever replayed forward."""
    request, held = context.request, context.background.held
    at, now = chosen(request.recover_to), context.estate.measured_at
    if at is None:
        return ()
    app = context.drivers.application
    if app is None:
        raise Refused(f"set {context.settings.name} has no application that could recover to a time. Nothing was changed")
    app.recover(context.drivers.source_ref, recover_to(context))  # refuses where it knows no way
    dates = [held.record.split_at] if held is not None else [s.split_at for s in context.pairs if s.split_at is not None]
    code, where = "RECOVER_TO", context.settings.source
    if not dates:
        sentence = "when the mirrors were split is not known, so whether the chosen time came later is not"
        return (Condition(code, where, sentence, Verdict.UNKNOWN, now),)
    if at <= max(dates):
        sentence = (
            f"{at:%Y-%m-%d %H:%M:%S} UTC lies before the point in time that is restored, {max(dates):%Y-%m-%d %H:%M:%S} UTC"
        )
        return (
            Condition(code, where, sentence, Verdict.NOT_MET, now, remedy="Choose an older backup or mirror, or a later time."),
        )
    if at > now:
        return (Condition(code, where, f"{at:%Y-%m-%d %H:%M:%S} UTC has not come yet", Verdict.NOT_MET, now),)
    sentence = f"from {max(dates):%Y-%m-%d %H:%M:%S} UTC {app.name} goes on to {at:%Y-%m-%d %H:%M:%S} UTC with its archived log"
    return (Condition(code, where, sentence, Verdict.PLANNED, now),)
