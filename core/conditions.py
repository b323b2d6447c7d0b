"""What must be true before data is overwritten or a role changes hands: each condition measured, with its time. Pure.

A condition that is not met, or could not be measured, stops the operation. Some may be overridden by the operator, with a
reason that the journal keeps; the others never.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from core.ages import age_of
from core.applications.placement import inside, outside, within
from core.damage import reused
from core.errors import Refused
from core.mapfile import host_facts
from core.measures import bcvs_in_use, still_used
from core.model import Finding, HostFacts, PairState, Severity, VolumeGroup
from core.operations import Context
from core.plan import Condition, Verdict, Weight
from core.policy import torn, undated

Overrides = Mapping[str, str]  # code → the operator's reason


def from_findings(findings: Iterable[Finding], forgiven: frozenset[str], at: datetime) -> tuple[Condition, ...]:
    """Each finding that refuses, as a condition that nothing overrides."""
    errors = [f for f in findings if f.severity is Severity.ERROR and f.code not in forgiven]
    return tuple(Condition(f.code, f.subject, f.sentence.rstrip("."), Verdict.NOT_MET, at, remedy=f.action) for f in errors)


def require(operation: str, set_name: str, conditions: Iterable[Condition], overrides: Overrides) -> tuple[str, ...]:
    """The overridden conditions as sentences for plan and journal. Refused names each that still stands in the way."""
    conditions = tuple(conditions)
    allowed = {c.code for c in conditions if c.stops and c.weight is Weight.OVERRIDABLE and overrides.get(c.code, "").strip()}
    if open_ := [c for c in conditions if c.stops and c.code not in allowed]:
        lines = [f"{operation} of {set_name} is refused, nothing was changed:"]
        raise Refused("\n".join([*lines, *(f"  {_line(c)}" for c in open_)]))
    if odd := [code for code in overrides if code not in {c.code for c in conditions if c.weight is Weight.OVERRIDABLE}]:
        raise Refused(
            f"{operation} of {set_name} is refused, nothing was changed:\n  nothing of that name can be overridden: {', '.join(odd)}"
        )
    return tuple(
        f"overridden: {c.code} ({c.sentence}); reason: {overrides[c.code].strip()}" for c in conditions if c.code in allowed
    )


def _line(condition: Condition) -> str:
    how = (
        f" Or go on all the same, with a reason: --override {condition.code}=REASON"
        if condition.weight is Weight.OVERRIDABLE
        else ""
    )
    return f"{condition.code} {condition.where}: {condition.sentence}. {condition.remedy}{how}".rstrip()


# --- restore ----------------------------------------------------------------------------------------------------------


def restore_conditions(context: Context) -> tuple[Condition, ...]:
    """What a restore from the mirror needs: of the pairs, of the map of that time, of the source, of the target."""
    return (*_pairs(context), _map_kept(context), *_damage(context), *_layout(context), *_source(context), _target(context))


def _pairs(context: Context) -> tuple[Condition, ...]:
    at, array = context.estate.measured_at, context.settings.array
    odd = [s for s in context.pairs if s.state is not PairState.SPLIT]
    states = ", ".join(s.told for s in odd)
    sentence = f"there is no point in time to restore: {states}" if odd else f"all {len(context.pairs)} pairs are split"
    split = Condition(
        "PAIRS_SPLIT", array, sentence, _verdict(not odd), at, remedy="Choose a backup instead, or another BCV." if odd else ""
    )
    if odd:
        return (split,)
    several = torn(context.pairs)
    instant = Condition(
        "ONE_INSTANT", array, f"the mirrors hold several points in time: {'; '.join(several)}" if several else "one split, one point in time",
        _verdict(not several), at,
    )  # fmt: skip
    dated = not undated(context.pairs)
    when = Condition(
        "DATED", array, "the time of the split is known" if dated else "the array does not say when the mirrors were split",
        _verdict(dated), at, Weight.OVERRIDABLE, "" if dated else "Find out from the runs (history) when it was.",
    )  # fmt: skip
    return split, instant, when


def _map_kept(context: Context) -> Condition:
    at, kept = context.estate.measured_at, context.kept
    if kept is None:
        sentence = "no map is kept from before the split, so nothing proves that the groups still have the layout of that time"
        where = f"this console and {context.settings.target}"
        remedy = "Another console may have one: copy its directory maps/ into the state directory of this one."
        return Condition("MAP_KEPT", where, sentence, Verdict.NOT_MET, at, remedy=remedy)
    sentence = f"the map of {kept.measured_at:%Y-%m-%d %H:%M:%S} UTC is whole"
    return Condition("MAP_KEPT", kept.origin or "this console", sentence, Verdict.MET, at)


def _damage(context: Context) -> Iterator[Condition]:
    """Groups of the source that cannot be read: they are what a restore is for, unless their devices are used for others."""
    at, source = context.source.measured_at, context.settings.source
    can = context.drivers.source.restores_lost
    for name, why in context.estate.damaged.items():
        sentence = f"group {name} {why}; its layout is taken from the kept map, and the restore brings it back"
        remedy = "" if can else f"Take {name} out of use by hand on {source}, and restore into it from a backup."
        yield Condition("GROUP_READABLE", source, sentence, Verdict.PLANNED if can else Verdict.NOT_MET, at, remedy=remedy)
    if used := reused(context.estate):
        yield Condition("DEVICES_FREE", source, "; ".join(used), Verdict.NOT_MET, at, remedy="Find out whose data that is.")


def _layout(context: Context) -> tuple[Condition, ...]:
    if context.kept is None:
        return ()
    changed = layout_changes(host_facts(context.kept), context.groups)
    sentence = f"the groups are not as they were at that point in time: {'; '.join(changed)}"
    sentence = sentence if changed else "the groups lie as they did at that point in time"
    return (Condition("SAME_LAYOUT", context.settings.source, sentence, _verdict(not changed), context.source.measured_at),)


def _source(context: Context) -> tuple[Condition, ...]:
    at, source = context.source.measured_at, context.settings.source
    used = still_used(context.source, context.settings.volume_groups)
    active = [g.name for g in context.groups if any(v.active for v in g.volumes if not v.hidden)]
    mounted = f"{len(used)} filesystems are mounted; the plan unmounts them, and ends if one is busy"
    on = f"active: {', '.join(active)}; the plan takes them out of use"
    return (
        *application_stopped(context),
        _unused(context),
        _closed(context),
        _planned("UNMOUNTED", source, mounted, used, "nothing is mounted", at),
        _planned("INACTIVE", source, on, active, "no group is active", at),
    )


def _unused(context: Context) -> Condition:
    """Nobody works in the filesystems; or the application does, which the plan stops."""
    estate, source = context.estate, context.settings.source
    if why := estate.errors.get("users", ""):
        sentence = f"who works in the filesystems is not known: {why}; the plan ends when one cannot be unmounted"
        return Condition("UNUSED", source, sentence, Verdict.UNKNOWN, None, Weight.ADVICE)
    if not estate.users:
        return Condition("UNUSED", source, "no process works in the filesystems", Verdict.MET, estate.measured_at)
    used = "; ".join(f"{point} by {who}" for point, who in estate.users.items())
    if estate.application == "running" and context.settings.application and _stops(context):
        sentence = f"processes work in {used}; the plan stops {context.settings.application.name}, then insists that none does"
        return Condition("UNUSED", source, sentence, Verdict.PLANNED, estate.measured_at)
    sentence = f"processes work in {used}"
    return Condition("UNUSED", source, sentence, Verdict.NOT_MET, estate.measured_at, remedy="Stop them; look with: fuser, ps.")


def _closed(context: Context) -> Condition:
    """No volume is open but by its filesystem: swap, or a raw device of a database, keeps a group from being taken out of use."""
    at, source, facts = context.source.measured_at, context.settings.source, context.source
    served = {(f.group, volume) for f in facts.filesystems if f.mounted for volume in (f.volume, f.log)}
    below = {(g.name, name) for g in context.groups for v in g.volumes for name in (v.pool, v.origin)}
    held = [
        f"{v.name} of {g.name}"
        for g in context.groups
        for v in g.volumes
        if v.open and not v.hidden and (g.name, v.name) not in served | below
    ]
    sentence = (
        f"open, and not by a mounted filesystem: {', '.join(held)}" if held else "no volume is held open by anything else"
    )
    remedy = "Find out what holds it: swapoff for swap, or stop what works on the device itself." if held else ""
    return Condition("VOLUMES_CLOSED", source, sentence, _verdict(not held), at, remedy=remedy)


def application_whole(context: Context) -> tuple[Condition, ...]:
    """All files of the application lie on the set, so that they are split at one instant; or it is said which do not."""
    app, facts, source = context.drivers.application, context.estate.facts, context.settings.source
    if app is None:
        return ()
    at, code = context.estate.measured_at, "APPLICATION_WHOLE"
    if facts is None or facts.files is None:
        why = f"where the files of {app.name} lie is not known"
        if context.settings.application is not None and context.settings.application.driver == "commands":
            return (
                Condition(
                    code, source, f"{why}: the configuration does not name them (files)", Verdict.UNKNOWN, None, Weight.ADVICE
                ),
            )
        said = f": {facts.state}" if facts is not None else ""
        return (
            Condition(code, source, why + said, Verdict.UNKNOWN, None, Weight.OVERRIDABLE, "Let it be asked, or say why not."),
        )
    lost = outside(facts, context.source, context.settings.volume_groups)
    if not lost:
        return (Condition(code, source, f"all files of {app.name} lie on the set: one instant for all", Verdict.MET, at),)
    named = ", ".join(f"{f.what} {f.path}" for f in lost)
    sentence = f"files of {app.name} lie outside the set, and would be of another time than the rest: {named}"
    remedy = "Add their volume groups and pairs to the set. A copy that is torn in this way is damaged, even where it starts."
    return (Condition(code, source, sentence, Verdict.NOT_MET, at, Weight.OVERRIDABLE, remedy),)


def online_redo(context: Context, paths: Iterable[str] | None = None) -> tuple[Condition, ...]:
    """Whether the online redo logs of today would be overwritten: with them goes what no archived log has yet.

    `paths` are those that a restore of files writes to; without them it is the groups of the plan.
    """
    app, facts, source = context.settings.application, context.estate.facts, context.settings.source
    if app is None or app.driver != "oracle":
        return ()
    code, at = "ONLINE_REDO", context.estate.measured_at
    if facts is None or facts.files is None:
        sentence = f"where the online redo logs of {app.name} lie is not known; they may be overwritten by older ones"
        remedy = "Start it, at least mounted, so that it can be asked; or say why they may be lost."
        return (Condition(code, source, sentence, Verdict.UNKNOWN, None, Weight.OVERRIDABLE, remedy),)
    if paths is None:
        logs = inside(facts, context.source, [g.name for g in context.groups], ("redo",))
    else:
        trees = tuple(paths)
        logs = tuple(f for f in facts.files if f.what == "redo" and any(within(f.path, tree) for tree in trees))
    if not logs:
        return (Condition(code, source, f"the online redo logs of {app.name} are not overwritten", Verdict.MET, at),)
    sentence = (
        f"the current online redo logs of {app.name} would be overwritten by older ones: {', '.join(f.path for f in logs)}; "
        "it comes back as of that point in time, and can never again be recovered beyond it"
    )
    remedy = "To recover up to now, restore its data files alone: redo and control files belong into groups of their own."
    return (Condition(code, source, sentence, Verdict.NOT_MET, at, Weight.OVERRIDABLE, remedy),)


def _stops(context: Context) -> bool:
    """Whether the plan can stop the application: by the configuration's command, or by its driver."""
    app, driver = context.settings.application, context.drivers.application
    own = driver is not None and driver.verb("stop", context.drivers.source_ref) is not None
    return own or (app is not None and bool(app.stop))


def application_stopped(context: Context) -> tuple[Condition, ...]:
    app, state = context.settings.application, context.estate.application
    if app is None:
        return ()
    at, source = context.estate.measured_at, context.settings.source
    name = f"the application {app.name}"
    if state == "running" and _stops(context):
        return (Condition("APPLICATION", source, f"{name} runs; the plan stops it", Verdict.PLANNED, at),)
    verdict = {"running": Verdict.NOT_MET, "stopped": Verdict.MET}.get(state, Verdict.UNKNOWN)
    words = {Verdict.NOT_MET: "runs", Verdict.MET: "is stopped"}.get(verdict, f"cannot be asked: {state}")
    return (
        Condition(
            "APPLICATION",
            source,
            f"{name} {words}",
            verdict,
            at,
            Weight.OVERRIDABLE,
            "" if verdict is Verdict.MET else "Stop it.",
        ),
    )


def _target(context: Context) -> Condition:
    used = bcvs_in_use(context.target, context.plain_pairs, context.settings.mount.prefix)
    return Condition(
        "BCVS_FREE", context.settings.target, "; ".join(used) if used else "no BCV is in use here", _verdict(not used),
        context.target.measured_at, remedy=f"Clean up first: splitmount run cleanup {context.settings.name}" if used else "",
    )  # fmt: skip


def layout_changes(then: HostFacts, groups: Iterable[VolumeGroup]) -> list[str]:
    """What lies otherwise than in the map of that point in time, as sentences: devices and volumes of each group.

    Ids of groups are left out: some systems give a copy a new one at its import, and a restore brings that back with it.
    """
    out = []
    for group in groups:
        before = then.group(group.name)
        if before is None:
            out.append(f"group {group.name} is not in the map")
            continue
        old, new = _lies(before), _lies(group)
        out += [f"{group.name}: {what} was not there then" for what in new if what not in old]
        out += [f"{group.name}: {what} is gone" for what in old if what not in new]
        out += [
            f"{group.name}: {what} was {old[what]} and is {new[what]}" for what in old if what in new and old[what] != new[what]
        ]
    return out


def _lies(group: VolumeGroup) -> dict[str, str]:
    """What of a group lies where: devices by serial, volumes by name, each with its size."""
    serials = {p.path: p.device_serial for p in group.physical}
    devices = {f"device {p.device_serial}": f"{p.size} bytes" for p in group.physical}
    volumes = {
        f"volume {v.name}": f"{v.kind} of {v.size} bytes on {', '.join(sorted(serials[d] for d in v.devices))}"
        for v in group.volumes
    }
    return devices | volumes


# --- takeover ---------------------------------------------------------------------------------------------------------


def takeover_conditions(context: Context) -> tuple[Condition, ...]:
    """What a takeover needs: a source that is dead, or has let go, or an operator who answers for it."""
    settings, estate = context.settings, context.estate
    if estate.source is None:
        sentence = f"it does not answer, so nothing there could be measured: {estate.errors.get('source', 'not asked')}"
        remedy = "See with your own eyes that it is off, or cut it from its disks."
        return (
            Condition("RELEASED", settings.source, sentence, Verdict.UNKNOWN, None, Weight.ADVICE, remedy),
            *_by_map(context),
        )
    used = still_used(estate.source, settings.volume_groups)
    sentence = (
        f"it is alive and uses its data: {'; '.join(used)}" if used else "it is alive, and nothing of the set is mounted there"
    )
    released = Condition(
        "RELEASED", settings.source, sentence, _verdict(not used), estate.source.measured_at, Weight.OVERRIDABLE,
        "Stop it there first, or use a restore or a rehearsal." if used else "",
    )  # fmt: skip
    if settings.source == settings.target:
        return (released,)  # the one machine answers, of course; what counts is whether the original is still in use
    alive = Condition(
        "SOURCE_ALIVE", settings.source, "it answers: a takeover from a living source splits one service into two if anybody starts it there again",
        Verdict.NOT_MET, estate.source.measured_at, Weight.OVERRIDABLE, "Say why it is taken over all the same.",
    )  # fmt: skip
    return released, alive


def _by_map(context: Context) -> tuple[Condition, ...]:
    """By which map, how old, the takeover goes; and what nobody could measure, because the source is down."""
    kept, source, now = context.kept, context.settings.source, context.estate.measured_at
    if kept is None:
        return ()
    split = min((s.split_at for s in context.pairs if s.split_at is not None), default=now)
    sentence = (
        f"the map of {kept.measured_at:%Y-%m-%d %H:%M:%S} UTC is whole; at {now:%H:%M:%S} it was {age_of(now - kept.measured_at)} old, "
        f"and it is {age_of(max(split - kept.measured_at, timedelta()))} older than the data"
    )
    unknown = (
        "what was mounted and active at its end, whether its application ran, and what was changed in its groups after the map"
    )
    return (
        Condition("MAP_KEPT", kept.origin or "this console", sentence, Verdict.MET, now),
        Condition("NOT_MEASURED", source, f"not known: {unknown}", Verdict.UNKNOWN, None, Weight.ADVICE),
    )


def _verdict(good: bool) -> Verdict:
    return Verdict.MET if good else Verdict.NOT_MET


def _planned(code: str, where: str, sentence: str, found: Iterable[str], clear: str, at: datetime) -> Condition:
    return (
        Condition(code, where, sentence, Verdict.PLANNED, at) if list(found) else Condition(code, where, clear, Verdict.MET, at)
    )
