"""What the report of a rehearsal says that was tested."""

from __future__ import annotations

from core.rehearse import NOTHING, SAMPLED, report

SUMMARY = ("what", f"tested: import, {SAMPLED}, shop", "not tested: network addresses", "  more")


def test_the_report_of_a_rehearsal_tells_how_many_files_were_read_and_not_how_many_might_have_been() -> None:
    assert report(SUMMARY, "16 files of the copy are as on the source") == [
        "tested: import, checksums (16 files of the copy are as on the source), shop",
        "not tested: network addresses",
    ]


def test_the_report_of_a_rehearsal_without_a_file_to_read_says_that_checksums_were_not_tested() -> None:
    assert report(SUMMARY, NOTHING) == [
        "tested: import, shop",
        f"not tested: network addresses, checksums of files ({NOTHING})",
    ]
    assert report(("tested: a", "not tested: checksums of files"), "") == ["tested: a", "not tested: checksums of files"]
