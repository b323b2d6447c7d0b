"""Adding to a configuration: what was there stays byte by byte, what comes out is the old one plus the new part, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import load
from core.configedit import Draft, Part, added
from core.configfile import opened, pairs_written, put
from core.errors import ConfigError
from core.model import Pair
from core.settings import ArraySettings, BackupSettings, HostSettings, MountSettings, PostPolicy, SetSettings

COMMENTED = """\
# what we have, as of today
hosts:
    web1:   {os: linux, address: 192.0.2.10}   # the old one
    # web2 comes in spring

    mgmt:
        os: linux
        address: "192.0.2.30"  # behind the wall
        # port: 2222

# arrays come next
arrays: {sym: {driver: symmetrix, host: mgmt, sid: '000187400079'}}
sets:   # none yet
"""
HOST = HostSettings("dr1", "linux", "192.0.2.20", 2222, "root", become="sudo")
ARRAY = ArraySettings("lab", "qemu", "dr1", "/run/qmp", (("79020000", "std0"), ("790E4000", "bcv0")))


def a_set(base: Path, array: str = "sym") -> SetSettings:
    return SetSettings(
        "web",
        "web1",
        "dr1",
        array,
        base / "web.pairs",
        (Pair("7902C000", "790B4000"), Pair("7902D000", "790B5000", "c1t0d0")),
        ("vg web", "vgdata"),
        MountSettings("/mnt/web", read_only=False),
        post_policy=PostPolicy.UP,
        backup=BackupSettings("archive", str(base / "repo of web")),
    )


def parts(base: Path) -> tuple[Part, ...]:
    return HOST, ARRAY, a_set(base)


@pytest.mark.parametrize(
    "text",
    [
        COMMENTED,
        COMMENTED.replace("\n", "\r\n"),
        COMMENTED.rstrip("\n"),
        COMMENTED.replace("sets:   # none yet\n", ""),
        COMMENTED.replace("sets:   # none yet", "sets: {}  # none yet"),
        "{hosts: {web1: {os: linux, address: a}, mgmt: {os: linux, address: b}},\n"
        " arrays: {sym: {driver: symmetrix, host: mgmt, sid: '000187400079'}}} # all\n",
    ],
)
def test_each_byte_outside_of_the_new_blocks_stays_and_the_rest_is_what_was_added(tmp_path: Path, text: str) -> None:
    draft = Draft(tmp_path / "splitmount.yaml", text, text)
    for part in parts(tmp_path):
        before, draft = draft.text, added(draft, part)
        at = next(n for n in range(len(before) + 1) if n == len(before) or before[n] != draft.text[n])
        grown = len(draft.text) - len(before)
        assert any(draft.text[:n] + draft.text[n + grown :] == before for n in range(at + 1)), draft.text
    settings = draft.settings
    assert (settings.hosts["dr1"], settings.arrays["lab"], settings.sets["web"]) == parts(tmp_path)
    assert list(settings.hosts)[-1 if "{hosts" not in text else 0] == "dr1"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_the_style_the_bytes_that_were_there_stay_around_one_new_block(tmp_path: Path, data: st.DataObject) -> None:
    text = data.draw(styled())
    draft = Draft(tmp_path / "splitmount.yaml", text, text)
    for part in parts(tmp_path):
        before, draft = draft.text, added(draft, part)
        grown = len(draft.text) - len(before)
        assert any(draft.text[:n] + draft.text[n + grown :] == before for n in range(len(before) + 1))


@st.composite
def styled(draw: st.DrawFn) -> str:
    """A configuration as somebody writes it: indents, blank lines, comments, braces, ends of line of his own."""
    noise = st.lists(st.sampled_from(["", "# word", "  # word", "    # a: {b: c}", "         # deep"]), max_size=2)
    tail = st.sampled_from(["", " ", "  # word: {", "  # \u00e4"])
    lines: list[str] = draw(noise)
    deep = " " * draw(st.integers(1, 7))
    sections = {"hosts": {"web1": "a", "mgmt": "b"}, "arrays": {"sym": "mgmt"}, "sets": {}}
    for section in draw(st.permutations(list(sections))):
        if section == "sets" and draw(st.booleans()):
            continue
        lines += [f"{section}:{draw(tail)}", *draw(noise)]
        for name, value in sections[section].items():
            body = (
                {"os": "linux", "address": value}
                if section == "hosts"
                else {"driver": "symmetrix", "host": value, "sid": "0" * 12}
            )
            if draw(st.booleans()):
                lines.append(f"{deep}{name}: {{{', '.join(f'{k}: {v}' for k, v in body.items())}}}{draw(tail)}")
            else:
                more = deep + " " * draw(st.integers(1, 4))
                lines += [f"{deep}{name}:{draw(tail)}", *(f"{more}{k}: '{v}'{draw(tail)}" for k, v in body.items())]
            lines += draw(noise)
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(st.sampled_from(["", "\n"]))


def test_a_comment_that_belongs_to_the_last_entry_stays_with_it(tmp_path: Path) -> None:
    text = added(Draft(tmp_path / "splitmount.yaml", COMMENTED, COMMENTED), HOST).text
    assert "        # port: 2222\n    dr1:\n      os: linux\n      address: 192.0.2.20\n" in text


def test_an_empty_file_becomes_a_whole_configuration(tmp_path: Path) -> None:
    draft = opened(tmp_path / "splitmount.yaml")
    for part in (HostSettings("web1", "linux", "a"), HOST, ARRAY, a_set(tmp_path, "lab")):
        draft = added(draft, part)
    with pairs_written(draft):
        put(draft)
    assert load(draft.path).sets["web"] == a_set(tmp_path, "lab")
    assert draft.path.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["splitmount.yaml", "web.pairs"]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (HostSettings("web1", "linux", "a"), "web1 is taken"),
        (HostSettings("dr1", "linux", "a", 70000), "^hosts.dr1.port: expected a number from 1 to 65535, got '70000'"),
        (HostSettings("dr1", "linux", "a", jump="nowhere"), "there is no host 'nowhere'"),
        (HostSettings("dr 1", "linux", "a"), "is no name for this"),
        (ArraySettings("sym2", "symmetrix", "mgmt", sid="79"), "the 12 digits of a Symmetrix id"),
    ],
)
def test_a_part_that_does_not_fit_is_refused_in_a_sentence(tmp_path: Path, part: Part, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        added(Draft(tmp_path / "splitmount.yaml", COMMENTED, COMMENTED), part)


def test_what_cannot_be_put_in_without_changing_the_rest_is_left_to_a_person(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="by hand:\nhosts:\n  dr1:\n    os: linux"):
        added(Draft(tmp_path / "splitmount.yaml", "hosts: ~\n", "hosts: ~\n"), HOST)


def test_pairs_that_their_own_parser_refuses_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    odd = SetSettings(
        "web", "web1", "mgmt", "sym", tmp_path / "p", (Pair("7902F00", "790B4000"),), ("vg",), MountSettings("/m")
    )
    with pytest.raises(ConfigError, match="has 7 hexadecimal digits"):
        added(Draft(tmp_path / "splitmount.yaml", COMMENTED, COMMENTED), odd)


def test_the_file_keeps_its_mode_its_mark_and_every_byte_that_was_there(tmp_path: Path) -> None:
    file = tmp_path / "splitmount.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + COMMENTED.encode())
    file.chmod(0o640)
    put(added(opened(file), HOST))
    data = file.read_bytes()
    head, _, tail = data.partition(b"    dr1:")
    assert data.startswith(b"\xef\xbb\xbf# what we have")
    assert head + tail[tail.index(b"\n\n# arrays") + 1 :] == b"\xef\xbb\xbf" + COMMENTED.encode()
    assert file.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["splitmount.yaml"]


def test_a_file_that_was_changed_meanwhile_or_made_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "splitmount.yaml"
    new = added(opened(file), HOST)
    file.write_text(COMMENTED)
    with pytest.raises(ConfigError, match="was changed while"):
        put(new)
    changed = added(opened(file), HOST)
    file.write_text(COMMENTED + "# more\n")
    with pytest.raises(ConfigError, match="was changed while"):
        put(changed)
    assert file.read_text() == COMMENTED + "# more\n"


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text(COMMENTED)
    (tmp_path / "splitmount.yaml").symlink_to("real.yaml")
    with pytest.raises(ConfigError, match=r"symbolic link to real\.yaml"):
        opened(tmp_path / "splitmount.yaml")
    (tmp_path / "dangling.yaml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="symbolic link to nowhere"):
        opened(tmp_path / "dangling.yaml")


def change_and_put(draft: Draft) -> None:
    """Somebody was quicker."""
    draft.path.write_text(f"{draft.before}# more\n")
    put(draft)


def test_a_pairs_file_that_is_there_is_never_overwritten_and_a_new_one_goes_when_the_rest_fails(tmp_path: Path) -> None:
    text = COMMENTED.replace("mgmt:\n", "dr1: {os: linux, address: x}\n    mgmt:\n")
    (tmp_path / "splitmount.yaml").write_text(text)
    draft = added(opened(tmp_path / "splitmount.yaml"), a_set(tmp_path))
    with pytest.raises(ConfigError, match="was changed while"), pairs_written(draft):
        change_and_put(draft)
    assert os.listdir(tmp_path) == ["splitmount.yaml"]
    with pytest.raises(ConfigError, match="was changed while"), pairs_written(draft):
        raise AssertionError("nothing may come after it")
    draft = added(opened(tmp_path / "splitmount.yaml"), a_set(tmp_path))
    (tmp_path / "web.pairs").write_text("mine\n")
    with pytest.raises(ConfigError, match="is there already"), pairs_written(draft):
        raise AssertionError("nothing may come after it")
    assert (tmp_path / "web.pairs").read_text() == "mine\n"
