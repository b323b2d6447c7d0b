"""The real engine on the toy world: no host is needed, every event is real."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.engine import DriverTables, Engine
from core.events import RunEnded
from core.plan import Plan
from core.settings import ArraySettings, HostSettings, Settings
from tests.core.toy import ToyArray, ToyBackup, ToyHost, ToyTransport, ToyWorld, toy_settings
from tui.progress import follow_run


def toy_engine(root: Path, *, read_only: bool = False) -> tuple[Engine, ToyWorld]:
    """An engine whose hosts are directories, and the world behind it."""
    (root / "target").mkdir(exist_ok=True)
    world = ToyWorld(root)
    hosts = {
        name: HostSettings(name, "linux", "127.0.0.1", work_dir=str(root / "work")) for name in ("source", "target", "mgmt")
    }
    settings: Settings = replace(toy_settings(root), hosts=hosts, arrays={"toy": ArraySettings("toy", "toy", "mgmt")})
    tables = DriverTables({"linux": ToyHost(world)}, {"toy": lambda a: ToyArray(world)}, {"toy": lambda b: ToyBackup()})
    return Engine(settings, tables, ToyTransport(world, read_only=read_only)), world


def followed(engine: Engine, plan: Plan) -> RunEnded:
    """Run the plan to its end, as a command does that is to be silent."""
    return follow_run(engine, engine.start(plan, confirmed=plan.confirm).result(), quiet=True)
